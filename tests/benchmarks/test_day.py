"""A short day of few accounts: what autovacuum cleans up stops growing, and heartbeats are HOT."""

import pytest

from tests.benchmarks import day

pytestmark = pytest.mark.gate


def test_tables_and_indexes_stop_growing_during_a_day() -> None:
    with day.migrated_cluster() as url:
        seen = day.live(url, accounts=150, seconds=25)

    assert "user_sync_status" in seen.growth
    assert {name: growth for name, growth in seen.growth.items() if growth > 1.2} == {}
    assert seen.hot >= 95
    assert seen.runs > 10 * 150
