"""Two routers in one URL: either may die, and both lead to where a user's mail is."""

import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from click.testing import CliRunner, Result
from psycopg import sql

from service.cli import main
from service.demo.routed import superuser
from service.postgres.calls import Session
from tests.cluster import Cluster, fast_cluster
from tests.handbook.handbook import run
from tests.router.conftest import Installation, spread
from tests.router.test_faults import kill, succeeds
from tests.router.test_service import MESSAGES, Site, execute, served
from tests.waiting import wait_until

pytestmark = pytest.mark.gate

ADMINISTRATOR, PASSWORD = "of_both_routers", secrets.token_urlsafe()
SLOT = 17


@dataclass
class Doubled(Installation):
    """An installation with a second router."""

    second: Cluster

    @property
    def routers(self) -> list[Cluster]:
        return [self.router, self.second]

    @property
    def servers(self) -> list[Cluster]:
        return [*super().servers, self.second]

    @property
    def router_url(self) -> str:
        return self.address(ADMINISTRATOR, PASSWORD)

    def address(self, login: str, password: str) -> str:
        places = ",".join(f"127.0.0.1:{each.settings['port']}" for each in self.routers)
        return f"postgresql://{login}:{password}@{places}/gmail_sync"

    def command(self, *arguments: object, router_url: str = "") -> Result:
        environment = {
            "GMAIL_SYNC_NODE_URLS": " ".join(self.node_urls),
            "GMAIL_SYNC_ROUTER_URL": router_url or self.router_url,
            "GMAIL_SYNC_ROUTER_PASSWORD": self.password,
        }
        return CliRunner().invoke(main, ["router", *map(str, arguments)], env=environment)


@pytest.fixture(scope="module")
def doubled(installation: Installation) -> Iterator[Doubled]:
    """The second is installed when slots are at all nodes already."""
    with fast_cluster() as second, spread(installation):
        doubled = Doubled(**vars(installation), second=second)
        create = sql.SQL("create role {} superuser login password {}")
        for each in doubled.routers:
            execute(each.url(), create, ADMINISTRATOR, PASSWORD)
        result = doubled.command("install", "--pooler-port", doubled.pooler.port)
        assert result.exit_code == 0, result.output
        yield doubled
        forget = "delete from gmail_sync_slots.router where id <> %s"
        with doubled.superusers() as nodes:
            for node in nodes:
                node.execute(forget, [id_of(doubled.router)])
    execute(installation.router_url, sql.SQL("drop role {}"), ADMINISTRATOR)


@pytest.fixture(scope="module")
def site(doubled: Doubled) -> Iterator[Site]:
    with served(doubled) as site:
        yield site


def id_of(router: Cluster) -> object:
    with superuser(router.url()) as connection:
        row = connection.execute("select id from gmail_sync_route.router").fetchone()
    assert row
    return row[0]


def routes(router: Cluster) -> list[tuple[int, int]]:
    with superuser(router.url()) as connection:
        query = "select slot, node from gmail_sync_route.slot order by 1"
        return connection.execute(query).fetchall()


def test_a_second_router_learns_where_slots_are(doubled: Doubled) -> None:
    assert routes(doubled.second) == routes(doubled.router)
    assert {node for _, node in routes(doubled.second)} == {0, 1, 2}
    status = doubled.command("status")
    assert status.exit_code == 0, status.output


def test_a_move_is_refused_unless_it_names_both(doubled: Doubled) -> None:
    for each in doubled.routers:
        refused = doubled.command("move", SLOT, "--to", 1, router_url=each.url())
        assert refused.exit_code == 1
        assert "2 routers lead to these nodes, and --router names 1 of them" in refused.output
    before = routes(doubled.router)
    moved = doubled.command("move", SLOT, "--to", 1)
    assert moved.exit_code == 0, moved.output
    assert routes(doubled.second) == routes(doubled.router) != before


def test_the_status_says_where_they_differ(doubled: Doubled) -> None:
    move = "update gmail_sync_route.slot set node = (node + %s) %% 3 where slot = 3"
    with superuser(doubled.second.url()) as second:
        second.execute(move, [1])
        status = doubled.command("status")
        second.execute(move, [2])
    assert status.exit_code == 1
    assert status.output.splitlines()[4:] == ["slot 3: the routers 0 and 1 lead to different nodes"]


@pytest.mark.parametrize("victim", [0, 1])
def test_service_worker_and_psql_go_on_without_one(
    site: Site, doubled: Doubled, victim: int
) -> None:
    users = site.connect(f"without-{victim}")
    kill(doubled.routers[victim])
    try:
        for user in users:
            # A connection of the pool may still be that of the router that died.
            wait_until(lambda user=user: starts(site, user))  # type: ignore[misc]
            site.check_synced(user)
        shown = run(
            ["psql", "-XAt", doubled.router_url], "select count(*) from gmail_sync.messages"
        )
        assert int(shown) >= len(users) * MESSAGES
        refused = doubled.command("move", SLOT, "--to", 2)
        assert (refused.exit_code, "cannot be reached" in refused.output) == (1, True)
    finally:
        doubled.routers[victim].start()
    # The test's own session may be that of the router that died.
    wait_until(lambda: succeeds(site.functions, users[0]))


def starts(site: Site, user: str) -> bool:
    with site.client(user) as client:
        return client.post("/api/gmail/sync/smart").status_code == 202


def test_both_lead_to_a_user_who_moved(site: Site, doubled: Doubled) -> None:
    user, *_ = site.connect("follows")
    site.start(user)
    site.check_synced(user)
    with superuser(doubled.router_url) as router:
        query = "select gmail_sync_router.slot(%s)"
        (slot,) = router.execute(query, [user]).fetchone() or (0,)
    moved = doubled.command("move", slot, "--to", 1)
    assert moved.exit_code == 0, moved.output
    for each in doubled.routers:
        with closing(Session(each.url(), "test")) as functions:
            (last,) = functions.rows("sync_status", user)
            assert last["outcome"] == "succeeded"
            assert functions.value("count_messages", user) == MESSAGES
    for each in doubled.routers:
        with closing(Session(each.url(), "test")) as functions:
            assert functions.value("start_sync_idempotent", user)
