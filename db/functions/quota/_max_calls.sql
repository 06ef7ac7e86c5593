-- How many calls of a Gmail method a user's caps allow at once in its dearest format, one at least;
-- NULL without caps.

create or replace function gmail_sync._max_calls(p_user_id text, p_method text)
returns integer
language plpgsql
stable
as $$
begin
  return (
    select greatest(
      1, floor(min(least(q.user_units, q.project_units, q.day_units * s.share) / c.units))::integer
    )
    from gmail_sync.account a
    join gmail_sync._granted_quota q on q.name = a.quota_profile
    join gmail_sync.quota_cost c on c.profile = q.name
    cross join gmail_sync.quota_share s
    where a.user_id = p_user_id
      and c.method = p_method
      and coalesce(q.user_units, q.project_units, q.day_units) is not null
    group by q.name
  );
end;
$$;

comment on function gmail_sync._max_calls(text, text) is
'How many calls of a Gmail method a user''s caps allow at once.';

revoke all on function gmail_sync._max_calls(text, text) from public;
