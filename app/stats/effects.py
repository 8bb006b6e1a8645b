"""How sure an effect of a joint fit is: the side's or the length's, say; and a share where votes belong to raters.

The influence of a vote on effect k is g_k' x r: x its row of the design, r its slope by eta, g_k column k of the
inverse information. The sum of its squares is the sandwich variance (Huber 1967); summed up within each rater before
squaring it allows for raters who have a leaning of their own (Liang & Zeger 1986, Biometrika 73).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidInputError
from app.stats.intervals import quantile
from app.stats.joint import JointFit, local_slopes


@dataclass(frozen=True)
class Estimate:
    """A number with its bounds."""

    value: float
    lower: float
    upper: float


def effect(
    fit: JointFit, place: int, *, cluster: NDArray[np.int64] | None = None, confidence: float = 0.95
) -> Estimate:
    """The effect in the given place of ``cells.names``, in logits, with its sandwich interval.

    ``cluster`` has a code for each cell (whose cells are then single votes): Student's interval over the C clusters,
    with C / (C - 1) on the variance. Raises ``InvalidInputError`` for a single cluster or one code too few.
    """
    cells = fit.cells
    reach = cells.eta(fit.bread[:, cells.m + place])
    slopes = local_slopes(cells, fit.link, fit.beta).eta
    if cluster is None:
        variance, df = float((cells.votes * (slopes * reach[:, None]) ** 2).sum()), np.inf
    else:
        if cluster.shape != reach.shape:
            raise InvalidInputError("each vote needs one rater")
        codes = np.unique(cluster, return_inverse=True)[1]
        sums = np.bincount(codes, weights=(cells.votes * slopes).sum(axis=1) * reach)
        variance, df = _over_clusters(sums), len(sums) - 1
    half = quantile(confidence, df) * variance**0.5
    value = float(fit.effects[place])
    return Estimate(value, value - half, value + half)


def _over_clusters(sums: NDArray[Any]) -> float:
    if len(sums) < 2:
        raise InvalidInputError("the votes of a single rater don't tell how raters differ")
    return float(len(sums) / (len(sums) - 1) * (sums**2).sum())
