"""Whether the votes look as Bradley-Terry says they should, and if not, where.

Decisive votes only: whole numbers W[i, j] of wins of i over j, N = W + W'. Given that a vote is decisive, the
probability of i is expit(theta_i - theta_j) under Bradley-Terry and under Davidson's model for ties alike, so ties are
left out and the test holds with them; half-wins would make it wrong. Where the win graph is not strongly connected,
theta grows without limit between its strong components, whose pairs are then fitted exactly: what is tested is the
pairs within components.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc, chdtrc, ndtr, xlogy

from app.errors import InvalidInputError, NotConvergedError
from app.stats.connectivity import strong_components
from app.stats.covariance import model_covariance
from app.stats.newton import LONGEST_STEP, fit_bradley_terry, win_probabilities
from app.stats.pairwise import holm

SMALLEST_EXPECTED = 5.0
CELLS_AT_ONCE = 2_000_000
MAX_STEPS = 60
ENOUGH = 1e-6  # nats that one more Newton step could add to the likelihood of a resampled board


@dataclass(frozen=True)
class FitTest:
    """The likelihood-ratio G2 and Pearson's X2 of the pairs against Bradley-Terry, on ``df`` degrees of freedom.

    ``method`` is ``chi-square`` or ``bootstrap``. With df = 0 there is nothing to test: both p are 1.
    """

    g2: float
    x2: float
    df: int
    p_g2: float
    p_x2: float
    method: str
    smallest_expected: float


@dataclass(frozen=True)
class PairResiduals:
    """K pairs i < j that were compared and can disagree: wins of i seen and expected, standardised residual, p-values.

    ``z`` is about N(0, 1) if the model holds; ``p_adjusted`` is Holm's over the K pairs.
    """

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    n_votes: NDArray[np.float64]
    wins: NDArray[np.float64]
    expected: NDArray[np.float64]
    z: NDArray[np.float64]
    p: NDArray[np.float64]
    p_adjusted: NDArray[np.float64]


def goodness_of_fit(wins: NDArray[np.float64], *, method: str = "auto", n_boot: int = 499, seed: int = 0) -> FitTest:
    """Test all pairs at once: G2 = 2 sum W log(W / (N P)), X2 = sum (W - N P)^2 / (N P), over all ordered pairs.

    df = #pairs compared - (m - 1), summed over strong components. ``chi-square`` refers both to that distribution,
    right where all expected counts are at least 5; ``bootstrap`` to ``n_boot`` boards simulated from the fit with the
    same N (seeded) and refitted, p = (1 + #{as large}) / (n_boot + 1); ``auto`` chooses between them by that rule.
    Source: Critchlow & Fligner 1991 (Psychometrika 56). Raises ``InvalidInputError`` for no votes, fractional,
    negative or missing wins, or an unknown method.
    """
    check_wins(wins)
    if method not in ("auto", "chi-square", "bootstrap") or n_boot < 1:
        raise InvalidInputError(f"method must be auto, chi-square or bootstrap, not {method!r}, with n_boot >= 1")
    expected, df = expected_wins(wins)
    tested = expected[(expected > 0) & (expected.T > 0)]
    smallest = float(tested.min()) if len(tested) else 0.0
    g2, x2 = (float(value[0]) for value in _statistics(wins[None], expected[None]))
    if method == "auto":
        method = "chi-square" if smallest >= SMALLEST_EXPECTED or df == 0 else "bootstrap"
    if df == 0:
        return FitTest(g2, x2, 0, 1.0, 1.0, method, smallest)
    if method == "chi-square":
        return FitTest(g2, x2, df, float(chdtrc(df, g2)), float(chdtrc(df, x2)), method, smallest)
    larger = np.zeros(2)
    for boards in simulated_boards(wins, expected, n_boot, seed):
        resampled = _statistics(boards, _refitted(boards))
        larger += [(values >= seen - 1e-9).sum() for values, seen in zip(resampled, (g2, x2), strict=True)]
    p_g2, p_x2 = (1 + larger) / (n_boot + 1)
    return FitTest(g2, x2, df, float(p_g2), float(p_x2), method, smallest)


def pair_residuals(wins: NDArray[np.float64]) -> PairResiduals:
    """Where the fit fails: z = (W - N P) / sqrt(N P (1 - P) (1 - h)), h = N P (1 - P) Var(theta_i - theta_j).

    h is the leverage, the share of the pair's own votes in its fitted value; pairs with h = 1 (a bridge) or across
    strong components fit exactly and are left out. p is that of z; where an expected count is below 5, that of the
    exact binomial test at P (twice the smaller tail) if larger. Raises ``InvalidInputError`` as ``goodness_of_fit``.
    """
    check_wins(wins)
    expected, _ = expected_wins(wins)
    n_votes = wins + wins.T
    slack = _residual_variance(wins, expected)
    i, j = np.nonzero(np.triu(slack, 1))
    seen, mean, n = wins[i, j], expected[i, j], n_votes[i, j]
    z = (seen - mean) / np.sqrt(slack[i, j])
    p = 2 * ndtr(-np.abs(z))
    # bdtr's tails at P itself: the fit's own error would only make the difference less surprising
    whole, chance = n.astype(np.int64), mean / n
    tails = np.minimum(bdtr(seen, whole, chance), np.where(seen > 0, bdtrc(seen - 1, whole, chance), 1.0))
    sparse = np.minimum(mean, n - mean) < SMALLEST_EXPECTED
    p = np.where(sparse, np.maximum(p, np.minimum(2 * tails, 1.0)), p)
    return PairResiduals(i, j, n, seen, mean, z, p, holm(p))


def check_wins(wins: NDArray[np.float64]) -> None:
    """Raise ``InvalidInputError`` unless these are whole decisive votes, at least one, of a square board."""
    if wins.ndim != 2 or wins.shape[0] != wins.shape[1]:
        raise InvalidInputError("the wins must form a square matrix")
    if not (np.isfinite(wins).all() and (wins >= 0).all()):
        raise InvalidInputError("a number of wins is missing or negative")
    if (wins != np.floor(wins)).any() or np.diag(wins).any():
        raise InvalidInputError("wins must be whole decisive votes between different models: leave ties out")
    if not wins.any():
        raise InvalidInputError("there is no decisive vote to test the fit with")


def _components(wins: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    labels = strong_components(wins)
    groups = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    return [group for group in groups if len(group) > 1]


def expected_wins(wins: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """N P at the (extended) maximum of the likelihood, shape (m, m), and the degrees of freedom of the pairs."""
    expected, df = wins.copy(), 0
    for group in _components(wins):
        cells = np.ix_(group, group)
        n_votes = wins[cells] + wins[cells].T
        expected[cells] = n_votes * win_probabilities(fit_bradley_terry(wins[cells]))
        df += int(np.count_nonzero(np.triu(n_votes, 1))) - len(group) + 1
    return expected, df


def _residual_variance(wins: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """N P (1 - P) (1 - h), shape (m, m), zero where a pair cannot disagree with its fit."""
    variance = np.zeros_like(wins)
    for group in _components(wins):
        cells = np.ix_(group, group)
        theta = fit_bradley_terry(wins[cells])
        covariance = model_covariance(theta, wins[cells])
        spread = np.diag(covariance)
        n_votes = wins[cells] + wins[cells].T
        information = expected[cells] * (1 - win_probabilities(theta))
        leverage = information * (spread[:, None] + spread[None, :] - 2 * covariance)
        variance[cells] = np.where((n_votes > 0) & (leverage < 1 - 1e-7), information * (1 - leverage), 0.0)
    return variance


def _statistics(
    wins: NDArray[np.float64], expected: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """G2 and X2 of B boards, each of shape (B,), from wins and expected wins of shape (B, m, m)."""
    positive = np.where(expected > 0, expected, 1.0)
    g2 = 2 * xlogy(wins, np.where(wins > 0, wins, 1.0) / positive).sum(axis=(1, 2))
    x2 = (np.where(expected > 0, wins - expected, 0.0) ** 2 / positive).sum(axis=(1, 2))
    return np.maximum(g2, 0.0), x2


def simulated_boards(
    wins: NDArray[np.float64], expected: NDArray[np.float64], n_boot: int, seed: int
) -> Iterator[NDArray[np.float64]]:
    """Boards with the same N and the fitted probabilities, (B, m, m) at a time."""
    rng = np.random.default_rng(seed)
    i, j = np.nonzero(np.triu(wins + wins.T, 1))
    n = (wins + wins.T)[i, j]
    chance = np.clip(expected[i, j] / n, 0.0, 1.0)
    size = max(1, CELLS_AT_ONCE // wins.size)
    for start in range(0, n_boot, size):
        boards = np.zeros((min(size, n_boot - start), *wins.shape), dtype=np.float64)
        boards[:, i, j] = rng.binomial(n.astype(np.int64), chance, size=(len(boards), len(i)))
        boards[:, j, i] = n - boards[:, i, j]
        yield boards


def _refitted(boards: NDArray[np.float64]) -> NDArray[np.float64]:
    """The expected wins of B boards at their own maxima, by Newton steps for all boards at once.

    A board whose maximum lies at infinity is followed until its likelihood rises no more, which is all that the
    statistics need. Raises ``NotConvergedError`` if 60 steps don't get a board there.
    """
    n_votes = boards[0] + boards[0].T
    theta = np.zeros(boards.shape[:2])
    m = boards.shape[1]
    eye = np.eye(m)
    value = np.full(len(boards), -np.inf)
    step = np.zeros_like(theta)
    for _ in range(MAX_STEPS):
        after = theta + step
        risen = _log_likelihoods(after, boards)
        better = risen >= value - 1e-9
        theta = np.where(better[:, None], after, theta)
        value = np.where(better, risen, value)
        chances = 1 / (1 + np.exp(theta[:, None, :] - theta[:, :, None]))
        slope = (boards - n_votes * chances).sum(axis=2)
        weight = n_votes * chances * (1 - chances)
        hessian = eye * weight.sum(axis=2)[:, :, None] - weight
        scale = np.trace(hessian, axis1=1, axis2=2)[:, None, None] / m
        newton = np.linalg.solve(hessian + scale * (1 / m + 1e-9 * eye), slope[:, :, None])[:, :, 0]
        newton *= np.minimum(1.0, LONGEST_STEP / np.maximum(np.abs(newton).max(axis=1), LONGEST_STEP))[:, None]
        if ((slope * newton).sum(axis=1) < ENOUGH).all():
            return np.asarray(n_votes * chances, dtype=np.float64)
        step = np.where(better[:, None], newton, step / 2)
    raise NotConvergedError(f"a simulated board could not be refitted in {MAX_STEPS} steps")


def _log_likelihoods(theta: NDArray[np.float64], boards: NDArray[np.float64]) -> NDArray[np.float64]:
    losses = np.logaddexp(0.0, theta[:, None, :] - theta[:, :, None])
    return np.asarray(-(boards * losses).sum(axis=(1, 2)), dtype=np.float64)
