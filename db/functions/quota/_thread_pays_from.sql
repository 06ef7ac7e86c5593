-- From how many messages of a thread on threads.get costs less than a messages.get for each. NULL
-- where the account keeps raw copies, which threads.get does not give, or calls have no price.

create or replace function gmail_sync._thread_pays_from(p_user_id text)
returns integer
language plpgsql
stable
as $$
begin
  return (
    select t.units / m.units + 1
    from gmail_sync.account a
    join gmail_sync.quota_cost t on t.profile = a.quota_profile
    join gmail_sync.quota_cost m on m.profile = a.quota_profile
    where a.user_id = p_user_id
      and a.content_mode = 'full'
      and (t.method, t.format) = ('threads.get', 'full')
      and (m.method, m.format) = ('messages.get', 'full')
  );
end;
$$;

comment on function gmail_sync._thread_pays_from(text) is
'From how many messages of a thread on threads.get costs less than messages.get.';

revoke all on function gmail_sync._thread_pays_from(text) from public;
