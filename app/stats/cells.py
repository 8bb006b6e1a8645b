"""Votes as a table of cells: who met whom, which side was known, what they looked like, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidInputError
from app.stats.comparisons import SIDE_UNKNOWN, Comparisons
from app.stats.counts import BOTH, FIRST, SECOND, TIE, outcome_counts, wins_and_ties
from app.stats.covariates import standardised

Array = NDArray[np.float64]
POSITION = "position"


@dataclass(frozen=True)
class Cells:
    """n cells of m models with linear predictor eta = theta[first] + sign * theta[second] + extra @ effects.

    ``first`` and ``second`` (int, n) are models, ``votes`` (float, n x 3) counts votes for the first, for the second,
    and ties; ``extra`` (float, n x k) are the further columns of the design, with their ``names``. ``groups`` are the
    models that votes connect; ``null`` (float, m x g) has one orthonormal column for each direction of theta that eta
    does not depend on. ``sign`` is -1 but for the additive model of both-bad.
    """

    m: int
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    votes: Array
    extra: Array
    names: tuple[str, ...]
    groups: tuple[NDArray[np.int64], ...]
    null: Array
    sign: int = -1

    @property
    def k(self) -> int:
        """The number of further columns."""
        return len(self.names)

    def eta(self, beta: Array) -> Array:
        """The linear predictor of each cell, shape (n,), in logits; ``beta`` is theta, effects (and shape)."""
        eta = beta[self.first] + self.sign * beta[self.second]
        if self.k:
            eta += self.extra @ beta[self.m : self.m + self.k]
        return np.asarray(eta, dtype=np.float64)

    @cached_property
    def _pair(self) -> NDArray[np.int64]:
        return np.asarray(self.first * self.m + self.second, dtype=np.int64)

    def _by_pair(self, values: Array) -> Array:
        sums = np.bincount(self._pair, values, self.m**2).reshape(self.m, self.m)
        return np.asarray(sums, dtype=np.float64)

    def slope(self, by_eta: Array) -> Array:
        """X'r for cell values r of shape (n,): shape (m + k,)."""
        pairs = self._by_pair(by_eta)
        return np.concatenate([pairs.sum(axis=1) + self.sign * pairs.sum(axis=0), self.extra.T @ by_eta])

    def quadratic(self, weights: Array) -> Array:
        """X' diag(weights) X, shape (m + k, m + k)."""
        m, k = self.m, self.k
        form = np.empty((m + k, m + k))
        pairs = self._by_pair(weights)
        both = self.sign * (pairs + pairs.T)
        form[:m, :m] = both
        form[:m, :m][np.diag_indices(m)] += pairs.sum(axis=1) + pairs.sum(axis=0)
        for column in range(k):
            weighted = weights * self.extra[:, column]
            form[:, m + column] = form[m + column, :] = self.slope(weighted)
        return form

    def centred(self, beta: Array) -> Array:
        """``beta`` with the part of theta that eta does not depend on taken out: sum zero within each group."""
        theta = beta[: self.m]
        return np.concatenate([theta - self.null @ (self.null.T @ theta), beta[self.m :]])


def group_means(groups: Sequence[NDArray[np.int64]], m: int) -> Array:
    """The null space of strength differences: one column per group, 1/sqrt(size) on its models, shape (m, g)."""
    null = np.zeros((m, len(groups)))
    for column, group in enumerate(groups):
        null[group, column] = len(group) ** -0.5
    return null


def is_used(comparisons: Comparisons, ties: str, both_bad: str) -> NDArray[np.bool_]:
    """The rows that count under these options and have a weight, as booleans of shape (N,)."""
    last = SECOND if ties == "drop" else TIE if both_bad == "drop" else BOTH  # the outcome codes are in this order
    return np.asarray((comparisons.outcome <= last) & (comparisons.weight > 0))


