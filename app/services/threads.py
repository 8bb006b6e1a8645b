"""Threads for work that goes on while pages are served: few, named, of low priority, and ended with the server."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
NICENESS = 10
_pools: dict[str, ThreadPoolExecutor] = {}
_lock = threading.Lock()


def submit(name: str, n: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Have the work done on one of the ``n`` threads of this name, which begin when they are first needed."""
    with _lock:
        if name not in _pools:
            _pools[name] = ThreadPoolExecutor(max_workers=n, thread_name_prefix=name, initializer=_give_way)
        return _pools[name].submit(work, *args, **kwargs)


def stop() -> None:
    """Give up what hasn't begun, whose futures are cancelled, and wait for what has; later work gets new threads."""
    with _lock:
        pools = list(_pools.values())
        _pools.clear()
    for one in pools:
        one.shutdown(wait=True, cancel_futures=True)


def _give_way() -> None:
    """Leave the processors to whoever votes; a thread has a priority of its own on Linux alone.

    Of two boards of a million votes a second on two cores, a vote notices 6 to 9 % on SQLite instead of 20 to 24, and
    35 to 50 % on PostgreSQL, which wants a processor of its own, instead of 60 to 75 (``bench/results.py --voting``).
    """
    if sys.platform == "linux":
        me = threading.get_native_id()
        with contextlib.suppress(OSError):  # a server that was started lower still stays there
            os.setpriority(os.PRIO_PROCESS, me, max(NICENESS, os.getpriority(os.PRIO_PROCESS, me)))
