"""Triads in which A beats B, B beats C and C beats A: how many, how many to expect, and which are more than chance.

"Beats" is the majority of the decisive votes of a pair (whole numbers W[i, j] of wins of i over j); a pair that is even
or was never compared has no direction. Kendall & Babington Smith 1940 (Biometrika 31).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from app.errors import InvalidInputError
from app.stats.fit import check_wins, expected_wins, simulated_boards
from app.stats.pairwise import holm


@dataclass(frozen=True)
class Cycle:
    """Models i beats j, j beats k, k beats i; ``p`` is the largest Holm-adjusted p of the three edges."""

    i: int
    j: int
    k: int
    p: float


@dataclass(frozen=True)
class CyclicTriads:
    """Kendall's d, the number of cyclic triads, among ``n_triads`` whose three pairs all have a direction.

    ``expected`` and ``p`` = P(at least as many) are over boards simulated from the Bradley-Terry fit. ``cycles`` are
    those of which each edge is significant by itself, and so the only ones to report by name.
    """

    d: int
    n_triads: int
    expected: float
    p: float
    cycles: tuple[Cycle, ...]


def cyclic_triads(wins: NDArray[np.float64], *, alpha: float = 0.05, n_boot: int = 999, seed: int = 0) -> CyclicTriads:
    """Count the cycles and compare them with what Bradley-Terry, which has none in truth, shows by chance.

    d = tr(A^3) / 3 with A[i, j] = [W[i, j] > W[j, i]]; for a complete tournament this is C(m, 3) - sum_i C(a_i, 2) with
    a_i wins of i. Edges are tested by exact two-sided sign tests, Holm-adjusted over all compared pairs. Raises
    ``InvalidInputError`` for no votes, fractional, negative or missing wins, n_boot < 1, or alpha outside (0, 1).
    """
    check_wins(wins)
    if not 0 < alpha < 1 or n_boot < 1:
        raise InvalidInputError(f"alpha must lie between 0 and 1, not {alpha}, and n_boot be at least 1")
    expected, _ = expected_wins(wins)
    d = int(_cycle_counts(wins[None])[0])
    found = np.concatenate([_cycle_counts(boards) for boards in simulated_boards(wins, expected, n_boot, seed)])
    beats = wins > wins.T
    linked = (beats | beats.T).astype(np.float64)
    return CyclicTriads(
        d=d,
        n_triads=round(float(np.trace(linked @ linked @ linked)) / 6),
        expected=float(found.mean()),
        p=float(1 + (found >= d).sum()) / (n_boot + 1),
        cycles=_significant(wins, alpha),
    )


def _cycle_counts(boards: NDArray[np.float64]) -> NDArray[np.int64]:
    """Kendall's d of each of B boards of shape (B, m, m)."""
    beats = (boards > boards.transpose(0, 2, 1)).astype(np.float64)
    closed = (np.matmul(beats, beats) * beats.transpose(0, 2, 1)).sum(axis=(1, 2))
    return np.asarray(np.rint(closed / 3), dtype=np.int64)


def _significant(wins: NDArray[np.float64], alpha: float) -> tuple[Cycle, ...]:
    m = len(wins)
    n_votes = wins + wins.T
    i, j = np.nonzero(np.triu(n_votes, 1))
    fewer = np.minimum(wins[i, j], wins[j, i])
    adjusted = np.ones((m, m))
    adjusted[i, j] = adjusted[j, i] = holm(np.minimum(2 * bdtr(fewer, n_votes[i, j].astype(np.int64), 0.5), 1.0))
    beats = (wins > wins.T) & (adjusted <= alpha)
    found = []
    for a, b in np.argwhere(beats).tolist():
        for c in np.flatnonzero(beats[b] & beats[:, a]).tolist():
            if a < min(b, c):  # each cycle once, from its first model on
                found.append(Cycle(a, b, c, float(max(adjusted[a, b], adjusted[b, c], adjusted[c, a]))))
    return tuple(sorted(found, key=lambda cycle: cycle.p))
