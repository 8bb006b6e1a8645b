"""Strengths, position, covariates and ties estimated together from ``Cells`` by one Newton method.

beta = (theta of m models, k effects, the link's shape where it has one); X has the columns of ``Cells``. Nothing is
penalised, so no effect is shrunk. G denotes the inverse information on the space orthogonal to ``Cells.null``: exact,
with c N N' added before inversion and N N'/c taken off after it, and no ridge.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidInputError, NotConvergedError
from app.stats.cells import POSITION, Cells
from app.stats.firth import MEMORY, corrected_step
from app.stats.links import Link, Slopes, Sums
from app.stats.newton import MAX_STEPS, TOLERANCE, damped

Array = NDArray[np.float64]
FARTHEST = 30.0  # logits; odds of 1e13 in a cell that votes were counted in mean that the fit is running away
NOT_APART = 1e-9  # an effect keeping less than this share of its information beside the ratings can't be told apart


@dataclass(frozen=True)
class JointFit:
    """A converged fit: beta of shape (p,), its log-likelihood in nats, and G of shape (p, p).

    ``penalised`` says that it is Firth's bias-reduced fit; ``log_likelihood`` is without the penalty all the same.
    """

    cells: Cells
    link: Link
    beta: Array
    log_likelihood: float
    bread: Array
    penalised: bool = False

    @property
    def theta(self) -> Array:
        """The m strengths in logits, summing to zero within each group."""
        return self.beta[: self.cells.m]

    @property
    def effects(self) -> Array:
        """The k effects in the order of ``cells.names``, in logits."""
        return self.beta[self.cells.m : self.cells.m + self.cells.k]

    @property
    def shape(self) -> float:
        """The link's shape parameter, 0 where it has none."""
        return float(self.beta[-1]) if self.link.shape else 0.0


def fit_jointly(cells: Cells, link: Link, *, penalised: bool = False) -> JointFit:
    """Maximum likelihood by Newton's method, or with ``penalised`` the maximum of log L + log det(I) / 2 (Firth 1993).

    Newton steps on the observed information, halved while the objective falls; the penalised fit adds L-BFGS
    corrections for what the penalty changes. At the end each slope is below 1e-9 max(1, votes / 1000) and the next step
    below 1e-9 (``newton.is_converged``). Jeffreys' penalty uses the expected information of the link and its exact
    slope, which for canonical links (half-wins, Davidson) is the bias-reducing score.

    Raises ``InvalidInputError`` if an effect can't be told apart from the strengths, ``NotConvergedError`` if no finite
    maximum is found.
    """
    beta, likelihood = _start(cells, link), _Likelihood(cells, link, penalised)
    check_effects(likelihood, beta)
    scale = _slope_scale(cells, link)
    moves: deque[tuple[Array, Array]] = deque(maxlen=MEMORY if penalised else 1)
    value = likelihood.objective(beta)
    slope, hessian = likelihood.local(beta)
    for _ in range(MAX_STEPS):
        solver = _Solver(cells, hessian)
        step = corrected_step(solver.solve, slope, moves)
        if (np.abs(slope) < TOLERANCE * np.maximum(1.0, scale / 1000)).all() and np.abs(step).max() < TOLERANCE * max(
            1.0, float(scale.max()) * 1e-6
        ):
            bread = _inverse(cells, likelihood.observed(beta))
            return JointFit(cells, link, beta, likelihood.sums(beta).value, bread, penalised)
        before = beta, slope
        beta, value = damped(beta, step, likelihood.objective, value, cells.centred)
        if not penalised and np.abs(cells.eta(beta)).max() > FARTHEST:
            break
        slope, hessian = likelihood.local(beta)
        move = beta - before[0], before[1] - slope
        if penalised and move[0] @ move[1] > 0:
            moves.append(move)
    raise NotConvergedError(f"the fit did not converge in {MAX_STEPS} steps: the votes may put no limit on it")


