"""A lock between processes that costs microseconds: one descriptor, kept open, and the kernel's own lock on it.

The library ``filelock`` opens and closes its file each time, 0.2 to 0.5 ms of every vote. Where there is no ``flock``
(Windows) it does the work.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from filelock import FileLock, Timeout

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["Timeout", "open_lock"]
_STEP_S = 0.002  # between two tries while another process writes


class KernelLock:
    """A lock of ``flock``, not to be taken twice by one process: threads have to take turns outside of it."""

    def __init__(self, path: str, timeout: float) -> None:
        self._path, self._timeout = path, timeout
        self._descriptor = -1

    def acquire(self, timeout: float | None = None) -> KernelLock:
        """Take it; raises Timeout after so many seconds, OSError where the folder has no locks."""
        end = time.monotonic() + (self._timeout if timeout is None else timeout)
        while not self._is_taken():
            if time.monotonic() >= end:
                raise Timeout(self._path)
            time.sleep(_STEP_S)
        return self

    def release(self) -> None:
        """Give it back."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def __enter__(self) -> KernelLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _is_taken(self) -> bool:
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if self._is_ours():
            return True
        os.close(self._descriptor)  # the file was put in place anew, and others lock the new one
        self._descriptor = -1
        return False

    def _is_ours(self) -> bool:
        """Whether the descriptor's file is the one that stands there now."""
        own = os.fstat(self._descriptor)
        try:
            there = Path(self._path).stat()
        except FileNotFoundError:
            return False
        return (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino)


def open_lock(path: Path | str, *, timeout: float) -> KernelLock | FileLock:
    """The lock on this file, free until it is acquired."""
    if fcntl is None:  # pragma: no cover - Windows
        return FileLock(path, timeout=timeout, thread_local=False)
    return KernelLock(str(path), timeout)
