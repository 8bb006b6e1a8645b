"""The board without each rater in turn, for all raters at once: exactly where it matters, else by one Newton step.

theta_-r = theta - (H - H_r)^-1 s_r is the first Newton step, from the fit of all votes, of the fit without rater r: s_r
is the rater's share of the slope and H_r of the information (Pregibon 1981, Annals of Statistics 9). The inverse is
developed to (G H_r)^2, G = H^-1, so that it is off by no more than h^3 of the step, where h = tr(G H_r) is the rater's
leverage. Where h or the step is large, or without the rater some model would be left without a finite rating, the board
is fitted anew without that rater.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import NotConvergedError
from app.stats.comparisons import Comparisons
from app.stats.connectivity import is_strongly_connected, weak_components
from app.stats.covariance import model_covariance
from app.stats.leave_out import HALF_WIN, ByRater, half_wins, largest_part
from app.stats.newton import win_probabilities

MOST_LEVERAGE = 0.1
LONGEST_STEP = 0.05  # logits; the curvature changes by less than this share on the way
NUMBERS_AT_ONCE = 4_000_000  # of raters times models, 32 MB
TERMS = 2  # of the inverse beyond G


@dataclass(frozen=True)
class Without:
    """The boards without the raters from the place ``first`` on: theta of shape (k, m), NaN as in ``largest_part``.

    ``is_exact`` says which of them were fitted anew.
    """

    first: int
    theta: NDArray[np.float64]
    is_exact: NDArray[np.bool_]


class WithoutEach:
    """Leaves raters out of the largest connected board; ties and both-bad are half-wins."""

    def __init__(self, comparisons: Comparisons, raters: ByRater) -> None:
        self.comparisons, self.raters = comparisons, raters
        self.halves = half_wins(comparisons)
        self.theta = largest_part(self.halves, np.zeros(len(self.halves)))

    def exactly(self, r: int) -> NDArray[np.float64]:
        """Theta of the fit without one rater, shape (m,)."""
        others = np.maximum(self.halves - half_wins(self.comparisons, self.raters.rows(r)), 0.0)
        return largest_part(others, np.nan_to_num(self.theta))

    def all(self) -> Iterator[Without]:
        """All raters, some thousands at a time. Raises ``NotConvergedError`` if a fit anew does."""
        m, n_raters = len(self.theta), len(self.raters)
        group = np.flatnonzero(np.isfinite(self.theta))
        bread, lone = self._bread(group), self._lone(group)
        size = max(1, NUMBERS_AT_ONCE // m)
        for first in range(0, n_raters, size):
            last = min(first + size, n_raters)
            if bread is None:
                theta, is_far = np.tile(self.theta, (last - first, 1)), np.ones(last - first, dtype=np.bool_)
            else:
                theta, is_far = self._stepped(first, last, bread)
            is_far |= lone[first:last]
            for r in np.flatnonzero(is_far).tolist():
                theta[r] = self.exactly(first + r)
            yield Without(first, theta, is_far)

    def _bread(self, group: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """G of the connected models, zero for the others; None where it can't be computed."""
        if len(group) < 2:
            return None
        found = np.zeros((len(self.theta), len(self.theta)))
        cells = np.ix_(group, group)
        try:
            found[cells] = model_covariance(self.theta[group], self.halves[cells])
        except NotConvergedError:
            return None
        return found

    def _stepped(
        self, first: int, last: int, bread: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Theta after the step for the raters first to last, and for which of them it is too long to be trusted."""
        c, m, k = self.comparisons, len(self.theta), last - first
        rows = self.raters.order[self.raters.starts[first] : self.raters.starts[last]]
        rows = rows[np.isfinite(self.theta)[c.model_a[rows]]]
        a, b, r, weight = c.model_a[rows], c.model_b[rows], self.raters.place[rows] - first, c.weight[rows]
        known = np.nan_to_num(self.theta)
        chance = win_probabilities(known)[a, b]
        steepness = weight * chance * (1 - chance)
        cell_a, cell_b = r * m + a, r * m + b

        def spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
            gained = np.bincount(cell_a, weights=values, minlength=k * m)
            return np.asarray((gained - np.bincount(cell_b, weights=values, minlength=k * m)).reshape(k, m))

        start = -spread(weight * (HALF_WIN[c.outcome[rows]] - chance)) @ bread
        step = start
        for _ in range(TERMS):
            flat = step.ravel()
            step = start + spread(steepness * (flat[cell_a] - flat[cell_b])) @ bread
        reach = np.diag(bread)
        distance = reach[:, None] + reach - 2 * bread
        leverage = np.bincount(r, weights=steepness * distance[a, b], minlength=k)
        is_far = (leverage > MOST_LEVERAGE) | (np.abs(step).max(axis=1) > LONGEST_STEP)
        return self.theta + step, is_far

    def _lone(self, group: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Raters without whom the board's models would hang together otherwise, so that no step leads there."""
        c, m, raters = self.comparisons, len(self.theta), self.raters
        found = np.zeros(len(raters), dtype=np.bool_)
        share = HALF_WIN[c.outcome]
        lowest, highest = np.full(m * m, len(raters)), np.full(m * m, -1)
        for cells, counts in ((c.model_a * m + c.model_b, share), (c.model_b * m + c.model_a, 1 - share)):
            rows = (counts > 0) & (c.weight > 0)
            np.minimum.at(lowest, cells[rows], raters.place[rows])
            np.maximum.at(highest, cells[rows], raters.place[rows])
        was_strong = bool(len(group)) and is_strongly_connected(self.halves[np.ix_(group, group)])
        for r in np.unique(lowest[lowest == highest]).tolist():
            others = np.maximum(self.halves - half_wins(c, raters.rows(r)), 0.0)[np.ix_(group, group)]
            is_whole = is_strongly_connected(others) if was_strong else len(weak_components(others)) == 1
            found[r] = not is_whole
        groups = weak_components(self.halves)
        if len(groups) > 1:  # the second group may be the largest one without some rater
            size = [float(self.halves[np.ix_(own, own)].sum()) for own in groups[:2]]
            found |= raters.total(c.weight) >= size[0] - size[1]
        return found
