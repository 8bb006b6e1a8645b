"""Absolute quality from both-bad votes: a model whose pairs are seldom both bad is good, whoever wins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.domain import Ranking
from app.stats.board import Estimates, chosen, connection_warnings, make_ranking, naming
from app.stats.comparisons import Comparisons
from app.stats.connectivity import weak_components
from app.stats.counts import BOTH, TIE, outcome_counts, wins_and_ties
from app.stats.inference import few_votes_warnings, fill_group, shows_no_spread
from app.stats.intervals import normal_quantile
from app.stats.joint import JointFit, fit_jointly
from app.stats.links import HALF_WIN
from app.stats.quality import comparable_groups, double_cover, quality_cells, unbounded_qualities
from app.stats.scores import cells_of, joint_sandwich

LABEL = "Quality from both-bad votes"
NEEDS_ORDER = False  # whether the order in which votes were cast matters
DESCRIPTION = (
    "Rates how seldom a model is part of a pair that people call both bad, which no vote on the winner can tell; it "
    "assumes that the qualities of the two models add up in the log odds of both-bad, and that votes are independent."
)


def rank(comparisons: Comparisons, *, confidence: float = 0.95, ties: str = "half", both_bad: str = "tie") -> Ranking:
    """Qualities q in logits, higher is better, from logit P(both bad | i, j) = a - q_i - q_j, with sandwich intervals.

    q sums to zero within each group of comparable models (``stats.quality`` says which are: two models alone are not).
    There is no board where no vote, or every vote, is both bad. All votes count: ties are not both-bad (``ties="drop"``
    leaves them out), and ``both_bad`` is without effect, since both-bad is what is modelled. Where no finite maximum
    exists (a model that was never, or always, in a both-bad pair) Firth's bias-reduced fit with ``bounded=False`` and a
    warning. It is a logistic regression with X = e_i + e_j, fitted by ``joint.fit_jointly``.

    Raises ``InvalidInputError`` and ``NotConvergedError`` as ``bradley_terry.rank`` does.
    """
    normal_quantile(confidence)
    counts = outcome_counts(comparisons)
    wins_and_ties(counts, ties=ties, both_bad=both_bad)  # refuses unknown options
    total = counts if ties == "half" else np.delete(counts, TIE, axis=2)
    bad = counts[:, :, BOTH] + counts[:, :, BOTH].T
    others = total.sum(axis=2) + total.sum(axis=2).T - bad
    used = (bad + others).sum(axis=1)
    cover = double_cover(bad, others)
    groups, free = comparable_groups(cover)
    is_told = bool(bad.any() and others.any())
    if not is_told:
        groups = [np.array([i]) for i in np.argsort(-used, kind="stable")]
    models = comparisons.models
    estimates = Estimates.blank(len(models))
    value = None
    if is_told:
        unbounded = unbounded_qualities(cover)
        fit = fit_jointly(quality_cells(bad, others, groups, free), HALF_WIN, penalised=bool(unbounded.any()))
        _fill(estimates, fit, unbounded, models, confidence)
        value = fit.log_likelihood
    return make_ranking(
        "both_bad",
        comparisons,
        counts,
        groups,
        estimates,
        confidence=confidence,
        log_likelihood=value,
        warnings=_warnings(models, groups, weak_components(bad + others), used, estimates),
    )


def _fill(
    estimates: Estimates, fit: JointFit, unbounded: NDArray[np.bool_], models: tuple[str, ...], confidence: float
) -> None:
    """Write q = -(u - mean of u), group by group."""
    found = joint_sandwich(fit, cells_of(fit.cells, unbounded))
    for group in fit.cells.groups:
        if len(group) == 1:
            continue
        estimates.bounded[group] = ~unbounded[group]
        centring = np.eye(len(group)) - 1 / len(group)
        block, expected = (centring @ s[np.ix_(group, group)] @ centring for s in (found, fit.bread))
        covariance = expected if shows_no_spread(block, expected) else block
        fill_group(estimates, group, -centring @ fit.theta[group], covariance, models, confidence)


def _warnings(
    models: tuple[str, ...],
    groups: list[NDArray[np.int64]],
    linked: list[NDArray[np.int64]],
    used: NDArray[np.float64],
    estimates: Estimates,
) -> list[str]:
    found = connection_warnings(models, linked, used > 0)
    if used.any() and np.isnan(estimates.rating).all():
        found.append("All votes are both bad, or none is, or no two models can be compared by them: there is no board.")
    elif len(groups) > len(linked):
        alone = used * np.isnan(estimates.rating) > 0
        who = f" Without a rating: {naming(chosen(models, alone))}." if alone.any() else ""
        found.append(
            "Some models can't be compared, since the pairs that met form no odd cycle (such as three models that all "
            f"met): the votes give the sum of two qualities, not the difference.{who}"
        )
    endless = chosen(models, ~estimates.bounded)
    if endless:
        found.append(
            f"{naming(endless)}: never, or always, both bad, alone or together with others, so the votes set no upper "
            "or lower limit. All qualities are from a bias-reduced fit (Firth), which stays finite; take these with "
            "caution."
        )
    return found + few_votes_warnings(models, used)
