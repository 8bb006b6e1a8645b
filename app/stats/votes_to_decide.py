"""After how many votes a difference will be decided, if it stays as large as it is now."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri

from app.errors import InvalidInputError
from app.stats.intervals import quantile
from app.stats.sequential import student_half_width

MOST = 1e9  # votes; whoever needs more will not collect them


def votes_to_decide(
    difference: float,
    variance: float,
    n_votes: float,
    *,
    rope: float,
    df: float = np.inf,
    confidence: float = 0.95,
    power: float = 0.8,
    is_anytime: bool = True,
) -> float | None:
    """Votes in all after which the interval of ``difference`` d excludes 0, or lies within -+``rope``, with ``power``.

    With n votes, allotted as now, the standard error is s = sqrt(V n_votes / n), and w(n) the half-width of the
    interval: of the confidence sequence (``sequential.student_half_width``) if ``is_anytime``, else of Student's. Some
    interval decides once w(n) + z_power s <= reach, with reach = |d| to exclude 0, or rope - |d| to lie within; the
    larger of the two reaches is the sooner. The smallest such n, found by bisection since the left side falls with n;
    None beyond a thousand million votes, n_votes at least. Raises ``InvalidInputError`` for numbers out of range.
    """
    if not (variance > 0 and math.isfinite(variance) and n_votes > 0 and rope > 0 and math.isfinite(difference)):
        raise InvalidInputError("a forecast needs a difference, its variance, some votes and a range of equivalence")
    if not 0 < power < 1 or not 0 < confidence < 1:
        raise InvalidInputError("power and confidence must lie between 0 and 1")
    reach = max(abs(difference), rope - abs(difference))
    z = float(ndtri(power))

    def misses(n: float) -> bool:
        se = math.sqrt(variance * n_votes / n)
        if is_anytime:
            width = float(student_half_width(np.array([se]), df, confidence=confidence)[0])
        else:
            width = quantile(confidence, df) * se
        return not width + z * se <= reach

    low, high = n_votes, float(max(MOST, n_votes))
    if misses(high):
        return None
    if not misses(low):
        return n_votes
    while high / low > 1 + 1e-6:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if misses(middle) else (low, middle)
    return high
