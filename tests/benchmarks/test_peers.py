"""The benchmarks beside other programs, tiny; what needs these is skipped where they are not."""

import math

import pytest
import requests

from tests.benchmarks import lieer, pickup, start_python
from tests.benchmarks.gmail import TOKEN
from tests.benchmarks.machine import Installation
from tests.benchmarks.peers.environment import Environment
from tests.cluster import Cluster

pytestmark = pytest.mark.gate


@pytest.fixture
def installation(cluster: Cluster, template: str) -> Installation:
    return Installation(cluster, template)


@pytest.fixture
def queues() -> Environment:
    return installed("queues")


def installed(name: str) -> Environment:
    environment = Environment(name)
    if not environment.is_installed:
        pytest.skip(f"{environment.folder} is not installed: make bench does it")
    return environment


def test_starts_from_python_are_measured_beside_both_queues(
    queues: Environment, installation: Installation
) -> None:
    figures = list(start_python.measured(queues, installation, rounds=1, warm_up=0, seconds=0.2))
    assert [figure.name for figure in figures] == [
        "start_python_distinct_procrastinate",
        "start_python_distinct_pgqueuer",
        "start_python_hot_procrastinate",
        "start_python_hot_pgqueuer",
    ]
    assert all(0 < figure.value < math.inf for figure in figures)


def test_pick_ups_are_measured_beside_both_queues(
    queues: Environment, installation: Installation
) -> None:
    figures = list(pickup.measured(queues, installation, rounds=1, requests=3))
    assert [figure.name for figure in figures] == [
        "pickup_p50_procrastinate",
        "pickup_p99_procrastinate",
        "pickup_p50_pgqueuer",
        "pickup_p99_pgqueuer",
    ]
    assert all(0 < figure.value < math.inf for figure in figures)
    assert all(0 < figure.details["ms"] < 5_000 for figure in figures)


def test_a_first_sync_is_measured_beside_lieer(installation: Installation) -> None:
    figures = list(lieer.measured(installed("lieer"), installation, messages=20, rounds=1))
    assert [figure.name for figure in figures] == ["lieer", "lieer_indexed"]
    assert all(0 < figure.value < math.inf for figure in figures)


def test_a_worker_syncs_through_the_proxy(installation: Installation) -> None:
    with lieer.mailbox(5) as address:
        assert min(lieer.ours(installation, address)) > 0


def test_the_proxy_answers_for_google() -> None:
    with lieer.mailbox(5) as address:
        profile = requests.get(
            "https://gmail.googleapis.com/gmail/v1/users/me/profile",
            headers={"Authorization": f"Bearer {TOKEN}"},
            proxies={"https": address.environment["https_proxy"]},
            verify=address.environment["HTTPLIB2_CA_CERTS"],
            timeout=10,
        )
    assert profile.json()["messagesTotal"] == 5
