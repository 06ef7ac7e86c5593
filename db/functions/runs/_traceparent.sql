-- The trace of the request: the setting gmail_sync.traceparent of its transaction, a traceparent of
-- W3C's Trace Context. A run keeps it, so that the trace goes on in the worker. It is a setting,
-- because many functions start a run. NULL without one, and for one of another form.

create or replace function gmail_sync._traceparent()
returns text
language sql
stable
as $$
  select substring(
    current_setting('gmail_sync.traceparent', true)
    from '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'
  );
$$;

comment on function gmail_sync._traceparent() is
'The traceparent that the transaction was given, or NULL.';

revoke all on function gmail_sync._traceparent() from public;
