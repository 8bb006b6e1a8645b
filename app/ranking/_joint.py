"""What Bradley-Terry with effects, Davidson and Rao-Kupper share: one fit of everything, then a board per group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.domain import Effect, Ranking
from app.errors import NotConvergedError
from app.stats.board import Estimates, make_ranking
from app.stats.cells import POSITION, Cells, make_cells
from app.stats.comparisons import Comparisons
from app.stats.connectivity import unbounded_models, weak_components
from app.stats.counts import outcome_counts, wins_and_ties
from app.stats.inference import (
    check_bias_reduction,
    check_multiplicity,
    fill_group,
    fit_warnings,
    is_reduced,
    shows_no_spread,
)
from app.stats.intervals import normal_quantile
from app.stats.joint import JointFit, fit_jointly
from app.stats.links import HALF_WIN, Link
from app.stats.scores import Covariance, Uncertainty, cells_of, joint_sandwich, vote_scores

RUNAWAY = (
    "Some mixture of strengths, ties, position and covariates foretells these votes without fail, so they set no limit "
    "on it. All is rated by a bias-reduced fit (Firth), which stays finite; take the numbers with caution."
)
NO_TIES = "No tie counts among these votes, so the method is plain Bradley-Terry."


@dataclass(frozen=True)
class _Options:
    """Which votes count and what is estimated beside the strengths, as ``cells`` and ``scores`` take them."""

    ties: str
    both_bad: str
    position: bool
    covariates: bool

    def given(self) -> dict[str, bool]:
        return {"position": self.position, "covariates": self.covariates}


def rank_jointly(
    method: str,
    link: Link,
    comparisons: Comparisons,
    *,
    confidence: float,
    ties: str,
    both_bad: str,
    position: bool,
    covariates: bool,
    bias_reduction: str,
    covariance: Covariance | None,
    multiplicity: str = "holm",
) -> Ranking:
    """The board of ``joint.fit_jointly``: strengths per group; position, ties and covariates common to all groups.

    Since these are common, one unbounded model makes the whole fit Firth's. Intervals are sandwich intervals with the
    model's own variance where the votes show none, as in ``bradley_terry.rank``, or those of ``covariance``, which is
    given the scores of all used votes. Raises ``InvalidInputError`` and ``NotConvergedError`` as ``fit_jointly`` does,
    and the former if sides or covariates are asked for and not known.
    """
    normal_quantile(confidence)
    check_bias_reduction(bias_reduction)
    check_multiplicity(multiplicity)
    counts = outcome_counts(comparisons)
    wins, tied = wins_and_ties(counts, ties=ties, both_bad=both_bad)
    groups = weak_components(wins + tied / 2)
    linked = [group for group in groups if len(group) > 1]
    estimates = Estimates.blank(len(comparisons.models))
    value, notes = None, []
    if linked:
        options = _Options(ties, both_bad, position, covariates)
        which = {"ties": ties, "both_bad": both_bad, **options.given()}
        cells = make_cells(comparisons, groups, **which)  # type: ignore[arg-type]
        estimates.bounded[:] = ~_unbounded(wins + tied / 2, linked)
        if link.shape and not tied.any():
            link = HALF_WIN
            notes.append(NO_TIES)
        fit = _fit(cells, link, comparisons.models, ~estimates.bounded, bias_reduction)
        only_ties = (wins + wins.T).sum(axis=1) == 0
        by_model = cells_of(cells, ~estimates.bounded | only_ties)
        found = (
            covariance(vote_scores(fit, comparisons, **which))  # type: ignore[arg-type]
            if covariance
            else Uncertainty(joint_sandwich(fit, by_model))
        )
        estimates.df = found.df
        notes += found.notes
        believed = replace(found, covariance=_believable(fit, found.covariance, linked))
        _fill(estimates, fit, believed, linked, comparisons.models, (confidence, multiplicity))
        value = fit.log_likelihood
    used = (wins + wins.T + tied).sum(axis=1)
    notes += fit_warnings(comparisons.models, groups, used, estimates.bounded)
    if linked and fit.penalised and bias_reduction == "auto" and estimates.bounded.all():
        notes.append(RUNAWAY)
        for group in linked:
            estimates.bounded[group] = False
    return make_ranking(
        method,
        comparisons,
        counts,
        groups,
        estimates,
        confidence=confidence,
        log_likelihood=value,
        warnings=notes,
    )


def _unbounded(halves: NDArray[np.float64], linked: Sequence[NDArray[np.int64]]) -> NDArray[np.bool_]:
    found = np.zeros(len(halves), dtype=np.bool_)
    for group in linked:
        found[group] = unbounded_models(halves[np.ix_(group, group)])
    return found


def _fit(
    cells: Cells, link: Link, models: Sequence[str], unbounded: NDArray[np.bool_], bias_reduction: str
) -> JointFit:
    """Maximum likelihood where it is finite, else (unless that is refused) the bias-reduced fit."""
    if is_reduced(bias_reduction, models, unbounded):
        return fit_jointly(cells, link, penalised=True)
    try:
        return fit_jointly(cells, link)
    except NotConvergedError:
        if bias_reduction == "none":
            raise
        return fit_jointly(cells, link, penalised=True)


def _believable(
    fit: JointFit, covariance: NDArray[np.float64], linked: Sequence[NDArray[np.int64]]
) -> NDArray[np.float64]:
    """``covariance``, or the model-based one where the former calls a difference or an effect certain."""
    m = fit.cells.m
    certain = any(shows_no_spread(covariance[np.ix_(g, g)], fit.bread[np.ix_(g, g)]) for g in linked)
    effects, expected = np.diag(covariance)[m:], np.diag(fit.bread)[m:]
    return fit.bread if certain or (effects < 1e-6 * expected).any() else covariance


def _fill(
    estimates: Estimates,
    fit: JointFit,
    uncertainty: Uncertainty,
    linked: Sequence[NDArray[np.int64]],
    models: Sequence[str],
    options: tuple[float, str],
) -> None:
    """Write strengths by group and the effects that are common to all."""
    covariance, (confidence, multiplicity) = uncertainty.covariance, options
    for group in linked:
        block = covariance[np.ix_(group, group)]
        fill_group(
            estimates,
            group,
            fit.theta[group],
            block,
            models,
            confidence,
            df=uncertainty.df,
            multiplicity=multiplicity,
        )
    se = np.sqrt(np.diag(covariance)[fit.cells.m :])
    effects = [
        Effect(name, float(estimate), float(error))
        for name, estimate, error in zip(fit.cells.names, fit.effects, se, strict=False)
    ]
    if effects and effects[0].name == POSITION:
        estimates.position, *effects = effects
    estimates.covariates = tuple(effects)
    if fit.link.shape:
        estimates.ties = Effect(fit.link.shape, *fit.link.reports(fit.shape, float(se[-1])))
