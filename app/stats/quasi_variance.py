"""Quasi-variances: one number per model from which the standard error of any difference can be read off a plot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidInputError, NotConvergedError

MAX_STEPS = 100
TOLERANCE = 1e-12


@dataclass(frozen=True)
class QuasiVariances:
    """``variance`` q of shape (m,) in logits^2, and the worst relative errors of sqrt(q_i + q_j) as SE of a difference.

    A q may be negative (a model whose differences from others vary together); all sums q_i + q_j are positive.
    ``lowest_error`` = -0.02 means: understates the standard error of some difference by 2 %.
    """

    variance: NDArray[np.float64]
    lowest_error: float
    highest_error: float


def quasi_variances(covariance: NDArray[np.float64]) -> QuasiVariances:
    """The q that minimise the sum over pairs of (log(q_i + q_j) - log v_ij)^2, v_ij = S_ii + S_jj - 2 S_ij.

    Firth & de Menezes 2004 (Biometrika 91), as in R's qvcalc; by Gauss-Newton steps in q. With two models both get
    v/2, since only the sum is determined. Raises ``InvalidInputError`` for fewer than two models or a difference
    without variance, ``NotConvergedError`` if the minimum is not reached.
    """
    m = len(covariance)
    spread = np.diag(covariance)
    wanted = spread[:, None] + spread[None, :] - 2 * covariance
    off = ~np.eye(m, dtype=bool)
    if m < 2 or not (wanted[off] > 0).all():
        raise InvalidInputError("quasi-variances need two or more models whose differences all have a variance")
    if m == 2:
        return QuasiVariances(np.full(2, wanted[0, 1] / 2), 0.0, 0.0)
    q = _start(wanted, spread)
    value = _misfit(q, wanted)
    for _ in range(MAX_STEPS):
        step = _step(q, wanted)
        size = float(np.abs(step).max() / np.abs(q).max())
        while size > TOLERANCE and _misfit(q + step, wanted) > value * (1 + 1e-12):
            step, size = step / 2, size / 2
        if size <= TOLERANCE:
            ratio = np.sqrt((q[:, None] + q[None, :])[off] / wanted[off]) - 1
            return QuasiVariances(q, float(ratio.min()), float(ratio.max()))
        q = q + step
        value = _misfit(q, wanted)
    raise NotConvergedError(f"the quasi-variances did not converge in {MAX_STEPS} steps")


def _start(wanted: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares of v_ij on q_i + q_j, or the variances themselves where that gives a sum that is not positive."""
    m = len(spread)
    q = (wanted.sum(axis=1) - wanted.sum() / (2 * (m - 1))) / (m - 2)
    sums = q[:, None] + q[None, :]
    np.fill_diagonal(sums, 1.0)
    return np.asarray(q if (sums > 0).all() else np.maximum(spread, spread.max() * 1e-6), dtype=np.float64)


def _logs(q: NDArray[np.float64], wanted: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    sums = q[:, None] + q[None, :]
    np.fill_diagonal(sums, 1.0)
    ratio = np.where(sums > 0, sums, np.nan) / np.where(np.eye(len(q), dtype=bool), 1.0, wanted)
    return np.log(ratio), sums


def _misfit(q: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    """The sum of squares, infinite where a sum q_i + q_j is not positive."""
    errors, _ = _logs(q, wanted)
    total = float((errors**2).sum())
    return np.inf if np.isnan(total) else total


def _step(q: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    errors, sums = _logs(q, wanted)
    weight = 1 / sums**2
    np.fill_diagonal(weight, 0.0)
    slope = (errors / sums).sum(axis=1)
    try:
        return np.asarray(-np.linalg.solve(weight + np.diag(weight.sum(axis=1)), slope), dtype=np.float64)
    except np.linalg.LinAlgError as error:
        raise NotConvergedError("the quasi-variances are not determined by these covariances") from error
