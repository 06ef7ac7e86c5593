"""The face of gmail-sync, as the catalog of a node has it: functions, views and their types."""

from typing import Any, NamedTuple

import psycopg
from psycopg.rows import dict_row

# Names of gmail_sync's own types are qualified, since no other schema is searched.
_NO_PATH = "set local search_path = pg_catalog"
_FUNCTIONS = """
select p.proname as name,
  pg_get_function_arguments(p.oid) as arguments,
  pg_get_function_identity_arguments(p.oid) as signature,
  pg_get_function_result(p.oid) as result,
  p.proretset as is_set,
  p.prorettype = 'void'::regtype as is_void,
  p.provolatile::text as volatility,
  p.pronargs as inputs,
  coalesce(p.proargnames, '{}')::text[] as names,
  (
    select json_agg(json_build_array(c.name, format_type(c.type, null)) order by c.n)
    from (
      select a.name, a.type, a.n
      from unnest(p.proargnames, p.proallargtypes, p.proargmodes)
        with ordinality as a (name, type, mode, n)
      where a.mode in ('t', 'o')
      union all
      select a.attname, a.atttypid, a.attnum
      from pg_type t
      join pg_attribute a on a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
      where t.oid = p.prorettype and t.typtype = 'c'
      union all
      select 'answer', p.prorettype, 1
      where p.prorettype not in ('void'::regtype, 'record'::regtype)
        and (select t.typtype from pg_type t where t.oid = p.prorettype) <> 'c'
    ) c
  ) as columns,
  obj_description(p.oid, 'pg_proc') as comment,
  array(
    select a.grantee::regrole::text from aclexplode(p.proacl) a
    where a.grantee <> p.proowner and a.grantee <> 0 order by 1
  ) as grantees
from pg_proc p
where p.pronamespace = 'gmail_sync'::regnamespace
  and p.proname !~ '^_'
  and p.prorettype <> 'trigger'::regtype
order by p.proname
"""
_VIEWS = """
select c.relname as name, obj_description(c.oid, 'pg_class') as comment,
  array(
    select a.grantee::regrole::text from aclexplode(c.relacl) a
    where a.grantee <> c.relowner and a.grantee <> 0 order by 1
  ) as grantees,
  (
    select json_agg(
      json_build_array(a.attname, format_type(a.atttypid, a.atttypmod)) order by a.attnum
    )
    from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  ) as columns
from pg_class c
where c.relnamespace = 'gmail_sync'::regnamespace and c.relkind = 'v' and c.relname !~ '^_'
order by c.relname
"""
# What the functions take and return beyond Postgres' own types: rows, and the domain of user ids.
_ROWS = """
select t.typname as name,
  (
    select json_agg(
      json_build_array(a.attname, format_type(a.atttypid, a.atttypmod)) order by a.attnum
    )
    from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
  ) as columns
from pg_type t
join pg_class c on c.oid = t.typrelid
where t.oid in (
  select p.prorettype from pg_proc p
  where p.pronamespace = 'gmail_sync'::regnamespace and p.proname !~ '^_'
)
  and c.relnamespace = 'gmail_sync'::regnamespace
  and not (c.relkind = 'v' and c.relname !~ '^_')
order by t.typname
"""
_DOMAINS = """
select t.typname as name, format_type(t.typbasetype, t.typtypmod) as base,
  (
    select string_agg(pg_get_constraintdef(c.oid), ' ') from pg_constraint c
    where c.contypid = t.oid
  ) as rule
from pg_type t
where t.typnamespace = 'gmail_sync'::regnamespace and t.typtype = 'd'
"""


class Function(NamedTuple):
    """A function that some role may execute.

    `arguments` have their defaults, `signature` has none, `names` are those of the inputs.
    `columns` are pairs of a name and a type; a value by itself is called answer, void has none.
    """

    name: str
    arguments: str
    signature: str
    result: str | None
    is_set: bool
    is_void: bool
    volatility: str
    names: list[str]
    columns: list[list[str]] | None
    comment: str
    grantees: list[str]

    @property
    def is_value(self) -> bool:
        """Whether a call is an expression: neither rows nor several columns."""
        return not self.is_set and (
            self.is_void or [name for name, _ in self.columns or []] == ["answer"]
        )


class Relation(NamedTuple):
    """A view or a row type: its columns are pairs of a name and a type."""

    name: str
    columns: list[list[str]]
    comment: str | None = None
    grantees: tuple[str, ...] = ()


class Domain(NamedTuple):
    name: str
    base: str
    rule: str


class Face(NamedTuple):
    """All that an application can call and read."""

    functions: list[Function]
    views: list[Relation]
    rows: list[Relation]
    domains: list[Domain]


def face_of(node: psycopg.Connection[Any]) -> Face:
    """Read the face from a node's catalog."""
    with node.transaction(), node.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_NO_PATH)
        functions = [
            Function(
                **{
                    **{key: row[key] for key in Function._fields if key != "names"},
                    "names": row["names"][: row["inputs"]],
                }
            )
            for row in cursor.execute(_FUNCTIONS).fetchall()
        ]
        views = [Relation(**row) for row in cursor.execute(_VIEWS).fetchall()]
        rows = [Relation(**row) for row in cursor.execute(_ROWS).fetchall()]
        domains = [Domain(**row) for row in cursor.execute(_DOMAINS).fetchall()]
    return Face(functions, views, rows, domains)
