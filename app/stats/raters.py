"""Raters who vote unlike the others: against them, always one side, ties out of line, too fast, or in long runs.

Each diagnostic is a z per rater. Honest raters differ in taste by more than chance (on LLMFAO these z have a standard
deviation of 2 to 3), so z is divided by the raters' robust standard deviation, 1.4826 times the median absolute
deviation and at least 1, before it becomes a p; p are adjusted over raters by Benjamini & Hochberg (1995). A flag says
"look at these votes", not "delete them".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from app.errors import InvalidInputError, NotConvergedError
from app.stats.comparisons import SIDE_UNKNOWN, Comparisons
from app.stats.counts import TIE, outcome_counts
from app.stats.leave_out import HALF_WIN, half_wins, largest_part, rows_by_rater

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
    names, rows = rows_by_rater(comparisons, rater)
    enough = np.array([len(own) >= FEWEST_VOTES for own in rows])
    answers = _screen_answers(comparisons)
    return RaterDiagnostics(
        rater=names,
        n_votes=np.array([len(own) for own in rows]),
        agreement=_agreement(comparisons, rows, enough, fdr),
        left=_left(answers, rows, enough, fdr),
        ties=_ties(comparisons, rows, enough, fdr),
        speed=None if dwell_ms is None else _speed(dwell_ms, rows, enough, fdr),
        run=_runs(answers, rows, enough, fdr) if comparisons.ordered else None,
    )


def davidson_shape(d: NDArray[np.float64], outcome: NDArray[np.int64]) -> tuple[float, float]:
    """Slope k and tie parameter log nu of Davidson's (1970) model on given differences d, by maximum likelihood.

    P(a), P(b), P(tie) are proportional to exp(k d / 2), exp(-k d / 2), nu. Half-win strengths are attenuated where
    there are ties; k undoes that. Without ties nu is 0 (log nu = -inf); without any difference k is 1. Raises
    ``NotConvergedError`` where no finite maximum exists (nothing but ties, or the higher-rated model always won).
    """
    tied = outcome >= TIE
    if not np.abs(d).max(initial=0.0) > SAME and not tied.all():  # no slope to be seen, and none that matters
        return 1.0, float(np.log(2 * tied.sum() / (~tied).sum())) if tied.any() else -np.inf
    half = np.where(tied, 0.0, np.where(outcome == 0, d, -d) / 2)
    beta = np.array([1.0, np.log(max(tied.sum(), 0.5) / max((~tied).sum(), 0.5) * 2)])
    if not tied.any():
        beta[1] = -np.inf
    for _ in range(100):
        a, b, tie = _davidson(d, beta[0], beta[1])
        residual = np.array([(half - (a - b) * d / 2).sum(), (tied - tie).sum()])
        cross = ((a - b) * d / 2 * tie).sum()
        own = (((a + b) - (a - b) ** 2) * d**2 / 4).sum()
        hessian = np.array([[own, -cross], [-cross, (tie * (1 - tie)).sum()]])
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


def _agreement(
    comparisons: Comparisons, rows: list[NDArray[np.int64]], enough: NDArray[np.bool_], fdr: float
) -> RaterCheck:
    """Z = sum(u - E u) / sd with u = d (y - 1/2), y the half-win of model_a and d = theta_a - theta_b by the others.

    E and sd under Davidson's model on the strengths fitted without the rater: the score test of a slope below 1.
    """
    halves = half_wins(comparisons)
    theta = largest_part(halves, np.zeros(len(halves)))
    d = theta[comparisons.model_a] - theta[comparisons.model_b]
    judged = np.isfinite(d)
    if not judged.any():
        raise InvalidInputError("there is no vote to compare raters by")
    value, z = np.full((2, len(rows)), np.nan)
    try:
        slope, log_nu = davidson_shape(d[judged], comparisons.outcome[judged])
    except NotConvergedError:  # nobody to agree with: nothing but ties, or all raters always alike
        return _check_of(value, z, enough, fdr, low_only=True)
    for r, own in enumerate(rows):
        others = np.maximum(halves - half_wins(comparisons, own), 0.0)
        apart = largest_part(others, np.nan_to_num(theta))
        gap = apart[comparisons.model_a[own]] - apart[comparisons.model_b[own]]
        known = np.isfinite(gap)
        seen, gap = own[known], gap[known]
        outcome = comparisons.outcome[seen]
        a, _, tie = _davidson(gap, slope, log_nu)
        mean = a + tie / 2
        variance = float((comparisons.weight[seen] * gap**2 * (a + tie / 4 - mean**2)).sum())
        if variance > 0:
            surplus = comparisons.weight[seen] * gap * (HALF_WIN[outcome] - mean)
            z[r] = surplus.sum() / np.sqrt(variance)
        decisive = (outcome < TIE) & (np.abs(gap) > SAME)
        if decisive.any():
            value[r] = ((gap > 0) == (outcome == 0))[decisive].mean()
    return _check_of(value, z, enough, fdr, low_only=True)


def _screen_answers(comparisons: Comparisons) -> NDArray[np.int64]:
    """Left, right or tie (both-bad included) as seen on the screen, -1 where the side is unknown."""
    left_won = comparisons.outcome == np.where(comparisons.a_is_left == 1, 0, 1)
    answers = np.where(comparisons.outcome >= TIE, TIED, np.where(left_won, LEFT, RIGHT))
    return np.asarray(np.where(comparisons.a_is_left == SIDE_UNKNOWN, -1, answers), dtype=np.int64)


def _left(
    answers: NDArray[np.int64], rows: list[NDArray[np.int64]], enough: NDArray[np.bool_], fdr: float
) -> RaterCheck:
    """Z = (L - n/2) / sqrt(n/4) of the n decisive votes: sides are assigned by chance, so half are left."""
    n = np.array([np.isin(answers[own], (LEFT, RIGHT)).sum() for own in rows], dtype=np.float64)
    left = np.array([(answers[own] == LEFT).sum() for own in rows], dtype=np.float64)
    some = np.maximum(n, 1)
    value = np.where(n > 0, left / some, np.nan)
    z = np.where(n > 0, (left - n / 2) / np.sqrt(some / 4), np.nan)
    return _check_of(value, z, enough & (n >= FEWEST_VOTES), fdr)


def _ties(comparisons: Comparisons, rows: list[NDArray[np.int64]], enough: NDArray[np.bool_], fdr: float) -> RaterCheck:
    """Z of the rater's share of ties against that of all others."""
    tied = comparisons.outcome >= TIE
    n = np.array([len(own) for own in rows], dtype=np.float64)
    own_ties = np.array([tied[own].sum() for own in rows], dtype=np.float64)
    share = (tied.sum() - own_ties) / (len(tied) - n)
    spread = np.sqrt(n * share * (1 - share) * (1 + n / (len(tied) - n)))
    z = np.divide(own_ties - n * share, spread, out=np.full(len(n), np.nan), where=spread > 0)
    return _check_of(own_ties / n, z, enough, fdr)


