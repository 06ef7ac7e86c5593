"""`make bench`, or `python -m tests.benchmarks --help`: every benchmark, one after another."""

import argparse
import importlib
from collections.abc import Iterator

from tests.benchmarks.figure import Figure

# Each a module here, whose measure() yields figures.
BENCHMARKS: tuple[str, ...] = ()


def main() -> None:
    options = arguments()
    for figure in figures(options.only or BENCHMARKS):
        print(figure, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=BENCHMARKS, help="this one only; nothing is written"
    )
    return parser.parse_args()


def figures(names: tuple[str, ...]) -> Iterator[Figure]:
    for name in names:
        yield from importlib.import_module(f"tests.benchmarks.{name}").measure()


if __name__ == "__main__":
    main()
