"""One trace from a request at the router to the worker of a node."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from psycopg import sql

from service.demo.routed import superuser
from service.postgres.calls import Session, connect
from tests.router.conftest import Installation, clear, spread, user_at
from tests.telemetry.conftest import Site, installed
from tests.telemetry.test_traces import Ask, push, retry, start, start_by_way

pytestmark = pytest.mark.gate

LOGIN, NODE = "traces_login", 1


@pytest.fixture(scope="module")
def site(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One process serves at the router and works at each node."""
    password = secrets.token_urlsafe()
    with ExitStack() as stack:
        clear(installation)
        stack.enter_context(spread(installation))
        for url in (*installation.node_urls, installation.router_url):
            with superuser(url) as node:
                node.execute(
                    sql.SQL("create role {} login password {} in role gmail_sync_service").format(
                        sql.Identifier(LOGIN), sql.Literal(password)
                    )
                )
        urls = [node.url("gmail_sync", LOGIN, password) for node in installation.nodes]
        router_url = installation.router.url("gmail_sync", LOGIN, password)
        functions = stack.enter_context(closing(Session(router_url, "test")))
        db = stack.enter_context(connect(installation.node_urls[NODE], "test"))
        yield stack.enter_context(
            installed(
                functions,
                db,
                tmp_path_factory.mktemp("site"),
                {"serve": ["serve"]},
                DATABASE_URL=router_url,
                GMAIL_SYNC_NODE_URLS=" ".join(urls),
            )
        )


@pytest.mark.parametrize("ask", [start, retry, push])
def test_a_request_at_the_router_is_one_trace_as_far_as_the_node(
    installation: Installation, site: Site, ask: Ask
) -> None:
    start_by_way(site, user_at(installation, NODE, ask.__name__), ask)
