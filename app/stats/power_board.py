"""How many votes a whole board of models still needs, from the covariance of the ratings it has now.

theta (m,) in logits and its covariance S (m, m) in logits^2 come from ``n_votes`` votes; with n votes, allotted to the
pairs in the same proportions, every variance is S n_votes / n. A pair separates where |theta_i - theta_j| exceeds a
critical value times its standard error; the one that keeps the family-wise error at alpha over all pairs is the
1 - alpha quantile of max |Z_i - Z_j| / sd_ij for Z ~ N(0, S) (max-T; Hothorn, Bretz & Westfall 2008). Errors that are
clustered by few raters or prompts have finite ``df``: then Z and every quantile are Student's, as on the board itself.
A plan takes the clusters to stay as many as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from app.errors import InvalidInputError
from app.stats.max_t import N_DRAWS as DRAWS
from app.stats.max_t import max_t_tests, simulate
from app.stats.pairwise import difference_errors

CELLS_AT_ONCE = 2_000_000  # draws x pairs held in memory at a time


@dataclass(frozen=True)
class BoardPower:
    """By simulation, were theta the truth and ``n_votes`` cast in all.

    ``pairs`` (K,), in the order of ``np.triu_indices(m, 1)``: the probability that the pair separates in the right
    direction; ``leader``: that the best model separates from all others; ``all_pairs``: that every pair does.
    """

    n_votes: float
    critical: float
    pairs: NDArray[np.float64]
    leader: float
    all_pairs: float


def critical_difference(
    covariance: NDArray[np.float64], *, alpha: float = 0.05, df: float = np.inf, seed: int = 0
) -> float:
    """The max-T critical value over all pairs, from 10,000 seeded draws (standard error about 0.02).

    For two models it is the normal quantile, exactly. With finite ``df`` it is Student's: the Z are divided by
    sqrt(chi^2_df / df), all by the same. Raises ``InvalidInputError`` for fewer than two models, a matrix that is not
    square, finite and symmetric, or a pair without any variance.
    """
    _check(covariance, alpha)
    m = len(covariance)
    if m == 2:
        return _quantile(1 - alpha / 2, df)
    _pair_errors(covariance)  # refuses a pair without variance
    return max_t_tests(np.zeros(m), covariance, confidence=1 - alpha, df=df, n_draws=DRAWS, seed=seed).critical


def votes_to_separate(
    theta: NDArray[np.float64],
    covariance: NDArray[np.float64],
    n_votes: float,
    *,
    critical: float | None = None,
    power: float = 0.5,
    alpha: float = 0.05,
    df: float = np.inf,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Votes in all, old and new, after which each pair separates: n = n_votes ((critical + z_power) se / gap)^2, (K,).

    Pairs in the order of ``np.triu_indices(m, 1)``; infinite where the gap is zero. With power 1/2 the pair separates
    once the present gap, if it lasts, is enough; .8 allows for the noise of the gap seen. ``critical`` defaults to
    ``critical_difference``. Raises ``InvalidInputError`` as that does, or for n_votes <= 0.
    """
    _check(covariance, alpha)
    theta = _strengths(theta, covariance)
    if not (np.isfinite(n_votes) and n_votes > 0):
        raise InvalidInputError(f"the present covariance must come from some votes, not {n_votes}")
    if not 0 < power < 1:
        raise InvalidInputError(f"power must lie between 0 and 1, not {power}")
    reach = critical_difference(covariance, alpha=alpha, df=df, seed=seed) if critical is None else critical
    i, j = np.triu_indices(len(theta), 1)
    gap = np.abs(theta[i] - theta[j])
    needed = np.divide(
        (reach + _quantile(power, df)) * _pair_errors(covariance), gap, out=np.full(len(gap), np.inf), where=gap > 0
    )
    return np.asarray(n_votes * needed**2, dtype=np.float64)


def board_power(
    theta: NDArray[np.float64],
    covariance: NDArray[np.float64],
    n_votes: float,
    n_planned: float,
    *,
    alpha: float = 0.05,
    df: float = np.inf,
    seed: int = 0,
) -> BoardPower:
    """What ``n_planned`` votes in all would show, were theta the truth: estimates ~ N(theta, S n_votes / n_planned).

    10,000 seeded draws for the joint events, the normal integral for single pairs. Raises ``InvalidInputError`` as
    ``votes_to_separate`` does.
    """
    _check(covariance, alpha)
    theta = _strengths(theta, covariance)
    if not all(np.isfinite(n) and n > 0 for n in (n_votes, n_planned)):
        raise InvalidInputError("both numbers of votes must be positive")
    critical = critical_difference(covariance, alpha=alpha, df=df, seed=seed)
    scale = np.sqrt(n_votes / n_planned)
    i, j = np.triu_indices(len(theta), 1)
    gap = theta[i] - theta[j]
    se = _pair_errors(covariance)
    sign = np.where(gap >= 0, 1.0, -1.0)
    at_top = (i == np.argmax(theta)) | (j == np.argmax(theta))
    joint = np.zeros(2)
    for z in _pair_draws(covariance, df, seed + 1):
        separate = sign * (gap + scale * z) > critical * scale * se
        joint += separate[:, at_top].all(axis=1).sum(), separate.all(axis=1).sum()
    return BoardPower(
        n_votes=float(n_planned),
        critical=critical,
        pairs=_probability(np.abs(gap) / (se * scale) - critical, df),
        leader=float(joint[0]) / DRAWS,
        all_pairs=float(joint[1]) / DRAWS,
    )


