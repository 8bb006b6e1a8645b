"""Uniform allocation: the pair with the fewest votes, ties broken by what this rater saw least and then by chance."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

LABEL = "Uniform"
DESCRIPTION = "Every pair gets the same number of votes; nothing that raters said so far changes what is asked next."


def draw(n_taken: Sequence[int], n_seen: Sequence[int], rng: Random) -> tuple[int, float]:
    """Choose among the pairs that still have room.

    ``n_taken[i]`` counts the votes and open battles of candidate i, ``n_seen[i]`` how often this rater met it. Returns
    the candidate's index and the propensity: the probability, in (0, 1], with which it was drawn given the counts.
    Raises ValueError without candidates.
    """
    if not n_taken:
        raise ValueError("no pair has room")
    fewest = min(n_taken)
    least = [i for i, n in enumerate(n_taken) if n == fewest]
    seen_least = min(n_seen[i] for i in least)
    ties = [i for i in least if n_seen[i] == seen_least]
    return rng.choice(ties), 1 / len(ties)