def _speed(dwell_ms: ArrayLike, rows: list[NDArray[np.int64]], enough: NDArray[np.bool_], fdr: float) -> RaterCheck:
    """Z of the log of the median time against the median rater, in robust standard deviations of the raters."""
    times = np.asarray(dwell_ms, dtype=np.float64)
    if times.shape != (sum(len(own) for own in rows),) or (times < 0).any() or np.isinf(times).any():
        raise InvalidInputError("each vote needs one time in milliseconds from 0 on, NaN where it is unknown")
    known = [times[own][np.isfinite(times[own])] for own in rows]
    value = np.array([np.median(own) if len(own) else np.nan for own in known])
    enough = enough & np.array([len(own) >= FEWEST_VOTES for own in known])
    logs = np.log(np.maximum(value, 1.0))
    z = np.full(len(rows), np.nan)
    if enough.any():
        centre = np.median(logs[enough])
        scale = MAD_TO_SD * np.median(np.abs(logs[enough] - centre))
        if scale > 0:
            z = (logs - centre) / scale
    return _check_of(value, z, enough, fdr, low_only=True)


def _runs(
    answers: NDArray[np.int64], rows: list[NDArray[np.int64]], enough: NDArray[np.bool_], fdr: float
) -> RaterCheck:
    """P(a run of at least L) <= sum_k q_k^L ((n - L)(1 - q_k) + 1), q_k the chance of answer k.

    Boole's bound over the places where a run may start, with independent answers. q_k lies half-way between the rater's
    own share of that answer and everybody's: with the own alone nobody who always answers alike would stand out, with
    everybody's alone each honest rater who calls more ties would.
    """
    shown = [answers[own][answers[own] >= 0] for own in rows]
    shares = np.bincount(answers[answers >= 0], minlength=3) / max((answers >= 0).sum(), 1)
    longest = np.array([_longest_run(own) for own in shown], dtype=np.float64)
    n = np.array([len(own) for own in shown], dtype=np.float64)
    own_shares = np.array([np.bincount(own, minlength=3) / max(len(own), 1) for own in shown])
    shares = (own_shares + shares) / 2
    chance = shares ** longest[:, None] * ((n - longest)[:, None] * (1 - shares) + 1)
    p = np.where(enough & (n >= FEWEST_VOTES), np.minimum(chance.sum(axis=1), 1.0), np.nan)
    adjusted = benjamini_hochberg(p)
    return RaterCheck(longest, np.full(len(rows), np.nan), p, adjusted, adjusted <= fdr, 1.0)


def _longest_run(answers: NDArray[np.int64]) -> int:
    if not len(answers):
        return 0
    ends = np.flatnonzero(np.diff(answers, append=-1))
    return int(np.diff(ends, prepend=-1).max())


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
    from scipy.stats import false_discovery_control

    adjusted, known = np.full_like(p, np.nan), np.isfinite(p)
    if known.any():
        adjusted[known] = false_discovery_control(p[known])
    return adjusted
