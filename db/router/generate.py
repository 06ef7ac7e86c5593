"""The SQL of the router's two schemas, made from the face of a node and the routes.

gmail_sync is the face: its functions have the names, arguments, comments and grants of the node's.
They call the functions of PL/Proxy in gmail_sync_router. Those alter the words of errors, which the
face restores, and they occupy a connection, so the face collects their rows at once.
"""

from collections.abc import Iterator
from pathlib import Path

from db.router.catalog import Face, Function, Relation
from db.router.routes import (
    AUDITED,
    ROUTES,
    TRACED,
    Absent,
    First,
    Own,
    Rows,
    Task,
    Total,
    User,
)

FOLDER = Path(__file__).parent
OWNER = "gmail_sync_owner"
CLUSTER, NODES = "gmail_sync", "gmail_sync_nodes"
SLOTS = 64
VOLATILITY = {"i": "immutable", "s": "stable", "v": "volatile"}
BY_SLOT = ("attachments", "labels", "messages", "sync_runs")

# Who calls and in which trace, which a node cannot see: settings at the node, and their values at
# the router.
CALLER = {
    "caller_role": "session_user::text",
    "caller_application": "current_setting('application_name')",
}
TRACE = {"traceparent": "current_setting('gmail_sync.traceparent', true)"}


class RouteError(Exception):
    """The routes do not fit the functions of the node."""


def check_routes(face: Face) -> None:
    """Raise RouteError unless each function has a route, and each route a function."""
    names = {each.name for each in face.functions}
    if unknown := sorted(names - ROUTES.keys()):
        raise RouteError(f"no route in db/router/routes.py for {', '.join(unknown)}")
    if gone := sorted(ROUTES.keys() - names):
        raise RouteError(f"db/router/routes.py has routes for what is gone: {', '.join(gone)}")


def script(face: Face) -> str:
    """The statements that make both schemas, to be run in one transaction by a superuser."""
    check_routes(face)
    return "\n".join(_statements(face))


def _statements(face: Face) -> Iterator[str]:
    yield "drop schema if exists gmail_sync, gmail_sync_router cascade;"
    yield f"create schema gmail_sync authorization {OWNER};"
    yield f"create schema gmail_sync_router authorization {OWNER};"
    yield from _types(face)
    yield from _files("helpers")
    for view in face.views:
        yield from _view(view)
    for function in face.functions:
        yield from _function(function)
    for function in face.functions:
        if not isinstance(ROUTES[function.name], Absent):
            yield from _finish(function)
    yield "grant usage on schema gmail_sync to " + ", ".join(_grantees(face)) + ";"


def _types(face: Face) -> Iterator[str]:
    for domain in face.domains:
        yield f"create domain gmail_sync.{domain.name} as {domain.base} {domain.rule or ''};"
    # The default of an argument names the table of runs, which is at the nodes.
    yield "create type gmail_sync.user_sync_status as ();"
    for row in face.rows:
        yield f"create type gmail_sync.{row.name} as ({_columns(row.columns)});"


def _view(view: Relation) -> Iterator[str]:
    name = f"gmail_sync.{view.name}"
    if view.name in BY_SLOT:
        source = f"gmail_sync_router.{view.name}"
        yield f"create table {source} ({_columns(view.columns)}) partition by hash (user_id);"
        yield f"alter table {source} owner to {OWNER};"
    else:
        yield from _of_all_nodes(view)
        source = f"gmail_sync_router.all_{view.name}()"
    yield f"create view {name} as select * from {source};"
    yield f"alter view {name} owner to {OWNER};"
    yield f"comment on view {name} is {_quoted(view.comment)};"
    yield f"grant select on {name} to {', '.join(view.grantees)};"


def _of_all_nodes(view: Relation) -> Iterator[str]:
    """A function with the rows of a view at every node.

    It is SECURITY DEFINER, because Postgres asks whether the reader of a view may execute it.
    """
    function = f"gmail_sync_router.all_{view.name}()"
    yield f"""
create function gmail_sync_router.{view.name}(p_node integer)
returns table ({_columns(view.columns)})
language plproxy as $$
  cluster '{NODES}';
  run on p_node;
  select * from gmail_sync.{view.name};
$$;

create function {function} returns table ({_columns(view.columns)})
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select f.* from gmail_sync_route.node n
  cross join lateral gmail_sync_router.{view.name}(n.node) f;
$$;
alter function {function} owner to {OWNER};
revoke all on function {function} from public;
grant execute on function {function} to {", ".join(view.grantees)};"""


def _columns(columns: list[list[str]]) -> str:
    return ", ".join(f"{name} {type_}" for name, type_ in columns)


def _function(function: Function) -> Iterator[str]:
    route = ROUTES[function.name]
    match route:
        case Absent():
            return
        case Own(user):
            yield _remote_at_node(function)
            yield _asked(function)
            yield _face(function, _of_user(function, user) + _body(function))
        case User(user):
            yield _remote(function, f"gmail_sync_router.slot({user})")
            yield _face(function, _call(function))
        case Task(argument):
            slot = f"gmail_sync_router.slot(gmail_sync_router.user_of({argument}))"
            yield _remote(function, slot)
            yield _face(function, _call(function))
        case First():
            yield _remote_at_node(function)
            yield _face(function, _first(function))
        case Rows() | Total():
            yield _remote_at_node(function)
            yield _merged(function, route)


def _remote(function: Function, slot: str) -> str:
    """The function of PL/Proxy that runs at the node of a slot."""
    return _inner(function, CLUSTER, slot, [])


def _remote_at_node(function: Function) -> str:
    """The function of PL/Proxy that runs at a given node."""
    return _inner(function, NODES, "p_node", ["p_node integer"])


