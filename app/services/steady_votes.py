"""A study's votes held still for a while, so that numbers that take seconds are finished while people go on voting."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from uuid import UUID

from app.services import pooled_votes
from app.services.vote_store import StudyVotes
from db.engine import database

STILL_S = 20.0
MOST = 4
_pins: OrderedDict[tuple[str, tuple[UUID, ...]], tuple[StudyVotes, float]] = OrderedDict()
_lock = threading.Lock()


def read_steady(*experiment_ids: UUID) -> StudyVotes:
    """The votes of studies, pooled, as of at most 20 s ago or of when the numbers were begun that somebody awaits."""
    place = (database().url, experiment_ids)
    with _lock:
        pinned = _pins.get(place)
    if pinned is not None and time.monotonic() < pinned[1]:
        return pinned[0]
    study = pooled_votes.read(experiment_ids)
    _pin(study)
    return study


def keep_waiting(study: StudyVotes) -> None:
    """Somebody waits for numbers of these votes: hold them still for longer."""
    _pin(study)


def _pin(study: StudyVotes) -> None:
    place = (database().url, study.experiment_ids)
    with _lock:
        _pins[place] = study, time.monotonic() + STILL_S
        _pins.move_to_end(place)
        while len(_pins) > MOST:
            _pins.popitem(last=False)
