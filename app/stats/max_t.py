"""Step-down max-T: claims about many pairs at once whose family-wise error is at most alpha, with less waste than Holm.

For contrasts l = (i, j) with T_l = |theta_i - theta_j| / se_l, the joint law of the T under equality is that of
|Z_i - Z_j| / se_l with Z ~ N(0, S), simulated; divided by sqrt(chi2(df) / df) for a covariance with df degrees of
freedom. Sources: Hothorn, Bretz & Westfall 2008 (Biometrical Journal 50) for the single step; Romano & Wolf 2005
(JASA 100) for the steps down.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidInputError
from app.stats.intervals import quantile
from app.stats.pairwise import PairTests, contrast_tests, holm

N_DRAWS = 10_000  # the fewest; then the critical value's own error is 0.02
_MOST_DRAWS = 200_000
UNHEARD_OF = 1e-3  # the chance that any draw of any pair is as large as that of a pair that is clearly apart
_WORK = 20_000_000  # draws times pairs, which take a tenth of a second


def draws_for(n_pairs: int) -> int:
    """How many draws a board of so many pairs gets: the fewer pairs, the more, up to an error of 0.004."""
    return int(min(max(_WORK // max(n_pairs, 1), N_DRAWS), _MOST_DRAWS))


@dataclass(frozen=True)
class MaxT:
    """``tests`` with step-down adjusted p, single-step adjusted p of shape (K,), and the single-step critical value.

    ``difference -+ critical * se`` are simultaneous intervals of the chosen confidence.
    """

    tests: PairTests
    p_single_step: NDArray[np.float64]
    critical: float
    confidence: float

    @property
    def lower(self) -> NDArray[np.float64]:
        """Simultaneous lower bounds, in logits, shape (K,)."""
        return np.asarray(self.tests.difference - self.critical * self.tests.se, dtype=np.float64)

    @property
    def upper(self) -> NDArray[np.float64]:
        """Simultaneous upper bounds, in logits, shape (K,)."""
        return np.asarray(self.tests.difference + self.critical * self.tests.se, dtype=np.float64)


def max_t_tests(
    theta: NDArray[np.float64],
    covariance: NDArray[np.float64],
    *,
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    df: float = np.inf,
    confidence: float = 0.95,
    n_draws: int | None = None,
    seed: int = 0,
) -> MaxT:
    """Max-T tests of the ``pairs`` (i, j), by default all i < j, from ratings (m,) and their covariance (m, m).

    Adjusted p = max over the pairs with larger |z| of P(max of the T not yet passed >= |z|), estimated by (1 + hits) /
    (1 + draws) and held between the raw p and Holm's, which bound the exact value. The same ``seed`` gives the same
    numbers; without ``n_draws`` it is ``draws_for`` these pairs. A pair with a standard error of zero has p = 1 and
    takes no part in the maximum.

    Raises ``InvalidInputError`` unless 0 < confidence < 1, df > 0 and n_draws >= 100.
    """
    if not 0 < confidence < 1:
        raise InvalidInputError(f"confidence must lie between 0 and 1, not {confidence}")
    i, j = np.triu_indices(len(theta), k=1) if pairs is None else pairs
    n_draws = draws_for(len(i)) if n_draws is None else n_draws
    raw = contrast_tests(theta, covariance, i, j, df=df)
    draws = simulate(covariance, df=df, n_draws=n_draws, seed=seed)
    usable = np.flatnonzero(raw.se > 0)
    stepped, single, critical = np.ones(len(i)), np.ones(len(i)), np.inf
    if len(usable):
        z = np.abs(raw.difference[usable]) / raw.se[usable]
        hits, maxima = exceedances(draws, i[usable], j[usable], raw.se[usable], z)
        stepped[usable] = _monotone((1 + hits) / (1 + n_draws), z)
        single[usable] = (1 + n_draws - np.searchsorted(np.sort(maxima), z)) / (1 + n_draws)
        stepped = np.clip(stepped, raw.p, holm(raw.p))
        single = np.clip(single, raw.p, np.minimum(raw.p * len(i), 1.0))
        critical = float(np.quantile(maxima, confidence, method="higher"))
    tests = PairTests(i, j, raw.difference, raw.se, raw.p, stepped)
    return MaxT(tests, single, critical, confidence)


def step_down_tests(
    theta: NDArray[np.float64], covariance: NDArray[np.float64], *, df: float = np.inf, seed: int = 0
) -> PairTests:
    """``max_t_tests(...).tests`` of all pairs, in a fraction of the time where most models are clearly apart.

    A pair with |z| >= z* has p = 1 / (1 + draws) or the raw p if that is more, where z* is so large that the chance of
    any draw of any pair being as large is at most ``UNHEARD_OF`` by Bonferroni's inequality; the step-down p of other
    pairs depends on pairs with smaller |z| only. Raises ``InvalidInputError`` as ``max_t_tests`` does.
    """
    i, j = np.triu_indices(len(theta), k=1)
    raw, n_draws = contrast_tests(theta, covariance, i, j, df=df), draws_for(len(i))
    usable = np.flatnonzero(raw.se > 0)
    stepped = np.ones(len(i))
    if len(usable):
        z = np.abs(raw.difference[usable]) / raw.se[usable]
        z_star = quantile(1 - UNHEARD_OF / (len(i) * n_draws), df)
        near, hits = usable[z < z_star], np.zeros(len(z), dtype=np.int64)
        if len(near):
            draws = simulate(covariance, df=df, n_draws=n_draws, seed=seed)
            hits[z < z_star], _ = exceedances(draws, i[near], j[near], raw.se[near], z[z < z_star])
        stepped[usable] = _monotone((1 + hits) / (1 + n_draws), z)
        stepped = np.clip(stepped, raw.p, holm(raw.p))
    return PairTests(i, j, raw.difference, raw.se, raw.p, stepped)


def simulate(covariance: NDArray[np.float64], *, df: float, n_draws: int, seed: int) -> NDArray[np.float64]:
    """Draws of N(0, S), or of the multivariate t(df) with scale S, shape (m, n_draws); S may be singular.

    Raises ``InvalidInputError`` unless df > 0 and n_draws >= 100.
    """
    if n_draws < 100 or not df > 0:
        raise InvalidInputError("max-T needs at least 100 draws and positive degrees of freedom")
    values, vectors = np.linalg.eigh(covariance)
    # The symmetric root: where eigenvalues are equal their vectors are arbitrary, but this doesn't depend on them.
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    draws = root @ _normals(len(covariance), n_draws, seed)
    if np.isfinite(df):
        draws /= np.sqrt(np.random.default_rng([seed, 1]).chisquare(df, n_draws) / df)
    return np.asarray(draws, dtype=np.float64)


@lru_cache(maxsize=1)
def _normals(m: int, n_draws: int, seed: int) -> NDArray[np.float64]:
    """Standard normal draws, shape (m, n_draws); a board that is made again for new votes needs the same once more."""
    found = np.random.default_rng(seed).standard_normal((m, n_draws))
    found.flags.writeable = False
    return found


def exceedances(
    draws: NDArray[np.float64],
    i: NDArray[np.int64],
    j: NDArray[np.int64],
    se: NDArray[np.float64],
    z: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """How many draws have a T as large as ``z`` among the pairs with |z| no larger (K,); the maximum of each draw.

    ``draws`` has shape (m, B), the rest shape (K,), ``se`` positive, ``z`` not negative. One pair at a time over all
    draws in single precision, so that the numbers stay in the processor's cache.
    """
    rows, columns = [*draws.astype(np.float32)], (i.tolist(), j.tolist(), (1 / se).tolist(), z.tolist())
    t, is_hit = np.empty(draws.shape[1], dtype=np.float32), np.empty(draws.shape[1], dtype=np.bool_)
    maxima = np.zeros(draws.shape[1], dtype=np.float32)
    hits = np.zeros(len(z), dtype=np.int64)
    for at in np.argsort(z, kind="stable").tolist():  # smallest first: a running maximum is over pairs not yet passed
        first, second, scale, bound = (column[at] for column in columns)
        np.subtract(rows[first], rows[second], out=t)
        np.abs(t, out=t)
        np.multiply(t, scale, out=t)
        np.maximum(maxima, t, out=maxima)
        np.greater_equal(maxima, bound, out=is_hit)
        hits[at] = np.count_nonzero(is_hit)
    return hits, maxima.astype(np.float64)


def _monotone(p: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(-z, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order])
    return adjusted