def oriented(comparisons: Comparisons) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """First-shown model, second, and outcome 0 (first), 1 (second) or 2 (tie or both bad) of each row."""
    turned = comparisons.a_is_left == 0
    first = np.where(turned, comparisons.model_b, comparisons.model_a)
    second = np.where(turned, comparisons.model_a, comparisons.model_b)
    outcome = np.where(turned & (comparisons.outcome < TIE), SECOND - comparisons.outcome, comparisons.outcome)
    return first, second, np.minimum(outcome, TIE)


def vote_extra(comparisons: Comparisons, *, position: bool, covariates: bool) -> tuple[Array, tuple[str, ...]]:
    """The further columns of each row, shape (N, k), with their names: position (1, or 0 if unknown), covariates.

    A covariate is turned to first minus second and divided by its root mean square over these rows. Raises
    ``InvalidInputError`` if no side is known, there are no covariates, or one of them is constant.
    """
    columns, names = [], []
    if position:
        known = comparisons.a_is_left != SIDE_UNKNOWN
        if not known.any():
            raise InvalidInputError("no vote says which model was shown first, so there is no position effect to fit")
        columns.append(known.astype(np.float64)[:, None])
        names.append(POSITION)
    if covariates:
        if comparisons.covariates is None:
            raise InvalidInputError("the votes carry no covariates")
        turned = np.where(comparisons.a_is_left == 0, -1.0, 1.0)[:, None] * comparisons.covariates
        columns.append(standardised(turned, comparisons.weight, comparisons.covariate_names))
        names += comparisons.covariate_names
    return np.hstack(columns) if columns else np.zeros((len(comparisons), 0)), tuple(names)


def make_cells(
    comparisons: Comparisons,
    groups: Sequence[NDArray[np.int64]],
    *,
    ties: str = "half",
    both_bad: str = "tie",
    position: bool = False,
    covariates: bool = False,
) -> Cells:
    """The cells of the used votes: one per pair, per ordered pair with ``position``, per vote with ``covariates``."""
    m = len(comparisons.models)
    if covariates:
        used = comparisons.select(is_used(comparisons, ties, both_bad))
        first, second, outcome = oriented(used)
        extra, names = vote_extra(used, position=position, covariates=True)
        votes = np.zeros((len(used), 3))
        votes[np.arange(len(used)), outcome] = used.weight
    else:
        parts = _by_side(comparisons, ties, both_bad) if position else [_by_pair(comparisons, ties, both_bad)]
        first, second = (np.concatenate([part[column] for part in parts]) for column in (0, 1))
        votes = np.concatenate([part[2] for part in parts])
        names = (POSITION,) if position else ()
        flags = [np.full(len(part[0]), 1.0 - place) for place, part in enumerate(parts)]  # known sides come first
        extra = np.concatenate(flags)[:, None] if position else np.zeros((len(first), 0))
    return Cells(m, first, second, votes, extra, names, tuple(groups), group_means(groups, m))


def _by_pair(comparisons: Comparisons, ties: str, both_bad: str) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    wins, tied = wins_and_ties(outcome_counts(comparisons), ties=ties, both_bad=both_bad)
    i, j = np.nonzero(np.triu(wins + wins.T + tied, 1))
    return i, j, np.stack([wins[i, j], wins[j, i], tied[i, j]], axis=1)


def _by_side(
    comparisons: Comparisons, ties: str, both_bad: str
) -> list[tuple[NDArray[np.int64], NDArray[np.int64], Array]]:
    """Cells of the votes whose sides are known, by first and second, then cells of those whose sides are not."""
    known = comparisons.a_is_left != SIDE_UNKNOWN
    if not known.any():
        raise InvalidInputError("no vote says which model was shown first, so there is no position effect to fit")
    counts = outcome_counts(comparisons if known.all() else comparisons.select(known))
    tied = np.zeros(counts.shape[:2])
    if ties != "drop":
        tied = counts[:, :, TIE] + (counts[:, :, BOTH] if both_bad == "tie" else 0)
    table = np.stack([counts[:, :, FIRST], counts[:, :, SECOND], tied], axis=2)
    i, j = np.nonzero(table.sum(axis=2))
    return [(i, j, table[i, j]), _by_pair(comparisons.select(~known), ties, both_bad)]