def _inner(function: Function, cluster: str, where: str, more: list[str]) -> str:
    settings = [f"p_{name} text" for name in _settings(function)]
    signature = ", ".join([*more, *filter(None, [function.signature]), *settings])
    return f"""
create function gmail_sync_router.{function.name}({signature}) returns {function.result}
language plproxy as $$
  cluster '{cluster}';
  run on {where};
  {_query(function)};
$$;"""


def _query(function: Function) -> str:
    """The call at the node. A value is selected without FROM, which Postgres plans faster.

    The settings come first, because a function waits for its arguments.
    """
    arguments = list(function.names)
    for name in _settings(function):
        arguments[0] = f"""case
    when p_{name} is null or set_config('gmail_sync.{name}', p_{name}, true) is not null
    then {arguments[0]}
  end"""
    call = f"gmail_sync.{function.name}({', '.join(arguments)})"
    return f"select {call}" if function.is_value else f"select * from {call}"


def _settings(function: Function) -> dict[str, str]:
    if function.name in AUDITED:
        return CALLER
    return TRACE if function.name in TRACED else {}


def _asked(function: Function) -> str:
    """The results of every node. A node that is down is a row that says so in `outage`."""
    columns = function.columns or []
    table = _columns([["node", "integer"], ["outage", "text"], *columns])
    nulls = "".join(f", null::{type_}" for _, type_ in columns)
    results = ", f.*" if columns else ""
    return f"""
create function gmail_sync_router.ask_{function.name}({function.signature})
returns table ({table})
language plpgsql as $$
#variable_conflict use_column
declare
  v_node integer;
begin
  for v_node in select n.node from gmail_sync_route.node n order by n.node loop
    begin
      return query
        select v_node, null::text{results}
        from {_call_at("v_node", function)};
    exception when others then
      if not gmail_sync_router.is_outage(sqlstate) then
        raise;
      end if;
      return query select v_node, sqlerrm{nulls};
    end;
  end loop;
end;
$$;"""


def _call(function: Function) -> str:
    arguments = ", ".join([*function.names, *_settings(function).values()])
    call = f"gmail_sync_router.{function.name}({arguments})"
    if function.is_set:
        return f"return query select * from {call};"
    return f"perform {call};" if function.is_void else f"return {call};"


def _first(function: Function) -> str:
    """The rows of the first node that has some."""
    return f"""
  declare
    v_node integer;
    v_outages integer := 0;
  begin
    for v_node in select n.node from gmail_sync_route.node n order by random() loop
      begin
        return query select * from {_call_at("v_node", function)};
        if found then
          return;
        end if;
      exception when others then
        if not gmail_sync_router.is_outage(sqlstate) then
          raise;
        end if;
        v_outages := v_outages + 1;
      end;
    end loop;
    perform gmail_sync_router.require_an_answer(
      v_outages < (select count(*) from gmail_sync_route.node)
    );
  end;"""


def _merged(function: Function, route: Rows | Total) -> str:
    """All nodes' results. A set is collected node by node and sorted at the end."""
    source = "gmail_sync_route.node n cross join lateral " + _call_at("n.node", function)
    if isinstance(route, Total):
        body = f"return (select {route.aggregate}(f) from {source});"
    else:
        limited = f" limit {route.limit}" if route.limit else ""
        body = f"return query select f.* from {source} order by {route.order}{limited};"
    return _face(function, _of_user(function, route.user) + body)


def _of_user(function: Function, user: str) -> str:
    """What returns the answer of a user's node, if the argument names a user."""
    if not user:
        return ""
    answer = _call_at(f"gmail_sync_router.node_of({user})", function)
    if function.is_set:
        returned = f"return query select f.* from {answer}; return;"
    else:
        returned = f"return (select f from {answer});"
    return f"if {user} is not null then {returned} end if; "


def _call_at(node: str, function: Function) -> str:
    arguments = ", ".join([node, *function.names, *_settings(function).values()])
    return f"gmail_sync_router.{function.name}({arguments}) f"


def _face(function: Function, body: str) -> str:
    """The function that applications call."""
    return f"""
create function gmail_sync.{function.name}({function.arguments}) returns {function.result}
language plpgsql {VOLATILITY[function.volatility]} security definer
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  v_message text;
  v_detail text;
  v_hint text;
begin
  {body}
exception when others then
  get stacked diagnostics
    v_message = message_text, v_detail = pg_exception_detail, v_hint = pg_exception_hint;
  perform gmail_sync_router.raise_again(sqlstate, v_message, v_detail, v_hint);
end;
$$;"""


def _finish(function: Function) -> Iterator[str]:
    """Owner, comment and grants as the node has them."""
    name = f"gmail_sync.{function.name}({function.signature})"
    yield f"alter function {name} owner to {OWNER};"
    yield f"comment on function {name} is {_quoted(function.comment)};"
    yield f"revoke all on function {name} from public;"
    if function.grantees:
        yield f"grant execute on function {name} to {', '.join(function.grantees)};"


def _body(function: Function) -> str:
    """The statements of a function of our own."""
    path = FOLDER / "functions" / f"{function.name}.sql"
    return path.read_text(encoding="utf-8")


def _grantees(face: Face) -> list[str]:
    of_functions = {role for each in face.functions for role in each.grantees}
    return sorted(of_functions | {role for each in face.views for role in each.grantees})


def _files(folder: str) -> Iterator[str]:
    for path in sorted((FOLDER / folder).glob("*.sql")):
        yield path.read_text(encoding="utf-8")


def _quoted(text: str | None) -> str:
    return "'" + (text or "").replace("'", "''") + "'"
