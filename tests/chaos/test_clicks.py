"""A thousand clicks at once: one run for a user, no error. p99 is reported."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.postgres.calls import Connection
from tests.chaos.clicks import (
    CLICKS,
    Clicks,
    as_requests,
    as_statements,
    connect_accounts,
    users,
)
from tests.chaos.figures import tell
from tests.chaos.server import ApiServer, allow_descriptors

pytestmark = pytest.mark.gate


@pytest.fixture
def server(service_url: str, tmp_path: Path) -> Iterator[ApiServer]:
    allow_descriptors(2 * CLICKS)
    with ApiServer(service_url, tmp_path / "server.log") as server:
        yield server


@pytest.mark.parametrize("number", [1, CLICKS])
def test_a_thousand_statements_at_once(number: int, service_url: str, db: Connection) -> None:
    clicks = as_statements(service_url, users(number))

    clicks.judge(db)
    tell_of(clicks, "statements over 100 connections", number)


@pytest.mark.parametrize("number", [1, CLICKS])
def test_a_thousand_requests_at_once(number: int, server: ApiServer, db: Connection) -> None:
    connect_accounts(db, users(number))

    clicks = as_requests(server, users(number))

    clicks.judge(db)
    tell_of(clicks, "HTTP requests", number)


def tell_of(clicks: Clicks, kind: str, number: int) -> None:
    who, runs = ("one user", "1 run") if number == 1 else (f"{number:,} users", f"{number:,} runs")
    p99 = f"p99 {clicks.p99_milliseconds():,.0f} ms"
    tell(f"{CLICKS:,} clicks of {who} at once, as {kind}", f"{runs}, no error, {p99}")
