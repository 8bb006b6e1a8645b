"""Shares of votes, where votes of one rater resemble each other.

For a share p = sum w y / sum w (y is 1 or 0, w a count of votes) the rater-clustered variance is g/(g-1) sum over g
raters of (sum of w (y - p))^2 / n^2 (Liang & Zeger 1986, Biometrika 73); without raters it is p (1 - p) / n. Codes of
raters are non-negative; a vote without one has a code of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from app.errors import InvalidInputError
from app.stats.intervals import normal_quantile, wilson_interval

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Share:
    """A share of ``n`` votes with its bounds; ``hits`` votes are in it."""

    hits: float
    n: float
    share: float
    lower: float
    upper: float


@dataclass(frozen=True)
class ShareDifference:
    """p_a - p_b with its ``variance`` and the degrees of freedom of its t (infinite: errors per vote)."""

    share_a: float
    share_b: float
    difference: float
    variance: float
    df: float


def clustered_share(
    is_hit: Mask, weight: Array, cluster: NDArray[np.int64] | None, *, confidence: float = 0.95
) -> Share:
    """A share with Wilson's interval of as many independent votes as tell the same.

    n_eff = n / max(1, DEFF), DEFF = clustered variance / (p (1 - p) / n), and t(g - 1) in place of z: the interval that
    Korn & Graubard (1998, Survey Methodology 24) make of Clopper & Pearson's, here of Wilson's. Where all votes say the
    same nothing tells how alike a rater's are, so that n_eff is the number of raters. (0, 1) without votes. Raises
    ``InvalidInputError`` for lengths that differ or a confidence outside (0, 1).
    """
    if len(is_hit) != len(weight) or (cluster is not None and len(cluster) != len(weight)):
        raise InvalidInputError("each vote needs one weight and one rater")
    normal_quantile(confidence)
    n, hits = float(weight.sum()), float(weight[is_hit].sum())
    if not n:
        return Share(0, 0, 0.0, 0.0, 1.0)
    p, effective, level = hits / n, n, confidence
    if cluster is not None:
        sums = np.bincount(cluster, weight * (is_hit - p))
        g = int(np.count_nonzero(np.bincount(cluster)))
        if 0 < p < 1 and g > 1:
            deff = float(sums @ sums) * g / (g - 1) / (n * p * (1 - p))
            effective = n / max(1.0, deff)
        else:
            effective = min(n, float(g))
        if g > 1:
            level = float(2 * ndtr(stdtrit(g - 1, 0.5 + confidence / 2)) - 1)
    lower, upper = wilson_interval(p * effective, effective, confidence=level)
    return Share(hits, n, p, float(lower), float(upper))


def share_difference(
    is_hit: Mask, in_a: Mask, in_b: Mask, weight: Array, cluster: NDArray[np.int64] | None
) -> ShareDifference | None:
    """The share of hits among the votes of ``in_a`` less that among those of ``in_b``; a vote may be in both.

    The influence of a vote is u = w ((y - p_a) [in a] / n_a - (y - p_b) [in b] / n_b); the variance g/(g-1) sum over
    raters of (sum of u)^2, or without raters sum of u^2 / w. None where one of the two has no vote, or where there is
    only one rater.
    """
    n_a, n_b = float(weight[in_a].sum()), float(weight[in_b].sum())
    if not n_a or not n_b:
        return None
    p_a, p_b = float(weight[in_a & is_hit].sum()) / n_a, float(weight[in_b & is_hit].sum()) / n_b
    u = weight * ((is_hit - p_a) * in_a / n_a - (is_hit - p_b) * in_b / n_b)
    if cluster is None:
        used = weight > 0
        return ShareDifference(p_a, p_b, p_a - p_b, float((u[used] ** 2 / weight[used]).sum()), np.inf)
    here = in_a | in_b
    g = int(np.count_nonzero(np.bincount(cluster[here])))
    if g < 2:
        return None
    sums = np.bincount(cluster[here], u[here])
    return ShareDifference(p_a, p_b, p_a - p_b, float(sums @ sums) * g / (g - 1), float(g - 1))
