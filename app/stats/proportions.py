"""Intervals for one proportion and for the difference and the ratio of two independent ones.

Convention: k successes out of n units, each unit independent (the unit that was randomised: a user, not a view). "Lift"
is p / p_control - 1, without unit. ``confidence`` is two-sided. Comparison of methods: Newcombe 1998 (Statistics in
Medicine 17, 857-872 for one proportion, 873-890 for two).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import acos, atan2, copysign, cos, inf, isfinite, pi, sqrt, tan

from app.errors import InvalidInputError
from app.stats.intervals import normal_quantile

FEW_TRIALS = 10  # up to here an exact interval, whose coverage is never below its promise, is worth its width
CLOSE = 1e-12


@dataclass(frozen=True)
class Interval:
    """An estimate with its bounds, in the unit of the estimate; ``upper`` of a ratio may be infinite.

    ``estimate`` is None where the data leave it undefined (a lift over a control without a success).
    """

    estimate: float | None
    lower: float
    upper: float
    method: str


def check_counts(successes: float, n: float) -> None:
    """Raise ``InvalidInputError`` unless both are whole numbers with n >= 1 and 0 <= successes <= n."""
    for name, value in (("the number of successes", successes), ("the number of trials", n)):
        if not isfinite(value) or value != int(value):
            raise InvalidInputError(f"{name} must be a whole number, not {value}")
    if n < 1:
        raise InvalidInputError("a proportion needs at least one trial")
    if not 0 <= successes <= n:
        raise InvalidInputError(f"successes must lie between 0 and the {n:.0f} trials, not {successes:.0f}")


def proportion_interval(successes: int, n: int, *, confidence: float = 0.95, method: str = "auto") -> Interval:
    """k/n with its interval: ``wilson``, ``wilson_cc`` (continuity-corrected), ``clopper_pearson``, or ``auto``.

    Wilson: the p with |k/n - p| <= z sqrt(p (1 - p) / n) (Wilson 1927). Clopper-Pearson: the p that neither one-sided
    binomial test rejects at alpha/2. ``auto`` takes Clopper-Pearson up to 10 trials and Wilson above. Computed by
    ``scipy.stats.binomtest``. Raises ``InvalidInputError`` for impossible counts, confidence or method.
    """
    from scipy.stats import binomtest  # type: ignore[attr-defined]

    normal_quantile(confidence)
    check_counts(successes, n)
    names = {"wilson": "wilson", "wilson_cc": "wilsoncc", "clopper_pearson": "exact"}
    if method == "auto":
        method = "clopper_pearson" if n <= FEW_TRIALS else "wilson"
    if method not in names:
        raise InvalidInputError(f"method must be auto, {', '.join(names)}, not {method!r}")
    found = binomtest(int(successes), int(n)).proportion_ci(confidence, method=names[method])
    return Interval(successes / n, float(found.low), float(found.high), method)


def difference_interval(
    successes: int, n: int, control: int, n_control: int, *, confidence: float = 0.95, method: str = "newcombe"
) -> Interval:
    """The difference p - p_control with its interval: ``newcombe``, ``miettinen_nurminen`` or ``wald``.

    Newcombe's hybrid: [d - sqrt((p - l)^2 + (u_c - p_c)^2), d + sqrt((u - p)^2 + (p_c - l_c)^2)] with l, u the Wilson
    bounds of each arm (Newcombe 1998b, method 10), by statsmodels. Miettinen & Nurminen (1985, Statistics in Medicine
    4): the d that the score test does not reject, with p and p_c re-estimated under each d and the variance multiplied
    by N / (N - 1). It is written here because that of statsmodels 0.15 is wrong (a coefficient of its cubic takes the
    control's successes for its trials) and fails where an arm has no success. Wald is for comparison with
    other software only. Raises ``InvalidInputError`` as ``proportion_interval`` does.
    """
    z = normal_quantile(confidence)
    check_counts(successes, n)
    check_counts(control, n_control)
    p, p_control = successes / n, control / n_control
    if method == "newcombe":
        from statsmodels.stats.proportion import confint_proportions_2indep

        low, high = confint_proportions_2indep(  # type: ignore[no-untyped-call]
            successes, n, control, n_control, method="newcomb", compare="diff", alpha=1 - confidence
        )
    elif method == "miettinen_nurminen":
        table = (successes, n, control, n_control)
        low, high = _score_bounds(lambda d: _difference_score(table, d), p - p_control, (-1.0, 1.0), z)
    elif method == "wald":
        spread = z * sqrt(p * (1 - p) / n + p_control * (1 - p_control) / n_control)
        low, high = p - p_control - spread, p - p_control + spread
    else:
        raise InvalidInputError(f"method must be newcombe, miettinen_nurminen or wald, not {method!r}")
    return Interval(p - p_control, float(low), float(high), method)


def lift_interval(successes: int, n: int, control: int, n_control: int, *, confidence: float = 0.95) -> Interval:
    """The relative lift p / p_control - 1 with the score interval of the ratio (Miettinen & Nurminen 1985).

    The ratios R that the score test of p = R p_control does not reject, each less 1. Where the control has no success
    the estimate is None and the upper bound infinite; where neither has one, the interval is (-1, inf). Raises
    ``InvalidInputError`` as ``proportion_interval`` does.
    """
    z = normal_quantile(confidence)
    check_counts(successes, n)
    check_counts(control, n_control)
    table = (successes, n, control, n_control)
    if control == 0 and successes == 0:
        return Interval(None, -1.0, inf, "score")
    centre = atan2(successes / n, control / n_control)
    # The search runs over the angle of (p, p_control), in which the ratio's whole range is 0 to pi/2.
    low, high = _score_bounds(lambda angle: _ratio_score(table, angle), centre, (0.0, pi / 2), z)
    estimate = None if control == 0 else successes / n / (control / n_control) - 1
    return Interval(estimate, _tangent(low) - 1, _tangent(high) - 1, "score")


def _score_bounds(
    score: Callable[[float], float], centre: float, domain: tuple[float, float], z: float
) -> tuple[float, float]:
    """Where the score falls from z to -z on each side of ``centre``, or the end of the domain."""
    from scipy.optimize import brentq

    ends = []
    for end, target in zip(domain, (z, -z), strict=True):
        edge = end + (centre - end) * 1e-9
        crossed = abs(centre - end) > CLOSE and (score(edge) - target) * copysign(1, target) > 0
        if crossed:
            end = brentq(lambda at, t=target: score(at) - t, edge, centre, xtol=1e-12)  # type: ignore[no-untyped-call]  # noqa: PLW2901
        ends.append(float(end))
    return ends[0], ends[1]


def _difference_score(table: tuple[int, int, int, int], d: float) -> float:
    """(p - p_c - d) / sd with sd at the maximum-likelihood p, p_c under p - p_c = d, in their closed form."""
    k, n, k_control, n_control = table
    total = n + n_control
    # p_control under d is a root of x^3 + b x^2 + c x + e = 0, all over the total number of units
    b = (d * (total + n_control) - total - k - k_control) / total
    c = (n_control * d**2 - d * (total + 2 * k_control) + k + k_control) / total
    e = k_control * d * (1 - d) / total
    v = b**3 / 27 - b * c / 6 + e / 2
    u = copysign(sqrt(max(b**2 / 9 - c / 3, 0.0)), v)
    angle = (pi + acos(max(-1.0, min(1.0, v / u**3)))) / 3 if abs(u) > CLOSE else pi / 2
    p_control = min(max(2 * u * cos(angle) - b / 3, 0.0), 1.0)
    p = min(max(p_control + d, 0.0), 1.0)
    variance = (p * (1 - p) / n + p_control * (1 - p_control) / n_control) * total / (total - 1)
    return _standardised(k / n - k_control / n_control - d, variance)


def _ratio_score(table: tuple[int, int, int, int], angle: float) -> float:
    """(p - R p_c) / sd for R = tan(angle), with sd at the maximum-likelihood p, p_c under p = R p_c."""
    k, n, k_control, n_control = table
    total = n + n_control
    ratio = _tangent(angle)
    # p_control under R is the smaller root of N R x^2 - (n R + k + n_c + k_c R) x + k + k_c = 0
    a, b, c = total * ratio, n * ratio + k + n_control + k_control * ratio, k + k_control
    p_control = 2 * c / (b + sqrt(max(b**2 - 4 * a * c, 0.0)))
    p = min(ratio * p_control, 1.0)
    scale = cos(angle)
    variance = (p * (1 - p) / n + ratio**2 * p_control * (1 - p_control) / n_control) * total / (total - 1)
    return _standardised(scale * (k / n - ratio * k_control / n_control), scale**2 * variance)


def _standardised(difference: float, variance: float) -> float:
    if abs(difference) <= CLOSE:
        return 0.0
    return difference / sqrt(variance) if variance > 0 else copysign(inf, difference)


def _tangent(angle: float) -> float:
    return inf if angle >= pi / 2 - CLOSE else tan(angle)
