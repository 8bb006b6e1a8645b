"""Scores of single votes: what the sandwich sums over votes, and what a clustered covariance sums over raters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.stats.cells import Cells, is_used, oriented, vote_extra
from app.stats.comparisons import SIDE_UNKNOWN, Comparisons
from app.stats.joint import JointFit, assemble, expected_information, local_slopes

Array = NDArray[np.float64]


@dataclass(frozen=True)
class VoteScores:
    """The scores of the n used votes, d log p / d beta, and the G that turns their spread into a covariance.

    The score of vote v is ``residual[v] * (e[first[v]] - e[second[v]])`` for the m strengths followed by
    ``others[v]`` (float, n x q: position, covariates, ties). ``vote`` (int, n) are the rows of the comparisons, so that
    ``comparisons.rater[vote]`` are the raters; ``weight`` (float, n) counts each vote that many times. ``bread`` is G,
    shape (m + q, m + q), so G (sum over clusters of U U') G is a clustered covariance, U the sum of weight * score.
    ``sandwich`` is the per-vote covariance, of the same shape, that a method uses by itself; ``is_reduced`` says that
    the fit is Firth's.
    """

    m: int
    vote: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    residual: Array
    others: Array
    weight: Array
    bread: Array
    sandwich: Array
    is_reduced: bool

    def dense(self) -> Array:
        """The scores as one matrix of shape (n, m + q): for small data and for tests."""
        rows = np.arange(len(self.vote))
        scores = np.zeros((len(rows), self.m))
        scores[rows, self.first] += self.residual
        scores[rows, self.second] -= self.residual
        return np.hstack([scores, self.others])


@dataclass(frozen=True)
class Uncertainty:
    """The covariance of all parameters, shape (m + q, m + q), its degrees of freedom, and what is to be said of it."""

    covariance: Array
    df: float = np.inf
    notes: tuple[str, ...] = ()


Covariance = Callable[[VoteScores], Uncertainty]
"""A function from the scores of all used votes to what they leave uncertain; ``app.stats.uncertainty`` has some."""


def vote_scores(
    fit: JointFit,
    comparisons: Comparisons,
    *,
    ties: str = "half",
    both_bad: str = "tie",
    position: bool = False,
    covariates: bool = False,
    sandwich: Array | None = None,
) -> VoteScores:
    """The scores at ``fit`` of the votes it was fitted to; the options are those given to ``cells.make_cells``."""
    vote = np.flatnonzero(is_used(comparisons, ties, both_bad))
    used = comparisons if len(vote) == len(comparisons) else comparisons.select(vote)
    first, second, outcome = oriented(used)
    if covariates:
        extra, _ = vote_extra(used, position=position, covariates=True)
        slopes = fit.link.slopes(fit.theta[first] - fit.theta[second] + extra @ fit.effects, fit.shape)
        rows = np.arange(len(vote))
        residual, by_shape = slopes.eta[rows, outcome], slopes.shape[rows, outcome]
    else:
        # Votes of one pair and outcome have one score, so a table of pairs is enough.
        known = (used.a_is_left != SIDE_UNKNOWN).astype(np.int64) if position else np.zeros(len(vote), dtype=np.int64)
        extra = known[:, None].astype(np.float64) if position else np.zeros((len(vote), 0))
        gaps = (fit.theta[:, None] - fit.theta[None, :]).ravel()
        tables = [fit.link.slopes(gaps + shift, fit.shape) for shift in (0.0, *fit.effects)]
        place = ((known * len(gaps)) + first * fit.cells.m + second) * 3 + outcome
        residual = np.concatenate([table.eta for table in tables]).ravel()[place]
        by_shape = np.concatenate([table.shape for table in tables]).ravel()[place]
    others = residual[:, None] * extra
    if fit.link.shape:
        others = np.column_stack([others, by_shape])
    if sandwich is None:
        sandwich = joint_sandwich(fit)
    return VoteScores(
        fit.cells.m, vote, first, second, residual, others, used.weight, fit.bread, sandwich, fit.penalised
    )


def joint_sandwich(fit: JointFit, by_model: NDArray[np.bool_] | None = None) -> Array:
    """G M G of all parameters, shape (p, p), M the sum over votes of the outer products of their scores, from counts.

    Cells marked in ``by_model`` (booleans, shape (n,)) enter M with the information that the model expects instead.
    Equal to ``covariance.sandwich_covariance`` where there is nothing but strengths. Source: Huber 1967.
    """
    cells, slopes = fit.cells, local_slopes(fit.cells, fit.link, fit.beta)
    products = (slopes.eta * slopes.eta, slopes.eta * slopes.shape, slopes.shape * slopes.shape)
    found = [(cells.votes * product).sum(axis=1) for product in products]
    if by_model is not None and by_model.any():
        expected = expected_information(cells, slopes)
        found = [np.where(by_model, model, own) for model, own in zip(expected, found, strict=True)]
    covariance = fit.bread @ assemble(cells, fit.link, *found) @ fit.bread
    return np.asarray((covariance + covariance.T) / 2, dtype=np.float64)


def cells_of(cells: Cells, models: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The cells with one of the marked models, as booleans of shape (n,)."""
    return np.asarray(models[cells.first] | models[cells.second])
