"""On which prompts a pair already has all the votes that a prompt may have, kept in memory for studies with that limit.

Memory only guides the draw. What holds the limit is the count of the pair that was drawn, read in the transaction that
stores its battle, and what was remembered of this pair is put right by it. Room that another process gave back is found
when nothing else is left.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.services.design import Design
from app.services.history import History
from db import allocation
from db.engine import Peek, Session

MAX_AGE_S = 1.0  # when nothing is left by what is remembered and it is older than this, it is read anew
_known: dict[UUID, PromptRoom] = {}
_lock = threading.Lock()


@dataclass(slots=True)
class PromptRoom:
    """``full[position]`` are the prompts of ``design`` on which a pair has its votes, ``n_full`` how many these are."""

    design: Design
    loaded_at: float
    full: dict[int, set[UUID]]
    n_full: NDArray[np.int64]

    def correct(self, position: int, full: set[UUID]) -> None:
        """Put right what is known of a pair; some of its full prompts may have lost an output since."""
        self.full[position] = full.intersection(self.design.prompts[position])
        self.n_full[position] = len(self.full[position])

    def blocked(self, history: History) -> NDArray[np.bool_]:
        """The pairs whose prompts are all full or were all seen by this rater on this pair."""
        n_prompts = self.design.n_prompts
        is_blocked = self.n_full >= n_prompts
        for position in np.flatnonzero(~is_blocked & (self.n_full + history.n_seen >= n_prompts)).tolist():
            used = self.full.get(position, set()) | history.had.get(position, set())
            is_blocked[position] = used.issuperset(self.design.prompts[position])
        return np.asarray(is_blocked)


def get_room(session: Session | Peek, design: Design, experiment_id: UUID, limit: int) -> PromptRoom:
    """What is remembered of a study with at most ``limit`` votes per prompt and pair; read at the first call."""
    room = _known.get(experiment_id)
    if room is None or room.design is not design:
        full: dict[int, set[UUID]] = {}
        for row in allocation.list_full(session, experiment_id=experiment_id, limit=limit):
            full.setdefault(design.position[row.pair_id], set()).add(row.prompt_id)
        room = PromptRoom(design, time.monotonic(), {}, np.zeros(len(design.pairs), np.int64))
        for position, prompts in full.items():
            room.correct(position, prompts)
        with _lock:
            _known[experiment_id] = room
    return room


def forget_if_old(experiment_id: UUID) -> bool:
    """Read it anew at the next call, if it was read more than a second ago; whether it was."""
    room = _known.get(experiment_id)
    if room is None or time.monotonic() - room.loaded_at <= MAX_AGE_S:
        return False
    with _lock:
        _known.pop(experiment_id, None)
    return True


def full_prompts(sides: Mapping[UUID, tuple[int, int]], limit: int) -> set[UUID]:
    """The prompts of a pair that are full, by its exact counts (``db.battles.count_sides``)."""
    return {prompt for prompt, (n, _) in sides.items() if n >= limit}
