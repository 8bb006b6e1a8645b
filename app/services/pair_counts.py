"""The counts of a study's pairs, kept in memory so that a vote doesn't read thousands of rows.

They only guide which pair is drawn. What holds the quota is the database's own guarded update, so counts that lag
behind another process by a second can cost balance, never correctness.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.domain import utc_now
from db import battles
from db.engine import Peek, Session

MAX_AGE_S = 1.0
_boards: dict[UUID, _Board] = {}
_lock = threading.Lock()


@dataclass(slots=True)
class _Board:
    loaded_at: float
    n_taken: NDArray[np.int64]


def get_counts(session: Session | Peek, experiment_id: UUID) -> NDArray[np.int64]:
    """Votes and open battles of each pair, by position; at most a second old. The caller counts its own draw in it.

    Battles whose lease has run out go back to the pool first.
    """
    board = _boards.get(experiment_id)
    if board is None or time.monotonic() - board.loaded_at > MAX_AGE_S:
        battles.release_expired(session, experiment_id=experiment_id, now=utc_now())
        board = _Board(time.monotonic(), battles.list_taken(session, experiment_id=experiment_id))
        with _lock:
            _boards[experiment_id] = board
    return board.n_taken


def forget_counts(experiment_id: UUID) -> None:
    """Read the counts anew at the next draw."""
    with _lock:
        _boards.pop(experiment_id, None)
