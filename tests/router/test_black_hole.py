"""A node whose machine is gone so that packets vanish: no answer, no refusal, no end.

It costs its own users, and other users nothing. When the machine is back, all go on by themselves:
pgbouncer, PL/Proxy, views, the service, its listener and its worker.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from db.router.pooler import configuration
from service.demo.pgbouncer import PgBouncer
from service.demo.routed import superuser
from service.postgres.calls import Session
from tests.router.conftest import Installation, clear, spread, user_at
from tests.router.machine import Machine
from tests.router.test_faults import DOWN, check_outage, read_view, succeeds
from tests.router.test_service import Site, check_outage_of_syncs, served
from tests.waiting import wait_until

pytestmark = pytest.mark.gate


@dataclass
class Distant(Installation):
    """An installation with one node on a machine of its own."""

    machine: Machine

    def urls(self, login: str, password: str) -> list[str]:
        urls = super().urls(login, password)
        port = self.nodes[DOWN].settings["port"]
        place = f"{self.machine.host}:{self.machine.port}"
        urls[DOWN] = urls[DOWN].replace(f"127.0.0.1:{port}", place)
        return urls


@pytest.fixture(scope="module")
def distant(installation: Installation) -> Iterator[Distant]:
    machine = Machine(installation.nodes[DOWN].settings["port"])
    with machine.running():
        distant = Distant(**vars(installation), machine=machine)
        text = configuration(distant.urls("nobody", "nothing"))
        folder = Path(installation.router.base_dir) / "distant"
        with PgBouncer(text, installation.password, folder) as pgbouncer:
            distant = replace(distant, pgbouncer=pgbouncer)
            with spread(distant):
                yield distant
    installation.install()


@pytest.fixture(scope="module")
def site(distant: Distant) -> Iterator[Site]:
    with served(distant) as site:
        yield site


def test_calls_and_views_of_other_users_go_on(distant: Distant) -> None:
    clear(distant)
    url = distant.router_url
    with closing(Session(url, "test")) as functions, superuser(url) as router:
        user = user_at(distant, DOWN, "vanished")
        # pgbouncer has connections that were in use just before.
        task_id = functions.value("start_sync_idempotent", user)
        read_view(router, user)
        distant.machine.vanish()
        try:
            check_outage(distant, functions, router)
        finally:
            distant.machine.come_back()
        wait_until(lambda: succeeds(functions, user))
        assert functions.value("start_sync_idempotent", user) == task_id
        read_view(router, user)


def test_syncs_and_streams_of_other_users_go_on(site: Site, distant: Distant) -> None:
    """The machine restarts, and its peers do not learn that their connections ended."""
    check_outage_of_syncs(
        site, "restarted", lambda _: distant.machine.vanish(), lambda _: distant.machine.restart()
    )
