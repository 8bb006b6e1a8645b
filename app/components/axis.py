"""The scales on which ratings are shown, and the axis of a drawn interval; pure, so that it can be tested alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """How a number of the maths is shown: ``offset + factor * x`` with ``digits`` decimals and a unit."""

    label: str
    factor: float = 1.0
    offset: float = 0.0
    digits: int = 0
    unit: str = ""

    def of(self, x: float) -> float:
        """The number on this scale."""
        return self.offset + self.factor * x

    def text(self, x: float) -> str:
        """The number as it is written; ``x`` is on the scale of the maths."""
        return self.write(self.of(x))

    def write(self, value: float, digits: int | None = None) -> str:
        """A number that is on this scale already, with a true minus sign."""
        shown = f"{value:.{self.digits if digits is None else digits}f}"
        if float(shown) == 0:
            shown = shown.lstrip("-")
        return shown.replace("-", "−") + self.unit


ELO = Scale("Elo", factor=400 / math.log(10), offset=1000)  # 400 points more are odds of 10 to 1
LOGITS = Scale("Logits", digits=2)
SHARE = Scale("Win rate", factor=100, unit=" %")
SCALES = {scale.label: scale for scale in (ELO, LOGITS)}


@dataclass(frozen=True, slots=True)
class Axis:
    """From ``low`` to ``high``, with round numbers at the ticks; all in the units of a scale."""

    low: float
    high: float
    ticks: tuple[float, ...]
    digits: int

    def at(self, value: float) -> float:
        """Where a value stands, in per cent of the axis, within it."""
        return round(min(100.0, max(0.0, 100 * (value - self.low) / (self.high - self.low))), 2)


def make_axis(values: Sequence[float], *, most_ticks: int = 6) -> Axis:
    """An axis around all values with a little room at both ends and at most ``most_ticks`` ticks."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = 0.04 * (high - low) or 0.5 * abs(high) or 1.0
    low, high = low - room, high + room
    rough = (high - low) / most_ticks
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in _STEPS if factor * magnitude >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) + (1 if math.isclose(step / magnitude, 2.5) else 0)
    return Axis(low, high, tuple(n * step for n in range(first, last + 1)), digits if step < 10 else 0)
