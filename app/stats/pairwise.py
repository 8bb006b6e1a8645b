"""All pairs of models tested from one covariance, and the ranks that the tests leave possible."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr

from app.errors import InvalidInputError


@dataclass(frozen=True)
class PairTests:
    """K tests of ``theta[i] - theta[j] = 0``, each an array of shape (K,): logits, logits, and two-sided p-values."""

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    difference: NDArray[np.float64]
    se: NDArray[np.float64]
    p: NDArray[np.float64]
    p_adjusted: NDArray[np.float64]


def pairwise_tests(theta: NDArray[np.float64], covariance: NDArray[np.float64], *, df: float = np.inf) -> PairTests:
    """Wald tests of all K = m (m - 1) / 2 differences i < j, Holm-adjusted over these K.

    z = (theta_i - theta_j) / sqrt(S_ii + S_jj - 2 S_ij), p = 2 Phi(-|z|), or that of Student's t with ``df`` degrees of
    freedom (g - 1 for a covariance clustered by g raters). ``theta`` has shape (m,), ``covariance`` S shape (m, m). A
    difference with a standard error of zero supports no claim: its p is 1. Raises ``InvalidInputError`` unless df > 0.
    """
    return contrast_tests(theta, covariance, *_all_pairs(len(theta)), df=df)


@lru_cache(maxsize=1)
def _all_pairs(m: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All i < j; kept from call to call, since one board asks for them again and again, so nobody may write to them."""
    pairs = np.triu_indices(m, k=1)
    for column in pairs:
        column.flags.writeable = False
    return pairs


def contrast_tests(
    theta: NDArray[np.float64],
    covariance: NDArray[np.float64],
    i: NDArray[np.int64],
    j: NDArray[np.int64],
    *,
    df: float = np.inf,
) -> PairTests:
    """The same tests for the K pairs ``i``, ``j`` (indices, shape (K,)) alone, Holm-adjusted over these K."""
    if not df > 0:
        raise InvalidInputError(f"the degrees of freedom must be positive, not {df}")
    difference, se = theta[i] - theta[j], _errors(covariance, i, j)
    z = np.divide(difference, se, out=np.zeros_like(se), where=se > 0)
    p = 2 * (ndtr(-np.abs(z)) if np.isinf(df) else stdtr(df, -np.abs(z)))
    return PairTests(i=i, j=j, difference=difference, se=se, p=p, p_adjusted=holm(p))


def difference_errors(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard errors of the K differences i < j in the order of ``pairwise_tests``, shape (K,)."""
    return _errors(covariance, *_all_pairs(len(covariance)))


def _errors(covariance: NDArray[np.float64], i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.float64]:
    spread = np.diag(covariance)
    return np.asarray(np.sqrt(np.maximum(spread[i] + spread[j] - 2 * covariance[i, j], 0.0)), dtype=np.float64)


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's (1979) step-down adjusted p-values, shape (K,): family-wise error at most alpha under any dependence.

    The k-th smallest of K is multiplied by K - k + 1, made monotone and cut at 1.
    """
    order = np.argsort(p)  # whatever the order of equal p-values, they get the same
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def benjamini_hochberg(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Benjamini and Hochberg's (1995, JRSS B 57) adjusted p-values, shape (K,), which bound the share of false claims.

    The k-th smallest of K is multiplied by K / k, made monotone from the largest down: claiming all up to q is wrong in
    an expected share q of the claims at most, for tests that are independent or positively dependent.
    """
    order = np.argsort(p, kind="stable")
    stepped = np.minimum.accumulate((p[order] * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
    adjusted = np.empty_like(p, dtype=np.float64)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def rank_sets(tests: PairTests, m: int, *, alpha: float = 0.05) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Best and worst rank of each model that the tests leave possible, two arrays of shape (m,), 1 is best.

    [1 + #{j significantly above i}, m - #{j significantly below i}], significant meaning an adjusted p of at most
    ``alpha``: all m sets hold together with probability 1 - alpha (Mogstad, Romano, Shaikh & Wilhelm 2024, Review of
    Economic Studies 91). Raises ``InvalidInputError`` unless 0 < alpha < 1.
    """
    if not 0 < alpha < 1:
        raise InvalidInputError(f"alpha must lie between 0 and 1, not {alpha}")
    clear = tests.p_adjusted <= alpha
    up, down = clear & (tests.difference > 0), clear & (tests.difference < 0)
    above = np.bincount(tests.i[down], minlength=m) + np.bincount(tests.j[up], minlength=m)
    below = np.bincount(tests.i[up], minlength=m) + np.bincount(tests.j[down], minlength=m)
    return 1 + above, m - below
