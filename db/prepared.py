"""Statements that run on every vote: compiled once, then run on the driver's own cursor.

SQLAlchemy writes the SQL and converts the values as everywhere else; only its machinery around each execution is left
out, which took two thirds of the time of a vote. Measured by ``bench/vote.py``.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

from sqlalchemy import Dialect, Executable
from sqlalchemy.sql.compiler import SQLCompiler
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
        self.fixed = dict(compiled.params)
        self.binds: dict[str, Convert] = {
            name: compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in self.fixed
        }
        columns = compiled._result_columns
        self.results: list[tuple[int, Callable[[Any], Any]]] = []
        for place, column in enumerate(columns):
            convert = column.type.dialect_impl(dialect).result_processor(dialect, None)
            if convert is not None:
                self.results.append((place, convert))
        self.row: Any = namedtuple("Row", [column.keyname for column in columns], rename=True) if columns else None

    def run(self, session: Session, values: dict[str, Any]) -> list[Any]:
        given = {**self.fixed, **values}
        for name, convert in self.binds.items():
            if convert is not None:
                given[name] = convert(given[name])
        driver = session.info.get("driver")
        if driver is None:  # the session has one transaction and so one connection
            driver = session.info["driver"] = session.connection().connection
        cursor = driver.cursor()
        try:
            cursor.execute(self.sql, given if self.names is None else [given[name] for name in self.names])
            return [self._finish(row) for row in cursor.fetchall()] if self.row is not None else []
        finally:
            cursor.close()

    def _finish(self, row: Any) -> Any:
        values = list(row)
        for place, convert in self.results:
            values[place] = convert(values[place])
        return self.row._make(values)


class Prepared:
    """A statement whose parameters are all bound by name; rows come back as named tuples."""

    def __init__(self, statement: Executable) -> None:
        self.statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def all(self, session: Session, **values: Any) -> list[Any]:
        """Run the statement; all its rows, or none when it returns none."""
        dialect = session.get_bind().dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _Compiled(self.statement, dialect)
        return compiled.run(session, values)

    def first(self, session: Session, **values: Any) -> Any:
        """Run the statement; its first row or None."""
        rows = self.all(session, **values)
        return rows[0] if rows else None
