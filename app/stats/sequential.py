"""p-values and intervals that stay valid however often one looks, and whenever one stops.

One pair: the beta-binomial mixture, exact (Robbins 1970, Annals of Mathematical Statistics 41; Ville's inequality;
Howard, Ramdas, McAuliffe & Sekhon 2021, Annals of Statistics 49). The board: the normal mixture (mixture SPRT) on each
difference with its variance at the look (Johari, Koomen, Pekelis & Walsh 2022, Operations Research 70), asymptotic and
therefore only after a burn-in. "log E" is a natural logarithm; evidence of E >= 1/alpha rejects at level alpha.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, ndtr, ndtri, stdtrit

from app.errors import InvalidInputError
from app.stats.pairwise import contrast_tests, holm

PRIOR = 10.0  # Beta(10, 10): most power where 55 to 70 % prefer one side
TAU = 0.3  # logits: the size of difference at which the board's mixture aims
BURN_IN = 100  # votes per model before the normal approximation is trusted


def beta_log_evidence(
    successes: ArrayLike, failures: ArrayLike, *, share: float = 0.5, prior: float = PRIOR
) -> NDArray[np.float64]:
    """Log E of the hypothesis P(success) = ``share``, elementwise, after these many successes S and failures F.

    E = B(a + S, b + F) / (B(a, b) share^S (1 - share)^F) with a = 2 prior share, b = 2 prior (1 - share), a prior that
    is centred on the hypothesis. Ties carry no information on which of two is preferred: leave them out. Votes need not
    be alike, so long as each has probability ``share`` given the past. Raises ``InvalidInputError`` for negative
    counts, a share outside (0, 1) or a prior that is not positive.
    """
    won, lost = np.asarray(successes, dtype=np.float64), np.asarray(failures, dtype=np.float64)
    if not ((won >= 0).all() and (lost >= 0).all()):
        raise InvalidInputError("numbers of successes and failures must not be negative")
    if not 0 < share < 1 or not prior > 0:
        raise InvalidInputError("the share under test must lie between 0 and 1, and the prior be positive")
    a, b = 2 * prior * share, 2 * prior * (1 - share)
    mixed = betaln(a + won, b + lost) - betaln(a, b)
    return np.asarray(mixed - won * math.log(share) - lost * math.log1p(-share), dtype=np.float64)


def anytime_p(log_evidence: ArrayLike) -> NDArray[np.float64]:
    """min(1, 1 / E), elementwise: valid at any time at which one stops."""
    return np.asarray(np.exp(-np.maximum(log_evidence, 0.0)), dtype=np.float64)


def running_p(log_evidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest of 1 and 1 / E up to each look, along the last axis: still valid, and it never rises again."""
    return anytime_p(np.maximum.accumulate(log_evidence, axis=-1))


def pair_confidence_sequence(
    successes: float, failures: float, *, confidence: float = 0.95, prior: float = PRIOR
) -> tuple[float, float]:
    """Bounds of P(success) that hold at all looks together: {p : B(a+S, a+F) / (B(a,a) p^S (1-p)^F) < 1/alpha}.

    ``prior`` is a. (0, 1) before the first vote. Raises ``InvalidInputError`` for negative counts, a prior that is not
    positive, or unless 0 < confidence < 1.
    """
    if not (successes >= 0 and failures >= 0 and prior > 0):
        raise InvalidInputError("numbers of successes and failures must not be negative, and the prior be positive")
    budget = _log_odds_against(confidence)
    mixed = float(betaln(prior + successes, prior + failures) - betaln(prior, prior))

    def excess(logit: float) -> float:  # convex in logit, negative at the observed share
        return mixed + float(successes * np.logaddexp(0, -logit) + failures * np.logaddexp(0, logit)) - budget

    if successes + failures == 0:
        return 0.0, 1.0
    middle = math.log((successes or 1e-9) / (failures or 1e-9))
    lower = _expit(_root(excess, middle, -1.0)) if successes else 0.0
    upper = _expit(_root(excess, middle, 1.0)) if failures else 1.0
    return lower, upper


def _log_odds_against(confidence: float) -> float:
    """log(1 / alpha)."""
    if not 0 < confidence < 1:
        raise InvalidInputError(f"confidence must lie between 0 and 1, not {confidence}")
    return -math.log1p(-confidence)


def _root(function: Callable[[float], float], inside: float, direction: float) -> float:
    """Where ``function``, negative at ``inside``, becomes positive in this direction."""
    reach = 0.25
    while function(inside + direction * reach) <= 0:
        reach *= 2
    from scipy.optimize import brentq

    root = brentq(  # type: ignore[no-untyped-call]
        function, inside, inside + direction * reach, xtol=1e-12, rtol=1e-12
    )
    return float(root)


