"""How many votes or users a question takes, before it is asked.

``p`` is the share of decisive votes (neither tie nor both bad) that the better model gets, 1/2 < p < 1 where it is to
be found; powers and alphas are probabilities; alphas are two-sided. Formulas: Fleiss, Levin & Paik 2003, "Statistical
Methods for Rates and Proportions"; Kish 1965 for the design effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, isfinite, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc, betaln, ndtri

from app.errors import InvalidInputError

MOST_VOTES = 100_000  # beyond which an exact search or recursion is refused instead of taking minutes
ALTERNATIVES = {"two-sided": "two-sided", "greater": "larger", "less": "smaller"}


@dataclass(frozen=True)
class VotePlan:
    """Votes for one pair: ``decisive`` ones, and ``total`` with ties, both-bad votes and repeated items allowed for."""

    decisive: float
    total: int
    design_effect: float
    power: float
    alpha: float


@dataclass(frozen=True)
class SequentialPlan:
    """What the beta-binomial sequential test does up to ``n_max`` decisive votes.

    ``power`` is the probability that it decides by then, for either side (under p = 1/2: its type I error);
    ``mean_votes`` counts runs that never decide at ``n_max``; ``mean_votes_decided`` and ``median_votes`` (None where
    it decides in under half of the runs) are over decisive votes.
    """

    power: float
    mean_votes: float
    mean_votes_decided: float | None
    median_votes: int | None
    n_max: int


def decisive_votes(p: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Decisive votes n = ((z_{1-alpha/2}/2 + z_{power} sqrt(p (1 - p))) / (p - 1/2))^2, by the normal approximation.

    p = .55 takes 783, .60 takes 194. Raises ``InvalidInputError`` if p is 1/2 (no number of votes finds no difference)
    or any argument is not a probability.
    """
    _check_open(p=p, power=power, alpha=alpha)
    if p == 0.5:
        raise InvalidInputError("a share of exactly 1/2 is no difference, which no number of votes can find")
    return float(((ndtri(1 - alpha / 2) / 2 + ndtri(power) * sqrt(p * (1 - p))) / (p - 0.5)) ** 2)


def design_effect(votes_per_item: float, agreement: float) -> float:
    """DEFF = 1 + (votes per item - 1) alpha_K: by how much repeated judgements of one item multiply the votes needed.

    ``agreement`` is Krippendorff's alpha (the intra-item correlation); below zero it counts as zero. Raises
    ``InvalidInputError`` for less than one vote per item or an agreement outside [-1, 1].
    """
    if not (isfinite(votes_per_item) and votes_per_item >= 1):
        raise InvalidInputError(f"an item has at least one vote, not {votes_per_item}")
    if not -1 <= agreement <= 1:
        raise InvalidInputError(f"agreement must lie between -1 and 1, not {agreement}")
    return 1 + (votes_per_item - 1) * max(agreement, 0.0)


def vote_plan(
    p: float,
    *,
    tie_rate: float = 0.0,
    both_bad_rate: float = 0.0,
    votes_per_item: float = 1.0,
    agreement: float = 0.0,
    power: float = 0.8,
    alpha: float = 0.05,
) -> VotePlan:
    """Votes for one pair: total = n / (1 - tie rate - both-bad rate) x DEFF, rounded up.

    Raises ``InvalidInputError`` as ``decisive_votes`` and ``design_effect`` do, and if no vote would be decisive.
    """
    if not (tie_rate >= 0 and both_bad_rate >= 0 and tie_rate + both_bad_rate < 1):
        raise InvalidInputError("tie and both-bad rates must not be negative and must leave some votes decisive")
    n = decisive_votes(p, power=power, alpha=alpha)
    effect = design_effect(votes_per_item, agreement)
    return VotePlan(n, ceil(n / (1 - tie_rate - both_bad_rate) * effect), effect, power, alpha)


def sign_test_power(n: int, p: float, *, alpha: float = 0.05) -> float:
    """The exact power of the two-sided sign test with n decisive votes: P(S <= c) + P(S >= n - c), S ~ Bin(n, p).

    c is the largest count with 2 P(Bin(n, 1/2) <= c) <= alpha; if there is none (n < 6 at .05) the power is 0. Raises
    ``InvalidInputError`` for n < 1 or probabilities out of range.
    """
    _check_closed(p=p)
    _check_open(alpha=alpha)
    _check_votes(n)
    c = _critical_count(n, alpha)
    return 0.0 if c < 0 else float(bdtr(c, n, p) + bdtrc(n - c - 1, n, p))


def exact_decisive_votes(p: float, *, power: float = 0.8, alpha: float = 0.05) -> int:
    """The smallest n from which on the exact sign test always has at least this power (the power is a saw-tooth in n).

    "Always" is checked up to 1.5 times the normal approximation plus 50, by when the teeth are far above. Raises
    ``InvalidInputError`` as ``decisive_votes`` does, or if this takes more than 100,000 votes.
    """
    top = int(1.5 * decisive_votes(p, power=power, alpha=alpha)) + 50
    _check_votes(top)
    enough = [sign_test_power(n, p, alpha=alpha) >= power for n in range(1, top + 1)]
    return top - enough[::-1].index(False) + 1 if False in enough else 1


