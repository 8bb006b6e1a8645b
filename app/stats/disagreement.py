"""Where raters disagree: cells of votes on the same two outputs, the most split first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.stats.comparisons import OUTCOMES
from app.stats.intervals import wilson_interval


@dataclass(frozen=True)
class SplitCells:
    """C cells with at least two votes, the most split first.

    ``cell`` (C,) are the codes that were given, ``counts`` (C, 4) the votes by outcome in the order of ``OUTCOMES``.
    ``against`` (C,) is how many votes say something else than the most frequent answer, ``disagreement`` (C,) the
    chance that two votes of the cell, drawn without putting back, say different things. ``rank_of`` (N,) is the place
    of each given vote's cell, C for a vote alone in its cell.
    """

    cell: NDArray[np.int64]
    counts: NDArray[np.int64]
    against: NDArray[np.int64]
    disagreement: NDArray[np.float64]
    rank_of: NDArray[np.int64]


def split_cells(cell: NDArray[np.int64], outcome: NDArray[np.int8], weight: NDArray[np.int32]) -> SplitCells:
    r"""Cells of N votes by how split they are; ``cell``, ``outcome`` (a place in ``OUTCOMES``) and ``weight`` are (N,).

    With n_k votes of n on answer k, the disagreement is 1 - \sum_k n_k (n_k - 1) / (n (n - 1)), one minus the observed
    agreement of Fleiss (1971, Psychological Bulletin 76) on one item. The order is that of the lower 95 % Wilson bound
    of the share of votes against the most frequent answer: 5 of 10 come before 1 of 2, which may be chance. Equal ones
    stand in the order of their codes. One row may stand for several votes (``weight``).
    """
    codes, place = np.unique(cell, return_inverse=True)
    counts = np.bincount(place * len(OUTCOMES) + outcome, weights=weight, minlength=len(codes) * len(OUTCOMES))
    table = counts.astype(np.int64).reshape(-1, len(OUTCOMES))
    n = table.sum(axis=1)
    several = np.flatnonzero(n > 1)
    table, n = table[several], n[several]
    against = n - table.max(axis=1, initial=0)
    agreeing = (table * (table - 1)).sum(axis=1) / (n * (n - 1))
    lower, _ = wilson_interval(against, n)
    order = np.lexsort((codes[several], -lower))
    rank = np.full(len(codes), len(several), dtype=np.int64)
    rank[several[order]] = np.arange(len(several))
    return SplitCells(codes[several][order], table[order], against[order], 1 - agreeing[order], rank[place])