def votes_for_board(
    theta: NDArray[np.float64],
    covariance: NDArray[np.float64],
    n_votes: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    df: float = np.inf,
    seed: int = 0,
) -> tuple[float, float]:
    """Votes in all after which, with this probability, the best model separates from all others; and all pairs do.

    The events of ``board_power`` hold in a draw Z once sqrt(n / n_votes) exceeds t = max (critical se - sign Z) / |gap|
    over their pairs, so n = n_votes max(t, 0)^2 at the ``power`` quantile of t over the same draws. Infinite where a
    gap is zero. Errors are those of ``votes_to_separate``.
    """
    _check(covariance, alpha)
    theta = _strengths(theta, covariance)
    if not (np.isfinite(n_votes) and n_votes > 0 and 0 < power < 1):
        raise InvalidInputError("the number of votes must be positive, and the power lie between 0 and 1")
    critical = critical_difference(covariance, alpha=alpha, df=df, seed=seed)
    i, j = np.triu_indices(len(theta), 1)
    gap, se = theta[i] - theta[j], _pair_errors(covariance)
    sign = np.where(gap >= 0, 1.0, -1.0)
    at_top = (i == np.argmax(theta)) | (j == np.argmax(theta))
    needed = []
    for z in _pair_draws(covariance, df, seed + 1):
        lacking = critical * se - sign * z
        t = np.divide(lacking, np.abs(gap), out=np.full_like(lacking, np.inf), where=np.abs(gap) > 0)
        needed.append(np.stack([t[:, at_top].max(axis=1), t.max(axis=1)]))
    roots = np.quantile(np.concatenate(needed, axis=1), power, axis=1, method="higher")
    leader, everything = (float(n_votes * max(root, 0.0) ** 2) for root in roots)
    return leader, everything


def votes_for_leader(
    theta: NDArray[np.float64],
    covariance: NDArray[np.float64],
    n_votes: float,
    *,
    critical: float,
    power: float = 0.8,
    df: float = np.inf,
    seed: int = 0,
) -> float:
    """The first number of ``votes_for_board`` at a known critical value, from the leader's m - 1 pairs alone.

    Infinite where another model is rated as high.
    """
    _check(covariance, 0.5)
    theta = _strengths(theta, covariance)
    if not (np.isfinite(n_votes) and n_votes > 0 and 0 < power < 1 and critical > 0):
        raise InvalidInputError("votes and critical value must be positive, and the power lie between 0 and 1")
    top = int(np.argmax(theta))
    others = np.delete(np.arange(len(theta)), top)
    gap = theta[top] - theta[others]
    variance = covariance[top, top] + covariance[others, others] - 2 * covariance[top, others]
    if not (variance > 0).all():
        raise InvalidInputError("two models whose difference has no variance cannot be planned for")
    if not (gap > 0).all():
        return float("inf")
    draws = simulate(covariance, df=df, n_draws=DRAWS, seed=seed + 1)
    lacking = critical * np.sqrt(variance)[:, None] - (draws[top] - draws[others])
    root = np.quantile((lacking / gap[:, None]).max(axis=0), power, method="higher")
    return float(n_votes * max(root, 0.0) ** 2)


def _quantile(p: float, df: float) -> float:
    return float(stdtrit(df, p) if np.isfinite(df) else ndtri(p))


def _probability(x: NDArray[np.float64], df: float) -> NDArray[np.float64]:
    return np.asarray(stdtr(df, x) if np.isfinite(df) else ndtr(x), dtype=np.float64)


def _pair_errors(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    se = difference_errors(covariance)
    if not (se > 0).all():
        raise InvalidInputError("two models whose difference has no variance cannot be planned for")
    return se


def _pair_draws(covariance: NDArray[np.float64], df: float, seed: int) -> Iterator[NDArray[np.float64]]:
    """Blocks of draws of all Z_i - Z_j, i < j, Z ~ N(0, S) or t(df), each of shape (some, K), 10,000 in all."""
    draws = simulate(covariance, df=df, n_draws=DRAWS, seed=seed).T
    i, j = np.triu_indices(len(covariance), 1)
    size = max(1, CELLS_AT_ONCE // len(i))
    for start in range(0, DRAWS, size):
        z = draws[start : start + size]
        yield z[:, i] - z[:, j]


def _strengths(theta: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    theta = np.asarray(theta, dtype=np.float64)
    if theta.shape != (len(covariance),) or not np.isfinite(theta).all():
        raise InvalidInputError("each model of the covariance needs one finite rating")
    return theta


def _check(covariance: NDArray[np.float64], alpha: float) -> None:
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1] or len(covariance) < 2:
        raise InvalidInputError("a covariance is a square matrix of at least two models")
    if not np.isfinite(covariance).all() or not np.allclose(covariance, covariance.T, rtol=1e-6, atol=1e-12):
        raise InvalidInputError("a covariance must be finite and symmetric")
    if not 0 < alpha < 1:
        raise InvalidInputError(f"alpha must lie between 0 and 1, not {alpha}")
