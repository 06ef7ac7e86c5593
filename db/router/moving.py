"""How the rows of a slot's users move: which of each table, and when, and how they are compared.

Each table with a column user_id must be named here. So no table that is added later is forgotten.
"""

from collections.abc import Iterable, Iterator
from typing import Any, LiteralString, NamedTuple

import psycopg

Connection = psycopg.Connection[Any]


class MoveError(Exception):
    """The slot cannot be moved; the text says what to do."""


class Part(NamedTuple):
    """Rows of a table that move together.

    Early ones are copied while the slot is open. A journal names what has changed since: a row by
    `item`, or else all rows of a user. The others are copied while the slot is closed.
    `only` chooses rows of the table as t. Columns in `loose` are compared by their length, if text
    or bytea, and else not at all. A renumbered part gets the target's numbers in `id`.
    """

    early: bool = False
    item: str = ""
    only: LiteralString = "true"
    loose: tuple[str, ...] = ()
    renumbered: bool = False


_CLOSED = Part()
_MAILBOX = Part(early=True, item="message_id")
_TO_OWN_WEBHOOK: LiteralString = (
    "t.webhook_id in (select w.id from gmail_sync.webhook w where w.user_id = t.user_id)"
)

PARTS: dict[str, tuple[Part, ...]] = {
    "message": (
        _MAILBOX._replace(loose=("headers", "body_text", "body_html", "html_text", "raw")),
    ),
    "attachment": (_MAILBOX,),
    # Each node has a row of its own that is of no user.
    "message_words": (_MAILBOX._replace(only="t.user_id <> ''", loose=("words",)),),
    "fetch_queue": (_MAILBOX,),
    "touched": (_MAILBOX,),
    "listing": (_MAILBOX,),
    "label_listing": (_MAILBOX,),
    "compared_message": (_MAILBOX,),
    "imported_message": (Part(early=True, item="import_key", loose=("parsed", "raw")),),
    "label": (Part(early=True),),
    "audit_event": (Part(early=True, renumbered=True),),
    "repair_log": (Part(early=True, renumbered=True),),
    "user_sync_status": (
        Part(early=True, item="task_id", only="not t.is_syncing"),
        # The target would take them for its own: it would claim or reap them.
        Part(only="t.is_syncing"),
    ),
    # Without its account, mail is inert: nothing claims it, starts a run for it or lists it.
    "account": (_CLOSED,),
    "mail_count": (_CLOSED,),
    "mail_import": (_CLOSED,),
    "fetch_batch": (_CLOSED,),
    # The target's workers would index what is still to change.
    "index_queue": (_CLOSED,),
    "index_backlog": (_CLOSED,),
    "quota_charge": (Part(renumbered=True),),
    # Not copied: filled when the slot is opened.
    "schedule": (),
    # Those for all users are at every node, under the same ids.
    "webhook": (_CLOSED,),
    "webhook_stream": (Part(loose=("queued_id",)),),
    "webhook_event": (Part(renumbered=True),),
    # There may be many to those for all users, so their history is not kept.
    "webhook_delivery": (Part(only=_TO_OWN_WEBHOOK, renumbered=True),),
}

# Of the target, when it opens the slot. Numbers of events are its own. It may lack a webhook that
# was removed meanwhile, and one for all users may be disabled at one of both nodes.
OPEN_WEBHOOKS = """
select from gmail_sync.webhook order by id for key share;

delete from gmail_sync.webhook_event t
where {in_slot} and not exists (select from gmail_sync.webhook w where w.id = t.webhook_id);

delete from gmail_sync.webhook_stream t
where {in_slot} and not exists (select from gmail_sync.webhook w where w.id = t.webhook_id);

update gmail_sync.webhook_stream t
set waiting_since = coalesce(t.waiting_since, clock_timestamp()),
  queued_id = (
    select e.id
    from gmail_sync.webhook_event e
    where e.webhook_id = t.webhook_id and e.user_id = t.user_id and e.event_id = t.event_id
  )
where {in_slot};

-- To a webhook that heard nothing of a user yet, the mail that the user has is not new.
insert into gmail_sync.webhook_stream (webhook_id, user_id, change_number)
select w.id, t.user_id, coalesce((
  select m.change_number
  from gmail_sync.message m
  where m.user_id = t.user_id
  order by m.change_number desc
  limit 1
), 0)
from gmail_sync.account t
cross join gmail_sync.webhook w
where w.user_id is null and {in_slot}
on conflict do nothing
"""

