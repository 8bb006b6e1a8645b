"""Uniform allocation: the pair with the fewest votes, ties broken by what this rater saw least and then by chance."""

from __future__ import annotations

from random import Random

import numpy as np
from numpy.typing import NDArray

LABEL = "Uniform"
DESCRIPTION = "Every pair gets the same number of votes; nothing that raters said so far changes what is asked next."


def draw(
    n_taken: NDArray[np.int64], excluded: NDArray[np.bool_], n_seen: NDArray[np.int64], rng: Random
) -> tuple[int, float]:
    """Choose the pair to show next; all arrays have one entry for each pair, by position.

    ``n_taken`` counts the votes and open battles of each pair, ``excluded`` marks those that can't be shown, ``n_seen``
    says how often this rater met them. Returns a position and its propensity: the probability, in (0, 1], with which it
    was drawn given the counts. Raises ValueError when all are excluded.
    """
    able = np.flatnonzero(~excluded)
    if not able.size:
        raise ValueError("no pair has room")
    for count in (n_taken, n_seen):
        of_able = count[able]
        able = able[of_able == of_able.min()]
    return int(able[rng.randrange(able.size)]), 1 / able.size
