-- A reason for each refusal of Google's that only the operator can end: how many accounts wait, and
-- what the operator must do. It reads 1,000 refused accounts at most.

create or replace function gmail_sync._operator_reasons()
returns setof text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_sort = off
as $$
  with refused as materialized (
    -- The condition of the index accounts_to_reconnect, which has the codes.
    select status_code from gmail_sync.account
    where status in ('reauth_required', 'suspended')
    order by user_id limit 1000
  )
  select format(
    '%s%s account(s) wait for the operator: %s; then start their syncs',
    case when (select count(*) from refused) = 1000 then 'at least ' end, count(*),
    r.operator_advice
  )
  from refused
  join gmail_sync.refusal r on r.code = refused.status_code
  where r.operator_advice is not null
  group by r.operator_advice;
$$;

comment on function gmail_sync._operator_reasons() is
'The reasons why syncs are not healthy that only the operator can end.';

revoke all on function gmail_sync._operator_reasons() from public;