class _Likelihood:
    """What is maximised; it remembers the last point, since the solver asks for the value first and then for slopes."""

    def __init__(self, cells: Cells, link: Link, penalised: bool) -> None:
        self.cells, self.link, self.penalised = cells, link, penalised
        self._last: tuple[Array, Sums] | None = None

    def sums(self, beta: Array) -> Sums:
        if self._last is None or self._last[0] is not beta:
            shape = float(beta[-1]) if self.link.shape else 0.0
            self._last = beta, self.link.sums(self.cells.eta(beta), shape, self.cells.votes)
        return self._last[1]

    def objective(self, beta: Array) -> float:
        """The log-likelihood in nats, plus log det(I) / 2 where penalised; -inf outside the link's range."""
        value = self.sums(beta).value
        if not self.penalised or not np.isfinite(value):
            return value
        cells, slopes = self.cells, local_slopes(self.cells, self.link, beta)
        filled, c = _filled(cells, assemble(cells, self.link, *expected_information(cells, slopes)))
        sign, log_determinant = np.linalg.slogdet(filled)
        return value + float(log_determinant - cells.null.shape[1] * np.log(c)) / 2 if sign > 0 else -np.inf

    def local(self, beta: Array) -> tuple[Array, Array]:
        """The slope of the objective and the information that a step is computed from."""
        cells, sums = self.cells, self.sums(beta)
        slope = cells.slope(sums.eta)
        if self.link.shape:
            slope = np.append(slope, sums.shape.sum())
        if not self.penalised:
            return slope, self.observed(beta)
        slopes = local_slopes(cells, self.link, beta)
        information = assemble(cells, self.link, *expected_information(cells, slopes))
        return slope + _penalty_slope(cells, self.link, slopes, information), information

    def observed(self, beta: Array) -> Array:
        """The observed information, minus the second derivative of the log-likelihood, shape (p, p)."""
        sums = self.sums(beta)
        return assemble(self.cells, self.link, sums.eta2, sums.cross, sums.shape2)


def check_effects(likelihood: _Likelihood, beta: Array) -> None:
    """Raise ``InvalidInputError`` if a further column is a mixture of the strengths and the other columns."""
    cells = likelihood.cells
    m = cells.m
    if not cells.k:
        return
    information = likelihood.observed(beta)
    for place, name in enumerate(cells.names):
        # Column by column: the earlier columns are known to be apart, so the block up to here can be inverted.
        block = information[: m + place, : m + place]
        column = information[: m + place, m + place]
        own = information[m + place, m + place]
        kept = own - column @ _Solver(cells, block).solve(column)
        if not kept > NOT_APART * own:
            what = "the position effect" if name == POSITION else f"the effect of {name}"
            raise InvalidInputError(
                f"{what} cannot be told apart from the strengths of the models: each pair would have to be shown in "
                "more than one way"
            )


# ------------------------------------------------------------------------------------------------ local quantities


def local_slopes(cells: Cells, link: Link, beta: Array) -> Slopes:
    """The link's log-probabilities and derivatives in each cell at beta."""
    return link.slopes(cells.eta(beta), float(beta[-1]) if link.shape else 0.0)


def _start(cells: Cells, link: Link) -> Array:
    beta = np.zeros(cells.m + cells.k + (link.shape is not None))
    if link.shape:
        total, tied = cells.votes.sum(), cells.votes[:, 2].sum()
        beta[-1] = link.start(float((tied + 0.5) / (total + 1.5)))
    return beta


def _slope_scale(cells: Cells, link: Link) -> Array:
    """How many votes stand behind each parameter's slope, shape (p,)."""
    n = cells.votes.sum(axis=1)
    models = np.bincount(cells.first, n, cells.m) + np.bincount(cells.second, n, cells.m)
    parts = [models, np.abs(cells.extra).T @ n]
    return np.concatenate([*parts, [n.sum()]] if link.shape else parts)


def expected_information(cells: Cells, slopes: Slopes) -> list[Array]:
    """The expected information of each cell by (eta, eta), (eta, shape) and (shape, shape), arrays of shape (n,)."""
    n = cells.votes.sum(axis=1)
    products = (slopes.eta * slopes.eta, slopes.eta * slopes.shape, slopes.shape * slopes.shape)
    return [n * (slopes.p * product).sum(axis=1) for product in products]


