"""A difference between models with what their outputs look like (length, marks) held equal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain import Effect
from app.errors import InvalidInputError
from app.stats.cells import make_cells
from app.stats.comparisons import Comparisons
from app.stats.connectivity import unbounded_models, weak_components
from app.stats.counts import outcome_counts, win_matrix
from app.stats.joint import fit_jointly
from app.stats.links import HALF_WIN
from app.stats.scores import VoteScores, vote_scores

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StyleContrast:
    """The difference in logits with ``variance`` and t's ``df``; ``effects`` of one root mean square of each column."""

    difference: float
    variance: float
    df: float
    effects: tuple[Effect, ...]


def style_contrast(
    comparisons: Comparisons,
    contrast: Callable[[NDArray[np.int64]], Array | None],
    cluster: NDArray[np.int64] | None,
) -> StyleContrast | None:
    """The contrast of strengths estimated together with the covariates of ``comparisons``, unpenalised.

    A strength then says how often an output would win against one of the same form (LMArena's style control, 2024-08-28
    at lmsys.org). ``cluster`` holds a rater's code for each comparison, or is None for errors per vote: variances are
    those of ``app.stats.contrasts`` with the covariates' scores beside the strengths'. None where the votes don't link
    the models. Raises ``InvalidInputError`` where a model won or lost everything, or a covariate can't be told apart,
    ``NotConvergedError`` without a maximum.
    """
    halves = win_matrix(outcome_counts(comparisons))
    groups = weak_components(halves)
    group = next((one for one in groups if contrast(one) is not None), None)
    direction = None if group is None else contrast(group)
    if group is None or direction is None:
        return None
    used = comparisons.select(np.isin(comparisons.model_a, group))
    if unbounded_models(halves[np.ix_(group, group)]).any():
        raise InvalidInputError("Some model won or lost everything, so its form can't be told apart from its strength.")
    fit = fit_jointly(make_cells(used, groups, covariates=True), HALF_WIN)
    scores = vote_scores(fit, used, covariates=True)
    codes = None if cluster is None else cluster[np.isin(comparisons.model_a, group)]
    m, k = fit.cells.m, fit.cells.k
    wanted = np.zeros((k + 1, m + k))
    wanted[0, group] = direction
    wanted[1:, m:] = np.eye(k)
    found = [_spread(scores, fit.bread @ row, codes) for row in wanted]
    effects = tuple(
        Effect(name, float(effect), float(variance**0.5))
        for name, effect, (variance, _) in zip(fit.cells.names, fit.effects, found[1:], strict=True)
    )
    return StyleContrast(float(direction @ fit.theta[group]), *found[0], effects)


def _spread(scores: VoteScores, v: Array, cluster: NDArray[np.int64] | None) -> tuple[float, float]:
    """The variance of one direction of the parameters and its degrees of freedom."""
    own = scores.residual * (v[scores.first] - v[scores.second]) + scores.others @ v[scores.m :]
    if cluster is None:
        return float(scores.weight @ own**2), np.inf
    codes = cluster[scores.vote]
    sums = np.bincount(codes, scores.weight * own)
    g = int(np.count_nonzero(np.bincount(codes)))
    return (float(sums @ sums) * g / (g - 1), float(g - 1)) if g > 1 else (np.inf, np.inf)
