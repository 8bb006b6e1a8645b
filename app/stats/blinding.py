"""Whether raters could tell what they were not told: Bang's blinding index.

Raters guess which model (or arm) they were shown; some say that they don't know. The index of one arm is 1 if all
guess right, 0 if guesses are chance, -1 if all guess wrong. Bang, Ni & Davis 2004 (Controlled Clinical Trials 25,
143-156).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt

from app.errors import InvalidInputError
from app.stats.intervals import normal_quantile


@dataclass(frozen=True)
class BlindingIndex:
    """``index`` = (right - wrong) / n with Bang's standard error and an interval, all in [-1, 1].

    ``is_unblinded``: the lower bound is above 0, more right guesses than chance gives.
    """

    index: float
    se: float
    lower: float
    upper: float
    n: int
    is_unblinded: bool


def bang_index(right: int, wrong: int, unknown: int = 0, *, confidence: float = 0.95) -> BlindingIndex:
    """Bang's index of one arm: BI = (2 r - 1) (right + wrong) / n, r = right / (right + wrong), n = all answers.

    With a = right/n, b = wrong/n: BI = a - b and se = sqrt((a + b - (a - b)^2) / n). The interval is not BI -+ z se,
    which has no width when all guess alike, but the adjusted one for a difference of two multinomial shares (Bonett &
    Price 2012, Journal of Educational and Behavioral Statistics 37): the same with right + 1, wrong + 1 and n + 2.
    ``confidence`` is two-sided. Raises ``InvalidInputError`` for negative, fractional or missing counts or no answer.
    """
    z = normal_quantile(confidence)
    counts = (right, wrong, unknown)
    if not all(isfinite(count) and count >= 0 and count == int(count) for count in counts):
        raise InvalidInputError("the numbers of right, wrong and don't-know guesses must be whole numbers from 0 on")
    n = int(sum(counts))
    if n == 0:
        raise InvalidInputError("nobody was asked for a guess")
    index, se = _difference(right, wrong, n)
    centre, spread = _difference(right + 1, wrong + 1, n + 2)
    lower, upper = max(centre - z * spread, -1.0), min(centre + z * spread, 1.0)
    return BlindingIndex(index, se, lower, upper, n, lower > 0)


def _difference(right: float, wrong: float, n: float) -> tuple[float, float]:
    gap = (right - wrong) / n
    return gap, sqrt(max((right + wrong) / n - gap**2, 0.0) / n)
