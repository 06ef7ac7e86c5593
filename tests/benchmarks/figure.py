"""What a benchmark hands in."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    `value` is a ratio where something stands beside it, else in the `unit` named ("ms", "bytes").
    `bar` is what it has to reach ("at least") or to stay within ("at most"); None: no bar.
    `details` are the measures it was made of, their units in their names.
    """

    name: str
    what: str
    beside: str
    value: float
    bar: float | None = None
    direction: Literal["at least", "at most"] = "at least"
    unit: str = "×"
    details: dict[str, float | str | list[float]] = field(default_factory=dict)

    @property
    def reached(self) -> bool:
        if self.bar is None:
            return True
        return self.value >= self.bar if self.direction == "at least" else self.value <= self.bar

    def amount(self, number: float) -> str:
        """With the unit, to three digits or to the one before the point."""
        return f"{number:,.0f} {self.unit}" if number >= 100 else f"{number:.3g} {self.unit}"
