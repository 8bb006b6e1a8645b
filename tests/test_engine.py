"""Storage keeps its promises: safe journal, one writer, nothing half, and a clear word when it can't write."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

import db.engine
import db.file_lock
from app.errors import ConfigurationError
from db.engine import Database, DatabaseUnavailable, Peek, has_wal_defect, journal_mode
from tests.conftest import ROOT

ADD_ONE = text("UPDATE counter SET n = :n")
READ = text("SELECT n FROM counter")


def with_counter(url: str) -> Database:
    """A database with one number in it."""
    store = Database(url)
    with store.write() as session:
        session.connection().execute(text("CREATE TABLE counter (n INTEGER NOT NULL)"))
        session.connection().execute(text("INSERT INTO counter VALUES (0)"))
    return store


@pytest.fixture
def counter(database_url: str) -> Iterator[Database]:
    """A database with one number in it, on SQLite and on PostgreSQL."""
    store = with_counter(database_url)
    yield store
    store.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    """A SQLite database with one number in it."""
    store = with_counter(f"sqlite:///{tmp_path / 'bakeoff.db'}")
    yield store
    store.close()


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The same, but it waits for other writers only 0.2 s."""
    monkeypatch.setattr(db.engine, "BUSY_TIMEOUT_S", 0.2)
    store = with_counter(f"sqlite:///{tmp_path / 'bakeoff.db'}")
    yield store
    store.close()


def number(store: Database) -> int:
    with store.read() as session:
        return int(session.connection().execute(READ).scalar_one())


def add_one(store: Database) -> None:
    with store.write() as session:
        n = session.connection().execute(READ).scalar_one()
        session.connection().execute(ADD_ONE, {"n": n + 1})


@pytest.mark.parametrize(
    ("version", "is_defective"),
    [
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 44, 9), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 0), True),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
        ((4, 0, 0), False),
    ],
)
def test_the_versions_with_the_wal_defect(version: tuple[int, ...], is_defective: bool) -> None:
    """S12: 3.7.0 to 3.51.2, but for the repaired 3.44.6+ and 3.50.7+; those without a lock file must not use WAL."""
    assert has_wal_defect(version) is is_defective
    assert journal_mode(version, has_file_lock=True) == "WAL"
    assert journal_mode(version, has_file_lock=False) == ("DELETE" if is_defective else "WAL")


def test_a_version_without_wal_is_not_asked_for_it() -> None:
    assert journal_mode((3, 6, 23), has_file_lock=False) == "DELETE"


def test_the_pragmas_hold_on_every_pooled_connection(file: Database) -> None:
    """Foreign keys, full flushes (2), WAL and the time-out hold on each of many connections that are open at once."""
    wanted = {"foreign_keys": 1, "synchronous": 2, "journal_mode": "wal", "busy_timeout": 10_000}
    with ExitStack() as stack:
        connections = [
            stack.enter_context(file.engine.connect().execution_options(sqlite_begin="BEGIN")) for _ in "12345"
        ]
        found = [
            {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in wanted}
            for connection in connections
        ]
        drivers = {id(connection.connection.dbapi_connection) for connection in connections}
        with file.peek() as peek:
            assert peek.driver.execute("PRAGMA synchronous").fetchone() == (2,)
    assert found == [wanted] * 5
    assert len(drivers) == 5


def test_a_folder_without_file_locks_gets_the_rollback_journal_and_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network share may refuse locks; on a defective library WAL is then avoided, and votes are stored."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))

    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError("no locks here")

    monkeypatch.setattr(db.file_lock.KernelLock, "acquire", refuse)
    store = Database(f"sqlite:///{tmp_path / 'share.db'}")
    with store.write() as session:
        session.connection().execute(text("CREATE TABLE counter (n INTEGER)"))
        assert session.connection().exec_driver_sql("PRAGMA journal_mode").scalar_one() == "delete"
    store.close()


