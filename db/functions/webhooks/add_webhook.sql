-- Adds a webhook for the events of one user, or of all when p_user_id is NULL. Without p_events it
-- gets all. Returns its id and its secret, which no other call but a rotation returns. It reports
-- what happens from now on; replay_webhook reports earlier changes. Raises SY003 for an argument
-- that is not valid, or for more than 20 webhooks of one user.

create or replace function gmail_sync.add_webhook(
  p_user_id text, p_url text, p_events text[] default null
)
returns table (id text, secret text)
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
  return query
    insert into gmail_sync.webhook as w (user_id, url, events, secrets, starts_after)
    select v_user, p_url,
      coalesce(
        p_events,
        array[
          'message.created', 'message.updated', 'message.deleted', 'sync.finished', 'sync.failed',
          'account.connected', 'account.reauth_required', 'account.disconnected'
        ]
      ),
      array[gmail_sync._new_webhook_secret()],
      coalesce(pg_sequence_last_value('gmail_sync.message_change'), 0)
    returning w.id, w.secrets[1];
exception when check_violation or not_null_violation then
  raise exception 'webhook is not valid: %', sqlerrm
    using errcode = 'SY003', hint = 'Give an http or https URL and known events.';
end;
$$;

comment on function gmail_sync.add_webhook(text, text, text[]) is
'Add a webhook for the events of one user, or of all; returns its id and secret.';

revoke all on function gmail_sync.add_webhook(text, text, text[]) from public;
grant execute on function gmail_sync.add_webhook(text, text, text[])
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