def _critical_count(n: int, alpha: float) -> int:
    """The largest c with 2 P(Bin(n, 1/2) <= c) <= alpha, or -1."""
    counts = np.arange(n // 2 + 1)
    return int(np.searchsorted(2 * bdtr(counts, n, 0.5), alpha * (1 + 1e-12), side="right")) - 1


def sequential_plan(p: float, *, n_max: int, alpha: float = 0.05, a: float = 10.0) -> SequentialPlan:
    """The exact course of the beta-binomial sequential test with a look after every decisive vote.

    It decides at the first n with E_n = B(a + S, a + n - S) / (B(a, a) 2^-n) >= 1/alpha (Robbins 1970). The
    distribution of S among runs still going is carried from n to n + 1; runs whose E_n crosses are taken out. Cap the
    budget ``n_max`` at about 1.9 times ``decisive_votes`` to keep its power. Raises ``InvalidInputError`` for
    probabilities out of range, a <= 0, or n_max outside 1 to 100,000.
    """
    _check_closed(p=p)
    _check_open(alpha=alpha)
    _check_votes(n_max)
    if not (isfinite(a) and a > 0):
        raise InvalidInputError(f"the prior's a must be positive, not {a}")
    stopped = _stopping_distribution(p, n_max, alpha, a)
    decided = float(stopped.sum())
    n = np.arange(1, n_max + 1)
    cumulated = np.cumsum(stopped)
    return SequentialPlan(
        power=decided,
        mean_votes=float(n @ stopped) + n_max * (1 - decided),
        mean_votes_decided=float(n @ stopped) / decided if decided > 0 else None,
        median_votes=int(np.searchsorted(cumulated, 0.5)) + 1 if decided >= 0.5 else None,
        n_max=n_max,
    )


def _stopping_distribution(p: float, n_max: int, alpha: float, a: float) -> NDArray[np.float64]:
    """P(the test decides at vote n) for n = 1 .. n_max; wins between ``low`` and ``high`` at n keep a run going."""
    stopped = np.zeros(n_max)
    going = np.ones(1)  # the probabilities of low, low + 1, ... wins after n votes
    low = 0
    for n in range(1, n_max + 1):
        after = np.zeros(len(going) + 1)
        after[:-1] += going * (1 - p)
        after[1:] += going * p
        # E_n is convex in the wins and symmetric, so only the outermost counts can cross.
        while len(after) and _log_e(low, n, a) >= -np.log(alpha) and low <= n / 2:
            stopped[n - 1] += after[0]
            after, low = after[1:], low + 1
        while len(after) and _log_e(low + len(after) - 1, n, a) >= -np.log(alpha):
            stopped[n - 1] += after[-1]
            after = after[:-1]
        going = after
        if not len(going):
            break
    return stopped


def _log_e(wins: int, n: int, a: float) -> float:
    return float(betaln(a + wins, a + n - wins) - betaln(a, a) + n * np.log(2.0))


def users_per_arm(
    p_control: float, p: float, *, power: float = 0.8, alpha: float = 0.05, method: str = "pooled"
) -> float:
    """Users in each of two equal arms to find p against p_control, two-sided.

    ``pooled``: z-test with the pooled variance under the null, as R's power.prop.test; ``arcsine``: Cohen's h, as R's
    pwr (both by statsmodels). 10 % to 12 % takes 3,841 and 3,835. Raises ``InvalidInputError`` if the rates are equal,
    a probability is out of range or the method unknown.
    """
    _check_open(p_control=p_control, p=p, power=power, alpha=alpha)
    if p == p_control:
        raise InvalidInputError("equal rates are no difference, which no number of users can find")
    if method == "pooled":
        from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail as size

        tail = size(p - p_control, p_control, power, alpha=alpha, alternative="two-sided")  # type: ignore[no-untyped-call]
        return float(tail)
    if method == "arcsine":
        from statsmodels.stats.power import NormalIndPower
        from statsmodels.stats.proportion import proportion_effectsize

        h = proportion_effectsize(p, p_control)  # type: ignore[no-untyped-call]
        solver = NormalIndPower()  # type: ignore[no-untyped-call]
        solved = solver.solve_power(abs(h), power=power, alpha=alpha)  # type: ignore[no-untyped-call]
        return float(np.squeeze(solved))
    raise InvalidInputError(f"method must be pooled or arcsine, not {method!r}")


def arms_power(
    p_control: float, p: float, n_per_arm: float, *, alpha: float = 0.05, alternative: str = "two-sided"
) -> float:
    """The power of two equal arms by Cohen's h = 2 asin sqrt p - 2 asin sqrt p_control (by statsmodels).

    ``alternative``: ``two-sided``, ``greater`` (p above p_control) or ``less``. Raises ``InvalidInputError`` for
    probabilities out of range, fewer than two users or an unknown alternative.
    """
    from statsmodels.stats.power import NormalIndPower
    from statsmodels.stats.proportion import proportion_effectsize

    _check_open(p_control=p_control, p=p, alpha=alpha)
    if not (isfinite(n_per_arm) and n_per_arm >= 2):
        raise InvalidInputError(f"an arm needs at least two users, not {n_per_arm}")
    if alternative not in ALTERNATIVES:
        raise InvalidInputError(f"alternative must be one of {', '.join(ALTERNATIVES)}, not {alternative!r}")
    h = proportion_effectsize(p, p_control)  # type: ignore[no-untyped-call]
    design = NormalIndPower()  # type: ignore[no-untyped-call]
    side = ALTERNATIVES[alternative]
    return float(design.power(h, n_per_arm, alpha, alternative=side))  # type: ignore[no-untyped-call]


def _check_open(**probabilities: float) -> None:
    for name, value in probabilities.items():
        if not 0 < value < 1:
            raise InvalidInputError(f"{name} must lie between 0 and 1, not {value}")


def _check_closed(**probabilities: float) -> None:
    for name, value in probabilities.items():
        if not 0 <= value <= 1:
            raise InvalidInputError(f"{name} must lie between 0 and 1, not {value}")


def _check_votes(n: float) -> None:
    if not (isfinite(n) and n == int(n) and 1 <= n <= MOST_VOTES):
        raise InvalidInputError(f"the number of votes must be whole and between 1 and {MOST_VOTES:,}, not {n}")
