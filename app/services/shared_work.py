"""Results that take longer than a click: computed once in a thread, kept by what they rest on, shared by viewers."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from app.services import threads

T = TypeVar("T")
Say = Callable[[float, str], None]
MOST_KEPT = 48  # results; those with the votes of a slice in them are few, see ``head_to_head``
N_THREADS = 2
PATIENCE_S = 3.0  # a page that is drawn anew leaves its work for a moment and comes back to it


@dataclass
class Work(Generic[T]):
    """One result on its way: which ``share`` of it is done, and what is being done.

    ``goes_on`` says that it is worth its time though nobody waits, since whoever comes next needs it too.
    """

    share: float = 0.0
    doing: str = "Waiting for other results"
    n_waiting: int = 0
    is_kept: bool = True
    goes_on: bool = False
    left_at: float = 0.0  # when the last of those who waited went, by the clock of ``time.monotonic``
    _future: Future[T] | None = field(default=None, repr=False)

    def say(self, share: float, doing: str) -> None:
        """Tell those who wait; raises CancelledError when nobody has for a while, which ends the work."""
        self.share, self.doing = share, doing
        with _lock:
            if self.goes_on or self.n_waiting > 0 or time.monotonic() - self.left_at < PATIENCE_S:
                return
            _let_go(self)
        raise CancelledError("Nobody waits for this result any more.")

    def is_done(self, *, within: float = 0.0) -> bool:
        """Whether it is finished, or failed, after at most so many seconds."""
        assert self._future is not None  # noqa: S101 - ``begin`` hands no other out
        try:
            self._future.exception(timeout=within)
        except FutureTimeoutError:
            return False
        except CancelledError:
            return True
        return True

    def result(self) -> T:
        """What came out; raises what went wrong."""
        assert self._future is not None  # noqa: S101 - ``begin`` hands no other out
        return self._future.result()


_kept: OrderedDict[Hashable, Work[Any]] = OrderedDict()
_lock = threading.RLock()  # a future that is done or cancelled meanwhile calls back at once


def begin(key: Hashable, make: Callable[[Say], T], *, is_kept: bool = True, goes_on: bool = False) -> Work[T]:
    """The result of ``make`` under this key, which says all that it depends on; begun now unless it is known already.

    One that failed is tried anew the next time it is asked for, and so is one that isn't ``is_kept``: it is only shared
    by those who ask while it is made. Whoever begins it leaves it (``leave``) when they wait no longer; what nobody
    waits for ends where it says next how far it is, unless it ``goes_on``.
    """
    with _lock:
        work = _kept.get(key)
        if work is not None and not (work.is_done() and (not is_kept or _has_failed(work))):
            _kept.move_to_end(key)
            work.n_waiting += 1
            return work
        work = _kept[key] = Work(n_waiting=1, is_kept=is_kept, goes_on=goes_on)
        work._future = threads.submit("results", N_THREADS, make, work.say)
        if not is_kept:
            work._future.add_done_callback(lambda _: _let_go_unless_waited_for(work))
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
        return work


def leave(work: Work[Any]) -> None:
    """Wait no longer. What nobody waits for is given up if it wasn't started, and let go if it isn't to be kept."""
    with _lock:
        work.n_waiting -= 1
        work.left_at = time.monotonic()
        assert work._future is not None  # noqa: S101 - ``begin`` hands no other out
        if work.n_waiting <= 0 and (work._future.cancel() or (not work.is_kept and work._future.done())):
            _let_go(work)


def _let_go_unless_waited_for(work: Work[Any]) -> None:
    with _lock:
        if work.n_waiting <= 0:
            _let_go(work)


def _let_go(work: Work[Any]) -> None:
    for key in [key for key, kept in _kept.items() if kept is work]:
        del _kept[key]


def _has_failed(work: Work[Any]) -> bool:
    return work._future is not None and (work._future.cancelled() or work._future.exception() is not None)


def forget() -> None:
    """Let go of all results."""
    with _lock:
        _kept.clear()
