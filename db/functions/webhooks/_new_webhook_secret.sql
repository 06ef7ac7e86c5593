-- A secret to sign with, as Standard Webhooks writes them: 32 bytes from the server's strong random
-- numbers, of which each UUID has 122 bits.

create or replace function gmail_sync._new_webhook_secret()
returns text
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  select 'whsec_' || encode(
    uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'base64'
  );
$$;

comment on function gmail_sync._new_webhook_secret() is
'A new secret that signs the events of a webhook.';

revoke all on function gmail_sync._new_webhook_secret() from public;
