"""Raters who vote unlike the others: against them, always one side, ties out of line, too fast, or in long runs.

Each diagnostic is a z per rater. Honest raters differ in taste by more than chance (on LLMFAO these z have a standard
deviation of 2 to 3), so z is divided by the raters' robust standard deviation, 1.4826 times the median absolute
deviation and at least 1, before it becomes a p; p are adjusted over raters by Benjamini & Hochberg (1995). A flag says
"look at these votes", not "delete them".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from app.errors import InvalidInputError, NotConvergedError
from app.stats.comparisons import SIDE_UNKNOWN, Comparisons
from app.stats.counts import TIE, outcome_counts
from app.stats.leave_out import HALF_WIN, ByRater, rows_by_rater
from app.stats.without_each import WithoutEach

FEWEST_VOTES = 10  # a rater with fewer gets numbers but no p
MAD_TO_SD = 1.4826
SAME = 1e-8  # logits; closer than this, neither model is the better one
LEFT, RIGHT, TIED = range(3)


@dataclass(frozen=True)
class RaterCheck:
    """One diagnostic of R raters, arrays of shape (R,): its value, z before and p after correction; NaN for none.

    ``spread`` is the robust standard deviation by which z was divided (1 where p does not come from z).
    """

    value: NDArray[np.float64]
    z: NDArray[np.float64]
    p: NDArray[np.float64]
    p_adjusted: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    spread: float


@dataclass(frozen=True)
class RaterDiagnostics:
    """All diagnostics of the R raters, in the order of ``rater`` (their codes, ascending).

    ``agreement``: value is the share of decisive votes for the model that the others rate higher; low z is suspicious.
    ``left``: the share of decisive votes for the left side; ``ties``: the share of ties and both-bad; ``speed``: the
    median milliseconds, low z is suspicious, None without times; ``run``: the longest run of one answer on the screen,
    None where the order of votes is unknown.
    """

    rater: NDArray[np.int64]
    n_votes: NDArray[np.int64]
    agreement: RaterCheck
    left: RaterCheck
    ties: RaterCheck
    speed: RaterCheck | None
    run: RaterCheck | None

    @property
    def flagged(self) -> NDArray[np.bool_]:
        """Raters that any diagnostic flags, booleans of shape (R,)."""
        checks = [self.agreement, self.left, self.ties, self.speed, self.run]
        return np.asarray(np.any([check.flagged for check in checks if check is not None], axis=0))


def rater_diagnostics(
    comparisons: Comparisons,
    rater: NDArray[np.int64],
    *,
    dwell_ms: ArrayLike | None = None,
    fdr: float = 0.05,
) -> RaterDiagnostics:
    """All diagnostics of single votes; ``rater`` holds a whole number per vote, ``dwell_ms`` its time or NaN.

    ``fdr`` is the share of false flags allowed among a diagnostic's flags. Raises ``InvalidInputError`` for no
    votes, one rater, codes or weights that ``outcome_counts`` refuses, negative times or fdr outside (0, 1);
    ``NotConvergedError`` if the votes cannot be fitted. Agreement is NaN where all raters always agree, or always
    tie.
    """
    if not 0 < fdr < 1:
        raise InvalidInputError(f"the false discovery rate must lie between 0 and 1, not {fdr}")
    outcome_counts(comparisons)
    raters = rows_by_rater(comparisons, rater)
    enough = raters.n_rows >= FEWEST_VOTES
    answers = _screen_answers(comparisons)
    return RaterDiagnostics(
        rater=raters.names,
        n_votes=raters.n_rows,
        agreement=_agreement(comparisons, raters, enough, fdr),
        left=_left(answers, raters, enough, fdr),
        ties=_ties(comparisons, raters, enough, fdr),
        speed=None if dwell_ms is None else _speed(dwell_ms, raters, enough, fdr),
        run=_runs(answers, raters, enough, fdr) if comparisons.ordered else None,
    )


def davidson_shape(
    d: NDArray[np.float64], outcome: NDArray[np.int64], count: NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """Slope k and tie parameter log nu of Davidson's (1970) model on given differences d, by maximum likelihood.

    ``count`` is how many votes each entry stands for, one each by default.

    P(a), P(b), P(tie) are proportional to exp(k d / 2), exp(-k d / 2), nu. Half-win strengths are attenuated where
    there are ties; k undoes that. Without ties nu is 0 (log nu = -inf); without any difference k is 1. Raises
    ``NotConvergedError`` where no finite maximum exists (nothing but ties, or the higher-rated model always won).
    """
    tied = outcome >= TIE
    n = np.ones(len(d)) if count is None else count
    n_tied, n_decided = float(n[tied].sum()), float(n[~tied].sum())
    if not np.abs(d).max(initial=0.0) > SAME and not tied.all():  # no slope to be seen, and none that matters
        return 1.0, float(np.log(2 * n_tied / n_decided)) if tied.any() else -np.inf
    half = np.where(tied, 0.0, np.where(outcome == 0, d, -d) / 2)
    beta = np.array([1.0, np.log(max(n_tied, 0.5) / max(n_decided, 0.5) * 2)])
    if not tied.any():
        beta[1] = -np.inf
    for _ in range(100):
        a, b, tie = _davidson(d, beta[0], beta[1])
        residual = np.array([n @ (half - (a - b) * d / 2), n @ (tied - tie)])
        cross = n @ ((a - b) * d / 2 * tie)
        own = n @ (((a + b) - (a - b) ** 2) * d**2 / 4)
        hessian = np.array([[own, -cross], [-cross, n @ (tie * (1 - tie))]])
        if not tied.any():
            hessian[0, 1], hessian[1, 0], hessian[1, 1] = 0.0, 0.0, 1.0
        if min(hessian[0, 0], np.linalg.det(hessian)) <= 0:
            break
        step = np.linalg.solve(hessian, residual)
        if np.abs(step).max() < 1e-9:
            return float(beta[0]), float(beta[1])
        beta = beta + step * min(1.0, 2.0 / np.abs(step).max())
    raise NotConvergedError("the votes leave the model for ties without a finite fit")


def _davidson(
    d: NDArray[np.float64], slope: float, log_nu: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    terms = np.stack([slope * d / 2, -slope * d / 2, np.full(len(d), log_nu)])
    terms = np.exp(terms - terms.max(axis=0))
    a, b, tie = terms / terms.sum(axis=0)
    return a, b, tie


def _agreement(comparisons: Comparisons, raters: ByRater, enough: NDArray[np.bool_], fdr: float) -> RaterCheck:
    """Z = sum(u - E u) / sd with u = d (y - 1/2), y the half-win of model_a and d = theta_a - theta_b by the others.

    E and sd under Davidson's model on the strengths fitted without the rater (``without_each``): the score test of a
    slope below 1.
    """
    boards = WithoutEach(comparisons, raters)
    if not np.isfinite(boards.theta).any():
        raise InvalidInputError("there is no vote to compare raters by")
    value, z = np.full((2, len(raters)), np.nan)
    try:
        slope, log_nu = davidson_shape(*_judged(comparisons, boards.theta))
    except NotConvergedError:  # nobody to agree with: nothing but ties, or all raters always alike
        return _check_of(value, z, enough, fdr, low_only=True)
    for without in boards.all():
        first, last = without.first, without.first + len(without.theta)
        own = raters.order[raters.starts[first] : raters.starts[last]]
        r, a, b = raters.place[own] - first, comparisons.model_a[own], comparisons.model_b[own]
        gap = without.theta[r, a] - without.theta[r, b]
        known = np.isfinite(gap)
        own, r, gap = own[known], r[known], gap[known]
        outcome, weight = comparisons.outcome[own], comparisons.weight[own]
        to_a, _, tie = _davidson(gap, slope, log_nu)
        mean = to_a + tie / 2

        def total(values: NDArray[Any], r: NDArray[np.int64] = r, n: int = last - first) -> NDArray[np.float64]:
            return np.asarray(np.bincount(r, weights=values, minlength=n), dtype=np.float64)

        variance = total(weight * gap**2 * (to_a + tie / 4 - mean**2))
        surplus = total(weight * gap * (HALF_WIN[outcome] - mean))
        np.divide(surplus, np.sqrt(variance), out=z[first:last], where=variance > 0)
        decisive = (outcome < TIE) & (np.abs(gap) > SAME)
        n_decisive = total(decisive)
        n_agreed = total(((gap > 0) == (outcome == 0)) & decisive)
        np.divide(n_agreed, n_decisive, out=value[first:last], where=n_decisive > 0)
    return _check_of(value, z, enough, fdr, low_only=True)


def _judged(
    comparisons: Comparisons, theta: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Differences of the rated models, outcomes, and how many votes have both."""
    m = len(theta)
    cell = (comparisons.model_a * m + comparisons.model_b) * len(HALF_WIN) + comparisons.outcome
    count = np.bincount(cell, minlength=m * m * len(HALF_WIN))
    used = np.flatnonzero(count)
    pair, outcome = np.divmod(used, len(HALF_WIN))
    d = theta[pair // m] - theta[pair % m]
    known = np.isfinite(d)
    return d[known], outcome[known], count[used][known].astype(np.float64)


def _screen_answers(comparisons: Comparisons) -> NDArray[np.int64]:
    """Left, right or tie (both-bad included) as seen on the screen, -1 where the side is unknown."""
    left_won = comparisons.outcome == np.where(comparisons.a_is_left == 1, 0, 1)
    answers = np.where(comparisons.outcome >= TIE, TIED, np.where(left_won, LEFT, RIGHT))
    return np.asarray(np.where(comparisons.a_is_left == SIDE_UNKNOWN, -1, answers), dtype=np.int64)


def _left(answers: NDArray[np.int64], raters: ByRater, enough: NDArray[np.bool_], fdr: float) -> RaterCheck:
    """Z = (L - n/2) / sqrt(n/4) of the n decisive votes: sides are assigned by chance, so half are left."""
    left = raters.total(answers == LEFT)
    n = left + raters.total(answers == RIGHT)
    some = np.maximum(n, 1)
    value = np.where(n > 0, left / some, np.nan)
    z = np.where(n > 0, (left - n / 2) / np.sqrt(some / 4), np.nan)
    return _check_of(value, z, enough & (n >= FEWEST_VOTES), fdr)


def _ties(comparisons: Comparisons, raters: ByRater, enough: NDArray[np.bool_], fdr: float) -> RaterCheck:
    """Z of the rater's share of ties against that of all others."""
    tied = comparisons.outcome >= TIE
    n = raters.n_rows.astype(np.float64)
    own_ties = raters.total(tied)
    share = (tied.sum() - own_ties) / (len(tied) - n)
    spread = np.sqrt(n * share * (1 - share) * (1 + n / (len(tied) - n)))
    z = np.divide(own_ties - n * share, spread, out=np.full(len(n), np.nan), where=spread > 0)
    return _check_of(own_ties / n, z, enough, fdr)


def median_by_rater(values: NDArray[np.float64], raters: ByRater) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Each rater's median of what is known of a value per row (NaN for none), and how many values are known."""
    known = np.flatnonzero(np.isfinite(values))
    place = raters.place[known]
    rising = known[np.argsort(values[known], kind="stable")]
    narrow = np.uint16 if len(raters) <= 1 << 16 else np.int64  # as in ``rows_by_rater``
    values = values[rising[np.argsort(raters.place[rising].astype(narrow), kind="stable")]]
    n = np.bincount(place, minlength=len(raters))
    first = np.concatenate([[0], np.cumsum(n)[:-1]])
    found, some = np.full(len(raters), np.nan), n > 0
    low, high = (first + (n - 1) // 2)[some], (first + n // 2)[some]
    found[some] = (values[low] + values[high]) / 2
    return found, n


def _speed(dwell_ms: ArrayLike, raters: ByRater, enough: NDArray[np.bool_], fdr: float) -> RaterCheck:
    """Z of the log of the median time against the median rater, in robust standard deviations of the raters."""
    times = np.asarray(dwell_ms, dtype=np.float64)
    if times.shape != raters.place.shape or (times < 0).any() or np.isinf(times).any():
        raise InvalidInputError("each vote needs one time in milliseconds from 0 on, NaN where it is unknown")
    value, n_known = median_by_rater(times, raters)
    enough = enough & (n_known >= FEWEST_VOTES)
    logs = np.log(np.maximum(value, 1.0))
    z = np.full(len(raters), np.nan)
    if enough.any():
        centre = np.median(logs[enough])
        scale = MAD_TO_SD * np.median(np.abs(logs[enough] - centre))
        if scale > 0:
            z = (logs - centre) / scale
    return _check_of(value, z, enough, fdr, low_only=True)


def _runs(answers: NDArray[np.int64], raters: ByRater, enough: NDArray[np.bool_], fdr: float) -> RaterCheck:
    """P(a run of at least L) <= sum_k q_k^L ((n - L)(1 - q_k) + 1), q_k the chance of answer k.

    Boole's bound over the places where a run may start, with independent answers. q_k lies half-way between the rater's
    own share of that answer and everybody's: with the own alone nobody who always answers alike would stand out, with
    everybody's alone each honest rater who calls more ties would.
    """
    counts = np.stack([raters.total(answers == answer) for answer in (LEFT, RIGHT, TIED)], axis=1)
    n = counts.sum(axis=1)
    longest = _longest_runs(answers, raters)
    shares = (counts / np.maximum(n, 1)[:, None] + counts.sum(axis=0) / max(counts.sum(), 1)) / 2
    chance = shares ** longest[:, None] * ((n - longest)[:, None] * (1 - shares) + 1)
    p = np.where(enough & (n >= FEWEST_VOTES), np.minimum(chance.sum(axis=1), 1.0), np.nan)
    adjusted = benjamini_hochberg(p)
    return RaterCheck(longest, np.full(len(raters), np.nan), p, adjusted, adjusted <= fdr, 1.0)


def _longest_runs(answers: NDArray[np.int64], raters: ByRater) -> NDArray[np.float64]:
    """The most equal answers that each rater gave one after the other, unknown sides passed over; 0 without any."""
    shown = raters.order[answers[raters.order] >= 0]
    longest = np.zeros(len(raters))
    # A run ends where the next answer, by the same rater or the next one, is another.
    ends = np.flatnonzero(np.diff(raters.place[shown] * 3 + answers[shown], append=-1))
    np.maximum.at(longest, raters.place[shown[ends]], np.diff(ends, prepend=-1))
    return longest


def _check_of(
    value: NDArray[np.float64],
    z: NDArray[np.float64],
    enough: NDArray[np.bool_],
    fdr: float,
    *,
    low_only: bool = False,
) -> RaterCheck:
    usable = enough & np.isfinite(z)
    spread = 1.0
    if usable.any():
        spread = max(1.0, MAD_TO_SD * float(np.median(np.abs(z[usable] - np.median(z[usable])))))
    tail = ndtr(z / spread) if low_only else 2 * ndtr(-np.abs(z) / spread)
    p = np.where(usable, tail, np.nan)
    adjusted = benjamini_hochberg(p)
    return RaterCheck(value, z, p, adjusted, adjusted <= fdr, spread)


def benjamini_hochberg(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjusted p-values that keep the false discovery rate (Benjamini & Hochberg 1995); NaN stay out and NaN."""
    adjusted, known = np.full_like(p, np.nan), np.flatnonzero(np.isfinite(p))
    rising = known[np.argsort(p[known], kind="stable")]
    # The smallest of p_j n / j over the ranks j from its own on; scipy's would take seconds to import.
    raised = p[rising] * len(rising) / np.arange(1, len(rising) + 1)
    adjusted[rising] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return adjusted
