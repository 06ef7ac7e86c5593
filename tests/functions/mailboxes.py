"""Mailboxes of any size, quickly: stored and indexed mail, as a few statements of SQL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from service.postgres.calls import Connection

# Messages n of 1 to `count` are spread over 15 years. The last is of this moment. It is stored
# first, as Gmail lists it. Words are as frequent as in a language: w1 is in most messages, and most
# of the 160,000 words are rare. Markers are in a known part of the messages. "kappa" and "delta"
# are often neighbours, but rarely in this order.
_MAIL = """
    with stored as (
      insert into gmail_sync.message (
        user_id, message_id, thread_id, history_id, internal_date, label_ids, subject, sender,
        rfc822_message_id, headers, snippet, body_text, size_estimate, change_number
      )
      select user_id, lpad(to_hex(n), 16, '0'), lpad(to_hex(n / 2), 16, '0'), 1,
        now() - interval '15 years' * (1 - n::float8 / %(count)s),
        array_remove(
          array[
            case
              when n %% 50 = 1 then 'SPAM'
              when n %% 50 = 2 then 'TRASH'
              when n %% 8 = 3 then 'SENT'
              else 'INBOX'
            end,
            case when n %% 10 = 0 then 'UNREAD' end,
            case n %% 3 when 0 then 'CATEGORY_PROMOTIONS' when 1 then 'CATEGORY_UPDATES' end,
            case when n %% 4 = 0 then 'Label_' || 10 + n / 4 %% 30 end,
            case when n = %(count)s / 2 then 'Label_1' end
          ],
          null
        ),
        'letter ' || n, 'ann' || n %% 500 || '@mail.example', '<' || n || '@mail.example>', '[]',
        'every', b.body, 1000 * (1 + n * 7919 %% 13), n
      from unnest(%(user_ids)s::text[]) user_id
      cross join generate_series(%(count)s::bigint, 1, -1) n
      cross join lateral (
        select concat_ws(
          ' ',
          -- The size of n makes the planner choose words for each message.
          (select string_agg('w' || floor(exp(random() * 12)), ' ')
            from generate_series(1, %(words)s + 0 * n)),
          'every',
          case n %% 10
            when 3 then 'tenth' when 4 then 'elsewhere' when 5 then 'delta kappa'
            when 7 then 'alpha beta'
          end,
          case when n %% 100 = 7 then 'hundredth' end,
          case when n %% 1000 = 6 then 'kappa delta' end,
          case when n = %(count)s / 3 then 'single' end,
          case when n <= %(count)s / 5 then 'yore' end
        ) as body
      ) b
      returning *
    ),
    attached as (
      insert into gmail_sync.attachment (user_id, message_id, part_id, mime_type, size, inline)
      select user_id, message_id, '1', 'image/png', 100, false
      from stored
      where change_number %% 7 = 0
    )
    -- The entries of _message_vector, which takes ten times as long.
    insert into gmail_sync.message_words (user_id, message_id, internal_date, words)
    select user_id, message_id, internal_date,
      (
        format(
          '%%1$s@year%%2$s %%1$s@month%%3$s %%1$s@day%%4$s %%1$s=size%%5$s %%1$s=id%%6$s'
          ' %%1$s.letter:1 %%1$ssletter:1 %%1$s.%%7$s:2 %%1$ss%%7$s:2'
          ' %%1$s.%%8$s:13 %%1$sf%%8$s:13 %%1$s.mail:14 %%1$sfmail:14'
          ' %%1$s.example:15 %%1$sfexample:15 ',
          key, extract(epoch from date_trunc('year', internal_date))::bigint,
          extract(epoch from date_trunc('month', internal_date))::bigint,
          extract(epoch from date_trunc('day', internal_date))::bigint,
          length(ltrim(size_estimate::bit(64)::text, '0')) - 1,
          left(md5(btrim(rfc822_message_id, '<>')), 16),
          change_number, split_part(sender, '@', 1)
        )
        || case when change_number %% 7 = 0 then key || '=attachment ' else '' end
        || (
          select string_agg(key || '.' || word || ':' || 25 + n, ' ')
          from string_to_table(body_text, ' ') with ordinality w (word, n)
        )
      )::tsvector
    from stored, gmail_sync._search_key(user_id) key
"""
_LABELS = """
    insert into gmail_sync.label (user_id, label_id, name, type)
    select user_id, 'Label_' || n,
      case n when 0 then 'Nobody' when 1 then 'Rare' else 'Own ' || n end, 'user'
    from unnest(%(user_ids)s::text[]) user_id, generate_series(0, 39) n
    where n < 2 or n >= 10
"""


def add_mailboxes(db: Connection, user_ids: Sequence[str], count: int, words: int) -> None:
    """`count` messages for each of the users, with so many words and the markers."""
    given = {"user_ids": list(user_ids), "count": count, "words": words}
    db.execute("select setseed(0.5)")
    for statement in (_MAIL, _LABELS):
        db.execute(statement.encode(), given)
    db.execute("select gmail_sync._recount_mail(user_id) from unnest(%(user_ids)s) user_id", given)


@contextmanager
def search_indexes_dropped(db: Connection) -> Iterator[None]:
    """Within it, mail is added faster; in the end the indexes are built at once."""
    indexes = db.execute(
        "select indexname, indexdef from pg_indexes where schemaname = 'gmail_sync'"
        " and indexname in ('messages_by_word', 'messages_by_label')"
    ).fetchall()
    for index in indexes:
        db.execute(f"drop index gmail_sync.{index['indexname']}".encode())
    yield
    db.execute("set maintenance_work_mem = '1GB'")
    for index in indexes:
        db.execute(index["indexdef"].encode())
    db.execute("vacuum (analyze)")
