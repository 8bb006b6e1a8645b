"""Bradley-Terry fitted again after some votes were taken away, starting from the fit of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidInputError, NotConvergedError
from app.stats.comparisons import Comparisons
from app.stats.connectivity import is_strongly_connected, weak_components
from app.stats.firth import fit_firth
from app.stats.newton import damped, gradient, information, is_converged, log_likelihood, newton_step

MAX_STEPS = 100
HALF_WIN = np.array([1.0, 0.0, 0.5, 0.5])  # what model_a gets, by the code of the outcome; both-bad as a tie


def refit(halves: NDArray[np.float64], start: NDArray[np.float64]) -> NDArray[np.float64]:
    """Theta of shape (m,), in logits, summing to zero, for half-wins of one weak component, by Newton from ``start``.

    Maximum likelihood, or Firth's bias-reduced fit where that does not exist. Raises ``NotConvergedError`` if the votes
    don't link all models or the tolerance of ``newton.is_converged`` is not reached.
    """
    if not is_strongly_connected(halves):
        return fit_firth(halves)
    theta: NDArray[np.float64] = start - start.mean()
    value, n_votes = log_likelihood(theta, halves), halves + halves.T
    for _ in range(MAX_STEPS):
        slope = gradient(theta, halves)
        step = newton_step(information(theta, n_votes), slope)
        if is_converged(slope, step, n_votes):
            return theta
        theta, value = damped(theta, step, lambda at: log_likelihood(at, halves), value)
    raise NotConvergedError(f"the fit without some of the votes did not converge in {MAX_STEPS} steps")


def largest_part(halves: NDArray[np.float64], start: NDArray[np.float64]) -> NDArray[np.float64]:
    """``refit`` of the largest weak component, shape (m,), NaN for the models outside it; all NaN without votes."""
    group = weak_components(halves)[0]
    theta = np.full(len(halves), np.nan)
    if len(group) > 1:
        theta[group] = refit(halves[np.ix_(group, group)], start[group])
    return theta


def half_wins(comparisons: Comparisons, rows: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.float64]:
    """Half-wins of shape (m, m) of the given rows; ties and both-bad are halves."""
    m = len(comparisons.models)
    a, b = comparisons.model_a[rows], comparisons.model_b[rows]
    share, weight = HALF_WIN[comparisons.outcome[rows]], comparisons.weight[rows]
    won = np.bincount(a * m + b, weights=share * weight, minlength=m * m)
    lost = np.bincount(b * m + a, weights=(1 - share) * weight, minlength=m * m)
    return np.asarray((won + lost).reshape(m, m), dtype=np.float64)


@dataclass(frozen=True)
class ByRater:
    """Who cast which of N votes: the R rater codes (ascending), each row's place among them, and the rows in order.

    The rows of rater r are ``order[starts[r] : starts[r + 1]]``, in the order in which they stand.
    """

    names: NDArray[np.int64]
    place: NDArray[np.int64]
    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def n_rows(self) -> NDArray[np.int64]:
        """How many rows each rater has, shape (R,)."""
        return np.diff(self.starts)

    def rows(self, r: int) -> NDArray[np.int64]:
        """The rows of one rater."""
        return self.order[self.starts[r] : self.starts[r + 1]]

    def total(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """The sum of a value per row over each rater's rows, shape (R,)."""
        return np.asarray(np.bincount(self.place, weights=values, minlength=len(self)), dtype=np.float64)


def rows_by_rater(comparisons: Comparisons, rater: NDArray[np.int64]) -> ByRater:
    """Each rater's rows.

    Raises ``InvalidInputError`` unless there is one whole-number code per vote and there are at least two raters.
    """
    codes = np.asarray(rater)
    if codes.shape != (len(comparisons),):
        raise InvalidInputError("each vote needs one rater")
    if not len(codes):
        raise InvalidInputError("there is no vote")
    if codes.dtype.kind not in "iu":
        raise InvalidInputError("raters must be given as whole numbers, none of them missing")
    found = grouped(codes)
    if len(found) < 2:
        raise InvalidInputError("with a single rater there are no others to compare with")
    return found


def grouped(codes: NDArray[np.int64]) -> ByRater:
    """The rows of each code, however many codes there are."""
    names, place = np.unique(codes, return_inverse=True)
    # Numbers of 16 bits are sorted in one pass over them, which is ten times as quick.
    order = np.argsort(place.astype(np.uint16) if len(names) <= 1 << 16 else place, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(place, minlength=len(names)))])
    return ByRater(names.astype(np.int64), place, order, starts)
