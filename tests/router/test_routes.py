"""Every function has a route, the router's face is the nodes', and slots are Postgres' own."""

from contextlib import closing

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.router.catalog import face_of
from db.router.generate import SLOTS, RouteError, check_routes
from db.router.routes import AUDITED, ROUTES, Absent
from service.demo.routed import superuser
from service.postgres.calls import connect
from tests.functions.routines import login
from tests.router.conftest import Installation

pytestmark = pytest.mark.gate

USER_IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=255).filter(
    lambda text: not text.isspace()
)


def test_every_function_has_a_route_and_no_other(installation: Installation) -> None:
    with superuser(installation.node_urls[0]) as node:
        face = face_of(node)
    check_routes(face)
    more = face._replace(functions=[*face.functions, face.functions[0]._replace(name="new_one")])
    with pytest.raises(RouteError, match=r"no route .* new_one"):
        check_routes(more)
    with pytest.raises(RouteError, match=f"gone: {face.functions[0].name}$"):
        check_routes(face._replace(functions=face.functions[1:]))


def test_the_face_is_that_of_a_node(installation: Installation) -> None:
    """Signatures, results, comments and grants of functions and views."""
    with superuser(installation.node_urls[0]) as node, superuser(installation.router_url) as router:
        at_node, at_router = face_of(node), face_of(router)
    routed = [each for each in at_node.functions if not isinstance(ROUTES[each.name], Absent)]
    assert at_router.functions == routed
    assert at_router.views == at_node.views


def test_every_function_that_audits_passes_on_who_calls(installation: Installation) -> None:
    with superuser(installation.node_urls[0]) as node:
        auditing = node.execute(
            "select proname from pg_proc where pronamespace = 'gmail_sync'::regnamespace"
            " and prosrc ~ '_record_audit_event'"
        ).fetchall()
    assert {name for (name,) in auditing} == AUDITED


def test_nobody_but_the_owner_enters_the_inner_schemas(installation: Installation) -> None:
    with superuser(installation.router_url) as router:
        rows = router.execute(
            "select nspname, rolname from pg_namespace n cross join pg_roles r"
            " where nspname in ('gmail_sync_router', 'gmail_sync_route') and not rolsuper"
            " and has_schema_privilege(r.oid, n.oid, 'usage')"
        ).fetchall()
    assert {role for _, role in rows} <= {
        "gmail_sync_owner",
        "pg_read_all_data",
        "pg_write_all_data",
    }


def test_only_a_superuser_reads_the_password_of_the_nodes(installation: Installation) -> None:
    with connect(installation.router_url, "test") as db:
        shown = "select concat(umoptions) as options from pg_user_mappings"
        seen = db.execute(shown).fetchall()
        assert any(installation.password in row["options"] for row in seen)
        with login(installation.router, "gmail_sync", db, "gmail_sync_dba") as connection:
            rows = connection.execute(
                "select concat(umoptions) from pg_user_mappings union all"
                " select concat(srvoptions) from pg_foreign_server"
            ).fetchall()
    assert rows
    assert not any(installation.password in str(row) for row in rows)


@settings(max_examples=50, deadline=None)
@given(st.lists(USER_IDS, min_size=20, max_size=20, unique=True))
def test_a_slot_is_the_partition_in_which_postgres_puts_a_user(
    installation: Installation, user_ids: list[str]
) -> None:
    with closing(psycopg.connect(installation.router_url)) as router:
        wrong = router.execute(
            "select u, gmail_sync_router.slot(u) from unnest(%s::text[]) u"
            " where not satisfies_hash_partition("
            "'gmail_sync_router.messages'::regclass, %s, gmail_sync_router.slot(u), u)",
            [user_ids, SLOTS],
        ).fetchall()
    assert not wrong


@settings(max_examples=50, deadline=None)
@given(st.lists(USER_IDS, min_size=20, max_size=20))
def test_a_task_names_its_user(installation: Installation, user_ids: list[str]) -> None:
    with (
        closing(psycopg.connect(installation.node_urls[0])) as node,
        closing(psycopg.connect(installation.router_url)) as router,
    ):
        tasks = node.execute(
            "select gmail_sync._new_task_id(u) from unnest(%s::text[]) u", [user_ids]
        ).fetchall()
        found = router.execute(
            "select gmail_sync_router.user_of(t) from unnest(%s::text[]) t",
            [[task for (task,) in tasks]],
        ).fetchall()
    assert [user for (user,) in found] == user_ids
