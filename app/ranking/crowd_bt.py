"""Bradley-Terry that weighs raters by how reliable their votes prove to be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.domain import Ranking
from app.stats.board import Estimates, chosen, make_ranking, naming
from app.stats.cells import is_used
from app.stats.comparisons import NOBODY, Comparisons
from app.stats.connectivity import unbounded_models, weak_components
from app.stats.counts import SECOND, outcome_counts, wins_and_ties
from app.stats.crowd import CrowdFit, Verdicts, fit_crowd
from app.stats.inference import fill_group, fit_warnings
from app.stats.intervals import normal_quantile

LABEL = "Crowd-BT (weighs raters by reliability)"
NEEDS_ORDER = False  # whether the order in which votes were cast matters
NEEDS_RATERS = True  # without raters all votes count as those of one rater
DESCRIPTION = (
    "Estimates strengths together with the share of votes that each rater gets right, so that careless or hostile "
    "raters count less; it assumes that there is one right order for all raters, so that different tastes look like "
    "errors."
)
ALL_ALIKE = (
    "The votes come without raters, so their reliability can't be told apart: all count as votes of one rater, and "
    "this board only rescales Bradley-Terry's."
)

SCALE = (
    "How far apart the models are leans on what the method takes for granted of raters; differences tend to come out "
    "too large and intervals too narrow. Read the order, and compare it with Bradley-Terry's."
)


def rank(comparisons: Comparisons, *, confidence: float = 0.95, ties: str = "half", both_bad: str = "tie") -> Ranking:
    """Ratings in logits, summing to zero within a group of models that votes connect, with model-based intervals.

    The posterior mode of Crowd-BT (``crowd.fit_crowd``; Chen et al. 2013), fitted to each group alone; a tie is half a
    vote for each side. Votes without a rater count as one rater's, and where no rater is known a warning says so.
    Reliability and spread trade off against each other, so the scale leans on the prior and the model-based intervals
    do not cover at their level: in simulations with 8 models and 30 raters differences came out 12-33 % too large and
    95 % intervals covered 59-84 %. Order and tests of equality are not touched by a common factor. So this is a check
    on the order of the default board, not a replacement, and ``SCALE`` is always among the warnings.
    ``log_likelihood`` is that of the votes at the mode. Models without a finite Bradley-Terry rating have
    ``bounded=False``: only the prior limits them.

    Raises ``InvalidInputError`` and ``NotConvergedError`` as ``bradley_terry.rank`` does.
    """
    normal_quantile(confidence)
    counts = outcome_counts(comparisons)
    wins, tied = wins_and_ties(counts, ties=ties, both_bad=both_bad)
    groups = weak_components(wins + tied / 2)
    estimates = Estimates.blank(len(comparisons.models))
    used = comparisons.select(is_used(comparisons, ties, both_bad))
    total = None
    for group in groups:
        if len(group) > 1:
            fit, _ = fit_reliability(used, group)
            estimates.bounded[group] = ~unbounded_models((wins + tied / 2)[np.ix_(group, group)])
            centring = np.eye(len(group)) - 1 / len(group)
            covariance = centring @ fit.covariance @ centring
            fill_group(estimates, group, centring @ fit.theta, covariance, comparisons.models, confidence)
            total = (total or 0.0) + fit.log_likelihood
    everyone = np.ones(len(comparisons.models), dtype=np.bool_)
    found = fit_warnings(comparisons.models, groups, (wins + wins.T + tied).sum(axis=1), everyone)
    endless = chosen(comparisons.models, ~estimates.bounded)
    if endless:
        found.append(f"{naming(endless)} won everything or lost everything; only the method's prior limits the rating.")
    if total is not None:
        found.append(SCALE)
    if len(used) and (used.rater is None or (used.rater == NOBODY).all()):
        found.append(ALL_ALIKE)
    return make_ranking(
        "crowd_bt",
        comparisons,
        counts,
        groups,
        estimates,
        confidence=confidence,
        log_likelihood=total,
        warnings=found,
    )


def fit_reliability(used: Comparisons, group: NDArray[np.int64]) -> tuple[CrowdFit, NDArray[np.int64]]:
    """The fit to the votes among the models of ``group``, and the rater codes that its reliabilities belong to."""
    place = np.full(len(used.models), -1, dtype=np.int64)
    place[group] = np.arange(len(group))
    here = used.select(place[used.model_a] >= 0)
    rater = np.full(len(here), NOBODY) if here.rater is None else here.rater
    codes, own = np.unique(rater, return_inverse=True)
    a, b, m = place[here.model_a], place[here.model_b], len(group)
    a_won, b_won = here.outcome == 0, here.outcome == SECOND
    for_a = here.weight * np.where(a_won, 1.0, np.where(b_won, 0.0, 0.5))
    # One cell per rater and directed pair: the half-wins of either side, whichever way the votes were written.
    cell = np.concatenate([(own * m + a) * m + b, (own * m + b) * m + a])
    kinds, which = np.unique(cell, return_inverse=True)
    count = np.asarray(np.bincount(which, np.concatenate([for_a, here.weight - for_a]), len(kinds)), dtype=np.float64)
    kinds, count = kinds[count > 0], count[count > 0]
    verdicts = Verdicts(kinds // m % m, kinds % m, kinds // (m * m), count, m, len(codes))
    return fit_crowd(verdicts), codes
