"""Half a minute of what `make chaos` does for half an hour: GMAIL_SYNC_SOAK_SECONDS=1800."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.figures import tell
from tests.chaos.site import Site, running_site
from tests.chaos.soak import USERS, soak

pytestmark = pytest.mark.serial

SECONDS = float(os.environ.get("GMAIL_SYNC_SOAK_SECONDS", "30"))
MESSAGES = 240
# Resident memory, in bytes, that may be more than before: of syncs at once, and of their threads.
SLACK = 40 << 20


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    logs: Path = tmp_path_factory.mktemp("logs")
    with running_site(logs, MESSAGES) as site:
        yield site


def test_nothing_is_left_behind_by_many_syncs_and_faults(site: Site) -> None:
    soaked = soak(site, SECONDS, random.Random(1))

    before, after = soaked.before.by_serve, soaked.after.by_serve
    tell(
        f"{len(USERS)} users sync while something breaks at random",
        f"{soaked.blows} faults in {SECONDS / 60:.1f} min; {soaked.hot:.0%} of all updates of runs"
        f" HOT; no dead row is kept; `serve` holds {after.resident >> 20} MB (before:"
        f" {before.resident >> 20}), {after.threads} threads ({before.threads}),"
        f" {after.descriptors} files ({before.descriptors})",
    )
    assert soaked.hot > 0.8
    assert soaked.after.connections <= soaked.before.connections
    assert after.threads <= before.threads
    assert after.descriptors <= before.descriptors
    assert after.resident <= before.resident + SLACK
