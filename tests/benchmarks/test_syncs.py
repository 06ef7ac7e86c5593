"""The benchmarks of whole syncs still run: each once, as small as it can be."""

import importlib
from collections.abc import Callable, Iterator

import pytest

from service.simulator.quota import Charge
from tests.benchmarks import events, memory, nothing_new, operator_page, quota, sync_now, throughput
from tests.benchmarks.figure import Figure
from tests.benchmarks.machine import Installation
from tests.cluster import Cluster

pytestmark = pytest.mark.gate

SMALLEST: dict[str, Callable[[Installation], Iterator[Figure]]] = {
    "throughput": lambda it: throughput.figures(it, {"large": 4}, repetitions=1),
    "quota": lambda it: iter(
        [
            quota.single_messages(it, window=4, windows=1, late=1),
            quota.threads(it, window=4, messages=600, late=1),
        ]
    ),
    "sync_now": lambda it: sync_now.figures(it, repetitions=1, new=12, latency=0.02),
    "nothing_new": lambda it: nothing_new.figures(it, repetitions=1),
    "events": lambda it: events.figures(it, clicks=3, watchers=5, changes=2),
    "operator_page": lambda it: operator_page.figures(
        it, (20, 5, 20), (40, 10, 40), rounds=1, times=2
    ),
    "memory": lambda it: memory.figures(it, messages=2000),
    "import": lambda it: importlib.import_module("tests.benchmarks.import").figures(it, 50, 100),
}
NAMES = {
    "throughput": [
        "throughput_large_1_google",
        "throughput_large_1_ours",
        "throughput_large_index",
        "throughput_large_2_google",
        "throughput_large_2_ours",
    ],
    "quota": ["quota", "quota_threads"],
    "sync_now": ["sync_now"],
    "nothing_new": ["nothing_new", "nothing_new_no_latency"],
    "events": ["click_to_event", "fan_out"],
    "operator_page": ["operator_page"],
    "memory": ["memory"],
    "import": ["import", "import_units", "import_memory_import", "import_memory_worker"],
}


@pytest.fixture
def installation(cluster: Cluster, template: str) -> Installation:
    return Installation(cluster, template)


@pytest.mark.parametrize(
    "name",
    [
        # Google's windows are not to be missed for the load of other tests.
        pytest.param(name, marks=pytest.mark.serial) if name == "quota" else name
        for name in SMALLEST
    ],
)
def test_a_benchmark_yields_its_figures(name: str, installation: Installation) -> None:
    figures = list(SMALLEST[name](installation))

    assert [figure.name for figure in figures] == NAMES[name]
    for figure in figures:
        assert figure.value > 0
        assert figure.what
        assert figure.details


def test_the_share_of_a_quota_is_taken_from_when_the_first_window_was_spent() -> None:
    burst = [Charge(0.1 * number, "a", 600) for number in range(10)]
    late = [Charge(20 + each.at, "a", 600) for each in burst]

    assert quota.used([*burst, *late], window=10) == pytest.approx(0.5)