_TABLES = """
select c.relname,
  array_agg(a.attname::text order by a.attnum) filter (where a.attgenerated = ''),
  array_agg(a.attname::text) filter (where a.attidentity <> ''),
  array_agg(a.attname::text) filter (where a.atttypid in ('text'::regtype, 'bytea'::regtype))
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'gmail_sync'::regnamespace and c.relkind in ('r', 'p')
group by c.relname
having bool_or(a.attname = 'user_id')
order by c.relname
"""


class Table(NamedTuple):
    """A part of a table, with the columns that the catalog of a node has."""

    name: str
    part: Part
    columns: tuple[str, ...]
    # Of the target's own numbers, which go on after the source's.
    identity: tuple[str, ...]
    with_length: tuple[str, ...]

    @property
    def copied(self) -> str:
        left_out = ("id",) if self.part.renumbered else ()
        return ", ".join(name for name in self.columns if name not in left_out)

    @property
    def sequences(self) -> list[str]:
        return [] if self.part.renumbered else list(self.identity)

    def rows(self, where: str) -> str:
        """The rows to copy, in the order of their numbers."""
        ordered = " order by t.id" if self.part.renumbered else ""
        columns = ", ".join(f"t.{name}" for name in self.copied.split(", "))
        return f"select {columns} {self._from(where)}{ordered}"

    def facts(self, where: str) -> str:
        """For each user how many rows there are, and what they add up to."""
        compared = [f"t.{name}" for name in self.copied.split(", ") if name not in self.part.loose]
        compared += [
            f"octet_length(t.{name})" for name in self.part.loose if name in self.with_length
        ]
        return (
            "select t.user_id::text, count(*),"
            f" sum(hashtextextended(row({', '.join(compared)})::text, 0))"
            f" {self._from(where)} group by t.user_id"
        )

    def delete(self, where: str) -> str:
        return f"delete {self._from(where)}"

    def _from(self, where: str) -> str:
        return f"from gmail_sync.{self.name} t where {self.part.only} and {where}"

    @property
    def is_changed(self) -> str:
        """The condition for rows that the table `changed` of the session names."""
        item = f", t.{self.part.item}" if self.part.item else ""
        other = ", c.item" if self.part.item else ""
        return (
            f"(t.user_id{item}) in (select c.user_id{other} from changed c"
            f" where c.relation = '{self.name}')"
        )


def tables_of(node: Connection) -> list[Table]:
    """The tables with rows of users, in parts. Raises MoveError for one that PARTS lacks."""
    found = node.execute(_TABLES).fetchall()
    names = {row[0] for row in found}
    if unknown := sorted(names ^ PARTS.keys()):
        raise MoveError(f"db/router/moving.py must say how to move {', '.join(unknown)}")
    return [
        Table(name, part, tuple(columns), tuple(identity or ()), tuple(with_length or ()))
        for name, columns, identity, with_length in found
        for part in PARTS[name]
    ]


def journal(tables: Iterable[Table], slot: int) -> Iterator[str]:
    """Statements that make the journal of what changes in a slot's rows at the source."""
    yield "create schema if not exists gmail_sync_move"
    yield (
        "create table if not exists gmail_sync_move.changed"
        " (relation text not null, user_id text not null, item text)"
    )
    for table in tables:
        yield _journal_function(table)
        for row, events in (("new", "insert or update"), ("old", "delete")):
            only = table.part.only.replace("t.", f"{row}.")
            yield (
                f"create or replace trigger moved_{row} after {events} on gmail_sync.{table.name}"
                f" for each row when (gmail_sync._user_slot({row}.user_id) = {slot} and {only})"
                f" execute function gmail_sync_move.{table.name}()"
            )


def _journal_function(table: Table) -> str:
    old, new = (f"{row}.{table.part.item}" if table.part.item else "null" for row in ("old", "new"))
    return f"""
create or replace function gmail_sync_move.{table.name}() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'DELETE' then
    insert into gmail_sync_move.changed values ('{table.name}', old.user_id, {old});
  else
    insert into gmail_sync_move.changed values ('{table.name}', new.user_id, {new});
  end if;
  return null;
end;
$$"""
