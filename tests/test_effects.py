"""The sandwich interval of one effect, alone and over raters, and shares over raters: against other computations."""

from __future__ import annotations

import numpy as np
import pytest

from app.errors import InvalidInputError
from app.ranking import bradley_terry
from app.stats.cells import make_cells
from app.stats.comparisons import Comparisons
from app.stats.connectivity import weak_components
from app.stats.counts import outcome_counts, win_matrix
from app.stats.effects import effect
from app.stats.joint import JointFit, fit_jointly
from app.stats.links import HALF_WIN

THETA = np.array([0.8, 0.2, -0.3, -0.7])


def votes(rng: np.random.Generator, n: int = 4000, *, position: float = 0.0, length: float = 0.0) -> Comparisons:
    """Votes with an advantage of the left side and of the longer output (per unit of the contrast), in logits."""
    a = rng.integers(0, 4, n)
    b = (a + rng.integers(1, 4, n)) % 4
    left, difference = rng.integers(0, 2, n), rng.uniform(-1, 1, n)
    eta = THETA[a] - THETA[b] + position * (2 * left - 1) + length * difference
    outcome = np.where(rng.random(n) < 0.15, 2, (rng.random(n) > 1 / (1 + np.exp(-eta))).astype(int))
    return Comparisons(
        tuple("abcd"), a, b, outcome, np.ones(n), left, covariates=difference[:, None], covariate_names=("length",)
    )


def fitted(comparisons: Comparisons, **options: bool) -> JointFit:
    groups = weak_components(win_matrix(outcome_counts(comparisons)))
    return fit_jointly(make_cells(comparisons, groups, **options), HALF_WIN)  # type: ignore[arg-type]


@pytest.mark.parametrize("which", ["position", "covariates"])
def test_the_interval_is_that_of_the_ranking_fitted_together(which: str) -> None:
    comparisons = votes(np.random.default_rng(1), position=0.3, length=0.5)
    found = effect(fitted(comparisons, **{which: True}), 0)
    ranking = bradley_terry.rank(comparisons, **{which: True})  # type: ignore[arg-type]
    told = ranking.position if which == "position" else ranking.covariates[0]
    assert told is not None
    assert found.value == pytest.approx(told.estimate, abs=1e-7)
    assert (found.upper - found.lower) / (2 * 1.959964) == pytest.approx(told.se, rel=1e-6)


def test_over_raters_it_is_the_sum_of_their_scores_squared() -> None:
    rng = np.random.default_rng(2)
    comparisons = votes(rng, n=600)
    rater = rng.integers(0, 12, 600)
    fit = fitted(comparisons, covariates=True)
    scores = _scores(fit)
    sums = np.stack([scores[rater == r].sum(axis=0) for r in range(12)])
    meat = sums.T @ sums * 12 / 11
    expected = np.sqrt((fit.bread @ meat @ fit.bread)[4, 4])
    found = effect(fit, 0, cluster=rater)
    assert (found.upper - found.lower) / 2 == pytest.approx(2.200985 * expected, rel=1e-5)  # t with 11 df


def _scores(fit: JointFit) -> np.ndarray:
    """Each vote's slope of the log-likelihood, written out."""
    cells = fit.cells
    chance = 1 / (1 + np.exp(-cells.eta(fit.beta)))
    residual = cells.votes[:, 0] + cells.votes[:, 2] / 2 - chance
    rows = np.zeros((len(chance), 5))
    rows[np.arange(len(chance)), cells.first] = 1
    rows[np.arange(len(chance)), cells.second] = -1
    rows[:, 4] = cells.extra[:, 0]
    return rows * residual[:, None]


def test_what_makes_no_sense_is_refused() -> None:
    fit = fitted(votes(np.random.default_rng(4), n=100), covariates=True)
    for call in (
        lambda: effect(fit, 0, cluster=np.zeros(100, dtype=int)),
        lambda: effect(fit, 0, cluster=np.arange(99)),
    ):
        with pytest.raises(InvalidInputError):
            call()
