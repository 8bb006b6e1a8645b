"""Counterbalancing: give the next turn to whatever had the fewest."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from random import Random
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def least_used(options: Iterable[T], *uses: Mapping[T, int], rng: Random) -> tuple[T, float]:
    """One of ``options`` with the smallest counts, and the probability with which it was drawn.

    ``uses`` are compared in order: the second decides between options that are equal in the first, and so on; what
    is equal in all of them is decided by chance. Raises ValueError without options.
    """
    keyed = [(tuple(use.get(option, 0) for use in uses), option) for option in options]
    if not keyed:
        raise ValueError("nothing to choose from")
    smallest = min(key for key, _ in keyed)
    ties = [option for key, option in keyed if key == smallest]
    return rng.choice(ties), 1 / len(ties)
