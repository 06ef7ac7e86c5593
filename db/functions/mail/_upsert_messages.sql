-- Inserts or replaces messages; arguments as store_messages. Returns the count that each belongs
-- into: new, updated (labels or content changed) or unchanged, which keeps its change number. A row
-- that was there carries in xmax the lock it was replaced under, a new one carries none.
--
-- Also returns by how much each changes mail_count. A statement does not see its own changes, so
-- it reads what a replaced row was.

create or replace function gmail_sync._upsert_messages(
  p_user_id gmail_sync.user_key, p_messages jsonb, p_raws bytea[]
)
returns table (stored_id text, bucket text, added integer, added_raw integer)
language plpgsql
volatile
as $$
declare
  v_before bigint := nextval('gmail_sync.message_change');
begin
  return query
  insert into gmail_sync.message as stored (
    user_id, message_id, thread_id, history_id, internal_date, label_ids, subject, sender,
    recipients, cc, bcc, reply_to, sent_at, rfc822_message_id, in_reply_to, reference_ids,
    headers, snippet, body_text, body_html, html_text, size_estimate, defects, raw,
    change_number, created_number
  )
  select
    p_user_id, g.message_id, g.thread_id, g.history_id, gmail_sync._from_epoch_ms(g.internal_date),
    gmail_sync._sorted_label_ids(g.label_ids), g.subject, g.sender, g.recipients, g.cc, g.bcc,
    g.reply_to, g.sent_at, g.rfc822_message_id, g.in_reply_to, g."references", g.headers,
    g.snippet, g.body_text, g.body_html, g.html_text, g.size_estimate,
    array(select jsonb_array_elements_text(coalesce(g.defects, '[]'))),
    p_raws[e.n], nextval('gmail_sync.message_change'), currval('gmail_sync.message_change')
  from jsonb_array_elements(p_messages) with ordinality as e (message, n)
  cross join lateral jsonb_to_record(e.message) as g (
    message_id text, thread_id text, history_id numeric, internal_date numeric, label_ids jsonb,
    subject text, sender text, recipients text, cc text, bcc text, reply_to text, headers jsonb,
    sent_at timestamptz, rfc822_message_id text, in_reply_to text, "references" text, defects jsonb,
    snippet text, body_text text, body_html text, html_text text, size_estimate bigint
  )
  order by g.message_id
  on conflict (user_id, message_id) do update set
    (
      thread_id, history_id, internal_date, label_ids, subject, sender, recipients, cc, bcc,
      reply_to, sent_at, rfc822_message_id, in_reply_to, reference_ids, headers, snippet,
      body_text, body_html, html_text, size_estimate, defects, deleted_at
    ) = (
      excluded.thread_id, excluded.history_id, excluded.internal_date, excluded.label_ids,
      excluded.subject, excluded.sender, excluded.recipients, excluded.cc, excluded.bcc,
      excluded.reply_to, excluded.sent_at, excluded.rfc822_message_id, excluded.in_reply_to,
      excluded.reference_ids, excluded.headers, excluded.snippet, excluded.body_text,
      excluded.body_html, excluded.html_text, excluded.size_estimate, excluded.defects, null
    ),
    raw = coalesce(excluded.raw, stored.raw),
    change_number = case
      when (stored.label_ids, stored.headers, stored.body_text, stored.body_html)
        is not distinct from
          (excluded.label_ids, excluded.headers, excluded.body_text, excluded.body_html)
        and (stored.raw is not null or excluded.raw is null)
        and stored.deleted_at is null then stored.change_number
      else excluded.change_number
    end,
    created_number = case when stored.deleted_at is null then stored.created_number
      else excluded.created_number end
  returning stored.message_id, case
      when stored.xmax = 0 then 'new'
      when stored.change_number > v_before then 'updated'
      else 'unchanged'
    end,
    case when stored.xmax = 0 then 1 else (
      select (o.deleted_at is not null)::integer from gmail_sync.message o
      where o.user_id = p_user_id and o.message_id = stored.message_id
    ) end,
    (stored.raw is not null)::integer - case when stored.xmax = 0 then 0 else (
      select (o.deleted_at is null and o.raw is not null)::integer from gmail_sync.message o
      where o.user_id = p_user_id and o.message_id = stored.message_id
    ) end;
end;
$$;

comment on function gmail_sync._upsert_messages(gmail_sync.user_key, jsonb, bytea[]) is
'Insert or replace messages; arguments as store_messages.';

revoke all on function gmail_sync._upsert_messages(gmail_sync.user_key, jsonb, bytea[]) from public;
