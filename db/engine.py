"""Engines and transactions: how Bakeoff talks to SQLite and PostgreSQL without losing a vote.

Writes are one at a time per SQLite file: a lock in the process, a lock file between processes, and checkpoints only
inside a writer's commit. That is what makes WAL safe on the library versions with the WAL-reset defect (3.7.0 to 3.51.2
but for 3.44.6+ and 3.50.7+), whose trigger is two connections writing or checkpointing the same WAL at once.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, PoolProxiedConnection, create_engine, event
from sqlalchemy import Row as SqlRow
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session

from app.errors import BakeoffError, ConfigurationError
from app.settings import get_settings
from db.file_lock import Timeout, open_lock
from db.prepared import Peek

__all__ = ["Database", "DatabaseUnavailable", "Peek", "Row", "Session", "database", "open_database"]

Row = SqlRow[Any]  # with Session, all that services need to name of SQLAlchemy
BUSY_TIMEOUT_S = 10
BEGIN = "BEGIN IMMEDIATE"
_READ = {"sqlite_begin": "BEGIN DEFERRED"}
_SNAPSHOT = {"isolation_level": "REPEATABLE READ"}  # PostgreSQL's own default sees each statement's own moment


class DatabaseUnavailable(BakeoffError):  # noqa: N818 - reads as the sentence it is
    """The database did not answer or refused the write; nothing was stored."""


def has_wal_defect(version: tuple[int, ...]) -> bool:
    """Whether this SQLite version can corrupt a WAL file when two connections write or checkpoint it at once."""
    if version >= (3, 51, 3):
        return False
    return not ((3, 44, 6) <= version < (3, 45) or (3, 50, 7) <= version < (3, 51))


def journal_mode(version: tuple[int, ...], *, has_file_lock: bool) -> str:
    """The journal mode that is safe with this library: WAL where it is sound or where one writer is guaranteed.

    On a defective version without a working lock file, the rollback journal (DELETE) is used instead.
    """
    return "WAL" if has_file_lock or not has_wal_defect(version) else "DELETE"


class _WriteLock:
    """One writer at a time: between threads by a lock, between processes by a lock file beside the database."""

    def __init__(self, database: Path | None) -> None:
        self._threads = threading.Lock()
        self._file = open_lock(f"{database}.lock", timeout=BUSY_TIMEOUT_S) if database else None

    def works_between_processes(self) -> bool:
        """Whether the lock file can be taken in this folder (a network share may refuse); if not, it is left aside."""
        if self._file is None:
            return True
        try:
            with self._threads, self._file.acquire(timeout=0):
                return True
        except Timeout:
            return True  # another process writes at this moment
        except (OSError, NotImplementedError):
            self._file = None
            return False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold both locks; raises DatabaseUnavailable after the busy time-out."""
        if not self._threads.acquire(timeout=BUSY_TIMEOUT_S):
            raise DatabaseUnavailable("The database is busy; nothing was stored. Please try again.")
        try:
            if self._file is None:
                yield
                return
            try:
                self._file.acquire()
            except (Timeout, OSError) as error:
                raise DatabaseUnavailable("The database is busy; nothing was stored. Please try again.") from error
            try:
                yield
            finally:
                self._file.release()
        finally:
            self._threads.release()


