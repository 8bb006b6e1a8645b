"""Online Elo: one update per vote, in the order in which the votes were cast."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from app.domain import Ranking
from app.errors import NotOrderedError
from app.stats.board import Estimates, connection_warnings, make_ranking
from app.stats.comparisons import Comparisons
from app.stats.connectivity import weak_components
from app.stats.counts import BOTH, SECOND, TIE, outcome_counts, win_matrix
from app.stats.intervals import normal_quantile

LABEL = "Elo (live: depends on the order of votes, no intervals)"
NEEDS_ORDER = True  # whether the order in which votes were cast matters
DESCRIPTION = (
    "Moves both ratings a little after each vote, as in chess; it assumes that recent votes matter most, gives another "
    "result if the same votes come in another order, and says nothing about uncertainty."
)
SCALE = 400.0  # 400 points more are odds of 10 to 1
BLOCK = 1 << 16  # votes at a time, as Python numbers
K = 32.0


def rank(
    comparisons: Comparisons,
    *,
    confidence: float = 0.95,
    ties: str = "half",
    both_bad: str = "tie",
    k: float = K,
) -> Ranking:
    """Ratings R * ln 10 / 400 in logits after the last vote, every model starting at R = 0; no standard errors.

    R_a += k w (s - 1 / (1 + 10^((R_b - R_a) / 400))), R_b the opposite, s = 1 for a win, 1/2 for a tie, 0 for a loss,
    w the vote's weight and ``k`` in Elo points (Elo 1978). Updates are zero-sum, so the ratings of a group of connected
    models sum to zero, and ranks are within the group. ``confidence`` is only passed through.

    Raises ``NotOrderedError`` unless ``comparisons.ordered``; ``InvalidInputError`` as ``counts.wins_and_ties`` does.
    """
    normal_quantile(confidence)
    if not comparisons.ordered:
        raise NotOrderedError("Elo needs the single votes in the order in which they were cast")
    counts = outcome_counts(comparisons)
    wins = win_matrix(counts, ties=ties, both_bad=both_bad)
    used = (wins + wins.T).sum(axis=1) > 0
    groups = weak_components(wins)
    estimates = Estimates.blank(len(comparisons.models))
    estimates.rating[used] = _play(comparisons, ties, both_bad, k)[used] * math.log(10) / SCALE
    estimates.score[:] = estimates.rating
    return make_ranking(
        "elo",
        comparisons,
        counts,
        groups,
        estimates,
        confidence=confidence,
        warnings=connection_warnings(comparisons.models, groups, used),
    )


def _play(comparisons: Comparisons, ties: str, both_bad: str, k: float) -> NDArray[np.float64]:
    """Elo points of shape (m,) after all used votes."""
    points = [0.0] * len(comparisons.models)
    outcome = comparisons.outcome
    last = SECOND if ties == "drop" else TIE if both_bad == "drop" else BOTH  # the outcome codes are in this order
    used = np.flatnonzero(outcome <= last)
    score = np.array([1.0, 0.0, 0.5, 0.5])
    for start in range(0, len(used), BLOCK):
        rows = used[start : start + BLOCK]
        columns = (comparisons.model_a[rows], comparisons.model_b[rows], score[outcome[rows]], comparisons.weight[rows])
        for a, b, won, weight in zip(*(column.tolist() for column in columns), strict=True):
            change = k * weight * (won - 1 / (1 + 10 ** ((points[b] - points[a]) / SCALE)))
            points[a] += change
            points[b] -= change
    return np.array(points)
