"""How far raters agree with each other, and each with themselves, beyond chance.

An item is one prompt with one unordered pair of models; a rating is one rater's verdict on it. Verdicts are codes that
mean the same for each rater of an item, whatever side of the screen a model stood on: 0 the first model of the fixed
order won, 1 tie, 2 the second won (3 both bad, where that is kept apart). Conventions: alpha and kappa are 1 for full
agreement, 0 for chance, below 0 for less; raw agreement is a share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.errors import InvalidInputError
from app.stats.comparisons import OUTCOMES, Comparisons
from app.stats.counts import SECOND, TIE
from app.stats.intervals import normal_quantile, wilson_interval

FIRST_WON, TIED, SECOND_WON, BOTH_WERE_BAD = range(4)
LEVELS = ("nominal", "ordinal", "interval", "ratio")


@dataclass(frozen=True)
class Agreement:
    """Agreement over the ``n_items`` items with at least two ratings, ``n_ratings`` in all.

    ``alpha`` is Krippendorff's with the percentile interval of a bootstrap over items. ``raw`` is the mean over items
    of the share of agreeing pairs of raters. ``fleiss`` is Fleiss' kappa, None unless all items have equally many
    ratings. Alpha, its bounds and kappa are None where they are undefined: everybody always gave the same verdict, so
    nothing tells agreement from a habit; the bounds also with a single item.
    """

    alpha: float | None
    lower: float | None
    upper: float | None
    raw: float
    fleiss: float | None
    n_items: int
    n_ratings: int
    level: str


@dataclass(frozen=True)
class SelfConsistency:
    """Raters who judged an item again: the share ``same`` of repeats with the same verdict as the first time.

    ``lower`` and ``upper`` bound it (Wilson). ``reversed`` counts repeats that named the other model. ``expected`` is
    the share that independent verdicts with the same marginal frequencies would agree by chance.
    """

    n_repeats: int
    n_same: int
    n_reversed: int
    same: float
    lower: float
    upper: float
    expected: float


def oriented_codes(comparisons: Comparisons, *, both_bad: str = "tie") -> NDArray[np.int64]:
    """The verdict of each vote for the model that comes first in ``comparisons.models``, codes of shape (N,).

    ``both_bad="tie"`` codes both-bad as a tie (for ordinal levels), ``"apart"`` as 3. Raises ``InvalidInputError`` for
    unknown outcomes or another ``both_bad``.
    """
    if both_bad not in ("tie", "apart"):
        raise InvalidInputError(f"both_bad must be tie or apart, not {both_bad!r}")
    outcome = comparisons.outcome
    if len(outcome) and (outcome.min() < 0 or outcome.max() >= len(OUTCOMES)):
        raise InvalidInputError(f"a vote's outcome is not one of the {len(OUTCOMES)} known codes")
    turned = comparisons.model_a > comparisons.model_b
    won = np.where(turned & (outcome < TIE), SECOND - outcome, outcome)  # 0: the first in the order won, 1: the second
    # In the order of OUTCOMES, of which both-bad is the last.
    code_of = np.array([FIRST_WON, SECOND_WON, TIED, TIED if both_bad == "tie" else BOTH_WERE_BAD])
    return np.asarray(code_of[won], dtype=np.int64)


def item_codes(comparisons: Comparisons, prompt: ArrayLike) -> NDArray[np.int64]:
    """A number for each vote's item (its prompt and its pair of models), shape (N,); ``prompt`` holds integer codes."""
    prompts = _whole(prompt, "prompt")
    if len(prompts) != len(comparisons):
        raise InvalidInputError("each vote needs one prompt")
    low = np.minimum(comparisons.model_a, comparisons.model_b)
    high = np.maximum(comparisons.model_a, comparisons.model_b)
    if not len(prompts):
        return prompts
    pairs = low.astype(np.int64) * len(comparisons.models) + high
    return np.unique(_together(prompts, pairs), return_inverse=True)[1].astype(np.int64)


def value_counts(item: ArrayLike, rater: ArrayLike, code: ArrayLike, *, n_codes: int = 3) -> NDArray[np.int64]:
    """How many raters gave each item each code, shape (items with at least two ratings, n_codes), items ascending.

    A rater's first rating of an item counts, in the order of the rows. Raises ``InvalidInputError`` for arrays of
    unequal length or with missing numbers, codes outside 0 .. n_codes - 1, no rating, or no item with two raters.
    """
    items, raters, codes = _aligned(item, rater, code, n_codes)
    if not len(items):
        raise InvalidInputError("there is no rating")
    _, first = np.unique(_together(items, raters), return_index=True)
    _, place = np.unique(items[first], return_inverse=True)
    counts = np.bincount(place.ravel() * n_codes + codes[first], minlength=(place.max() + 1) * n_codes)
    table = counts.reshape(-1, n_codes)
    table = table[table.sum(axis=1) >= 2]
    if not len(table):
        raise InvalidInputError("no item was judged by two raters, so nothing shows whether they agree")
    return np.asarray(table, dtype=np.int64)


