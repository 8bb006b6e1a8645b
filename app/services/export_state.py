"""A number that stays the same for as long as nothing changed that the exports of a study are made of.

Only the votes of the last minutes are looked at, since votes are append-only: so a page can keep what it read of a
million votes, and yet shows each new one.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.services.vote_store import OVERLAP_MS, first_of
from db import export_state
from db.engine import Session, database

MOST = 64  # studies whose state is remembered
_LOOKED_BACK_MS = 2 * OVERLAP_MS  # what is behind it is left behind, lest ever more rows are counted


@dataclass(slots=True)
class _Mark:
    """What was found of a study, and after which id its votes were looked at."""

    after: UUID
    found: tuple[Any, ...]
    version: int


_marks: OrderedDict[tuple[str, UUID], _Mark] = OrderedDict()
_versions = itertools.count(1)
_lock = threading.Lock()


def find_version(session: Session, experiment_id: UUID) -> int:
    """The number of the state of a study in this transaction."""
    place, now_ms = (database().url, experiment_id), time.time() * 1000
    with _lock:
        mark = _marks.get(place)
        if mark is None:
            # A transaction may end after one that began later, so the first look, too, reaches back a while.
            after = first_of(now_ms - OVERLAP_MS)
            mark = _marks[place] = _Mark(after, _find(session, experiment_id, after), next(_versions))
        else:
            found = _find(session, experiment_id, mark.after)
            if found != mark.found:
                mark.found, mark.version = found, next(_versions)
            if mark.after < first_of(now_ms - _LOOKED_BACK_MS):
                mark.after = first_of(now_ms - OVERLAP_MS)
                mark.found = _find(session, experiment_id, mark.after)
        _marks.move_to_end(place)
        while len(_marks) > MOST:
            _marks.popitem(last=False)
        return mark.version


def _find(session: Session, experiment_id: UUID, after: UUID) -> tuple[Any, ...]:
    votes = export_state.find_votes_since(session, experiment_id=experiment_id, after=after)
    return *votes, *export_state.find_state(session, experiment_id=experiment_id)
