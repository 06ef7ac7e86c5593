-- Adds a webhook with a given id and secret: a webhook for all users is at each of several nodes.
-- Raises SY003 for an argument that is not valid, or for more than 20 webhooks of one user.

create or replace function gmail_sync._add_webhook(
  p_user_id text, p_url text, p_events text[], p_with_content boolean, p_id text, p_secret text
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user gmail_sync.user_key;
begin
  if p_user_id is not null then
    v_user := gmail_sync._valid_user_id(p_user_id);
    perform pg_advisory_xact_lock(hashtext('gmail_sync webhooks'), hashtext(v_user));
    if (select count(*) from gmail_sync.webhook w where w.user_id = v_user) >= 20 then
      raise exception 'user % has 20 webhooks, the most there can be', p_user_id
        using errcode = 'SY003', hint = 'Remove one first.';
    end if;
  end if;
  insert into gmail_sync.webhook (id, user_id, url, events, with_content, secrets, starts_after)
  select p_id, v_user, p_url,
    array(
      select distinct e::gmail_sync.webhook_event_type
      from unnest(coalesce(p_events, gmail_sync.webhook_event_types())) e
      order by 1
    ),
    p_with_content, array[p_secret],
    coalesce(pg_sequence_last_value('gmail_sync.message_change'), 0);
exception when check_violation or not_null_violation or invalid_text_representation then
  raise exception 'webhook is not valid: %', sqlerrm
    using errcode = 'SY003',
      hint = format(
        'Give an http or https URL, and events of these: %s.',
        array_to_string(gmail_sync.webhook_event_types(), ', ')
      );
end;
$$;

comment on function gmail_sync._add_webhook(text, text, text[], boolean, text, text) is
'Add a webhook with a given id and secret.';

revoke all on function gmail_sync._add_webhook(text, text, text[], boolean, text, text)
  from public;