def assemble(cells: Cells, link: Link, eta2: Array, cross: Array, shape2: Array) -> Array:
    """The (p, p) matrix of a quadratic form given per cell."""
    form = cells.quadratic(eta2)
    if not link.shape:
        return form
    edge = cells.slope(cross)[:, None]
    return np.block([[form, edge], [edge.T, np.full((1, 1), shape2.sum())]])


def _penalty_slope(cells: Cells, link: Link, slopes: Slopes, information: Array) -> Array:
    """The slope of log det(I) / 2: sum over cells of n tr(V dW) / 2, V the covariance of (eta, shape) of the cell."""
    n = cells.votes.sum(axis=1)
    bread = _inverse(cells, information)
    v_eta2, v_cross, v_shape2 = cell_variances(cells, link, bread)
    score = (slopes.eta, slopes.shape)
    second = ((slopes.eta2, slopes.cross), (slopes.cross, slopes.shape2))
    spread = ((v_eta2, v_cross), (v_cross, v_shape2))
    sides = (0, 1) if link.shape else (0,)

    def by(c: int) -> Array:
        total = np.zeros(len(n))
        for a in sides:
            for b in sides:
                change = score[c] * score[a] * score[b] + second[a][c] * score[b] + score[a] * second[b][c]
                total += (slopes.p * change).sum(axis=1) * spread[a][b]
        return np.asarray(n * total / 2)

    slope = cells.slope(by(0))
    return np.append(slope, by(1).sum()) if link.shape else slope


def cell_variances(cells: Cells, link: Link, covariance: Array) -> tuple[Array, Array, Array]:
    """x'Sx, x'S e and e'S e of each cell, shape (n,): x is the cell's row of X, e picks the shape parameter."""
    m, k = cells.m, cells.k
    i, j, extra = cells.first, cells.second, cells.extra
    theta = covariance[:m, :m]
    spread = np.diag(theta)
    variance = spread[i] + spread[j] + 2 * cells.sign * theta[i, j]
    if k:
        edge = covariance[:m, m : m + k]
        variance = variance + 2 * ((edge[i] + cells.sign * edge[j]) * extra).sum(axis=1)
        variance = variance + ((extra @ covariance[m : m + k, m : m + k]) * extra).sum(axis=1)
    if not link.shape:
        return variance, np.zeros(len(i)), np.zeros(len(i))
    column = covariance[:, -1]
    return variance, cells.eta(column), np.full(len(i), covariance[-1, -1])


# ------------------------------------------------------------------------------------------------ linear algebra


def _filled(cells: Cells, form: Array) -> tuple[Array, float]:
    """The form with c N N' added on the null space, so that it can be inverted, and c."""
    m = cells.m
    c = float(np.trace(form[:m, :m])) / m
    if not c > 0:
        raise NotConvergedError("the votes hold no information on the ratings")
    filled = form.copy()
    filled[:m, :m] += c * (cells.null @ cells.null.T)
    return filled, c


class _Solver:
    """Solves form d = slope in the space orthogonal to the null space; ``NotConvergedError`` if that is singular."""

    def __init__(self, cells: Cells, form: Array) -> None:
        self.cells = cells
        self.filled, _ = _filled(cells, form)

    def solve(self, slope: Array) -> Array:
        try:
            step: Array = np.asarray(np.linalg.solve(self.filled, slope), dtype=np.float64)
        except np.linalg.LinAlgError as error:
            raise NotConvergedError("the votes determine the parameters too weakly to compute them") from error
        return self.cells.centred(step)


def _inverse(cells: Cells, form: Array) -> Array:
    filled, c = _filled(cells, form)
    try:
        inverse = np.linalg.inv(filled)
    except np.linalg.LinAlgError as error:
        raise NotConvergedError("the votes determine the parameters too weakly to give standard errors") from error
    inverse[: cells.m, : cells.m] -= cells.null @ cells.null.T / c
    return np.asarray((inverse + inverse.T) / 2, dtype=np.float64)
