"""Getting ready to serve, and telling whether all is well."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path

from app import __version__
from app.errors import BakeoffError
from app.settings import Settings, get_settings
from db import audit
from db.engine import database, has_wal_defect
from db.migrate import Migration, current_revision, head_revision, migrate

LOW_DISK_MB = 500


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``bakeoff doctor``: is it right, and what to do if not. A warning doesn't fail the whole."""

    name: str
    is_ok: bool
    text: str
    is_warning: bool = False


def prepare_database() -> Migration:
    """Create or migrate the database that the settings name; a SQLite file with data is backed up first."""
    return migrate(database())


def is_ready() -> bool:
    """Whether the database answers and has this version's schema."""
    try:
        with database().read() as session:
            return current_revision(session.connection()) == head_revision()
    except BakeoffError:
        return False


def examine() -> list[Check]:
    """Configuration, database, migrations, integrity and disk, each as a check."""
    settings = get_settings()
    checks = [
        Check("version", True, f"Bakeoff {__version__}, Python {sys.version.split()[0]}"),
        _check_disk(settings.data_dir),
    ]
    if settings.is_sqlite:
        checks.append(_check_sqlite())
    try:
        checks += _check_database(settings)
    except BakeoffError as error:
        checks.append(Check("database", False, str(error)))
    return checks


def _check_disk(folder: Path) -> Check:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free_mb = shutil.disk_usage(existing).free // 1_000_000
    return Check("disk", free_mb >= LOW_DISK_MB, f"{free_mb:,} MB free for {folder}")


def _check_sqlite() -> Check:
    version = sqlite3.sqlite_version
    if has_wal_defect(sqlite3.sqlite_version_info):
        text = (
            f"SQLite {version} has the WAL-reset defect (fixed in 3.51.3). Bakeoff keeps to one writer at a time, "
            "which avoids it. Don't let other programs write to or checkpoint this file."
        )
        return Check("SQLite", True, text, is_warning=True)
    return Check("SQLite", True, f"SQLite {version}")


def _check_database(settings: Settings) -> list[Check]:
    db = database()
    if db.path is not None and not db.path.exists():
        return [Check("database", False, f"There is no database at {db.path} yet; `bakeoff init` makes it.")]
    with db.read() as session:
        revision, head = current_revision(session.connection()), head_revision()
        checks = [
            Check("database", True, "SQLite file" if settings.is_sqlite else "PostgreSQL"),
            Check(
                "schema",
                revision == head,
                f"{revision or 'empty'}" + ("" if revision == head else f"; this version needs {head}: `bakeoff init`"),
            ),
        ]
        if revision != head:
            return checks
        if settings.is_sqlite:
            found = session.connection().exec_driver_sql("PRAGMA quick_check").scalar_one()
            mode = session.connection().exec_driver_sql("PRAGMA journal_mode").scalar_one()
            checks.append(Check("integrity", found == "ok", f"{found} (journal {mode})"))
        broken = audit.find_broken_link(session)
        text = "the chain of hashes holds" if broken is None else f"event {broken} was changed or an event is missing"
        checks.append(Check("audit log", broken is None, text))
    return checks
