"""How many votes a study is to get, held by the database: each pair its number, or all pairs together theirs.

An even strategy gives every pair the votes per pair. Any other one spends the same total where it sees fit, so there
the total is what is guarded, and the study is complete when it is reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.sampling._registry import get_strategies
from app.services.pair_counts import get_counts
from db import allocation, battles
from db.engine import Peek, Session

# The counts in memory are a second old at most. As long as they leave more than this, no other process can have used up
# the total meanwhile, and summing up thousands of pairs for every vote is spared.
FAR = 1000
_UNLIMITED = 2**31 - 1


def is_even(rules: Mapping[str, Any]) -> bool:
    """Whether every pair is to get the same number of votes."""
    return get_strategies()[rules["allocation"]].IS_EVEN


def full_pairs(rules: Mapping[str, Any], n_taken: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The pairs, by position, that can take no more votes, by counts that may be a second old."""
    if is_even(rules):
        return np.asarray(n_taken >= rules["votes_per_pair"])
    return np.full(len(n_taken), _left(rules, n_taken) <= 0)


def take_pair(session: Session | Peek, rules: Mapping[str, Any], pair_id: UUID) -> bool:
    """Reserve one vote for a pair; False when somebody took the last one meanwhile."""
    if is_even(rules):
        return battles.take_pair(session, pair_id=pair_id, quota=rules["votes_per_pair"])
    n_taken = get_counts(session, rules["id"])
    if _left(rules, n_taken) > FAR:
        return battles.take_pair(session, pair_id=pair_id, quota=_UNLIMITED)
    total = len(n_taken) * rules["votes_per_pair"]
    return allocation.take_of_all(session, pair_id=pair_id, experiment_id=rules["id"], total=total)


def is_reached(session: Session | Peek, rules: Mapping[str, Any], n_votes: int) -> bool:
    """Whether the study has all its votes, after one on a pair that now has ``n_votes``."""
    if is_even(rules):
        quota = rules["votes_per_pair"]
        return n_votes >= quota and not battles.has_room(session, experiment_id=rules["id"], quota=quota)
    n_taken = get_counts(session, rules["id"])
    if _left(rules, n_taken) > FAR:
        return False
    n_all = allocation.count_votes(session, experiment_id=rules["id"])
    return n_all >= len(n_taken) * int(rules["votes_per_pair"])


def _left(rules: Mapping[str, Any], n_taken: NDArray[np.int64]) -> int:
    return int(len(n_taken) * rules["votes_per_pair"] - n_taken.sum())
