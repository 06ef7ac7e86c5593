"""The benchmarks of SQL, tiny: they run, and say what they are meant to say."""

import lzma
from pathlib import Path

import pytest

from tests.benchmarks import growth, heartbeat, router, search, size, start, storage, webhooks
from tests.benchmarks.figure import Figure
from tests.benchmarks.postgres import Server
from tests.cluster import Cluster, fast_cluster

pytestmark = pytest.mark.gate


@pytest.fixture
def server(cluster: Cluster, template: str) -> Server:
    return Server(cluster, template)


def by_name(*figures: Figure) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}


def test_starts_are_measured_beside_bare_inserts(server: Server) -> None:
    figures = by_name(*start.measured(server, rounds=1, seconds=1))

    assert set(figures) == {"start_distinct", "start_hot", "start_prepared", "start_waking"}
    for figure in figures.values():
        assert 0.02 < figure.value < 5


def test_heartbeats_are_measured_beside_bare_updates(server: Server) -> None:
    figures = by_name(*heartbeat.measured(server, runs=800, rounds=1, seconds=1))

    assert set(figures) == {"heartbeat", "heartbeat_prepared", "heartbeat_hot"}
    assert 0.1 < figures["heartbeat"].value < 10
    assert 0 < figures["heartbeat_hot"].value <= 100


def test_webhooks_are_measured_by_what_a_store_costs_and_by_what_arrives(server: Server) -> None:
    figures = by_name(*webhooks.measured(server, rounds=1, stores=2, events=100))

    assert set(figures) == {"webhook_store", "webhook_events"}
    assert 0.05 < figures["webhook_store"].value < 20
    assert figures["webhook_events"].value > 0


def test_growth_is_measured_with_few_and_many_ended_runs(server: Server) -> None:
    figures = by_name(*growth.measured(server, (10, 20, 30), running=100, rounds=1, calls=2))

    assert set(figures) == {"growth_reap", "growth_health", "growth_claim"}
    assert all(0.05 < figure.value < 20 for figure in figures.values())


def test_calls_are_measured_in_installations_of_each_size(server: Server) -> None:
    figures = by_name(*size.measured(server, (100, 200, 300), running=10, rounds=1, calls=2))

    assert set(figures) == {f"size_{name}" for name in size.STATEMENTS}
    for figure in figures.values():
        assert figure.details["sizes"] == [100, 200, 300]
        assert 0.02 < figure.value < 50


def test_searches_are_measured_in_each_mailbox_and_installation(server: Server) -> None:
    figures = by_name(*search.measured(server, (200, 1000), (1200, 5200), rounds=2))

    assert set(figures) == {
        f"search_{mailbox}_{of}"
        for mailbox in (200, 1000)
        for of in ("of_1200", "of_5200", "growth")
    }
    for figure in figures.values():
        assert set(search.SEARCHES) < set(figure.details)
        assert 0.01 < figure.value < 10_000


def test_storage_is_told_for_a_message_in_both_modes(server: Server, tmp_path: Path) -> None:
    mail = tmp_path / "mail.mbox.xz"
    mbox = b"".join(b"From a\nSubject: %d\n\nHello.\n\n" % number for number in range(40))
    mail.write_bytes(lzma.compress(mbox))

    figures = by_name(*storage.measured(server, mail))

    assert set(figures) == {
        f"{of}_{mode}" for of in ("storage", "writes", "storage_search") for mode in ("full", "raw")
    }
    for mode in ("full", "raw"):
        figure = figures[f"storage_{mode}"]
        assert figure.details["messages"] == 40
        assert figure.details["mbox_bytes"] == pytest.approx(len(mbox) / 40, abs=1)
        assert 100 < figure.value < 100_000
        written = figures[f"writes_{mode}"]
        assert 1_000 < written.value < 1_000_000
        assert 7 < written.details["rows"] < 20
        search_adds = figures[f"storage_search_{mode}"]
        assert search_adds.details["word_index_bytes"] < search_adds.value < 100_000


def test_calls_through_the_router_are_measured_beside_those_at_the_node() -> None:
    with fast_cluster() as node, fast_cluster() as routing, router.routed(node, routing) as way:
        figures = by_name(*router.measured(way, rounds=1, calls=10))

    assert set(figures) == set(router.CALLS_OF)
    for figure in figures.values():
        assert 0.5 < figure.value < 100
        assert figure.details["router_cpu_ms"] is not None
