"""Two arms and one yes-or-no outcome at a fixed horizon, and whether the traffic was split as planned.

Everything here assumes one row per randomised unit (user or session) and a size that was fixed beforehand; with looks
in between, the sequential tests are the right ones. "control" is the champion, the other arm the challenger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from app.errors import InvalidInputError
from app.stats.proportions import Interval, check_counts, difference_interval, lift_interval, proportion_interval

CHI_SQUARE, BOSCHLOO, FISHER = "chi-square", "Boschloo", "Fisher"
FEWEST_UNITS, SMALLEST_EXPECTED = 40, 5  # from here on chi-square without Yates keeps its level
LARGEST_GRID = 40_000  # tables n x n_control that Boschloo's test enumerates in half a second
CONCENTRATION = 100.0  # A of the Dirichlet that mixes over the alternatives to the planned split


@dataclass(frozen=True)
class OutcomeTest:
    """One two-sided test: ``statistic`` is None for a test that has none of its own."""

    method: str
    statistic: float | None
    p: float


@dataclass(frozen=True)
class ArmsCompared:
    """Both arms, their difference and lift, the ``test`` that was chosen and the name of the one passed over."""

    challenger: Interval
    control: Interval
    newcombe: Interval
    miettinen_nurminen: Interval
    lift: Interval
    test: OutcomeTest
    instead_of: str
    reason: str


@dataclass(frozen=True)
class SplitCheck:
    """Sample ratio mismatch: the fixed-horizon p, and the any-time-valid e-value (reject at 1/alpha)."""

    statistic: float
    df: int
    p: float
    e_value: float
    is_mismatch: bool
    is_mismatch_any_time: bool


def compare_arms(successes: int, n: int, control: int, n_control: int, *, confidence: float = 0.95) -> ArmsCompared:
    """The whole comparison of a challenger's successes of n with a control's.

    Test: chi-square without continuity correction if both arms together have at least 40 units and every expected
    count is at least 5 (Campbell 2007, Statistics in Medicine 26), else Boschloo's exact test (1970), uniformly more
    powerful than Fisher's; should its grid of (n + 1)(n_control + 1) tables exceed 40,000, Fisher's. Raises
    ``InvalidInputError`` for impossible counts or confidence.
    """
    arms = (successes, n, control, n_control)
    smallest = _smallest_expected(*arms)
    large = n + n_control >= FEWEST_UNITS and smallest >= SMALLEST_EXPECTED
    exact = BOSCHLOO if (n + 1) * (n_control + 1) <= LARGEST_GRID else FISHER
    chosen, passed = (CHI_SQUARE, exact) if large else (exact, CHI_SQUARE)
    tests = {CHI_SQUARE: chi_square, BOSCHLOO: boschloo, FISHER: fisher}
    return ArmsCompared(
        challenger=proportion_interval(successes, n, confidence=confidence),
        control=proportion_interval(control, n_control, confidence=confidence),
        newcombe=difference_interval(*arms, confidence=confidence),
        miettinen_nurminen=difference_interval(*arms, confidence=confidence, method="miettinen_nurminen"),
        lift=lift_interval(*arms, confidence=confidence),
        test=tests[chosen](*arms),
        instead_of=passed,
        reason=f"{n + n_control} units, smallest expected count {smallest:.1f}",
    )


def _smallest_expected(successes: int, n: int, control: int, n_control: int) -> float:
    check_counts(successes, n)
    check_counts(control, n_control)
    hits = successes + control
    return min(n, n_control) * min(hits, n + n_control - hits) / (n + n_control)


def chi_square(successes: int, n: int, control: int, n_control: int, *, yates: bool = False) -> OutcomeTest:
    """Pearson's chi-square on one degree of freedom; ``yates`` adds the continuity correction (too conservative).

    If nobody or everybody succeeded, the arms don't differ: statistic 0, p 1. Raises ``InvalidInputError`` for
    impossible counts.
    """
    from scipy.stats import chi2_contingency  # type: ignore[attr-defined]

    if _smallest_expected(successes, n, control, n_control) == 0:
        return OutcomeTest(CHI_SQUARE, 0.0, 1.0)
    found = chi2_contingency([[successes, n - successes], [control, n_control - control]], correction=yates)
    return OutcomeTest(CHI_SQUARE, float(found.statistic), float(found.pvalue))


def boschloo(successes: int, n: int, control: int, n_control: int) -> OutcomeTest:
    """Boschloo's exact unconditional test: Fisher's p as the statistic, its level maximised over the common rate.

    Time grows with n x n_control (half a second at 200 x 200). Raises ``InvalidInputError`` for impossible counts.
    """
    from scipy.stats import boschloo_exact

    if _smallest_expected(successes, n, control, n_control) == 0:
        return OutcomeTest(BOSCHLOO, None, 1.0)
    # scipy fixes the column sums: an arm is a column.
    found = boschloo_exact([[successes, control], [n - successes, n_control - control]])
    return OutcomeTest(BOSCHLOO, None, min(float(found.pvalue), 1.0))


def barnard(successes: int, n: int, control: int, n_control: int) -> OutcomeTest:
    """Barnard's (1945) exact unconditional test on the pooled score, for comparison with other software.

    The statistic is (p - p_control) over its pooled standard error. Raises ``InvalidInputError`` for impossible counts.
    """
    from scipy.stats import barnard_exact

    if _smallest_expected(successes, n, control, n_control) == 0:
        return OutcomeTest("Barnard", 0.0, 1.0)
    found = barnard_exact([[successes, control], [n - successes, n_control - control]])
    return OutcomeTest("Barnard", float(found.statistic), min(float(found.pvalue), 1.0))


def fisher(successes: int, n: int, control: int, n_control: int) -> OutcomeTest:
    """Fisher's exact conditional test; the statistic is the conditional maximum-likelihood odds ratio."""
    from scipy.stats import fisher_exact

    if _smallest_expected(successes, n, control, n_control) == 0:
        return OutcomeTest(FISHER, None, 1.0)
    p = float(fisher_exact([[successes, n - successes], [control, n_control - control]]).pvalue)
    return OutcomeTest(FISHER, odds_ratio(successes, n, control, n_control).estimate, p)