def test_read_then_write_never_fails_for_a_snapshot(file: Database) -> None:
    """S13, F9: even without our lock, since BEGIN IMMEDIATE makes the second writer wait instead of fail."""

    def add(_: int) -> None:
        with file.engine.begin() as connection:
            n = connection.execute(READ).scalar_one()
            connection.execute(ADD_ONE, {"n": n + 1})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(80)))
    assert number(file) == 80


def test_writers_take_turns_between_threads(counter: Database) -> None:
    """Nothing is lost; on SQLite there is never more than one writer inside."""
    inside, most = set[int](), set[int]()

    def add(i: int) -> None:
        with counter.write() as session:
            inside.add(i)
            most.add(len(inside))
            n = (
                session.connection()
                .execute(text(f"{READ.text} FOR UPDATE" if not counter.is_sqlite else READ.text))
                .scalar_one()
            )
            session.connection().execute(ADD_ONE, {"n": n + 1})
            inside.discard(i)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(100)))
    assert number(counter) == 100
    if counter.is_sqlite:
        assert most == {1}


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_writers_take_turns_between_processes(file: Database) -> None:
    """Two other processes and this one add at once; no addition is lost and the file is sound."""
    code = (
        "import sys; from sqlalchemy import text; from db.engine import Database\n"
        "store = Database(sys.argv[1]); print('ready', flush=True); sys.stdin.readline()\n"
        "for _ in range(40):\n"
        "  with store.write() as session:\n"
        "    n = session.connection().execute(text('SELECT n FROM counter')).scalar_one()\n"
        "    session.connection().execute(text('UPDATE counter SET n = :n'), {'n': n + 1})"
    )
    others = [python(code, file.url) for _ in range(2)]
    for other in others:
        assert other.stdout and other.stdin
        assert other.stdout.readline() == "ready\n"
    for other in others:
        other.stdin.write("go\n")  # type: ignore[union-attr]
        other.stdin.flush()  # type: ignore[union-attr]
    for _ in range(40):
        add_one(file)
    for other in others:
        other.communicate(timeout=60)
        assert other.returncode == 0
    assert number(file) == 120
    with file.read() as session:
        assert session.connection().exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"


def test_another_process_that_keeps_writing_is_waited_for_and_then_told(impatient: Database) -> None:
    """F8: with the lock file held elsewhere, reads go on and a write is refused in words; afterwards all is well."""
    code = (
        "import sys; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire()\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    other = python(code, f"{impatient.path}.lock")
    assert other.stdout and other.stdout.readline() == "held\n"
    with pytest.raises(DatabaseUnavailable, match="busy; nothing was stored"):
        add_one(impatient)
    assert number(impatient) == 0
    second = Database(impatient.url)  # a process that starts meanwhile still learns that locks work here
    with second.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    second.close()
    other.communicate(timeout=60)
    add_one(impatient)
    assert number(impatient) == 1


def test_a_program_that_ignores_the_lock_file_is_waited_for_and_then_told(impatient: Database) -> None:
    """F8: somebody left a transaction open in the sqlite3 shell."""
    shell = sqlite3.connect(str(impatient.path), isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable, match="nothing was stored"):
        add_one(impatient)
    assert number(impatient) == 0
    shell.execute("ROLLBACK")
    shell.close()
    add_one(impatient)
    assert number(impatient) == 1


def test_a_thread_that_keeps_writing_is_waited_for_and_then_told(impatient: Database) -> None:
    refused = threading.Event()

    def write() -> None:
        with pytest.raises(DatabaseUnavailable, match="busy; nothing was stored"), impatient.write():
            raise AssertionError("two writers")
        refused.set()

    with impatient.write(), ThreadPoolExecutor(1) as pool:
        pool.submit(write).result()
    assert refused.is_set()


def test_an_error_undoes_the_whole_transaction_and_frees_the_lock(counter: Database) -> None:
    with pytest.raises(ZeroDivisionError), counter.write() as session:
        session.connection().execute(ADD_ONE, {"n": 99})
        raise ZeroDivisionError
    assert number(counter) == 0
    add_one(counter)
    assert number(counter) == 1


def test_an_act_is_a_transaction_too(counter: Database) -> None:
    """Votes go through ``act``: committed when it ends, undone when it fails, also on a connection used again."""
    (place,) = ("?",) if counter.is_sqlite else ("%s",)

    def add(peek: Peek, n: int) -> None:
        peek.driver.cursor().execute(f"UPDATE counter SET n = n + {place}", (n,))

    for _ in range(3):
        with counter.act() as peek:
            add(peek, 1)
        with pytest.raises(ZeroDivisionError), counter.act() as peek:
            add(peek, 99)
            raise ZeroDivisionError
        with counter.peek() as peek:  # nothing is left open on the connections of the pool
            peek.driver.cursor().execute("SELECT n FROM counter")
    assert number(counter) == 3
    add_one(counter)
    assert number(counter) == 4


def test_acts_take_turns_between_threads(counter: Database) -> None:
    (place,) = ("?",) if counter.is_sqlite else ("%s",)

    def act() -> None:
        with counter.act() as peek:
            cursor = peek.driver.cursor()
            cursor.execute(f"UPDATE counter SET n = n + {place}", (1,))

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(act) for _ in range(80)]:
            done.result()
    assert number(counter) == 80


