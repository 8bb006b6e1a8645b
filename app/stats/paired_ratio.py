"""How many times as large a number of one model's outputs is as another's, over the prompts that both answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidInputError

N_BOOT, FEWEST_BOOT = 1000, 200
_WORK = 4_000_000  # numbers drawn, which take a quarter of a second

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ratio:
    """``of_a`` / ``of_b`` with bounds; infinite where the second is 0 and the first is not, 1 where both are 0."""

    of_a: float
    of_b: float
    ratio: float
    lower: float
    upper: float
    n: int


def paired_ratio(
    a: Array, b: Array, *, quantile: float | None = None, confidence: float = 0.95, seed: int = 0
) -> Ratio:
    """The ratio of means, or of a ``quantile``, of two numbers for each of n prompts (shape (n,)), none negative.

    Bounds are percentiles of the ratio over 1,000 resamples of prompts (Efron & Tibshirani 1993, chapter 13); a prompt
    keeps its two numbers together. Fewer resamples, at least 200, for many prompts. Raises ``InvalidInputError`` for
    shapes that differ, fewer than two prompts, a negative number, or a quantile or confidence outside (0, 1).
    """
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise InvalidInputError("a ratio needs two numbers for each of at least two prompts")
    if not ((a >= 0).all() and (b >= 0).all()):
        raise InvalidInputError("a ratio needs numbers that are not negative")
    if not 0 < confidence < 1 or not (quantile is None or 0 < quantile < 1):
        raise InvalidInputError("confidence and quantile must lie between 0 and 1")
    statistic: Callable[..., Array] = np.mean if quantile is None else partial(np.quantile, q=quantile)
    n_boot = int(np.clip(_WORK // len(a), FEWEST_BOOT, N_BOOT))
    rng = np.random.default_rng(seed)
    ratios = np.empty(n_boot)
    at_once = max(1, _WORK // 8 // len(a))
    for start in range(0, n_boot, at_once):
        rows = rng.integers(len(a), size=(min(at_once, n_boot - start), len(a)))
        ratios[start : start + len(rows)] = _ratio(statistic(a[rows], axis=1), statistic(b[rows], axis=1))
    of_a, of_b = float(statistic(a)), float(statistic(b))
    tail = (1 - confidence) / 2
    lower, upper = (float(np.quantile(ratios, p, method="nearest")) for p in (tail, 1 - tail))
    return Ratio(of_a, of_b, float(_ratio(np.array([of_a]), np.array([of_b]))[0]), lower, upper, len(a))


def _ratio(a: Array, b: Array) -> Array:
    found = np.divide(a, b, out=np.full(len(a), np.inf), where=b > 0)
    return np.where((a == 0) & (b == 0), 1.0, found)