class Database:
    """One database: its engine and the two kinds of transaction."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.path = Path(_database_of(url)) if self.is_sqlite else None
        self._lock: _WriteLock | None = _WriteLock(self.path) if self.is_sqlite else None
        self.engine = self._sqlite_engine() if self.is_sqlite else self._postgresql_engine()
        self._readers = self.engine.execution_options(**(_READ if self.is_sqlite else _SNAPSHOT))

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading a consistent snapshot; nothing in it is written."""
        with self._translated(), Session(self._readers, expire_on_commit=False, autoflush=False) as session:
            yield session

    @contextlib.contextmanager
    def peek(self) -> Iterator[Peek]:
        """A connection for prepared statements that each read once, without the cost of a transaction."""
        with self._translated():
            connection = self.engine.raw_connection()
            try:
                yield Peek(connection, self.engine.dialect)
            finally:
                connection.close()

    @contextlib.contextmanager
    def connected(self) -> Iterator[PoolProxiedConnection]:
        """The driver's connection, for what outlives a transaction; whoever keeps it detaches it from the pool."""
        with self._translated():
            yield self.engine.raw_connection()

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What the driver raises when the database is away, and we in its place."""
        driver = self.engine.dialect.loaded_dbapi
        return (driver.OperationalError, driver.InterfaceError, DatabaseUnavailable)

    @contextlib.contextmanager
    def act(self) -> Iterator[Peek]:
        """A transaction of prepared statements alone, without the cost of a session; commits like ``write``."""
        held = self._lock.held() if self._lock else contextlib.nullcontext()
        with held, self.peek() as peek:
            if self.is_sqlite:
                peek.driver.execute(BEGIN)
            try:
                yield peek
                peek.driver.commit()
            except BaseException:
                peek.driver.rollback()
                raise

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        """A session that commits when its block ends and rolls back when it raises."""
        held = self._lock.held() if self._lock else contextlib.nullcontext()
        with held, self._translated(), Session(self.engine, expire_on_commit=False) as session:
            yield session
            session.commit()

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[Connection]:
        """A connection outside any transaction with the write lock held: for migrations and backups."""
        held = self._lock.held() if self._lock else contextlib.nullcontext()
        with held, self._translated("The database cannot be used"), self.engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def _translated(self, at_start: str = "") -> Iterator[None]:
        """Say what people can act on; ``at_start`` is for the console, where the driver's own reason helps."""
        driver = self.engine.dialect.loaded_dbapi
        away = (driver.OperationalError, driver.InterfaceError, PoolTimeout)
        try:
            yield
        except (DBAPIError, PoolTimeout, driver.Error) as error:
            cause = getattr(error, "orig", None) or error
            if self.is_sqlite and type(cause) is driver.DatabaseError:
                raise DatabaseUnavailable(f"{self.path} is damaged ({cause}). Put a backup in its place.") from error
            # The database is away or refuses writes. Anything else is a fault of our own code and keeps its class.
            if not isinstance(cause, away):
                raise
            text = "The database did not accept this; nothing was stored."
            if at_start:
                where = self.path or "see BAKEOFF_DATABASE_URL"
                text = f"{at_start} ({where}): {str(cause).strip().splitlines()[0]}"
            raise DatabaseUnavailable(text) from error

    def close(self) -> None:
        """Close all pooled connections."""
        self.engine.dispose()

    def _sqlite_engine(self) -> Engine:
        assert self.path is not None and self._lock is not None  # noqa: S101 - for the type checker
        _make_folder(self.path.parent)
        mode = journal_mode(sqlite3.sqlite_version_info, has_file_lock=self._lock.works_between_processes())
        engine = create_engine(
            self.url,
            pool_size=16,
            max_overflow=48,
            pool_use_lifo=True,  # the connection used last has the pages in its cache
            connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_S, "isolation_level": None},
        )
        event.listen(engine, "connect", _sqlite_pragmas(mode))
        event.listen(engine, "begin", _sqlite_begin)
        return engine

    def _postgresql_engine(self) -> Engine:
        try:
            return create_engine(
                self.url,
                pool_size=16,
                max_overflow=16,
                pool_pre_ping=True,
                pool_timeout=5,
                connect_args={"connect_timeout": 5},
            )
        except (ArgumentError, ValueError):
            raise ConfigurationError(
                "BAKEOFF_DATABASE_URL: expected postgresql://user:password@host:5432/name, "
                "with special signs percent-encoded."
            ) from None


def _database_of(url: str) -> str:
    try:
        return make_url(url).database or ""
    except (ArgumentError, ValueError):
        raise ConfigurationError("BAKEOFF_DATABASE_URL: expected sqlite:///path/to/file.db.") from None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        if os.access(folder, os.W_OK | os.X_OK):
            return
        reason = "Permission denied"
    raise ConfigurationError(f"The data folder {folder} cannot be used: {reason}. Name another one in BAKEOFF_DATA.")


def _sqlite_pragmas(mode: str) -> Callable[[Any, object], None]:
    def set_pragmas(connection: Any, _record: object) -> None:
        for pragma in (
            f"journal_mode={mode}",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_TIMEOUT_S * 1000}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return set_pragmas


def _sqlite_begin(connection: Connection) -> None:
    # A deferred transaction that reads and then writes fails at once with SQLITE_BUSY_SNAPSHOT, whatever the time-out.
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", BEGIN))


@functools.cache
def open_database(url: str) -> Database:
    """The database behind ``url``, one object per process."""
    return Database(url)


def database() -> Database:
    """The database that the settings name."""
    return open_database(get_settings().database_url)
