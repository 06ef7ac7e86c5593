"""`make bench`, or `python -m tests.benchmarks --help`: every benchmark, one after another.

Writes results.json, chart.svg and the table in README.md. Exit status 1: one could not be measured;
what the others measured is written nevertheless.
"""

import argparse
import importlib
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from unittest import SkipTest

from tests.benchmarks import large_mailbox, report, scale
from tests.benchmarks.figure import Figure

# Each a module here, whose measure() yields figures.
BENCHMARKS = (
    "start",
    "start_python",
    "pickup",
    "heartbeat",
    "growth",
    "size",
    "day",
    "search",
    "throughput",
    "lieer",
    "quota",
    "sync_now",
    "nothing_new",
    "events",
    "operator_page",
    "router",
    "memory",
    "storage",
    "import",
    "webhooks",
)


def main(given: Sequence[str] | None = None) -> int:
    options = arguments(given)
    if options.scale:
        if options.scale != "mailbox":
            scale.main(options.keep)
        if options.scale != "search":
            large_mailbox.main(options.sizes)
        return 0
    figures: list[Figure] = []
    not_measured: dict[str, str] = {}
    failed = False
    print(report.HEAD, end="")
    for name in options.only or BENCHMARKS:
        try:
            for figure in importlib.import_module(f"tests.benchmarks.{name}").measure():
                print(report.line(figure), end="", flush=True)
                figures.append(figure)
        except SkipTest as skipped:
            not_measured[name] = str(skipped)
        except Exception as error:
            traceback.print_exc()
            not_measured[name], failed = f"failed, {type(error).__name__}", True
    print(report.left_out(not_measured), end="")
    if not options.only:
        report.write(report.Results(report.machine(), figures, not_measured))
    return failed


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "--only", action="append", choices=BENCHMARKS, help="this one only; nothing is written"
    )
    parser.add_argument(
        "--scale",
        nargs="?",
        choices=("search", "mailbox", "both"),
        const="both",
        help="large mailboxes only, in two hours; writes scale.json and large_mailbox.json",
    )
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=int,
        default=large_mailbox.SIZES,
        help="messages of the mailboxes of --scale mailbox; with others nothing is written",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="with --scale search: the first call only loads into it, others only time",
    )
    return parser.parse_args(given)


if __name__ == "__main__":
    sys.exit(main())
