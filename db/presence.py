"""Which processes are alive that work on jobs: each holds a lock of its own, which ends with it however it ends.

On PostgreSQL that is an advisory lock on a connection kept for it, so any number of processes share the work. On SQLite
one process works and the others wait for its lock file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from filelock import FileLock, Timeout

from db.engine import Database, DatabaseUnavailable

_SPACE = 7203916  # the first of the two numbers of our advisory locks


def queue_url(store: Database) -> str:
    """Where the durable queue lives: a second SQLite file beside the first, or the same PostgreSQL database."""
    if store.path is None:
        return store.url
    return f"sqlite:///{store.path.with_suffix('')}-jobs.db"


class Presence:
    """A process among those that work on jobs, under the name ``executor_id``."""

    def __init__(self, store: Database, executor_id: str) -> None:
        self._store = store
        self._executor_id = executor_id
        self._file = FileLock(f"{store.path.with_suffix('')}-jobs.lock", thread_local=False) if store.path else None
        self._detached: object = None
        self._driver: Any = None  # psycopg's own connection, outside of the pool: its end is the end of the lock

    def begin(self) -> bool:
        """Whether this process may work on jobs; False while another one does, on SQLite."""
        if self._file is None:
            self.renew()
            return True
        try:
            self._file.acquire(timeout=0)
        except Timeout:
            return False
        except (OSError, NotImplementedError) as error:
            raise DatabaseUnavailable(f"Jobs need a lock file beside the database: {error}") from error
        return True

    def renew(self) -> None:
        """See that the lock is still held, and take it anew when its connection was lost.

        Raises DatabaseUnavailable while that can't be done: without it others would take this process for dead.
        """
        if self._file is not None:
            return
        try:
            if self._driver is None:
                with self._store.connected() as pooled:
                    self._driver = pooled.driver_connection
                    pooled.detach()
                    self._detached = pooled  # which would close it when it is forgotten
                self._driver.autocommit = True
                self._driver.execute("SELECT pg_advisory_lock(%s, %s)", _key(self._executor_id))
            else:
                self._driver.execute("SELECT 1")
        except self._store.errors as error:
            self.end()
            raise DatabaseUnavailable("The database is away; jobs wait.") from error

    def end(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.release()
        if self._driver is not None:
            with suppress(*self._store.errors):  # the server ends a closed connection, and its lock, a little later
                self._driver.execute("SELECT pg_advisory_unlock(%s, %s)", _key(self._executor_id))
            self._driver.close()
            self._driver = None

    def list_gone(self, executor_ids: Iterable[str]) -> list[str]:
        """Those of these processes that have ended."""
        others = sorted(set(executor_ids) - {self._executor_id})
        if self._file is not None:
            return others
        return [other for other in others if self._is_gone(other)]

    def _is_gone(self, executor_id: str) -> bool:
        try:
            taken = self._driver.execute("SELECT pg_try_advisory_lock(%s, %s)", _key(executor_id)).fetchone()[0]
            if taken:
                self._driver.execute("SELECT pg_advisory_unlock(%s, %s)", _key(executor_id))
        except self._store.errors as error:
            self.end()
            raise DatabaseUnavailable("The database is away; jobs wait.") from error
        return bool(taken)


def _key(executor_id: str) -> tuple[int, int]:
    digest = hashlib.sha256(executor_id.encode()).digest()
    return _SPACE, int.from_bytes(digest[:4], signed=True)
