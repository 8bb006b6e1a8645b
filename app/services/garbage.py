"""Python's search for garbage: while it goes through all objects that there are, nobody is served."""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Iterator

_RARELY = (200_000, 20, 100)  # a file of 100,000 rows makes millions of objects, and hardly one of them is garbage
_lock = threading.Lock()
_n_at_work = 0
_usual = gc.get_threshold()


@contextlib.contextmanager
def collected_rarely() -> Iterator[None]:
    """Let Python look for garbage a hundred times as rarely meanwhile; also a decorator, for taking in large files.

    An import of 100,000 outputs took a seventh of its time less (``bench/imports.py``), with the same memory.
    """
    global _n_at_work, _usual  # noqa: PLW0603 - the thresholds are the whole process's, too
    with _lock:
        if not _n_at_work:
            _usual = gc.get_threshold()
            gc.set_threshold(*_RARELY)
        _n_at_work += 1
    try:
        yield
    finally:
        with _lock:
            _n_at_work -= 1
            if not _n_at_work:
                gc.set_threshold(*_usual)


def spare_what_is_there() -> None:
    """Never again look for garbage among the objects that there are now, such as all that imports have made.

    Of 170,000 objects after the start a search takes 95 ms, in which every page and every vote waits.
    """
    gc.collect()
    gc.freeze()
