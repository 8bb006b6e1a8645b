"""The ways to choose the next battle, as an admin reads of them."""

from __future__ import annotations

from dataclasses import dataclass

from app.sampling._registry import get_strategies


@dataclass(frozen=True, slots=True)
class Allocation:
    """A sampling strategy in words; with ``is_even`` every pair gets the same number of votes."""

    label: str
    description: str
    is_even: bool
    uses_weights: bool


def list_allocations() -> dict[str, Allocation]:
    """All strategies by their key, the even ones first."""
    return {
        key: Allocation(one.LABEL, one.DESCRIPTION, one.IS_EVEN, one.USES_WEIGHTS)
        for key, one in get_strategies().items()
    }


def label_of(allocation: str) -> str:
    """The name of a strategy; of one that this version doesn't know, its key."""
    known = get_strategies().get(allocation)
    return known.LABEL if known else allocation


def describe_spending(allocation: str, *, n_models: int, n_votes: int, floor_votes: int) -> str:
    """Where the votes of a study go, in a sentence that follows their number; empty where each pair gets the same."""
    known = get_strategies().get(allocation)
    if known is None or known.IS_EVEN:
        return ""
    n_first = n_models * floor_votes // 2
    words = " That is the total: some pairs get more votes than others."
    if n_first >= n_votes:
        return f"{words} It is not enough for the floor of {floor_votes:,} votes per model."
    if n_first:
        words += f" About the first {n_first:,} see to the floor of {floor_votes:,} votes per model."
    return words
