"""A table of a file being understood column by column: each distinct value once, each bad row by its line."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence, Set
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from app.errors import BadFileError, RowProblem
from app.formats._cells import Cells, Flatten, Table, read_cells
from app.formats._record import Columns, Record, RowError
from app.formats._text import EMPTY
from app.stats.comparisons import MISSING

MAX_PROBLEMS = 100
T = TypeVar("T")
V = TypeVar("V")


def read_coded(
    data: bytes,
    columns: Columns,
    needed: Set[str],
    understand: Callable[[Table], tuple[T, list[RowProblem]]],
    *,
    refuse: Callable[[bytes], object],
    flatten: Flatten | None = None,
) -> T:
    """What ``understand`` makes of a file's table; ``BadFileError`` names each bad row, up to ``MAX_PROBLEMS``.

    ``understand`` also says what is wrong: a table that was read in bulk is then read again row by row, so that the
    problem gets its line. ``refuse`` is given the first bytes of a file that has none of these columns, and
    raises what is wrong with it; ``flatten`` is that of ``read_cells``.
    """
    table = read_cells(data, columns, needed, refuse, flatten=flatten)
    found, blamed = understand(table)
    if blamed and table.lines is None:
        table = read_cells(data, columns, needed, refuse, carefully=True)
        found, blamed = understand(table)
    problems = sorted([*table.problems, *blamed], key=lambda problem: problem.line)
    if not problems and not table.n_rows:
        problems = [RowProblem(0, EMPTY)]
    if len(problems) > MAX_PROBLEMS:
        rest = RowProblem(0, f"There are more problems; these are the first {MAX_PROBLEMS}.")
        problems = [*problems[:MAX_PROBLEMS], rest]
    if problems:
        raise BadFileError(problems)
    return found


class Reading:
    """One table being understood; what is wrong with it gathers in ``problems``."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.problems: list[RowProblem] = []

    def names(
        self, columns: Sequence[str], *, required: bool = False, whole_numbers: bool = False
    ) -> tuple[list[str], NDArray[np.int32]]:
        """Distinct names, normalised, of the first of these columns that the file has, and the code of each row."""
        column = next((name for name in columns if name in self.table.columns), None)
        if column is None:
            if required:
                self.blame_rows(np.ones(self.table.n_rows, dtype=np.bool_), f"{columns[0]} is missing or blank")
            return [], np.full(self.table.n_rows, MISSING, dtype=np.int32)
        cells = self.table.columns[column]
        ask = Record.identifier if whole_numbers else Record.name
        names = [name or "" for name in self.each(column, cells, lambda record: ask(record, column))]
        unique = list(dict.fromkeys(name for name in names if name))
        place = {name: code for code, name in enumerate(unique)}
        codes = np.array([*(place.get(name, MISSING) for name in names), MISSING], dtype=np.int32)[cells.codes]
        if required:
            self.blame_rows(cells.codes == MISSING, f"{column} is missing or blank")
        return unique, codes

    def each(self, column: str, cells: Cells, ask: Callable[[Record], V | None]) -> list[V | None]:
        """What ``ask`` makes of each distinct value; a row whose value it refuses is a problem."""
        made: list[V | None] = []
        for code, value in enumerate(cells.values):
            try:
                made.append(ask(Record(0, 0, {column: value}, self.table.typed)))
            except RowError as error:
                made.append(None)
                self.blame_rows(cells.codes == code, str(error))
        return made

    def numbers(self, column: str, default: float | None, *, negative: bool = False) -> NDArray[np.float64]:
        """Finite numbers, not negative unless these are meant; an empty cell is ``default``, or a problem if None."""
        cells = self.table.columns.get(column)
        if cells is None:
            return np.full(self.table.n_rows, math.nan if default is None else default)
        found = self.each(column, cells, lambda record: record.number(column, negative=negative))
        values = [math.nan if number is None else number for number in found]
        if default is None:
            self.blame_rows(cells.codes == MISSING, f"{column} is missing or blank")
        return np.array([*values, math.nan if default is None else default])[cells.codes]

    def rows(self, mask: NDArray[np.bool_]) -> list[int]:
        """The rows that are worth blaming: no more than are shown, and one."""
        return [int(row) for row in np.flatnonzero(mask)[: MAX_PROBLEMS + 1]]

    def blame_rows(self, mask: NDArray[np.bool_], reason: str) -> None:
        """Each of these rows has this problem."""
        for row in self.rows(mask):
            self.blame(row, reason)

    def blame(self, row: int, reason: str) -> None:
        """One row has this problem."""
        line = 0 if self.table.lines is None else int(self.table.lines[row])
        self.problems.append(RowProblem(line, reason))
