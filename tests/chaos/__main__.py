"""Strikes with each fault often and at random moments, and writes what was seen to tests/README.md.

`make chaos`, or `python -m tests.chaos --only 'killed'` for faults whose name holds a word; these
runs write nothing. Exit status 1: a fault did harm. Its logs are left.
"""

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import time
import traceback
from pathlib import Path
from unittest import SkipTest

import pytest

from tests.chaos.matrix import FAULTS
from tests.chaos.site import Site, running_site
from tests.chaos.trial import Fault, Outcome, strike_often
from tests.markers import write_between

README = Path(__file__).parents[1] / "README.md"
HEAD = """\
| fault | struck | besides | recovered p50 | max | fetched twice |
| --- | --- | --- | --- | --- | --- |
"""
MESSAGES = 1200
# A fault whose blows take long gets fewer of them.
MOST_SECONDS = 300


def main() -> int:
    options = arguments()
    faults = [fault for fault in FAULTS if options.only in fault.name]
    logs = Path(tempfile.mkdtemp(prefix="gmail-sync-chaos-"))
    lines, samples, harm = [], 0, False
    with running_site(logs, MESSAGES) as site:
        for fault in faults:
            try:
                outcomes = trials(site, fault, options)
                line = f"{fault.name} | {summary(fault, outcomes)}"
                samples += sum(outcome.samples for outcome in outcomes)
            except SkipTest as skipped:
                line = f"{fault.name} | not here: {skipped} | | | |"
            except (Exception, pytest.fail.Exception):
                traceback.print_exc()
                line, harm = f"{fault.name} | FAILED | | | |", True
            print(f"| {line} |", flush=True)
            lines.append(f"| {line} |\n")
    if harm:
        print(f"The logs are in {logs}", file=sys.stderr)
        return 1
    shutil.rmtree(logs)
    if not options.only:
        written = f"{HEAD}{''.join(lines)}\n{samples} states of runs were judged.\n"
        write_between(README, "make chaos", written)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="faults whose name holds this")
    parser.add_argument("--blows", type=int, default=100, help="with each fault, at most")
    parser.add_argument("--seed", default="", help="of the moments of the blows")
    return parser.parse_args()


def trials(site: Site, fault: Fault, options: argparse.Namespace) -> list[Outcome]:
    """Sync new users until the fault has struck as often as it should."""
    dice = random.Random(f"{options.seed} {fault.name}")
    ends_at = time.monotonic() + MOST_SECONDS
    outcomes: list[Outcome] = []
    blows = min(fault.blows, options.blows)
    while (left := blows - struck(outcomes)) > 0 and time.monotonic() < ends_at:
        outcomes.append(strike_often(site, fault, left, dice))
    return outcomes


def struck(outcomes: list[Outcome]) -> int:
    return sum(len(outcome.recoveries) for outcome in outcomes)


def summary(fault: Fault, outcomes: list[Outcome]) -> str:
    seconds = [each for outcome in outcomes for each in outcome.recoveries]
    besides = {"kept": "the run goes on", "taken over": "a successor goes on", "either": ""}
    asserted = "; ".join(filter(None, (besides[fault.run], fault.asserted)))
    twice = sum(outcome.fetched_twice for outcome in outcomes) / max(1, len(seconds))
    recovered = f"{statistics.median(seconds):.1f} s | {max(seconds):.1f} s"
    return f"{len(seconds)} times | {asserted} | {recovered} | {twice:.0f} a blow"


if __name__ == "__main__":
    sys.exit(main())
