-- What is sent and signed for the event of a stream. Content is read at each attempt and stored
-- nowhere, so an event has no message that was deleted meanwhile.

create or replace function gmail_sync._webhook_body(
  p_stream gmail_sync.webhook_stream, p_with_content boolean
)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_with_content and p_stream.event_type in ('message.created', 'message.updated')
      then jsonb_set(
        p_stream.event_body, '{data}',
        p_stream.event_body -> 'data' || gmail_sync._webhook_content(
          p_stream.user_id, p_stream.event_body #> '{data,message_ids}'
        )
      )
    else p_stream.event_body
  end::text;
$$;

comment on function gmail_sync._webhook_body(gmail_sync.webhook_stream, boolean) is
'What is sent and signed for the event of a stream.';

revoke all on function gmail_sync._webhook_body(gmail_sync.webhook_stream, boolean) from public;