def krippendorff_alpha(counts: ArrayLike, *, level: str = "nominal", values: ArrayLike | None = None) -> float | None:
    """Krippendorff's alpha = 1 - D_o / D_e of a table (items x codes) of how many raters gave which code.

    With o_cv = sum_u n_uc (n_uv - [c = v]) / (n_u - 1), n_c = sum_v o_cv, n = sum_c n_c: D_o = sum o_cv d_cv / n and
    D_e = sum (n_c n_v - [c = v] n_c) d_cv / (n (n - 1)); d_cv = [c != v] (``nominal``), (sum of n_g for g from c to v,
    less (n_c + n_v)/2)^2 (``ordinal``), (c - v)^2 (``interval``) or ((c - v)/(c + v))^2 (``ratio``), on ``values``
    (default 0, 1, ...). Items with one rating don't count. Krippendorff 2011, "Computing Krippendorff's
    Alpha-Reliability". None where D_e is zero: no variation. Raises ``InvalidInputError`` for an unknown level, a
    negative or missing count, or no item with two ratings.
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.ndim != 2 or not (np.isfinite(table).all() and (table >= 0).all()):
        raise InvalidInputError("the counts of ratings must form a table without negative or missing numbers")
    domain = np.asarray(np.arange(table.shape[1]) if values is None else values, dtype=np.float64)
    if level not in LEVELS or domain.shape != (table.shape[1],):
        raise InvalidInputError(f"level must be one of {', '.join(LEVELS)}, not {level!r}, with a value for each code")
    table = table[table.sum(axis=1) >= 2]
    if not len(table):
        raise InvalidInputError("no item was judged by two raters, so nothing shows whether they agree")
    return _alpha(_coincidences(table).sum(axis=0), DISTANCES[level], domain)


def agreement(
    item: ArrayLike,
    rater: ArrayLike,
    code: ArrayLike,
    *,
    level: str = "nominal",
    n_codes: int = 3,
    confidence: float = 0.95,
    n_boot: int = 1000,
    seed: int = 0,
) -> Agreement:
    """All agreement statistics of N ratings: rows of item, rater and verdict code, each an integer array of shape (N,).

    ``level``: ``nominal`` (any two verdicts differ alike) or ``ordinal`` (a tie lies between). The interval resamples
    items with replacement (seeded), so that it allows for items that many raters judged. Raises ``InvalidInputError``
    as ``value_counts`` and ``krippendorff_alpha`` do, or unless 0 < confidence < 1 and n_boot >= 100.
    """
    normal_quantile(confidence)
    if n_boot < 100:
        raise InvalidInputError(f"a bootstrap interval needs at least 100 resamples, not {n_boot}")
    counts = value_counts(item, rater, code, n_codes=n_codes)
    return agreement_of_counts(counts, level=level, confidence=confidence, n_boot=n_boot, seed=seed)


def agreement_of_counts(
    counts: NDArray[np.int64], *, level: str = "nominal", confidence: float = 0.95, n_boot: int = 1000, seed: int = 0
) -> Agreement:
    """``agreement`` of the table that ``value_counts`` makes, or of some of its items."""
    alpha = krippendorff_alpha(counts, level=level)
    lower, upper = (None, None) if alpha is None else _bootstrap(counts, level, confidence, n_boot, seed)
    per_item = counts.sum(axis=1)
    agreeing = (counts * (counts - 1)).sum(axis=1) / (per_item * (per_item - 1))
    return Agreement(
        alpha=alpha,
        lower=lower,
        upper=upper,
        raw=float(agreeing.mean()),
        fleiss=fleiss_kappa(counts) if alpha is not None and (per_item == per_item[0]).all() else None,
        n_items=len(counts),
        n_ratings=int(per_item.sum()),
        level=level,
    )


def fleiss_kappa(counts: NDArray[np.int64]) -> float | None:
    """Fleiss' (1971) kappa by statsmodels: (P - P_e) / (1 - P_e), of items with equally many ratings each, >= 2.

    None where everybody gave one and the same verdict. Raises ``InvalidInputError`` for unequal numbers of ratings.
    """
    from statsmodels.stats.inter_rater import fleiss_kappa as kappa

    per_item = counts.sum(axis=1)
    if not len(counts) or per_item.min() < 2 or (per_item != per_item[0]).any():
        raise InvalidInputError("Fleiss' kappa needs the same number of raters, at least two, for each item")
    if (counts.sum(axis=0) > 0).sum() == 1:
        return None
    return float(kappa(counts))  # type: ignore[no-untyped-call]


def self_consistency(
    item: ArrayLike, rater: ArrayLike, code: ArrayLike, *, n_codes: int = 3, confidence: float = 0.95
) -> SelfConsistency | None:
    """Each later rating of an item by the same rater against that rater's first one; None without a repeat.

    Raises ``InvalidInputError`` as ``value_counts`` does for bad arrays.
    """
    items, raters, codes = _aligned(item, rater, code, n_codes)
    if not len(items):
        return None
    _, first, group = np.unique(_together(items, raters), return_index=True, return_inverse=True)
    original = first[group.ravel()]
    repeats = np.flatnonzero(original != np.arange(len(items)))
    if not len(repeats):
        return None
    before, after = codes[original[repeats]], codes[repeats]
    n, same = len(repeats), int((before == after).sum())
    shares = [np.bincount(verdicts, minlength=n_codes) / n for verdicts in (before, after)]
    lower, upper = wilson_interval(same, n, confidence=confidence)
    turned = (before != after) & np.isin(before, (FIRST_WON, SECOND_WON)) & np.isin(after, (FIRST_WON, SECOND_WON))
    return SelfConsistency(
        n, same, int(turned.sum()), same / n, float(lower), float(upper), float(shares[0] @ shares[1])
    )


def _coincidences(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each item's share of o_cv, shape (items, codes, codes)."""
    pairs = table[:, :, None] * table[:, None, :]
    diagonal = np.arange(table.shape[1])
    pairs[:, diagonal, diagonal] -= table
    return np.asarray(pairs / (table.sum(axis=1) - 1)[:, None, None], dtype=np.float64)


