create or replace view gmail_sync.zombie_syncs as
select *
from gmail_sync.running_syncs
where cause is not null;

comment on view gmail_sync.zombie_syncs is
'Claimed runs whose lease has lapsed; the reaper will end them.';

grant select on gmail_sync.zombie_syncs to gmail_sync_reader, gmail_sync_dba;