def _expit(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0


def normal_log_evidence(difference: ArrayLike, variance: ArrayLike, *, tau: float = TAU) -> NDArray[np.float64]:
    """Log Lambda of the hypothesis "no difference", elementwise, for estimates d with variances V in units of tau^2.

    Lambda = sqrt(V / (V + tau^2)) exp(d^2 tau^2 / (2 V (V + tau^2))), the likelihood ratio mixed over N(0, tau^2). No
    evidence (log E = -inf) where V is zero, infinite or NaN. Raises ``InvalidInputError`` unless tau > 0.
    """
    d, v = np.broadcast_arrays(np.asarray(difference, dtype=np.float64), np.asarray(variance, dtype=np.float64))
    if not tau > 0:
        raise InvalidInputError(f"tau must be positive, not {tau}")
    usable = np.isfinite(d) & np.isfinite(v) & (v > 0)
    d, v = np.where(usable, d, 0.0), np.where(usable, v, 1.0)
    log_lambda = -np.log1p(tau**2 / v) / 2 + d**2 * tau**2 / (2 * v * (v + tau**2))
    return np.where(usable, log_lambda, -np.inf)


def normal_half_width(variance: ArrayLike, *, confidence: float = 0.95, tau: float = TAU) -> NDArray[np.float64]:
    """The half-width, elementwise, of the confidence sequence d -+ that: the inversion of ``normal_log_evidence``.

    sqrt(V (V + tau^2) / tau^2 (2 log(1/alpha) + log((V + tau^2) / V))); infinite where V is zero, infinite or NaN.
    Raises ``InvalidInputError`` unless tau > 0 and 0 < confidence < 1.
    """
    budget = _log_odds_against(confidence)
    if not tau > 0:
        raise InvalidInputError(f"tau must be positive, not {tau}")
    v = np.asarray(variance, dtype=np.float64)
    usable = np.isfinite(v) & (v > 0)
    v = np.where(usable, v, 1.0)
    width = np.sqrt(v * (v + tau**2) / tau**2 * (2 * budget + np.log1p(tau**2 / v)))
    return np.where(usable, width, np.inf)


def student_half_width(
    se: NDArray[np.float64], df: float, *, confidence: float = 0.95, tau: float = TAU
) -> NDArray[np.float64]:
    """``normal_half_width`` of V = se^2 with the reach of a t with ``df`` degrees of freedom in place of a normal z.

    The z that the width amounts to becomes the t of the same tail, elementwise; the same where ``df`` is infinite.
    """
    width = normal_half_width(np.asarray(se, dtype=np.float64) ** 2, confidence=confidence, tau=tau)
    if np.isinf(df):
        return width
    reach = np.divide(width, se, out=np.full_like(width, np.inf), where=np.isfinite(width) & (se > 0))
    return np.where(np.isfinite(reach), -stdtrit(df, ndtr(-reach)) * se, np.inf)


@dataclass(frozen=True)
class AnytimeTests:
    """K differences i - j at one look, arrays of shape (K,): logits and probabilities.

    ``p`` is the smallest so far of 1/Lambda, ``p_adjusted`` Holm's over the K; ``lower`` and ``upper`` are each pair's
    own confidence sequence. A pair that is not ``is_ready`` (a model still in its burn-in) has the p-value that it had
    before and an infinite interval.
    """

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    difference: NDArray[np.float64]
    se: NDArray[np.float64]
    p: NDArray[np.float64]
    p_adjusted: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    is_ready: NDArray[np.bool_]


def anytime_tests(
    theta: NDArray[np.float64],
    covariance: NDArray[np.float64],
    n_votes: NDArray[np.float64],
    *,
    previous: NDArray[np.float64] | None = None,
    confidence: float = 0.95,
    tau: float = TAU,
    burn_in: float = BURN_IN,
    df: float = np.inf,
) -> AnytimeTests:
    """All pairs i < j of a board at one look, valid at all looks together.

    ``theta`` (m,) and ``covariance`` (m, m), clustered if raters vote repeatedly, are those at this look; ``n_votes``
    (m,) counts votes per model. ``previous`` are the p of the look before (same models in the same order): with them p
    never rises. A covariance with ``df`` degrees of freedom (clusters less one) is less surprising than a normal one:
    p takes the normal z with the tail of its t, and bounds the t with the tail of the normal half-width. Raises
    ``InvalidInputError`` if shapes do not fit or a setting makes no sense.
    """
    m = len(theta)
    i, j = np.triu_indices(m, k=1)
    before = np.ones(len(i)) if previous is None else previous
    if covariance.shape != (m, m) or n_votes.shape != (m,) or before.shape != i.shape:
        raise InvalidInputError("ratings, covariance, votes and earlier p-values are not of the same models")
    found = contrast_tests(theta, covariance, i, j, df=df)
    is_ready = np.asarray(np.minimum(n_votes[i], n_votes[j]) >= burn_in)
    variance = np.where(is_ready, found.se**2, np.inf)
    width = student_half_width(np.sqrt(variance), df, confidence=confidence, tau=tau)
    if np.isfinite(df):
        variance = np.where(is_ready, variance_behind(found.difference, found.p), np.inf)
    looked = np.maximum(anytime_p(normal_log_evidence(found.difference, variance, tau=tau)), found.p)
    p = np.minimum(before, looked)
    lower, upper = found.difference - width, found.difference + width
    return AnytimeTests(i, j, found.difference, found.se, p, holm(p), lower, upper, is_ready)


def variance_behind(difference: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """(d / z)^2 with the normal z of a two-sided ``p``, elementwise; infinite where p is 1 and so says nothing."""
    z = -ndtri(np.clip(p, np.finfo(float).tiny, 1) / 2)
    ratio = np.divide(difference, z, out=np.full_like(z, np.inf), where=z > 0)
    return np.asarray(ratio**2, dtype=np.float64)
