"""What each rater was served, kept in memory: it only grows, and to read hundreds of rows cost more than the vote.

It only guides which battle is drawn. The database's own count, read in the same transaction, tells when another process
served this rater; it is then read anew, and so it is after a transaction that failed.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.services.design import Design
from db import battles
from db.engine import Peek, Session

KEPT = 256  # raters; 15 to 150 kB each on a board of 59 models
_kept: dict[tuple[UUID, UUID], History] = {}
_lock = threading.Lock()


@dataclass(slots=True)
class History:
    """How often a rater met each pair (``n_seen``, by position) and each prompt, and on which prompts each pair.

    ``is_exhausted`` marks the pairs that were shown to them on every prompt of ``design``; ``lean`` says by model how
    much more often it stood on their left than on their right.
    """

    design: Design
    n_seen: NDArray[np.int64]
    is_exhausted: NDArray[np.bool_]
    n_battles: int = 0
    prompts: Counter[UUID] = field(default_factory=Counter)
    had: dict[int, set[UUID]] = field(default_factory=dict)
    lean: Counter[UUID] = field(default_factory=Counter)

    def add(self, position: int, prompt_id: UUID, *, is_a_left: bool) -> None:
        """Count one more battle; its prompt may have lost an output since."""
        self.n_battles += 1
        self.n_seen[position] += 1
        self.prompts[prompt_id] += 1
        had, prompts = self.had.setdefault(position, set()), self.design.prompts[position]
        had.add(prompt_id)
        self.is_exhausted[position] = len(had) >= len(prompts) and had.issuperset(prompts)
        _, model_a, model_b = self.design.pairs[position]
        self.lean[model_a if is_a_left else model_b] += 1
        self.lean[model_b if is_a_left else model_a] -= 1


def get_history(
    session: Session | Peek, design: Design, *, rater_id: UUID, experiment_id: UUID, n_served: int
) -> History:
    """What this rater was served so far; ``n_served`` is the database's count. The caller adds its own draw to it."""
    key = (rater_id, experiment_id)
    history = _kept.get(key)
    if history is None or history.n_battles != n_served or history.design is not design:
        n_pairs = len(design.pairs)
        history = History(design, np.zeros(n_pairs, np.int64), np.zeros(n_pairs, np.bool_))
        for row in battles.list_served(session, rater_id=rater_id, experiment_id=experiment_id):
            history.add(design.position[row.pair_id], row.prompt_id, is_a_left=row.is_a_left)
    _keep(key, history)
    return history


@contextlib.contextmanager
def forgotten_on_error(rater_id: UUID) -> Iterator[None]:
    """Read a rater's history anew after a transaction that may have counted a battle that was never stored."""
    try:
        yield
    except BaseException:
        with _lock:
            for key in [key for key in _kept if key[0] == rater_id]:
                del _kept[key]
        raise


def _keep(key: tuple[UUID, UUID], history: History) -> None:
    with _lock:
        _kept.pop(key, None)  # the one used last stands last
        _kept[key] = history
        while len(_kept) > KEPT:
            del _kept[next(iter(_kept))]
