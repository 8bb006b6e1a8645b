"""Storing a million rows at once, column by column, with the driver's own means and within the caller's transaction.

SQLite is given many rows with each statement. It builds the list of an ``IN`` anew for each statement that it runs, and
our check constraints have six of them for a vote: a statement a row took three times as long. PostgreSQL has COPY.
Measured by ``bench/imports.py``.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Table
from sqlmodel import Session

from db.prepared import driver_of

_MOST_VALUES = 30_000  # that SQLite binds in one statement: 32,766 since 3.32
_ROWS_AT_ONCE = 400  # more are no faster
_COPIED_AT_ONCE = 20_000
_WORTH_SORTING = 50_000  # rows
_CACHE_KB = 32 * 1024  # of SQLite's pages: rows come to the index by rater in no order, which thrashes its usual 2 MB
# The signs that COPY's text format escapes.
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of few distinct values: the code of each row is a place among them, -1 is null."""

    values: Sequence[object]
    codes: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Ids:
    """A column of ids, 16 bytes each."""

    ids: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Times:
    """A column of moments, in microseconds since 1970 in UTC."""

    at: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Each:
    """A column of which most rows hold ``usual`` and a few another value."""

    others: Mapping[int, object]
    usual: object = None


Column = Coded | Ids | Times | Each


def add_rows(
    session: Session, *, table: Table, n: int, columns: Mapping[str, Column], fixed: Mapping[str, Any]
) -> None:
    """Store ``n`` rows with these columns; those in ``fixed`` have one value for all of them."""
    driver, dialect = driver_of(session)
    if dialect.name == "sqlite":
        with _without_indexes(driver, table.name, n):
            _insert(driver, table.name, n, columns, {name: _for_sqlite(value) for name, value in fixed.items()})
    else:
        _copy(driver, table.name, n, columns, {name: _for_copy(value) for name, value in fixed.items()})


@contextlib.contextmanager
def with_large_cache(session: Session) -> Iterator[None]:
    """Let SQLite keep more pages in memory meanwhile."""
    driver, dialect = driver_of(session)
    if dialect.name != "sqlite":
        yield
        return
    before = driver.execute("PRAGMA cache_size").fetchone()[0]
    driver.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
    try:
        yield
    finally:
        driver.execute(f"PRAGMA cache_size = {before}")
        driver.execute("PRAGMA shrink_memory")


@contextlib.contextmanager
def _without_indexes(driver: Any, table: str, n: int) -> Iterator[None]:
    """Leave a table's plain indexes away while most of its rows come in; making them anew sorts once.

    In SQLite this is part of the transaction like anything else: whoever reads meanwhile sees the table as it was.
    """
    if n < _WORTH_SORTING or driver.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > n:  # noqa: S608
        yield
        return
    found = driver.execute(f"PRAGMA index_list({table})").fetchall()
    plain = [name for _, name, is_unique, origin, is_partial in found if origin == "c" and not is_unique | is_partial]
    made = [
        driver.execute("SELECT sql FROM sqlite_master WHERE type = 'index' AND name = ?", (name,)).fetchone()[0]
        for name in plain
    ]
    for name in plain:
        driver.execute(f"DROP INDEX {name}")
    yield
    for statement in made:
        driver.execute(statement)


def _insert(driver: Any, table: str, n: int, columns: Mapping[str, Column], fixed: Mapping[str, Any]) -> None:
    readers = [_reader(column, _for_sqlite, zone="") for column in columns.values()]
    width, n_fixed = len(readers), len(fixed)
    at_once = max(1, min(_ROWS_AT_ONCE, (_MOST_VALUES - n_fixed) // width))
    names = ", ".join((*fixed, *columns))
    same = "".join(f"?{number}, " for number in range(1, n_fixed + 1))

    def statement(n_rows: int) -> str:
        places = range(n_fixed + 1, n_fixed + 1 + n_rows * width, width)
        rows = (f"({same}{', '.join(f'?{place + i}' for i in range(width))})" for place in places)
        return f"INSERT INTO {table} ({names}) VALUES {', '.join(rows)}"  # noqa: S608 - names of our own tables

    full = statement(at_once)
    for start in range(0, n, at_once):
        stop = min(n, start + at_once)
        values: list[Any] = [*fixed.values(), *[None] * ((stop - start) * width)]
        for place, read in enumerate(readers):
            values[n_fixed + place :: width] = read(start, stop)
        driver.execute(full if stop - start == at_once else statement(stop - start), values)


def _copy(driver: Any, table: str, n: int, columns: Mapping[str, Column], fixed: Mapping[str, Any]) -> None:
    readers = [_reader(column, _for_copy, zone="+00") for column in columns.values()]
    pattern = "\t".join([*["%s"] * len(readers), *(text.replace("%", "%%") for text in fixed.values())]) + "\n"
    cursor = driver.cursor()
    try:
        with cursor.copy(f"COPY {table} ({', '.join((*columns, *fixed))}) FROM STDIN") as copy:
            for start in range(0, n, _COPIED_AT_ONCE):
                parts = [read(start, min(n, start + _COPIED_AT_ONCE)) for read in readers]
                copy.write("".join([pattern % row for row in zip(*parts, strict=True)]))
    finally:
        cursor.close()


def _reader(column: Column, written: Callable[[object], Any], *, zone: str) -> Callable[[int, int], list[Any]]:
    """What gives the values of some rows as the driver takes them."""
    if isinstance(column, Ids):
        return lambda start, stop: _hex(column.ids[start:stop])
    if isinstance(column, Times):
        return lambda start, stop: [f"{date} {time}{zone}" for date, time in _split(column.at[start:stop])]
    if isinstance(column, Each):
        usual = written(column.usual)
        others = {place: written(value) for place, value in column.others.items()}
        return lambda start, stop: [others.get(place, usual) for place in range(start, stop)]
    values = np.empty(len(column.values) + 1, dtype=object)
    values[:] = [*map(written, column.values), written(None)]
    return lambda start, stop: list(values[column.codes[start:stop]])


def _hex(ids: NDArray[np.uint8]) -> list[str]:
    text = ids.tobytes().hex()
    return [text[place : place + 32] for place in range(0, len(text), 32)]


def _split(at: NDArray[np.int64]) -> list[list[str]]:
    return [text.split("T") for text in np.datetime_as_string(at.astype("datetime64[us]")).tolist()]


def _for_sqlite(value: object) -> Any:
    """A value as SQLAlchemy stores it in SQLite."""
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    return json.dumps(value) if isinstance(value, dict | list) else value


def _for_copy(value: object) -> str:
    r"""A value in COPY's text format, where \N is null."""
    if value is None:
        return r"\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(_for_sqlite(value)).translate(_ESCAPES)
