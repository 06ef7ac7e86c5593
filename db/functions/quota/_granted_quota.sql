-- The quota profiles as this database may use them: its part of what Google grants a project. Nodes
-- of one project share that, as settings.project_share says.

create or replace view gmail_sync._granted_quota as
select
  q.name,
  q.alias,
  q.user_units,
  floor(q.project_units * s.project_share)::integer as project_units,
  q.window_length,
  floor(q.day_units * s.project_share)::bigint as day_units,
  q.ends_on
from gmail_sync.quota_profile q
cross join gmail_sync.settings s;

comment on view gmail_sync._granted_quota is
'The quota profiles with this database''s part of what Google grants a project.';