def test_a_fault_of_our_own_keeps_its_class(counter: Database) -> None:
    """Only a database that is away or refuses is told to people as such; a broken constraint is a bug to be seen."""
    with pytest.raises(IntegrityError), counter.write() as session:
        session.connection().execute(text("INSERT INTO counter VALUES (NULL)"))


def test_a_full_disk_is_told_and_what_was_stored_stays(tmp_path: Path) -> None:
    """S14, F7: each write that was not refused is there, reads go on, and writing goes on once there is room."""
    store, limits = Database(f"sqlite:///{tmp_path / 'bakeoff.db'}"), [40]

    @event.listens_for(store.engine, "checkout")
    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {limits[0]}")

    with store.write() as session:
        session.connection().execute(text("CREATE TABLE note (n INTEGER PRIMARY KEY, body TEXT)"))

    def write(n: int) -> None:
        with store.write() as session:
            session.connection().execute(text("INSERT INTO note VALUES (:n, :body)"), {"n": n, "body": "x" * 1000})

    stored = 0
    with pytest.raises(DatabaseUnavailable, match="nothing was stored"):
        for stored in range(1000):
            write(stored)
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            write(stored)
    with store.read() as session:
        found = session.connection().execute(text("SELECT n FROM note ORDER BY n")).scalars().all()
        assert session.connection().exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    assert found == list(range(stored))
    assert stored > 50
    limits[0] = 4000
    write(stored)
    store.close()


def test_a_damaged_file_is_named_and_not_written(tmp_path: Path) -> None:
    """F11."""
    path = tmp_path / "bakeoff.db"
    path.write_bytes(b"not a database at all" * 500)
    store = Database(f"sqlite:///{path}")
    with pytest.raises(DatabaseUnavailable, match=r"bakeoff\.db is damaged .* backup"), store.read() as session:
        session.connection().execute(READ)
    assert path.read_bytes() == b"not a database at all" * 500
    store.close()


def test_a_folder_that_cannot_be_made_is_a_setting_to_correct(tmp_path: Path) -> None:
    """F10, F38."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"The data folder .*file/data cannot be used: Not a directory"):
        Database(f"sqlite:///{tmp_path}/file/data/bakeoff.db")


@pytest.mark.parametrize("url", ["postgresql+psycopg://me:pw@host:port/name", "sqlite:no slashes"])
def test_an_address_that_cannot_be_read_is_a_setting_to_correct(url: str) -> None:
    with pytest.raises(ConfigurationError, match="BAKEOFF_DATABASE_URL") as caught:
        Database(url)
    assert "pw" not in str(caught.value)
