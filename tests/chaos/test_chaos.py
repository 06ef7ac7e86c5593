"""Each fault once, in the middle of a sync. `make chaos` strikes often and at random moments."""

import pytest

from tests.chaos.matrix import FAULTS
from tests.chaos.site import Site
from tests.chaos.trial import Fault, strike_once

pytestmark = pytest.mark.gate

QUICK = [fault for fault in FAULTS if fault.quick]


@pytest.mark.parametrize("fault", QUICK, ids=[fault.name for fault in QUICK])
def test_a_mailbox_comes_out_as_if_nothing_had_broken(site: Site, fault: Fault) -> None:
    outcome = strike_once(site, fault)

    print(f"{fault.name}: {outcome}")
