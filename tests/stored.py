"""A database of its own for each test of a service or a page, and how many rows it holds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select
from sqlmodel import SQLModel

from app.services.system import prepare_database
from app.settings import get_settings
from db import tables  # noqa: F401 - the metadata below is complete only then
from db.engine import database


@contextlib.contextmanager
def fresh_database(monkeypatch: pytest.MonkeyPatch, url: str) -> Iterator[None]:
    """Let the services use the database behind ``url``."""
    monkeypatch.setenv("BAKEOFF_DATABASE_URL", url)
    get_settings.cache_clear()
    prepare_database()
    yield
    database().close()
    get_settings.cache_clear()


def n_rows() -> dict[str, int]:
    """The rows of every table that has any."""
    with database().read() as session:
        counts = {
            table.name: session.execute(select(func.count()).select_from(table)).scalar_one()
            for table in SQLModel.metadata.sorted_tables
        }
    return {name: n for name, n in counts.items() if n}
