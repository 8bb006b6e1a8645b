"""A difference between models with the intervals and p-values that may be told of it, and for whom they hold."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtr

from app.services.chosen_votes import CONFIDENCE, Chosen
from app.stats.contrasts import Contrast
from app.stats.intervals import quantile
from app.stats.max_t import max_t_tests
from app.stats.pairwise import contrast_tests, holm
from app.stats.sequential import BURN_IN, normal_log_evidence, student_half_width, variance_behind

FEWEST_RATERS = 30  # before intervals that hold at any time, which lean on the normal law over raters


@dataclass(frozen=True, slots=True)
class Estimate:
    """A difference in logits with two intervals: of this comparison alone, and corrected for all of its family.

    They are None while too few votes or raters stand behind them. ``p`` and its corrections are told at the planned end
    only. ``variance`` and ``df`` are those behind it.
    """

    difference: float
    variance: float
    df: float
    n_votes: int
    n_raters: int
    alone: tuple[float, float] | None
    together: tuple[float, float] | None
    p: float | None = None
    p_max_t: float | None = None
    p_holm: float | None = None


def estimated(found: Contrast, n_family: int, *, is_at_end: bool) -> Estimate:
    """A contrast with its intervals: Student's at the planned end, else those that hold at any time.

    The corrected one is Bonferroni's over the ``n_family``; ``corrected`` prefers max-T where it is to be had.
    """
    d, se, levels = found.difference, found.se, (CONFIDENCE, 1 - (1 - CONFIDENCE) / n_family)
    if not (np.isfinite(se) and se > 0):
        half: list[float | None] = [None, None]
    elif is_at_end:
        half = [quantile(level, found.df) * se for level in levels]
    elif is_ready(found):
        half = [float(student_half_width(np.array([se]), found.df, confidence=level)[0]) for level in levels]
    else:
        half = [None, None]
    alone, together = (None if width is None or not np.isfinite(width) else (d - width, d + width) for width in half)
    p = float(2 * stdtr(found.df, -abs(d) / se)) if is_at_end and half[0] is not None else None
    return Estimate(d, found.variance, found.df, round(found.n_votes), found.n_clusters, alone, together, p)


def is_ready(found: Contrast) -> bool:
    """Whether enough stands behind a difference for an interval that holds at any time: votes, and raters if known."""
    has_raters = found.n_clusters == 0 or (np.isfinite(found.df) and found.n_clusters >= FEWEST_RATERS)
    return found.n_own >= BURN_IN and has_raters and not found.is_reduced


def anytime_p_of(found: Contrast) -> float:
    """The any-time p of a contrast, for decisions alone; it is never shown."""
    if not is_ready(found):
        return 1.0
    d = np.array([found.difference])
    p = np.array([2 * stdtr(found.df, -abs(found.difference) / found.se)])
    variance = variance_behind(d, p) if np.isfinite(found.df) else np.array([found.variance])
    return float(np.exp(-max(float(normal_log_evidence(d, variance)[0]), 0.0)))


def corrected(estimate: Estimate, chosen: Chosen, places: tuple[int, int | None], champion: int | None) -> Estimate:
    """With the p-values and the interval that hold for the whole family at once, at the planned end.

    By max-T and Holm over all pairs of the models that votes link, or over those with the ``champion`` alone if it is
    one of the two; against the field (no second place) by Bonferroni. Raises RankingError without a believable fit.
    """
    a, b = places
    if estimate.p is None:
        return estimate
    if b is None:
        n_family = len(next(board.models for board, _ in chosen.boards if a in board.models))
        return replace(estimate, p_holm=min(1.0, estimate.p * n_family))
    found = next(((board, tests) for board, tests in chosen.boards if a in board.models and b in board.models), None)
    if found is None:
        return estimate
    board, tests = found
    if champion in places:
        others = np.flatnonzero(board.models != champion)
        pairs = others, np.full(len(others), np.flatnonzero(board.models == champion)[0])
        tests = max_t_tests(board.theta, board.covariance, pairs=pairs, df=board.df, confidence=CONFIDENCE)
    i, j = board.models[tests.tests.i], board.models[tests.tests.j]
    place = int(np.flatnonzero(((i == a) & (j == b)) | ((i == b) & (j == a)))[0])
    p_holm = holm(contrast_tests(board.theta, board.covariance, tests.tests.i, tests.tests.j, df=board.df).p)[place]
    width = tests.critical * math.sqrt(estimate.variance)
    together = (estimate.difference - width, estimate.difference + width)
    return replace(estimate, together=together, p_max_t=float(tests.p_single_step[place]), p_holm=float(p_holm))
