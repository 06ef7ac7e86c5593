"""Faster syncs: the words of messages are indexed after they are stored, and keys are preferred."""

from db.migrations.stored import OWNER, install, restore, run_sql

revision = "0010"
down_revision = "0009"

# Mail can be read and searched meanwhile; storing it waits.
WORDS = """
lock table gmail_sync.message in share row exclusive mode;
create table gmail_sync.message_words (
  user_id gmail_sync.user_key not null,
  message_id text not null,
  words tsvector
);

comment on table gmail_sync.message_words is
'The words of each message, for the search; NULL until index_messages has found them.';

-- As small as with pglz in half the time, where the server was built with it.
do $$
begin
  if exists (
    select from pg_settings where name = 'default_toast_compression' and 'lz4' = any (enumvals)
  ) then
    alter table gmail_sync.message_words alter column words set compression lz4;
  end if;
end;
$$;

insert into gmail_sync.message_words (user_id, message_id, words)
select user_id, message_id, search from gmail_sync.message;

alter index gmail_sync.messages_by_word rename to messages_by_word_before;
alter table gmail_sync.message_words add primary key (user_id, message_id);
create index messages_by_word on gmail_sync.message_words using gin (words);
create index messages_to_index on gmail_sync.message_words (user_id) where words is null;
"""

# Of indexes that look as good the planner takes the newest, and in a table that was never analyzed
# all of a user's do: so the key of messages has to be that.
KEY = """
alter table gmail_sync.attachment drop constraint attachment_user_id_message_id_fkey;
alter table gmail_sync.message drop constraint message_pkey, add primary key (user_id, message_id);
alter table gmail_sync.attachment
  add foreign key (user_id, message_id) references gmail_sync.message on delete cascade;
alter table gmail_sync.message_words
  add foreign key (user_id, message_id) references gmail_sync.message on delete cascade;
alter table gmail_sync.message drop column search;
"""

REPLACED = """
drop function gmail_sync._replace_attachments(text, jsonb);
drop function gmail_sync._search_vector(text, text, text, text);
drop function gmail_sync._upsert_messages(text, jsonb, bytea[]);
"""

DOWN = """
alter table gmail_sync.message add column search tsvector;
do $$
begin
  if exists (
    select from pg_settings where name = 'default_toast_compression' and 'lz4' = any (enumvals)
  ) then
    alter table gmail_sync.message alter column search set compression lz4;
  end if;
end;
$$;

update gmail_sync.message m
set search = coalesce(
  (
    select w.words
    from gmail_sync.message_words w
    where w.user_id = m.user_id
      and w.message_id = m.message_id
  ),
  gmail_sync._search_vector(
    m.subject, concat_ws(' ', m.sender, m.recipients, m.cc), m.body_text, m.body_html
  )
);
alter table gmail_sync.message alter column search set not null;
create index messages_by_word_again on gmail_sync.message using gin (search);

drop table gmail_sync.message_words;
alter index gmail_sync.messages_by_word_again rename to messages_by_word;
"""


def upgrade() -> None:
    run_sql(f"set local role {OWNER}")
    run_sql(WORDS)
    run_sql(KEY)
    run_sql(REPLACED)
    run_sql("reset role")
    install(revision)


def downgrade() -> None:
    restore(revision)
    run_sql(f"set local role {OWNER}")
    run_sql(DOWN)
    run_sql("reset role")
