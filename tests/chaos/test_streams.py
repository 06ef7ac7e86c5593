"""A thousand watchers miss nothing, cost one question a second, and leave nothing behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.postgres.calls import Connection, Session
from tests.chaos.clicks import connect_accounts
from tests.chaos.figures import tell
from tests.chaos.server import ApiServer
from tests.chaos.streams import OWN_DESCRIPTORS, USERS, WATCHERS, wave

pytestmark = pytest.mark.gate

# Resident memory, in bytes, that a crowd may leave behind beyond what the one before it left.
SLACK = 10 << 20


@pytest.fixture
def server(service_url: str, db: Connection, tmp_path: Path) -> Iterator[ApiServer]:
    connect_accounts(db, USERS)
    with ApiServer(service_url, tmp_path / "server.log") as server:
        yield server


def test_a_thousand_watchers_miss_nothing_and_leave_nothing_behind(
    server: ApiServer, functions: Session, db: Connection
) -> None:
    wave(server, functions, db, WATCHERS, restart=True)
    first = wave(server, functions, db, WATCHERS)
    second = wave(server, functions, db, WATCHERS)

    held = second.held
    tell(
        f"{WATCHERS:,} open event streams, of {len(USERS)} users, across a restart",
        f"no state missed; news after {second.slowest_news:.1f} s at most;"
        f" {second.questions:.1f} questions a second; left behind: {held.resident >> 20} MB"
        f" (one crowd before: {first.held.resident >> 20}), {held.threads} threads"
        f" ({first.held.threads}), {held.descriptors} files ({first.held.descriptors})",
    )
    assert max(first.questions, second.questions) <= 1
    assert second.held.threads <= first.held.threads
    assert second.held.descriptors <= first.held.descriptors + OWN_DESCRIPTORS
    assert second.held.resident <= first.held.resident + SLACK
    assert second.connections <= first.connections