def odds_ratio(successes: int, n: int, control: int, n_control: int, *, confidence: float = 0.95) -> Interval:
    """The conditional maximum-likelihood odds ratio with its exact interval, as R's fisher.test gives them."""
    from scipy.stats.contingency import odds_ratio as conditional

    check_counts(successes, n)
    check_counts(control, n_control)
    found = conditional([[successes, n - successes], [control, n_control - control]])  # type: ignore[no-untyped-call]
    bounds = found.confidence_interval(confidence)
    estimate = float(found.statistic)
    return Interval(estimate if np.isfinite(estimate) else None, float(bounds.low), float(bounds.high), "conditional")


def sign_test(wins: int, losses: int) -> OutcomeTest:
    """The exact two-sided binomial test of wins against losses (McNemar's exact test for paired units); no ties.

    Ties say nothing about which of two equal things wins more often, so they are left out. Without a decisive vote p
    is 1. Raises ``InvalidInputError`` for negative or fractional counts.
    """
    from scipy.stats import binomtest  # type: ignore[attr-defined]

    if wins < 0 or losses < 0 or wins != int(wins) or losses != int(losses):
        raise InvalidInputError(f"wins and losses must be whole numbers from 0 on, not {wins} and {losses}")
    if wins + losses == 0:
        return OutcomeTest("sign test", None, 1.0)
    return OutcomeTest("sign test", None, float(binomtest(int(wins), int(wins + losses)).pvalue))


def split_check(counts: Sequence[int], shares: Sequence[float], *, alpha: float = 0.001) -> SplitCheck:
    """Whether units reached the arms in the planned shares (sample ratio mismatch).

    Chi-square of the counts against n times the shares on K - 1 degrees of freedom; and, valid at any look,
    E = Gamma(A)/Gamma(A + n) prod_k Gamma(a_k + n_k)/Gamma(a_k) / prod_k pi_k^n_k with a_k = A pi_k, A = 100, which
    exceeds 1/alpha with probability alpha at most (Lindon & Malek 2022). ``shares`` need not sum to one. Raises
    ``InvalidInputError`` for fewer than two arms, no unit, negative counts, or a share that is not positive.
    """
    from scipy.stats import chisquare

    seen, planned = np.asarray(counts, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    if seen.ndim != 1 or len(seen) < 2 or seen.shape != planned.shape:
        raise InvalidInputError("a split needs a count and a share for each of at least two arms")
    if not (np.isfinite(planned).all() and (planned > 0).all()):
        raise InvalidInputError("each planned share must be positive")
    if not (np.isfinite(seen).all() and (seen >= 0).all() and (seen == np.floor(seen)).all() and seen.sum() > 0):
        raise InvalidInputError("the counts of a split must be whole numbers from 0 on, not all of them 0")
    if not 0 < alpha < 1:
        raise InvalidInputError(f"alpha must lie between 0 and 1, not {alpha}")
    planned = planned / planned.sum()
    found = chisquare(seen, planned * seen.sum())
    prior = CONCENTRATION * planned
    log_e = gammaln(CONCENTRATION) - gammaln(CONCENTRATION + seen.sum())
    log_e += float((gammaln(prior + seen) - gammaln(prior) - seen * np.log(planned)).sum())
    return SplitCheck(
        statistic=float(found.statistic),
        df=len(seen) - 1,
        p=float(found.pvalue),
        e_value=float(np.exp(min(log_e, 700.0))),  # beyond e^700 a float would overflow; the verdict is the same
        is_mismatch=bool(found.pvalue < alpha),
        is_mismatch_any_time=bool(log_e >= -np.log(alpha)),
    )
