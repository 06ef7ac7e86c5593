-- Gmail's milliseconds since 1970 as a time, drawn into the years 1 to 9999: absurd dates
-- occur in real mail.

create or replace function gmail_sync._from_epoch_ms(p_milliseconds numeric)
returns timestamptz
language sql
immutable
as $$
  select to_timestamp(
    greatest(-62135596800, least(253402300799, coalesce(p_milliseconds, 0) / 1000))
      ::double precision
  );
$$;

comment on function gmail_sync._from_epoch_ms(numeric) is
'Milliseconds since 1970 as a time within the years 1 to 9999.';

revoke all on function gmail_sync._from_epoch_ms(numeric) from public;
