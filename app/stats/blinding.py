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


def bang_index(
    right: int, wrong: int, unknown: int = 0, *, confidence: float = 0.95, n_options: int = 2
) -> BlindingIndex:
    """Bang's index of one arm: BI = (2 r - 1) (right + wrong) / n, r = right / (right + wrong), n = all answers.

    With a = right/n, b = wrong/n: BI = a - b and se = sqrt((a + b - (a - b)^2) / n). The interval is not BI -+ z se,
    which has no width when all guess alike, but the adjusted one for a difference of two multinomial shares (Bonett &
    Price 2012, Journal of Educational and Behavioral Statistics 37): the same with right + 1, wrong + 1 and n + 2.

    Bang's index is for a guess between two. Where raters choose from K = ``n_options`` names, chance gives a = b / (K -
    1), so the index is BI = a - c b with c = 1 / (K - 1) and se = sqrt((a + c^2 b - BI^2) / n): again 0 by chance and 1
    if all guess right, but -c if all guess wrong. The two added answers of the interval are then 2/K right and the rest
    wrong, as chance gives them. With K = 2 all of this is Bang's and Bonett and Price's.

    ``confidence`` is two-sided. Raises ``InvalidInputError`` for negative, fractional or missing counts, no answer or
    fewer than two options.
    """
    z = normal_quantile(confidence)
    counts = (right, wrong, unknown)
    if not all(isfinite(count) and count >= 0 and count == int(count) for count in counts):
        raise InvalidInputError("the numbers of right, wrong and don't-know guesses must be whole numbers from 0 on")
    n = int(sum(counts))
    if n == 0:
        raise InvalidInputError("nobody was asked for a guess")
    if n_options != int(n_options) or n_options < 2:
        raise InvalidInputError("a guess needs two options or more")
    c = 1 / (n_options - 1)
    index, se = _difference(right, wrong, n, c)
    centre, spread = _difference(right + 2 / n_options, wrong + 2 - 2 / n_options, n + 2, c)
    lower, upper = max(centre - z * spread, -c), min(centre + z * spread, 1.0)
    return BlindingIndex(index, se, lower, upper, n, lower > 0)


def _difference(right: float, wrong: float, n: float, c: float) -> tuple[float, float]:
    gap = (right - c * wrong) / n
    return gap, sqrt(max((right + c**2 * wrong) / n - gap**2, 0.0) / n)
