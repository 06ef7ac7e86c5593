create or replace view gmail_sync.labels as
select user_id::text as user_id, label_id, name, type
from gmail_sync.label;

comment on view gmail_sync.labels is
'Labels of each account.';

grant select on gmail_sync.labels to gmail_sync_app, gmail_sync_reader, gmail_sync_dba;
