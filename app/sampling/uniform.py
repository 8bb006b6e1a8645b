"""Uniform allocation: the pair with the fewest votes, ties broken by what this rater saw least and then by chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

LABEL = "Uniform"
DESCRIPTION = "Every pair gets the same number of votes; nothing that raters said so far changes what is asked next."


def draw(room: Sequence[tuple[int, int]], n_seen: Mapping[int, int], rng: Random) -> tuple[int, float]:
    """Choose among the pairs that still have room.

    ``room`` holds (position, n_taken) of each: n_taken counts its votes and open battles; ``n_seen`` says how often this
    rater met the pair at a position. Returns an index into ``room`` and the propensity: the probability, in (0, 1],
    with which it was drawn given the counts. Raises ValueError without candidates.
    """
    if not room:
        raise ValueError("no pair has room")
    fewest = min(n for _, n in room)
    ties = [i for i, (_, n) in enumerate(room) if n == fewest]
    if n_seen:
        seen = [n_seen.get(room[i][0], 0) for i in ties]
        least = min(seen)
        ties = [i for i, n in zip(ties, seen, strict=True) if n == least]
    return rng.choice(ties), 1 / len(ties)
