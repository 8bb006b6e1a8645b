"""What a strength difference makes of a vote: Bradley-Terry with half-wins, Davidson's and Rao and Kupper's ties.

eta = theta_first - theta_second (+ position + covariates), in logits; a link gives the log-probability of the outcomes
first, second, tie and its first and second derivatives by eta and by the link's own shape parameter lambda. All three
log-likelihoods are concave in (eta, lambda).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slopes:
    """log p and its derivatives for n cells, each array of shape (n, 3): columns first, second, tie.

    ``p`` are probabilities, ``eta`` and ``shape`` first derivatives, ``eta2``, ``cross`` and ``shape2`` second ones.
    """

    log_p: Array
    p: Array
    eta: Array
    shape: Array
    eta2: Array
    cross: Array
    shape2: Array


@dataclass(frozen=True, slots=True)
class Sums:
    """The log-likelihood of n cells, and per cell (shape (n,)) its slopes and minus its second derivatives."""

    value: float
    eta: Array
    shape: Array
    eta2: Array
    cross: Array
    shape2: Array


def _summed(slopes: Slopes, votes: Array) -> Sums:
    with np.errstate(invalid="ignore"):
        value = float(np.where(votes > 0, votes * slopes.log_p, 0.0).sum())
    firsts = [(votes * part).sum(axis=1) for part in (slopes.eta, slopes.shape)]
    seconds = [-(votes * part).sum(axis=1) for part in (slopes.eta2, slopes.cross, slopes.shape2)]
    return Sums(value if np.isfinite(value) else -np.inf, *firsts, *seconds)


def _half_win_sums(eta: Array, votes: Array) -> Sums:
    """The same as ``_summed(_half_win(eta), votes)`` without arrays of three columns, for a cell per vote."""
    won, lost = votes[:, 0] + votes[:, 2] / 2, votes[:, 1] + votes[:, 2] / 2
    odds = np.exp(-np.abs(eta))  # of the less likely side; one exponential serves all that follows
    likely = 1 / (1 + odds)
    unlikely = odds * likely
    is_ahead = eta > 0
    chance, against = np.where(is_ahead, likely, unlikely), np.where(is_ahead, unlikely, likely)
    value = -float((won + lost) @ np.log1p(odds) + won @ np.maximum(-eta, 0.0) + lost @ np.maximum(eta, 0.0))
    none = np.zeros(0)
    return Sums(value, won * against - lost * chance, none, (won + lost) * likely * unlikely, none, none)


@dataclass(frozen=True, slots=True)
class Link:
    """``slopes(eta, lambda)``; ``shape`` names lambda (None where the link has none), ``start`` is a first guess.

    ``reports`` turns an estimate of lambda and its standard error into what is shown, under the name ``shape``.
    """

    slopes: Callable[[Array, float], Slopes]
    shape: str | None = None
    start: Callable[[float], float] = lambda _: 0.0
    reports: Callable[[float, float], tuple[float, float]] = lambda estimate, se: (estimate, se)

    def sums(self, eta: Array, shape: float, votes: Array) -> Sums:
        """The slopes summed over ``votes`` of shape (n, 3): all that a Newton step on the observed votes needs."""
        return _summed(self.slopes(eta, shape), votes) if self.shape else _half_win_sums(eta, votes)


def _half_win(eta: Array, _: float) -> Slopes:
    won = expit(eta)
    lost = expit(-eta)
    log_won, log_lost = -np.logaddexp(0.0, -eta), -np.logaddexp(0.0, eta)
    none = np.zeros((len(eta), 3))
    spread = won * lost
    return Slopes(
        log_p=np.stack([log_won, log_lost, (log_won + log_lost) / 2], axis=1),
        p=np.stack([won, lost, np.zeros_like(won)], axis=1),
        eta=np.stack([lost, -won, (lost - won) / 2], axis=1),
        shape=none,
        eta2=np.stack([-spread, -spread, -spread], axis=1),
        cross=none,
        shape2=none,
    )


def _davidson(eta: Array, shape: float) -> Slopes:
    half = eta / 2
    total = np.logaddexp(np.logaddexp(half, -half), shape)
    log_p = np.stack([half - total, -half - total, shape - total], axis=1)
    p = np.exp(log_p)
    first, second, tie = p.T
    mean = (first - second) / 2
    ones = np.ones((1, 3))
    return Slopes(
        log_p=log_p,
        p=p,
        eta=np.array([[0.5, -0.5, 0.0]]) - mean[:, None],
        shape=np.array([[0.0, 0.0, 1.0]]) - tie[:, None],
        eta2=(mean**2 - (first + second) / 4)[:, None] * ones,
        cross=(mean * tie)[:, None] * ones,
        shape2=(-tie * (first + second))[:, None] * ones,
    )


def _rao_kupper(eta: Array, shape: float) -> Slopes:
    if shape <= 0:  # theta below 1 would be a negative chance of a tie
        impossible = np.full((len(eta), 3), -np.inf)
        return Slopes(impossible, *[np.zeros((len(eta), 3))] * 6)
    over, under = expit(eta - shape), expit(-eta - shape)  # the chances that the first, the second wins
    not_over, not_under = expit(shape - eta), expit(shape + eta)
    log_over, log_under = -np.logaddexp(0.0, shape - eta), -np.logaddexp(0.0, shape + eta)
    gap = -np.expm1(-2 * shape)
    log_tie = log_over + log_under + 2 * shape + np.log(gap)
    spread_over, spread_under = over * not_over, under * not_under
    log_p = np.stack([log_over, log_under, log_tie], axis=1)
    bend = -(not_over + not_under) + 2 / gap
    return Slopes(
        log_p=log_p,
        p=np.exp(log_p),
        eta=np.stack([not_over, -not_under, not_over - not_under], axis=1),
        shape=np.stack([-not_over, -not_under, bend], axis=1),
        eta2=-np.stack([spread_over, spread_under, spread_over + spread_under], axis=1),
        cross=np.stack([spread_over, -spread_under, spread_over - spread_under], axis=1),
        shape2=-np.stack(
            [spread_over, spread_under, spread_over + spread_under + 4 * np.exp(-2 * shape) / gap**2], axis=1
        ),
    )


HALF_WIN = Link(_half_win)
"""P(first) = expit(eta); a tie adds half the log-likelihood of either outcome (Bradley & Terry 1952, Biometrika 39)."""

DAVIDSON = Link(_davidson, "log_nu", start=lambda share: float(np.log(2 * share / (1 - share))))
"""P(first) : P(second) : P(tie) = exp(eta/2) : exp(-eta/2) : nu, lambda = log nu (Davidson 1970, JASA 65).

Between equals a tie has probability nu / (2 + nu). A position effect in eta moves the odds of first against second and
leaves nu: the multiplicative order effect of Davidson & Beaver 1977 (Biometrics 33) up to the scale of nu.
"""

RAO_KUPPER = Link(
    _rao_kupper,
    "theta",
    start=lambda share: float(np.log((1 + share) / (1 - share))),
    reports=lambda estimate, se: (float(np.exp(estimate)), float(np.exp(estimate) * se)),
)
"""P(first) = expit(eta - lambda), P(second) = expit(-eta - lambda), tie else (Rao & Kupper 1967, JASA 62).

lambda = log theta > 0 is the threshold below which people see no difference: between equals a tie has probability
(theta - 1) / (theta + 1). The standard error of theta is by the delta method.
"""
