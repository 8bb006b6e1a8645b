"""A database is brought up to date on start: after a copy, all or nothing, and never by an older Bakeoff."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

import db.migrate
import db.migrations
from app.errors import DatabaseTooNew
from db.engine import Database
from db.migrate import backup_sqlite, current_revision, head_revision, migrate
from db.tables import Generation
from tests.conftest import ROOT

NEXT = '''"""The migration of a later release, for the tests."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "9001_next", "{head}"
branch_labels = depends_on = None


def upgrade():
    op.add_column("prompt_set", sa.Column("colour", sa.String(20), nullable=False, server_default="grey"))
    op.execute("UPDATE prompt_set SET colour = 'blue'")
    {then}
'''
ADD = text(
    "INSERT INTO prompt_set (id, name, version, content_hash, created_at) "
    "VALUES (:id, :name, 1, 'hash', '2026-11-22 04:30:00+00:00')"
)
ID = "0192f3c0-0000-7000-8000-00000000000"


@pytest.fixture
def old(database_url: str) -> Iterator[Database]:
    """A database of this release, with a row in it."""
    store = Database(database_url)
    migrate(store)
    with store.write() as session:
        session.connection().execute(ADD, {"id": row_id(store, 1), "name": "kept"})
    yield store
    store.close()


def row_id(store: Database, n: int) -> str:
    return f"{ID}{n}".replace("-", "") if store.is_sqlite else f"{ID}{n}"


def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, then: str = "pass") -> None:
    """Make this process a later release, with one more migration that ends with ``then``."""
    scripts = tmp_path / "migrations"
    shutil.copytree(Path(db.migrations.__file__).parent, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions/9001_next.py").write_text(NEXT.format(head=head_revision(), then=then))

    def config() -> Config:
        found = Config()
        found.set_main_option("script_location", str(scripts))
        found.set_main_option("path_separator", "os")
        return found

    monkeypatch.setattr(db.migrate, "_config", config)


def names(store: Database) -> list[str]:
    with store.read() as session:
        return list(session.connection().execute(text("SELECT name FROM prompt_set ORDER BY name")).scalars())


def columns(store: Database) -> set[str]:
    return {column["name"] for column in inspect(store.engine).get_columns("prompt_set")}


def test_a_new_database_gets_all_tables_and_no_copy(database_url: str, tmp_path: Path) -> None:
    store = Database(database_url)
    done = migrate(store)
    assert (done.before, done.after, done.backup) == (None, head_revision(), None)
    assert {"account", "battle", "vote", "audit_event"} <= set(inspect(store.engine).get_table_names())
    assert not (tmp_path / "backups").exists()
    store.close()


def test_a_second_time_does_nothing(old: Database, tmp_path: Path) -> None:
    done = migrate(old)
    assert (done.before, done.after, done.backup) == (head_revision(), head_revision(), None)
    assert names(old) == ["kept"]
    assert not (tmp_path / "backups").exists()


def test_an_upgrade_keeps_the_data_and_copies_a_sqlite_file_first(
    old: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is of before the upgrade, complete, readable by its owner only, and opens in the old release."""
    before = head_revision()
    release(tmp_path, monkeypatch)
    done = migrate(old)
    assert (done.before, done.after) == (before, "9001_next")
    assert names(old) == ["kept"]
    with old.read() as session:
        assert session.connection().execute(text("SELECT colour FROM prompt_set")).scalar_one() == "blue"
    assert (done.backup is not None) == old.is_sqlite
    if done.backup is None:
        return
    assert done.backup.parent == tmp_path / "backups"
    assert done.backup.name.endswith("-before-9001_next.db")
    assert [path.name for path in done.backup.parent.iterdir()] == [done.backup.name]
    assert done.backup.stat().st_mode & 0o777 == 0o600
    monkeypatch.undo()
    copy = Database(f"sqlite:///{done.backup}")
    assert migrate(copy).before == before
    assert names(copy) == ["kept"]
    with copy.read() as session:
        assert session.connection().exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    copy.close()


def test_a_copy_has_what_is_still_in_the_journal(tmp_path: Path) -> None:
    """Of a file in use, with votes that are so far only in the write-ahead log."""
    store = Database(f"sqlite:///{tmp_path / 'bakeoff.db'}")
    migrate(store)
    for n in range(5):
        with store.write() as session:
            session.connection().execute(ADD, {"id": row_id(store, n), "name": f"n{n}"})
    assert (tmp_path / "bakeoff.db-wal").stat().st_size > 0
    assert store.path is not None
    previous = os.umask(0)
    try:
        target = backup_sqlite(store.path, tmp_path / "elsewhere", reason="test")
    finally:
        os.umask(previous)
    assert target.stat().st_mode & 0o777 == 0o600
    found = sqlite3.connect(target)
    assert found.execute("SELECT count(*) FROM prompt_set").fetchone() == (5,)
    found.close()
    store.close()


def test_an_older_release_refuses_and_names_both_versions(
    old: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F29, F30: the old application on the new database says so and changes nothing."""
    release(tmp_path, monkeypatch)
    migrate(old)
    monkeypatch.undo()
    for _ in range(2):  # and again, so the refusal left no lock behind
        with pytest.raises(DatabaseTooNew, match=f"its schema is 9001_next, this one knows up to {head_revision()}"):
            migrate(old)
    assert "colour" in columns(old)
    other = Database(old.url)
    with pytest.raises(DatabaseTooNew):
        migrate(other)
    other.close()


@pytest.mark.parametrize(
    "then",
    [
        pytest.param('op.execute("INSERT INTO no_such_table VALUES (1)")', id="the database refuses"),
        pytest.param("raise ArithmeticError", id="the migration breaks off"),
    ],
)
def test_a_failed_upgrade_changes_nothing(
    old: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """The data is there, in the old shape, the old release goes on, and a repaired one can upgrade."""
    before = head_revision()
    with monkeypatch.context() as patch:
        release(tmp_path, patch, then=then)
        with pytest.raises((ArithmeticError, ProgrammingError, OperationalError, db.engine.DatabaseUnavailable)):
            migrate(old)
    assert "colour" not in columns(old)
    with old.read() as session:
        assert current_revision(session.connection()) == before
    other = Database(old.url)  # another process is not kept out by the failed one
    assert migrate(other).before == before
    other.close()
    with old.write() as session:
        session.connection().execute(ADD, {"id": row_id(old, 2), "name": "later"})
    assert names(old) == ["kept", "later"]
    shutil.rmtree(tmp_path / "migrations")
    release(tmp_path, monkeypatch)
    assert migrate(old).after == "9001_next"
    assert names(old) == ["kept", "later"]


def test_two_processes_that_start_at_once_migrate_once(database_url: str) -> None:
    code = (
        "import sys; from db.engine import Database; from db.migrate import migrate\n"
        "store = Database(sys.argv[1]); print('ready', flush=True); sys.stdin.readline()\n"
        "print(migrate(store).before, flush=True)"
    )
    command = [sys.executable, "-W", "error", "-c", code, database_url]
    both = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = sorted(process.communicate(timeout=60)[0].strip() for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert said == sorted(["None", head_revision()])


def test_a_process_killed_in_the_middle_of_an_upgrade_leaves_the_old_data(
    old: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F29: no goodbye, no clean-up; the next start finds the old shape and upgrades."""
    before = head_revision()
    with monkeypatch.context() as patch:
        release(tmp_path, patch, then="import os; os._exit(9)")
    code = (
        "import sys; import db.migrate; from alembic.config import Config; from db.engine import Database\n"
        "config = Config(); config.set_main_option('script_location', sys.argv[2])\n"
        "config.set_main_option('path_separator', 'os'); db.migrate._config = lambda: config\n"
        "db.migrate.migrate(Database(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, old.url, str(tmp_path / "migrations")], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 9, done.stderr
    assert (migrate(old).before, names(old)) == (before, ["kept"])
    assert "colour" not in columns(old)
    shutil.rmtree(tmp_path / "migrations")
    release(tmp_path, monkeypatch)
    assert migrate(old).after == "9001_next"
    assert names(old) == ["kept"]


def test_the_rows_of_the_first_schema_live_on(database_url: str) -> None:
    """What 0001 held is all there at today's schema, with the battles that point at a table made anew."""
    store = Database(database_url)
    config = db.migrate._config()
    with store.exclusive() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.commit()
    marks = dict.fromkeys(("set", "prompt", "model", "generation", "experiment", "pair", "battle"), "")
    for n, name in enumerate(marks, start=1):
        marks[name] = row_id(store, n)
    rows = [
        "prompt_set (id, name, version, content_hash, created_at) VALUES (:set, 's', 1, 'h', :now)",
        "prompt (id, prompt_set_id, external_id, position, messages, tags, content_hash) "
        "VALUES (:prompt, :set, '1', 0, '[]', '{}', 'h')",
        "model (id, name, version, connector, provider_id, organisation, licence, created_at) "
        "VALUES (:model, 'm', '', 'file', '', '', '', :now)",
        "generation (id, model_id, prompt_id, sample, settings_hash, status, parts, created_at) "
        "VALUES (:generation, :model, :prompt, 0, '', 'ok', '[]', :now)",
        "experiment (id, key, title, kind, status, guidelines, votes_per_pair, min_dwell_ms, lease_minutes, "
        "allocation, is_simulated, created_at, stop_reason) VALUES (:experiment, 'k', 't', 'prompts', 'draft', '', 1, "
        "0, 30, 'uniform', false, :now, '')",
        "pair (id, experiment_id, position, model_a_id, model_b_id, n_taken, n_votes) "
        "VALUES (:pair, :experiment, 0, :model, :model, 0, 0)",
        "battle (id, experiment_id, pair_id, generation_a_id, status, purpose, assigned_at, shown_at, n_revisions) "
        "VALUES (:battle, :experiment, :pair, :generation, 'voted', 'normal', :now, :now, 0)",
    ]
    now = "2026-11-22 04:30:00+00:00"
    with store.write() as session:
        for row in rows:
            session.connection().execute(text(f"INSERT INTO {row}"), {**marks, "now": now})
    migrate(store)
    with store.read() as session:
        found = session.execute(select(Generation)).scalar_one()
        battles = session.connection().execute(text("SELECT count(*) FROM battle WHERE generation_a_id IS NOT NULL"))
        assert (found.status, found.leaks, found.error, found.n_tries) == ("ok", [], "", 0)
        assert found.ready_at == found.created_at
        assert battles.scalar_one() == 1
    with pytest.raises(IntegrityError), store.write() as session:
        session.connection().execute(text("DELETE FROM generation"))
    store.close()


def test_what_an_admin_withdrew_before_there_was_a_word_for_it_is_withdrawn(database_url: str) -> None:
    """Until 0007 it was dropped with a reason, and so was an answer of an arena that named its maker."""
    store = Database(database_url)
    config = db.migrate._config()
    with store.exclusive() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
        connection.commit()
    leak = "The answer names its maker, and this model's leak choice doesn't show such answers."
    reasons = ["", leak, "It has an address."]
    at = {"now": "2026-11-22 04:30:00+00:00", "set": row_id(store, 1), "prompt": row_id(store, 2)}
    at["model"] = row_id(store, 3)
    one = (
        "generation (id, model_id, prompt_id, sample, settings_hash, status, error, parts, leaks, created_at, n_tries) "
        "VALUES (:id, :model, :prompt, :sample, '', 'dropped', :reason, '[]', '[]', :now, 0)"
    )
    with store.write() as session:
        for row in (
            "prompt_set (id, name, version, content_hash, created_at) VALUES (:set, 's', 1, 'h', :now)",
            "prompt (id, prompt_set_id, external_id, position, messages, tags, attachments, content_hash) "
            "VALUES (:prompt, :set, '1', 0, '[]', '{}', '[]', 'h')",
            "model (id, name, version, connector, provider_id, organisation, licence, created_at, leak_choice) "
            "VALUES (:model, 'm', '', 'file', '', '', '', :now, 'ask')",
        ):
            session.connection().execute(text(f"INSERT INTO {row}"), at)
        for sample, reason in enumerate(reasons):
            row_ = {"id": row_id(store, 4 + sample), "sample": sample, "reason": reason}
            session.connection().execute(text(f"INSERT INTO {one}"), {**at, **row_})
    migrate(store)
    with store.read() as session:
        stored = session.execute(select(Generation.error, Generation.status)).all()
    assert dict(map(tuple, stored)) == {"": "dropped", leak: "dropped", "It has an address.": "withdrawn"}
    store.close()
