"""The share of votes won: easy to read, blind to who the opponents were."""

from __future__ import annotations

import numpy as np

from app.domain import Ranking
from app.stats.board import Estimates, connection_warnings, make_ranking
from app.stats.comparisons import Comparisons
from app.stats.connectivity import weak_components
from app.stats.counts import outcome_counts, win_matrix
from app.stats.intervals import normal_quantile

LABEL = "Win rate"
NEEDS_ORDER = False  # whether the order in which votes were cast matters
DESCRIPTION = (
    "The share of its votes that a model won, a tie counting half; it assumes that all models met equally strong "
    "opponents, so it misleads where they did not."
)


def rank(comparisons: Comparisons, *, confidence: float = 0.95, ties: str = "half", both_bad: str = "tie") -> Ranking:
    """Ranks by half-wins / used votes, within each group of models that votes connect.

    Rating, standard error and bounds are None, since a win rate is not in logits (for its interval see
    ``intervals.wilson_interval``); a model without a used vote has no rank. ``confidence`` is only passed through.

    Raises ``InvalidInputError`` as ``counts.wins_and_ties`` does.
    """
    normal_quantile(confidence)
    counts = outcome_counts(comparisons)
    wins = win_matrix(counts, ties=ties, both_bad=both_bad)
    used = (wins + wins.T).sum(axis=1)
    groups = weak_components(wins)
    estimates = Estimates.blank(len(comparisons.models))
    np.divide(wins.sum(axis=1), used, out=estimates.score, where=used > 0)
    return make_ranking(
        "win_rate",
        comparisons,
        counts,
        groups,
        estimates,
        confidence=confidence,
        warnings=connection_warnings(comparisons.models, groups, used > 0),
    )
