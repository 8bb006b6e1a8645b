"""Statements that run on every vote: compiled once, then run on the driver's own cursor.

SQLAlchemy writes the SQL and converts the values as everywhere else; only its machinery around each execution is left
out, which took two thirds of the time of a vote. Measured by ``bench/vote.py``.
"""

from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect, Enum, Executable, Float, Uuid
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine
from sqlmodel import Session

Convert = Callable[[Any], Any] | None


class _Compiled:
    """One statement in the SQL of one dialect, with the conversions of its parameters and of its results."""

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        # Without render_postcompile the SQL would still have places that only SQLAlchemy's execution fills in.
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - for the type checker
        self.sql = str(compiled)
        self.names = tuple(compiled.positiontup or ()) if compiled.positional else None
        # SQLAlchemy lists a parameter that must be given as None; left in, a forgotten one would be stored as null.
        self.fixed = {name: value for name, value in compiled.params.items() if not compiled.binds[name].required}
        self.binds: dict[str, Convert] = {
            name: compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in compiled.params
        }
        columns = compiled._result_columns
        self.results = [_result_conversion(column.type, dialect) for column in columns]
        self.row: Any = namedtuple("Row", [column.keyname for column in columns], rename=True) if columns else None

    def run(self, driver: Any, values: dict[str, Any]) -> list[Any]:
        given = {**self.fixed, **values}
        for name, convert in self.binds.items():
            if convert is not None:
                given[name] = convert(given[name])
        cursor = driver.cursor()
        try:
            cursor.execute(self.sql, given if self.names is None else [given[name] for name in self.names])
            if self.row is None:
                return []
            make, converts = self.row._make, self.results
            return [
                make(
                    [value if convert is None else convert(value) for convert, value in zip(converts, row, strict=True)]
                )
                for row in cursor.fetchall()
            ]
        finally:
            cursor.close()


def _result_conversion(kind: TypeEngine[Any], dialect: Dialect) -> Convert:
    if isinstance(kind, Float):  # every driver gives a float; PostgreSQL's processor asks for a type that we don't have
        return None
    convert: Convert = kind.dialect_impl(dialect).result_processor(dialect, None)
    if convert is not None and isinstance(kind, (Uuid, Enum)):
        # The same few ids and states come back vote after vote; looking one up is ten times as fast as making it.
        return functools.lru_cache(maxsize=16_384)(convert)
    return convert


@dataclass(frozen=True, slots=True)
class Peek:
    """A borrowed connection for prepared statements alone; ``Database`` says whether it is in a transaction."""

    driver: Any
    dialect: Dialect


class Prepared:
    """A statement whose parameters are all bound by name; rows come back as named tuples."""

    def __init__(self, statement: Executable) -> None:
        self.statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def all(self, session: Session | Peek, **values: Any) -> list[Any]:
        """Run the statement; all its rows, or none when it returns none."""
        driver, dialect = driver_of(session)
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _Compiled(self.statement, dialect)
        return compiled.run(driver, values)

    def first(self, session: Session | Peek, **values: Any) -> Any:
        """Run the statement; its first row or None."""
        rows = self.all(session, **values)
        return rows[0] if rows else None


def dialect_of(session: Session | Peek) -> Dialect:
    """Whose SQL the database behind a session or a borrowed connection speaks."""
    return session.dialect if isinstance(session, Peek) else session.get_bind().dialect


def driver_of(session: Session | Peek) -> tuple[Any, Dialect]:
    """The driver's own connection, in the transaction of the session, and whose SQL it speaks."""
    if isinstance(session, Peek):
        return session.driver, session.dialect
    known = session.info.get("driver")
    if known is None:  # a session of ours has one transaction and so one connection
        known = session.info["driver"] = (session.connection().connection, session.get_bind().dialect)
    driver, dialect = known
    return driver, dialect