Distance = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def _alpha(coincidences: NDArray[np.float64], distance: Distance, domain: NDArray[np.float64]) -> float | None:
    totals = coincidences.sum(axis=1)
    n = totals.sum()
    apart = distance(domain, totals)
    expected = ((np.outer(totals, totals) - np.diag(totals)) * apart).sum()
    if expected <= 0:
        return None
    return float(1 - (n - 1) * (coincidences * apart).sum() / expected)


def _nominal(domain: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    del totals
    return 1 - np.eye(len(domain))


def _ordinal(domain: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    rank = np.empty_like(totals)
    order = np.argsort(domain)
    rank[order] = np.cumsum(totals[order]) - totals[order] / 2
    return np.asarray((rank[:, None] - rank[None, :]) ** 2)


def _interval(domain: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    del totals
    return np.asarray((domain[:, None] - domain[None, :]) ** 2, dtype=np.float64)


def _ratio(domain: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = domain[:, None] + domain[None, :]
    return np.divide(_interval(domain, totals), sums**2, out=np.zeros(sums.shape), where=sums != 0)


DISTANCES: dict[str, Distance] = {"nominal": _nominal, "ordinal": _ordinal, "interval": _interval, "ratio": _ratio}


def _bootstrap(
    counts: NDArray[np.int64], level: str, confidence: float, n_boot: int, seed: int
) -> tuple[float | None, float | None]:
    """Percentiles over resampled items; resamples without variation (alpha undefined) are drawn out of it."""
    if len(counts) < 2:
        return None, None
    rng = np.random.default_rng(seed)
    # Equal items are resampled together.
    keys = np.zeros(len(counts), dtype=np.int64)
    for column in counts.T:
        keys = np.unique(_together(keys, column), return_inverse=True)[1]
    _, first, repeats = np.unique(keys, return_index=True, return_counts=True)
    rows = counts[first]
    parts = _coincidences(rows.astype(np.float64))
    drawn = rng.multinomial(len(counts), repeats / len(counts), size=n_boot)
    domain = np.arange(counts.shape[1], dtype=np.float64)
    alphas = [_alpha(np.tensordot(weights, parts, axes=1), DISTANCES[level], domain) for weights in drawn]
    defined = [alpha for alpha in alphas if alpha is not None]
    if not defined:
        return None, None
    lower, upper = np.quantile(defined, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(lower), float(upper)


def _together(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number for each pair of numbers, in their order: ten times as quick to sort as pairs."""
    places, values = np.unique(one, return_inverse=True)[1], np.unique(other, return_inverse=True)
    return np.asarray(places * len(values[0]) + values[1], dtype=np.int64)


def _aligned(
    item: ArrayLike, rater: ArrayLike, code: ArrayLike, n_codes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    items, raters, codes = _whole(item, "item"), _whole(rater, "rater"), _whole(code, "verdict")
    if not len(items) == len(raters) == len(codes):
        raise InvalidInputError("each rating needs one item, one rater and one verdict")
    if len(codes) and not (codes.min() >= 0 and codes.max() < n_codes):
        raise InvalidInputError(f"a verdict is not one of the codes 0 to {n_codes - 1}")
    return items, raters, codes


def _whole(values: ArrayLike, name: str) -> NDArray[np.int64]:
    numbers = np.asarray(values)
    if numbers.ndim != 1 or (len(numbers) and numbers.dtype.kind not in "iuf"):
        raise InvalidInputError(f"the {name} column must be a list of whole numbers")
    if numbers.dtype.kind == "f" and not (np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all()):
        raise InvalidInputError(f"a {name} is missing or not a whole number")
    return numbers.astype(np.int64)
