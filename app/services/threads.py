"""Threads for work that goes on while pages are served: few, named, and ended with the server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_pools: dict[str, ThreadPoolExecutor] = {}
_lock = threading.Lock()


def submit(name: str, n: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Have the work done on one of the ``n`` threads of this name, which begin when they are first needed."""
    with _lock:
        if name not in _pools:
            _pools[name] = ThreadPoolExecutor(max_workers=n, thread_name_prefix=name)
        return _pools[name].submit(work, *args, **kwargs)


def stop() -> None:
    """Give up what hasn't begun, whose futures are cancelled, and wait for what has; later work gets new threads."""
    with _lock:
        pools = list(_pools.values())
        _pools.clear()
    for one in pools:
        one.shutdown(wait=True, cancel_futures=True)
