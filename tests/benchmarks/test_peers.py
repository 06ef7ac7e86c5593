"""The benchmarks beside other job queues, tiny; where these are not installed, nothing runs."""

import math

import pytest

from service.demo.cluster import Cluster
from tests.benchmarks import pickup, start_python
from tests.benchmarks.machine import Installation
from tests.benchmarks.peers.environment import Environment
from tests.conftest import SERVICE_LOGIN, SERVICE_PASSWORD


@pytest.fixture
def installation(cluster: Cluster, template: str) -> Installation:
    return Installation(cluster, template, SERVICE_LOGIN, SERVICE_PASSWORD)


@pytest.fixture
def queues() -> Environment:
    environment = Environment("queues")
    if not environment.is_installed:
        pytest.skip("procrastinate and pgqueuer are not installed: make bench does it")
    return environment


def test_starts_from_python_are_measured_beside_both_queues(
    queues: Environment, installation: Installation
) -> None:
    figures = list(start_python.measured(queues, installation, rounds=1, seconds=0.2))
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
