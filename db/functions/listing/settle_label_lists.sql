-- Takes the labels of stored messages from the lists of each label's messages: of the next p_limit
-- listed messages after p_after, by id. They leave the queue as after refresh_messages. Returns the
-- p_after of the next call, or NULL at the end, when the lists are dropped. Lists that are not all
-- complete settle nothing. Raises SY003 when p_limit is not between 1 and 10,000, SY001 when the
-- lease is gone.
--
-- A message's history_id becomes the one pinned before the listing: the lists are newer, and the
-- history since then is applied next. A message with a label that Gmail does not list stays queued.

create or replace function gmail_sync.settle_label_lists(
  p_task_id text, p_after text default '', p_limit integer default 1000
)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
  v_limit integer := gmail_sync._check_page_size(p_limit, 10000);
  v_message_ids text[];
  v_settled jsonb;
  v_is_over boolean;
begin
  if exists (
    select from gmail_sync.label_listing where user_id = v_user_id
  ) and not exists (
    select from gmail_sync.label l
    where l.user_id = v_user_id
      and not gmail_sync._label_is_listed(l)
  ) then
    v_message_ids := array(
      select l.message_id
      from gmail_sync.listing l
      where l.user_id = v_user_id
        and l.message_id > p_after
      order by l.message_id
      limit v_limit
    );
    v_settled := gmail_sync._settled_messages(v_user_id, v_message_ids);
  end if;

  if v_settled is not null then
    perform gmail_sync.refresh_messages(p_task_id, v_settled);
  end if;
  if cardinality(v_message_ids) = v_limit then
    return v_message_ids[v_limit];
  end if;
  v_is_over := gmail_sync._delete_label_lists(v_user_id, v_limit);
  perform gmail_sync._update_counts_fenced(p_task_id, v_user_id, '{}', '{}', 'fetching', false);
  return case when not v_is_over then p_after end;
end;
$$;

comment on function gmail_sync.settle_label_lists(text, text, integer) is
'Take the labels of stored messages from the lists of each label''s messages.';

revoke all on function gmail_sync.settle_label_lists(text, text, integer) from public;
grant execute on function gmail_sync.settle_label_lists(text, text, integer)
  to gmail_sync_service;
