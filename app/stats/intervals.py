"""Confidence intervals for proportions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

from app.errors import InvalidInputError


def normal_quantile(confidence: float) -> float:
    """The z of a two-sided interval: 1.96 for 0.95. Raises ``InvalidInputError`` unless 0 < confidence < 1."""
    if not 0 < confidence < 1:
        raise InvalidInputError(f"confidence must lie between 0 and 1, not {confidence}")
    return float(ndtri(0.5 + confidence / 2))


def quantile(confidence: float, df: float = np.inf) -> float:
    """The quantile of a two-sided interval by Student's t with ``df`` degrees of freedom, infinite meaning normal.

    Raises ``InvalidInputError`` unless 0 < confidence < 1.
    """
    z = normal_quantile(confidence)
    return z if np.isinf(df) else float(stdtrit(df, 0.5 + confidence / 2))


def wilson_interval(
    successes: ArrayLike, n: ArrayLike, *, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper bounds of a proportion from its successes out of n, elementwise, without continuity correction.

    (k + z^2/2 -+ z sqrt(k (n - k) / n + z^2/4)) / (n + z^2) (Wilson 1927, JASA 22); (0, 1) where n is 0. ``successes``
    may hold halves (ties): the interval is then wider than it need be. Raises ``InvalidInputError`` unless
    0 <= successes <= n and 0 < confidence < 1.
    """
    z = normal_quantile(confidence)
    k, total = np.broadcast_arrays(np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64))
    if not ((k >= 0) & (k <= total)).all():
        raise InvalidInputError("successes must lie between 0 and the number of trials")
    spread = z * np.sqrt(k * (total - k) / np.where(total > 0, total, 1.0) + z**2 / 4)
    lower = np.where(k == 0, 0.0, (k + z**2 / 2 - spread) / (total + z**2))
    upper = np.where(k == total, 1.0, (k + z**2 / 2 + spread) / (total + z**2))
    return lower, upper
