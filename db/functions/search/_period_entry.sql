-- The index entry of the period that a moment belongs to: its year, month or day in UTC. By them a
-- search reads the newest hits first, however many a word has.

create or replace function gmail_sync._period_entry(
  p_user_id text, p_period text, p_at timestamptz
)
returns text
language sql
immutable
return gmail_sync._search_key(p_user_id) || '@' || p_period
  || extract(epoch from date_trunc(p_period, p_at at time zone 'UTC'))::bigint::text;

comment on function gmail_sync._period_entry(text, text, timestamptz) is
'The index entry of the period that a moment belongs to.';

revoke all on function gmail_sync._period_entry(text, text, timestamptz) from public;
