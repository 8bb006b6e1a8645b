"""Uniform allocation: the pair with the fewest votes, ties broken by what this rater saw least and then by chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from random import Random

LABEL = "Uniform"
DESCRIPTION = "Every pair gets the same number of votes; nothing that raters said so far changes what is asked next."


def draw(n_taken: Sequence[int], excluded: Set[int], n_seen: Mapping[int, int], rng: Random) -> tuple[int, float]:
    """Choose the pair to show next.

    ``n_taken[position]`` counts the votes and open battles of each pair, ``excluded`` holds the positions that can't be
    shown, ``n_seen[position]`` says how often this rater met a pair. Returns a position and its propensity: the
    probability, in (0, 1], with which it was drawn given the counts. Raises ValueError when all are excluded.
    """
    able = [n for i, n in enumerate(n_taken) if i not in excluded] if excluded else n_taken
    if not able:
        raise ValueError("no pair has room")
    fewest = min(able)
    ties = [i for i, n in enumerate(n_taken) if n == fewest and i not in excluded]
    if n_seen:
        unseen = [i for i in ties if i not in n_seen]
        least = min(n_seen[i] for i in ties) if not unseen else 0
        ties = unseen or [i for i in ties if n_seen[i] == least]
    return rng.choice(ties), 1 / len(ties)
