"""Numbers that take seconds: computed once for each state of a study's votes, shared by all who ask for them.

``Computed.get`` waits for the number; ``Computed.ask`` starts it on a thread of its own and says how far it is, so that
a page can go on.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar
from uuid import UUID

from app.services import threads
from app.services.vote_store import StudyVotes

T = TypeVar("T")
MOST = 16  # results of each kind that are remembered; the one that nobody asked for longest goes first
N_THREADS = 2  # a slow number keeps quick ones of somebody else waiting no longer than the machine does
Work = Callable[[], T]


class _Entry(Generic[T]):
    """One result, or the work on it. It holds the votes weakly: their columns go when newer ones have come.

    A result that is made of columns itself, such as a slice, stays until others take its place; keep few of those.
    """

    def __init__(self, study: StudyVotes) -> None:
        self.study = weakref.ref(study)
        self.lock = threading.Lock()
        self.result: tuple[T] | None = None
        self.future: Future[T] | None = None

    def compute(self, work: Work[T]) -> T:
        """The result; of several who want it at once, one computes it and the others wait."""
        with self.lock:
            if self.result is None:
                self.result = (work(),)
            return self.result[0]


class Computed(Generic[T]):
    """Results of one kind, by study, its votes and whatever else they depend on."""

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._entries: OrderedDict[tuple[UUID, Hashable], _Entry[T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, study: StudyVotes, key: Hashable, work: Work[T]) -> T:
        """The result for these votes, computed here and now unless it is known; an error is raised and not kept."""
        return self._entry(study, key).compute(work)

    def ask(self, study: StudyVotes, key: Hashable, work: Work[T]) -> T | None:
        """The result, or None while it is being computed elsewhere; raises what the work raised."""
        entry = self._entry(study, key)
        if entry.result is not None:
            return entry.result[0]
        with self._lock:
            if entry.future is None:
                entry.future = threads.submit("computed", N_THREADS, entry.compute, work)
            future = entry.future
        if not future.done():
            return None
        with self._lock:
            entry.future = None  # after an error, whoever asks next has it tried again
        return None if future.cancelled() else future.result()

    def _entry(self, study: StudyVotes, key: Hashable) -> _Entry[T]:
        place = (study.experiment_id, key)
        with self._lock:
            entry = self._entries.get(place)
            # The votes themselves and not their version are compared: after a study was let go, versions begin anew.
            if entry is None or entry.study() is not study:
                entry = self._entries[place] = _Entry(study)
            self._entries.move_to_end(place)
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)
            return entry
