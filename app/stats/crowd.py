"""Bradley-Terry with raters of different reliability (Crowd-BT: Chen, Bennett, Collins-Thompson & Horvitz 2013, WSDM).

Rater r calls the better one with probability eta_r of seeing it right: P(r says i beats j) =
eta_r p + (1 - eta_r)(1 - p), p = expit(theta_i - theta_j). eta_r = 1 is a perfect rater, 1/2 one who guesses, 0 one who
reverses every answer. Priors: eta_r ~ Beta(10, 2), and each model has half a win and half a loss against a virtual
opponent of strength 0, as in the paper, without which theta may run away even where every model both won and lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import expit, xlogy

from app.errors import NotConvergedError
from app.stats.newton import MAX_HALVINGS, MAX_STEPS, TOLERANCE, fit_bradley_terry

Array = NDArray[np.float64]
PRIOR = (10.0, 2.0)  # Beta: nine right and one wrong answer, the mode at 0.9, before the rater's first vote
VIRTUAL = 0.5  # votes of each model for and against the virtual opponent
EM_STEPS = 8  # enough to be near the maximum that the first guess belongs to; Newton does the rest


@dataclass(frozen=True)
class Verdicts:
    """n cells: ``rater`` said ``count`` times (float) that ``winner`` beats ``loser`` (int, n); m models, r raters."""

    winner: NDArray[np.int64]
    loser: NDArray[np.int64]
    rater: NDArray[np.int64]
    count: Array
    m: int
    n_raters: int


@dataclass(frozen=True)
class CrowdFit:
    """theta (m,) in logits, its covariance (m, m) with the eta profiled out, eta (r,), and log-likelihood in nats."""

    theta: Array
    covariance: Array
    reliability: Array
    log_likelihood: float


def fit_crowd(verdicts: Verdicts) -> CrowdFit:
    """The posterior mode of theta and eta: EM steps, then Newton's method on theta with the best eta for each theta.

    EM: gamma = eta p / (eta p + (1 - eta)(1 - p)) is the chance that a verdict was seen right; then
    eta_r = (a - 1 + sum gamma) / (a + b - 2 + n_r), and theta is the Bradley-Terry fit of the wins gamma and the
    reversed wins 1 - gamma. It only creeps near the maximum, so Newton ends it: for given theta the posterior of each
    eta is log-concave and solved exactly. The covariance is the inverse of the information of theta with eta profiled
    out, so it includes that the reliabilities are estimated; being centred by the virtual opponent, it is not of sum
    zero. Raises ``NotConvergedError`` unless each slope ends below 1e-9 max(1, votes / 1000).
    """
    eta = np.full(verdicts.n_raters, (PRIOR[0] - 1) / (PRIOR[0] + PRIOR[1] - 2))
    theta = np.zeros(verdicts.m)
    for _ in range(EM_STEPS):
        theta, eta = _em_step(verdicts, theta, eta)
    votes = np.bincount(verdicts.winner, verdicts.count, verdicts.m)
    votes = votes + np.bincount(verdicts.loser, verdicts.count, verdicts.m)
    eta = _best_reliability(verdicts, theta, eta)
    value = _posterior(verdicts, theta, eta)
    for _ in range(MAX_STEPS):
        slope, information = _profile(verdicts, theta, eta)
        step = _uphill(information, slope)
        if (np.abs(slope) < TOLERANCE * np.maximum(1.0, votes / 1000)).all() and np.abs(step).max() < 10 * TOLERANCE:
            return CrowdFit(theta, _covariance(information), eta, _log_likelihood(verdicts, theta, eta))
        theta, eta, value = _climb(verdicts, (theta, eta, value), step)
    raise NotConvergedError(f"the fit of rater reliability did not converge in {MAX_STEPS} steps")


def _em_step(verdicts: Verdicts, theta: Array, eta: Array) -> tuple[Array, Array]:
    m, (a, b) = verdicts.m, PRIOR
    p = expit(theta[verdicts.winner] - theta[verdicts.loser])
    own = eta[verdicts.rater]
    right = own * p / (own * p + (1 - own) * (1 - p))
    n = np.bincount(verdicts.rater, verdicts.count, verdicts.n_raters)
    seen_right = np.bincount(verdicts.rater, verdicts.count * right, verdicts.n_raters)
    wins = np.zeros((m + 1, m + 1))
    wins[:m, m] = wins[m, :m] = VIRTUAL
    pairs = verdicts.winner * m + verdicts.loser
    wins[:m, :m] = np.bincount(pairs, verdicts.count * right, m * m).reshape(m, m)
    wins[:m, :m] += np.bincount(pairs, verdicts.count * (1 - right), m * m).reshape(m, m).T
    fitted = fit_bradley_terry(wins)
    return fitted[:m] - fitted[m], (a - 1 + seen_right) / (a + b - 2 + n)


def _best_reliability(verdicts: Verdicts, theta: Array, eta: Array) -> Array:
    """The posterior mode of each eta given theta, shape (r,): Newton kept inside a bracket, for all raters at once."""
    p = expit(theta[verdicts.winner] - theta[verdicts.loser])
    q = expit(theta[verdicts.loser] - theta[verdicts.winner])
    low, high = np.zeros_like(eta), np.ones_like(eta)
    a, b = PRIOR
    for _ in range(100):
        ratio = (p - q) / (q + eta[verdicts.rater] * (p - q))
        slope = (a - 1) / eta - (b - 1) / (1 - eta) + np.bincount(verdicts.rater, verdicts.count * ratio, len(eta))
        bend = (a - 1) / eta**2 + (b - 1) / (1 - eta) ** 2
        bend += np.bincount(verdicts.rater, verdicts.count * ratio**2, len(eta))
        low, high = np.where(slope > 0, eta, low), np.where(slope > 0, high, eta)
        step = slope / bend
        if np.abs(step).max(initial=0.0) < 1e-14:
            return eta
        new = eta + step
        eta = np.where((new > low) & (new < high), new, (low + high) / 2)
    return eta


def _log_likelihood(verdicts: Verdicts, theta: Array, eta: Array) -> float:
    gap = theta[verdicts.winner] - theta[verdicts.loser]
    own = eta[verdicts.rater]
    return float(verdicts.count @ np.log(own * expit(gap) + (1 - own) * expit(-gap)))


def _posterior(verdicts: Verdicts, theta: Array, eta: Array) -> float:
    """The log-likelihood plus the log priors of eta and theta, up to a constant."""
    prior = (xlogy(PRIOR[0] - 1, eta) + xlogy(PRIOR[1] - 1, 1 - eta)).sum()
    virtual = -VIRTUAL * (np.logaddexp(0.0, theta) + np.logaddexp(0.0, -theta)).sum()
    return _log_likelihood(verdicts, theta, eta) + float(prior + virtual)


def _profile(verdicts: Verdicts, theta: Array, eta: Array) -> tuple[Array, Array]:
    """Slope (m,) and information (m, m) of the posterior of theta with eta at its best: A - B D^-1 B'.

    A is the information of theta, D (diagonal) that of eta, B what they share.
    """
    m, i, j, r, n = verdicts.m, verdicts.winner, verdicts.loser, verdicts.rater, verdicts.count
    p, q = expit(theta[i] - theta[j]), expit(theta[j] - theta[i])
    own = eta[r]
    chance = own * p + (1 - own) * q
    first = (2 * own - 1) * p * q / chance
    second = n * (first**2 - first * (q - p))
    slope = np.bincount(i, n * first, m) - np.bincount(j, n * first, m) + VIRTUAL * (expit(-theta) - expit(theta))
    pairs = np.bincount(i * m + j, second, m * m).reshape(m, m)
    information = np.diag(pairs.sum(axis=0) + pairs.sum(axis=1)) - pairs - pairs.T
    information[np.diag_indices(m)] += 2 * VIRTUAL * expit(theta) * expit(-theta)
    ratio = (p - q) / chance
    bend = np.bincount(r, n * ratio**2, len(eta)) + (PRIOR[0] - 1) / eta**2 + (PRIOR[1] - 1) / (1 - eta) ** 2
    shared = n * (first * ratio - 2 * p * q / chance)  # minus the second derivative by theta_i - theta_j and eta
    cells = (np.concatenate([shared, -shared]), (np.concatenate([i, j]), np.concatenate([r, r])))
    block = csr_array(cells, shape=(m, len(eta)))  # type: ignore[no-untyped-call]
    return slope, information - (block @ csr_array(block.multiply(1 / bend)).T).toarray()  # type: ignore[no-untyped-call]


def _uphill(information: Array, slope: Array) -> Array:
    """The Newton step where the posterior is concave, else one with the negative curvatures turned round."""
    try:
        np.linalg.cholesky(information)
        return np.asarray(np.linalg.solve(information, slope), dtype=np.float64)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(information)
        floor = 1e-6 * max(float(np.abs(values).max()), 1e-300)
        return np.asarray(vectors @ ((vectors.T @ slope) / np.maximum(np.abs(values), floor)), dtype=np.float64)


def _climb(verdicts: Verdicts, at: tuple[Array, Array, float], step: Array) -> tuple[Array, Array, float]:
    """The point theta + step, halved while the posterior falls, with the best eta there and the posterior."""
    theta, eta, value = at
    floor = value - 1e-12 * max(1.0, abs(value))
    step = step * min(1.0, 3.0 / max(float(np.abs(step).max()), 3.0))
    for _ in range(MAX_HALVINGS):
        best = _best_reliability(verdicts, theta + step, eta)
        found = _posterior(verdicts, theta + step, best)
        if found >= floor:
            return theta + step, best, found
        step = step / 2
    raise NotConvergedError("the fit of rater reliability could not be improved and is not at its maximum")


def _covariance(information: Array) -> Array:
    try:
        np.linalg.cholesky(information)
    except np.linalg.LinAlgError as error:
        raise NotConvergedError("the fit of rater reliability ended where it is not at a maximum") from error
    inverse = np.linalg.inv(information)
    return np.asarray((inverse + inverse.T) / 2, dtype=np.float64)
