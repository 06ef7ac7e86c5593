-- Puts two users who share a mailbox into the state that is named: claimed, queued, zombie or idle.
create function public.populate(p_state text) returns void
language plpgsql
set session_replication_role = replica
as $$
declare
  v_user text;
  v_task text;
begin
  delete from gmail_sync.user_sync_status;
  delete from gmail_sync.fetch_queue;
  delete from gmail_sync.fetch_batch;
  delete from gmail_sync.touched;
  delete from gmail_sync.listing;
  delete from gmail_sync.imported_message;
  delete from gmail_sync.mail_import;
  delete from gmail_sync.attachment;
  delete from gmail_sync.index_backlog;
  delete from gmail_sync.index_queue;
  delete from gmail_sync.message_words;
  delete from gmail_sync.message;
  delete from gmail_sync.mail_count;
  delete from gmail_sync.label_listing;
  delete from gmail_sync.label;
  delete from gmail_sync.account;
  delete from gmail_sync.schedule;
  delete from gmail_sync.quota_charge;
  delete from gmail_sync.audit_event;
  delete from gmail_sync.repair_log;
  delete from gmail_sync.worker;
  delete from gmail_sync.reaper_beat;
  delete from gmail_sync.webhook_delivery;
  delete from gmail_sync.webhook_event;
  delete from gmail_sync.webhook_stream;
  delete from gmail_sync.webhook;
  insert into gmail_sync.webhook (id, user_id, url, events, secrets, starts_after)
  select w.id, w.user_id, 'https://app.example/',
    '{message.created,message.updated,message.deleted,sync.failed,account.disconnected}',
    '{whsec_c2VjcmV0}', 0
  from (values ('wh_all', null), ('wh_mine', 'ann')) as w (id, user_id);
  insert into gmail_sync.webhook_stream (webhook_id, user_id, change_number, waiting_since)
  values ('wh_all', 'bo', 0, now()), ('wh_mine', 'ann', 0, now());
  insert into gmail_sync.webhook_stream
    (webhook_id, user_id, change_number, waiting_since, due_at, lease, event_id, event_type)
  values (
    'wh_all', 'ann', 0, now(), now() + interval '1 min', '5f0c9a52-6d0e-4a3e-9a43-6b1f3c3f7f10', 'msg_1',
    'sync.failed'
  );

  foreach v_user in array array['bo', 'ann'] loop
    v_task := 'run of ' || v_user;
    insert into gmail_sync.account
      (user_id, email, credentials, history_id, sync_interval, connected_at, content_mode)
    values (v_user, 'shared@mail.example', 'sealed', 7, '1 min', now() - interval '1 day', 'full');
    insert into gmail_sync.schedule (user_id) values (v_user);
    update gmail_sync.account
    set listing_history_id = 9, listing_complete = true, messages_total = 3
    where user_id = v_user;
    insert into gmail_sync.message (
      user_id, message_id, thread_id, history_id, internal_date, label_ids, headers, snippet,
      size_estimate, change_number
    )
    select v_user, m, m, 1, now(), '{L}', '[]', '', 1, 1 from unnest('{s,old}'::text[]) m;
    insert into gmail_sync.mail_count values (v_user, 2, 0);
    insert into gmail_sync.index_queue values (v_user, now(), 's');
    insert into gmail_sync.message_words values (v_user, 'old', now(), '');
    insert into gmail_sync.attachment (user_id, message_id, part_id, mime_type, size, inline)
    values (v_user, 's', '1', 'text/plain', 1, false);
    insert into gmail_sync.label values (v_user, 'L', 'L', 'user');
    insert into gmail_sync.listing values (v_user, 's'), (v_user, 'a');
    insert into gmail_sync.imported_message (
      user_id, import_key, message_id, thread_id, label_ids, label_names, size, parsed
    )
    values (v_user, 'a', 'a', 'a', '{L}', '{}', 1, '{
      "thread_id": "a", "internal_date": 0, "headers": [], "snippet": "", "size_estimate": 1,
      "attachments": []
    }');
    insert into gmail_sync.mail_import (user_id, keep_deleted) values (v_user, true);
    insert into gmail_sync.label_listing values (v_user, 's', 'L'), (v_user, '', 'L');
    insert into gmail_sync.fetch_queue (user_id, message_id, reason, dead)
    values (v_user, 'a', 'listed', false), (v_user, 'b', 'listed', false),
      (v_user, 'd', 'listed', true);
    insert into gmail_sync.fetch_batch (user_id, task_id, message_ids)
    values (v_user, v_task, '{a}');
    insert into gmail_sync.touched
    values (v_user, 's', 'new', 'new'), (v_user, 'a', 'pending', null);
    -- Booked ahead, so that their order in time is not that in the table.
    insert into gmail_sync.quota_charge (profile, user_id, charged_at, units)
    select 'google-standard', v_user, now() - n * interval '5 min', 1 from generate_series(1, 5) n;
    insert into gmail_sync.audit_event (act, user_id, actor, role, application, detail)
    values ('connected', v_user, v_user, 'x', 'x', '{}');
    insert into gmail_sync.repair_log (source, task_id, user_id, action, rules, original)
    values ('x', v_task, v_user, 'repaired', '{}', jsonb_build_object('user', v_user));
    insert into gmail_sync.worker
      (id, version, capacity, living_slots, dropped_log_lines, seen_at)
    values (md5(v_user)::uuid, '1', 1, 1, 0, now() - interval '2 days');
    insert into gmail_sync.user_sync_status (
      task_id, user_id, is_syncing, phase, progress_percentage, finished_at, outcome,
      started_at, claimed_at, updated_at
    )
    values (
      'ended run of ' || v_user, v_user, false, 'done', 100, now() - interval '1 day', 'succeeded',
      now() - interval '1 day', now() - interval '1 day', now() - interval '1 day'
    );
    if p_state <> 'idle' then
      insert into gmail_sync.user_sync_status
        (task_id, user_id, started_at, claimed_at, updated_at, phase, resumes, found, new, pending)
      values (
        v_task, v_user, now() - case v_user when 'ann' then interval '3 min' else '2 min' end,
        case when p_state <> 'queued' then now() - interval '2 min' end,
        now() - case p_state when 'zombie' then interval '61 s' else interval '1 s' end,
        case p_state when 'queued' then 'queued' else 'fetching' end,
        case when p_state <> 'queued' then 'ended run of ' || v_user end, 2, 1, 1
      );
    end if;
  end loop;
end;
$$;

create table public.legacy (
  task_id text, user_id text, is_syncing boolean, progress_percentage integer, error_message text,
  current_stats jsonb, started_at timestamptz, updated_at timestamptz
);
insert into public.legacy
select 'legacy ' || u, u, true, 0, null, '{}', now() - age, now() - age
-- The one who comes later by name comes first by age.
from (values ('ann', interval '5 s'), ('bo', interval '1 s')) as l (u, age);

-- Each row that is written makes its writer dawdle: before a row of its own is there, and with a
-- row of others locked already.
create function public.dawdle() returns trigger
language plpgsql
as $$
begin
  perform pg_sleep(0.004 * random());
  return coalesce(new, old);
end;
$$;

do $$
declare
  v_table regclass;
begin
  for v_table in
    select oid from pg_class where relnamespace = 'gmail_sync'::regnamespace and relkind = 'r'
  loop
    execute format(
      'create trigger dawdle before insert or update or delete on %s'
      ' for each row execute function public.dawdle()', v_table
    );
  end loop;
end;
$$;
