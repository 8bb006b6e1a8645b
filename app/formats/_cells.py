"""The cells of a table, column by column: each distinct value once, and per row its place among them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv as pa_csv  # type: ignore[import-untyped]
import pyarrow.parquet as pa_parquet  # type: ignore[import-untyped]
from numpy.typing import NDArray

from app.errors import BadFileError, RowProblem
from app.formats import _csv, _jsonl, _jsonl_bulk
from app.formats import _parquet as _checked_parquet
from app.formats._record import Columns, Record, RowError
from app.formats._text import HEAD_SIZE
from app.stats.coding import encode
from app.stats.comparisons import MISSING

PARQUET = b"PAR1"
_MOST_ROWS, _MOST_UNPACKED = 5_000_000, 2**28  # of a Parquet file that is read at once
# The rows of a file whose records hold several of them; None for any other file.
Flatten: TypeAlias = Callable[[bytes], Iterable[Record | RowProblem] | None]


@dataclass(frozen=True)
class Cells:
    """One column: its distinct values, and the code of each row, ``MISSING`` where the cell is empty."""

    values: Sequence[object]
    codes: NDArray[np.int32]


@dataclass(frozen=True)
class Table:
    """Columns of equal length; ``lines`` is the line of each row, None where rows were read too fast to know it.

    ``typed`` says that values have types (JSON, Parquet); otherwise all are text. ``names`` are all columns.
    """

    columns: Mapping[str, Cells]
    names: Sequence[str]
    n_rows: int
    typed: bool
    lines: NDArray[np.int64] | None
    problems: Sequence[RowProblem] = ()


def read_cells(
    data: bytes,
    columns: Columns,
    needed: Set[str],
    refuse: Callable[[bytes], object],
    *,
    carefully: bool = False,
    flatten: Flatten | None = None,
) -> Table:
    """The needed columns of a CSV, TSV, JSON Lines or Parquet file.

    ``carefully`` reads text row by row, so that each row has its line and each bad row is a problem; without it JSON
    Lines and a table without quotes are read in bulk. Raises ``BadFileError`` for a file that is none of these:
    ``refuse`` says in most cases what is wrong with it. ``flatten`` gives the rows of a file whose records hold
    several.
    """
    if data[:4] == PARQUET:
        return _parquet(data, columns, needed)
    head = data[:HEAD_SIZE]
    if flatten is not None and (found := flatten(data)) is not None:
        return _gathered(found, needed, typed=True)
    if _jsonl.matches(head, columns):
        if not carefully and (table := _bulk_jsonl(data, needed)) is not None:
            return table
        return _gathered(_jsonl.records(io.BytesIO(data)), needed, typed=True)
    if not _csv.matches(head, columns):
        refuse(b"\n" if not head.strip() else head)
    if not carefully and (table := _bulk(data, columns, needed)) is not None:
        return table
    return _gathered(_csv.records(io.BytesIO(data), columns), needed, typed=False)


def read_in_bulk(data: bytes, columns: Columns, needed: Set[str]) -> Table | None:
    """The same without a look at single rows; None where anything is unusual, or a row would have to be blamed."""
    try:
        if data[:4] == PARQUET:
            return _small_parquet(data, columns, needed)
        if _jsonl.matches(data[:HEAD_SIZE], columns):
            return _bulk_jsonl(data, needed)
        return _bulk(data, columns, needed) if _csv.matches(data[:HEAD_SIZE], columns) else None
    except (RowError, pa.ArrowException, OSError, ValueError):
        return None
    finally:
        pa.default_memory_pool().release_unused()  # Arrow would keep three times the file for its next table


def _small_parquet(data: bytes, columns: Columns, needed: Set[str]) -> Table | None:
    table, names = _checked_parquet.read_small(data, needed, most_rows=_MOST_ROWS, most_bytes=_MOST_UNPACKED)
    if not columns.accepts(names) or len({*names}) < len(names) or any(columns.folded(name) != name for name in names):
        return None
    cells = {name: Cells(*encode(table.column(name))) for name in table.column_names}
    return Table(cells, names, table.num_rows, typed=True, lines=None)


def _bulk(data: bytes, columns: Columns, needed: Set[str]) -> Table | None:
    """A plain table read by Arrow; None where anything is unusual, so that the careful reader decides."""
    if b'"' in data or b"\0" in data or data.startswith((b"\n", b"\r", b"\xff\xfe", b"\xfe\xff")):
        return None
    names = _csv.column_names(data[:HEAD_SIZE], columns)
    chosen = [name for name in names if name in needed]
    if not columns.accepts(names) or len({*names}) < len(names):
        return None
    try:
        data.decode()
        table = pa_csv.read_csv(
            pa.BufferReader(data),
            read_options=pa_csv.ReadOptions(column_names=names, skip_rows=1),
            parse_options=pa_csv.ParseOptions(delimiter=_csv.delimiter(data[:HEAD_SIZE], columns), quote_char=False),
            convert_options=pa_csv.ConvertOptions(
                include_columns=chosen, column_types={name: pa.dictionary(pa.int32(), pa.string()) for name in chosen}
            ),
        )
    except (UnicodeDecodeError, pa.ArrowInvalid, pa.ArrowKeyError):
        return None
    found = {name: _blank_is_missing(*encode(table.column(name))) for name in chosen}
    return Table(found, names, table.num_rows, typed=False, lines=None)


def _blank_is_missing(values: list[Any], codes: NDArray[np.int32]) -> Cells:
    return _empty_is_missing([_csv.unguarded(value) for value in values], codes)


def _bulk_jsonl(data: bytes, needed: Set[str]) -> Table | None:
    """JSON Lines read by Arrow; None where anything is unusual, so that the careful reader decides."""
    found = _jsonl_bulk.read_table(data, needed)
    if found is None:
        return None
    table, names = found
    cells = {name: _empty_is_missing(*encode(table.column(name))) for name in names}
    return Table(cells, names, table.num_rows, typed=True, lines=None)


def _empty_is_missing(values: list[Any], codes: NDArray[np.int32]) -> Cells:
    blank = [code for code, value in enumerate(values) if isinstance(value, str) and not value.strip()]
    return Cells(values, np.where(np.isin(codes, blank), np.int32(MISSING), codes) if blank else codes)


def _parquet(data: bytes, columns: Columns, needed: Set[str]) -> Table:
    try:
        file = pa_parquet.ParquetFile(pa.BufferReader(data))
        names = list(file.schema_arrow.names)
        if not columns.accepts(names):
            found = ", ".join(names[:20])
            reason = f"The table must have the columns {columns}; it has {found}."
            raise BadFileError([RowProblem(0, reason)])
        known = {columns.folded(name): name for name in names}
        chosen = {name: known[name] for name in known if name in needed}
        table = file.read(columns=list(chosen.values()))
        found_cells = {name: Cells(*encode(table.column(own))) for name, own in chosen.items()}
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise BadFileError([RowProblem(0, f"This Parquet file cannot be read: {reason}")]) from None
    lines = np.arange(1, table.num_rows + 1)
    return Table(found_cells, names, table.num_rows, typed=True, lines=lines)


@dataclass
class _Growing:
    """A column that is being read: rows before its first value are missing."""

    places: dict[object, int] = field(default_factory=dict)
    values: list[object] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)

    def add(self, value: object) -> None:
        if value is None or (isinstance(value, str) and not value.strip()):
            self.codes.append(MISSING)
            return
        # 1, 1.0 and True are equal in Python, and lists cannot be keys
        key = value if isinstance(value, str) else (type(value).__name__, repr(value))
        place = self.places.setdefault(key, len(self.values))
        if place == len(self.values):
            self.values.append(value)
        self.codes.append(place)


def _gathered(records: Iterable[Record | RowProblem], needed: Set[str], *, typed: bool) -> Table:
    columns: dict[str, _Growing] = {}
    lines: list[int] = []
    problems: list[RowProblem] = []
    names: dict[str, None] = {}
    for record in records:
        if isinstance(record, RowProblem):
            problems.append(record)
            continue
        for name in record.values:
            if name not in names:
                names[name] = None
                if name in needed:
                    columns[name] = _Growing(codes=[MISSING] * len(lines))
        for name, column in columns.items():
            column.add(record.values.get(name))
        lines.append(record.line)
    cells = {name: Cells(column.values, np.array(column.codes, dtype=np.int32)) for name, column in columns.items()}
    return Table(cells, list(names), len(lines), typed, np.array(lines, dtype=np.int64), problems)
