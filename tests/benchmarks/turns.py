"""Two sides that take turns, so that whatever else the machine does weighs on both."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Turns:
    """What was measured of either side, in order, both in one unit."""

    ours: list[float]
    beside: list[float]

    @property
    def ratios(self) -> list[float]:
        """Of neighbours: ours to what stood beside it."""
        pairs = zip(self.ours, self.beside, strict=True)
        return [round(ours / beside, 3) for ours, beside in pairs]

    @property
    def ratio(self) -> float:
        return round(statistics.median(self.ratios), 3)

    def details(self, ours: str, beside: str) -> dict[str, float | str | list[float]]:
        """Medians under these names, and each ratio."""
        return {
            ours: round(statistics.median(self.ours), 3),
            beside: round(statistics.median(self.beside), 3),
            "ratios": self.ratios,
        }


def take_turns(
    rounds: int, ours: Callable[[], float], beside: Callable[[], float], warm_up: bool = True
) -> Turns:
    """So many of each side, after one of each that does not count."""
    pairs = [(ours(), beside()) for _ in range(rounds + warm_up)][warm_up:]
    return Turns([first for first, _ in pairs], [second for _, second in pairs])
