"""The plans of strategies that follow the votes, made in a thread of their own: no rater ever waits for one.

A plan is asked for by every draw and made anew at most once a second, and so seldom that making plans takes at most a
twentieth of the time: with a million votes, counting them takes seconds and says the same as a minute ago. Until the
first one is there, strategies do without.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from app.sampling._protocol import Evidence, Plan
from app.sampling._registry import find_learning
from app.services import threads
from app.services.design import Design
from app.settings import get_settings
from db import allocation
from db.engine import open_database

MIN_AGE_S = 1.0
LARGEST_SHARE = 0.05  # of the time that may go into plans
RETRY_S = 30.0
_log = logging.getLogger(__name__)
_kept: dict[UUID, _Kept] = {}
_lock = threading.Lock()


@dataclass(slots=True)
class _Kept:
    plan: Plan | None = None
    next_at: float = 0.0
    work: Future[tuple[Plan, float]] | None = None


def get_plan(experiment_id: UUID, allocation_: str, design: Design) -> Plan | None:
    """The newest finished plan of a study, None while there is none; has a newer one begun when it is time."""
    with _lock:
        kept = _kept.setdefault(experiment_id, _Kept())
        if kept.work is not None and kept.work.done():
            _collect(kept)
        if kept.work is None and time.monotonic() >= kept.next_at:
            url = get_settings().database_url
            kept.work = threads.submit("plans", 1, _make, url, experiment_id, allocation_, design)
        return kept.plan


def _collect(kept: _Kept) -> None:
    assert kept.work is not None  # noqa: S101 - for the type checker
    if kept.work.cancelled():  # the server is ending
        kept.work = None
        return
    error, now = kept.work.exception(), time.monotonic()
    if error is None:
        kept.plan, took = kept.work.result()
        kept.next_at = now + max(MIN_AGE_S, took / LARGEST_SHARE)
    else:  # the last plan, or none, serves; raters don't notice
        _log.warning("No new plan of which battles come next: %s: %s", type(error).__name__, error)
        kept.next_at = now + RETRY_S
    kept.work = None


def settle(experiment_id: UUID) -> None:
    """Wait for the plan that is being made, if any, and let the next draw begin a newer one at once."""
    with _lock:
        kept = _kept.get(experiment_id)
    if kept is None or kept.work is None:
        return
    kept.work.exception()
    with _lock:
        if kept.work is not None:
            _collect(kept)
        kept.next_at = 0.0


def read_evidence(database_url: str, experiment_id: UUID, design: Design) -> tuple[Evidence, Plan]:
    """What raters said so far, and a plan that wants nothing, with the counts of this moment."""
    with open_database(database_url).read() as session:
        counts, wins = allocation.list_evidence(session, experiment_id=experiment_id)
    board = design.board
    table = np.array([tuple(row) for row in counts], np.int64).reshape(-1, 3)
    found = np.array([tuple(row) for row in wins], np.float64).reshape(-1, 3)
    a, b = (ends[found[:, 0].astype(np.int64)] for ends in (board.model_a, board.model_b))
    halves = np.zeros((board.n_models, board.n_models))
    halves[a, b], halves[b, a] = found[:, 1], found[:, 2]
    return Evidence(board, halves, table[:, 2]), Plan(np.zeros(len(table)), table[:, 1])


def _make(database_url: str, experiment_id: UUID, allocation_: str, design: Design) -> tuple[Plan, float]:
    """A new plan, and how long it took in seconds."""
    begin = time.monotonic()
    strategy = find_learning(allocation_)
    assert strategy is not None  # noqa: S101 - only those that follow the votes ask for a plan
    evidence, blank = read_evidence(database_url, experiment_id, design)
    weight = strategy.plan(evidence, np.random.default_rng())
    return Plan(weight, blank.n_taken), time.monotonic() - begin
