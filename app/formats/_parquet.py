"""Parquet: rows in batches, from a file that is checked first for what it would unpack to."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from io import BytesIO
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pa_parquet  # type: ignore[import-untyped]
from numpy.typing import NDArray

from app.errors import RowProblem
from app.formats import _text
from app.formats._jsonl import with_names
from app.formats._objects import check_storable
from app.formats._record import Columns, Record, RowError
from app.formats._text import EMPTY, MAX_LINE, NOT_UTF8, TOO_LONG, shown

MAX_ROW_GROUP = 512 * 2**20
MAX_FIXED = 64  # bytes of a number; texts have no fixed size
_AT_ONCE = 1000
_FEW = 8  # rows at once of a column whose texts are written as what they share with the one before
_ITEM = 64  # what a list is counted to take for each of its items, beside their texts


def column_names(stream: BinaryIO) -> list[str]:
    """The names of the columns; RowError for a file that cannot be read."""
    with tempfile.TemporaryFile() as copy:
        return list(_opened(stream, copy).schema_arrow.names)


def records(
    stream: BinaryIO, columns: Columns, renamed: Mapping[str, str] | None = None, *, only: Set[str] | None = None
) -> Iterator[Record | RowProblem]:
    """Each row as a record under its number; ``renamed`` gives columns other names, "" drops one.

    With ``only``, no other columns are read.
    """
    renamed = {} if renamed is None else renamed
    with tempfile.TemporaryFile() as copy:
        try:
            file = _opened(stream, copy)
            names = [renamed.get(name, name) for name in file.schema_arrow.names]
            if not columns.accepts(names):
                found = ", ".join(shown(name) for name in file.schema_arrow.names[:20])
                yield RowProblem(0, f"the table must have these columns: {columns}; it has {found}")
                return
            wanted = [name for name in file.schema_arrow.names if renamed.get(name, name)]
            if only is not None:
                wanted = [name for name in wanted if columns.folded(name) in only]
            for number, row in enumerate(_rows(file, wanted), start=1):
                if isinstance(row, str):
                    yield RowProblem(number, row)
                    continue
                values = {columns.folded(name): value for name, value in with_names(row, renamed).items()}
                try:
                    check_storable(values)
                except RowError as error:
                    yield RowProblem(number, str(error))
                else:
                    yield Record(number, number, values, typed=True)
        except RowError as error:
            yield RowProblem(0, str(error))
        except UnicodeDecodeError:
            yield RowProblem(0, NOT_UTF8)
        except (pa.ArrowException, OSError, ValueError) as error:
            yield RowProblem(0, f"this Parquet file cannot be read: {' '.join(str(error).split())}")


def _opened(stream: BinaryIO, copy: Any) -> Any:
    """The file, copied to where it can be read from its end; RowError where it unpacks to too much."""
    shutil.copyfileobj(stream, copy)
    if not copy.tell():
        raise RowError(EMPTY)
    copy.seek(0)
    try:
        # Each text of a column is read once, however many rows have it; else a file of 5 kB could fill the memory.
        columns = list(_columns(pa_parquet.ParquetFile(copy)))
        texts = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
        file = pa_parquet.ParquetFile(copy, read_dictionary=texts)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RowError(f"this Parquet file cannot be read: {' '.join(str(error).split())}") from None
    if any(column.physical_type == "FIXED_LEN_BYTE_ARRAY" and column.length > MAX_FIXED for column in columns):
        raise RowError(f"a column of this file has values of more than {MAX_FIXED} bytes that are no text")
    largest = max((group.total_byte_size for group in _groups(file)), default=0)
    if largest > MAX_ROW_GROUP:
        raise RowError(f"a row group of this file unpacks to {largest / 2**20:,.0f} MB; write smaller row groups")
    return file


def read_small(data: bytes, names: Set[str], *, most_rows: int, most_bytes: int) -> tuple[Any, list[str]]:
    """These columns as an Arrow table, and the names of all; RowError where they are more than fits into memory."""
    with tempfile.TemporaryFile() as copy:
        file = _opened(BytesIO(data), copy)
        found = list(file.schema_arrow.names)
        chosen = [name for name in found if name in names]
        columns = (group.column(i) for group in _groups(file) for i in range(group.num_columns))
        size = sum(one.total_uncompressed_size for one in columns if one.path_in_schema in names)
        if file.metadata.num_rows > most_rows or size > most_bytes:
            raise RowError("this Parquet file is too large to be read at once")
        return file.read(columns=chosen, use_threads=False), found


def _columns(file: Any) -> Iterator[Any]:
    return (file.schema.column(i) for i in range(len(file.schema)))


def _groups(file: Any) -> Iterator[Any]:
    return (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups))


def _rows(file: Any, names: Sequence[str]) -> Iterator[dict[str, object] | str]:
    """The rows, in the place of one that is too long the reason; RowError where all are too long together."""
    encodings = {
        encoding for group in _groups(file) for i in range(group.num_columns) for encoding in group.column(i).encodings
    }
    at_once = _FEW if "DELTA_BYTE_ARRAY" in encodings else _AT_ONCE
    total = 0
    for batch in file.iter_batches(batch_size=at_once, columns=names, use_threads=False):
        sizes = sum((_sizes(column) for column in batch.columns), np.zeros(len(batch), np.int64))
        for start, stop in _pieces(sizes.tolist()):
            total += int(sizes[start:stop].sum())
            if sizes[start] > MAX_LINE:
                yield TOO_LONG
                total -= int(sizes[start])
                continue
            if total > _text.MOST_BYTES:
                raise RowError(f"this file unpacks to more than {_text.MOST_BYTES // 2**20:,} MB of text; split it")
            for row in batch.slice(start, stop - start).to_pylist():
                yield {name: _plain(value) for name, value in row.items()}


def _pieces(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Runs of rows that take no more than the longest row may; one that takes more by itself is a run."""
    start, size = 0, 0
    for number, more in enumerate(sizes):
        if number > start and size + more > MAX_LINE:
            yield start, number
            start, size = number, 0
        size += more
    if sizes:
        yield start, len(sizes)


def _sizes(array: Any) -> NDArray[np.int64]:
    """How many bytes of text each value of a column has, before any of them is copied out of it."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        if not len(array.dictionary):
            return np.zeros(len(array), np.int64)
        sizes = _sizes(array.dictionary)[pc.fill_null(array.indices, 0).to_numpy(zero_copy_only=False)]
        return np.where(array.is_valid().to_numpy(zero_copy_only=False), sizes, 0)
    if pa.types.is_struct(kind):
        return sum((_sizes(field) for field in array.flatten()), np.zeros(len(array), np.int64))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        items = [array.keys, array.items] if pa.types.is_map(kind) else [array.values]
        each = sum((_sizes(item) for item in items), np.full(len(items[0]), _ITEM, np.int64))
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(each)])[array.offsets.to_numpy()]
        sizes = np.diff(ends)
        return np.where(array.is_valid().to_numpy(zero_copy_only=False), sizes, 0)
    if pa.types.is_fixed_size_list(kind):
        each = _sizes(array.flatten()) + _ITEM
        return np.full(len(array), int(each.sum()), np.int64)  # no fewer than any of them has
    if _is_text(kind):
        found: NDArray[np.int64] = pc.fill_null(pc.binary_length(array), 0).to_numpy(zero_copy_only=False)
        return found.astype(np.int64)
    return np.zeros(len(array), np.int64)


def _is_text(kind: Any) -> bool:
    return any(
        is_kind(kind)
        for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    )


def _plain(value: object) -> object:
    """A value as JSON would have it: a map of Parquet comes as pairs."""
    if isinstance(value, list) and value and all(isinstance(item, tuple) and len(item) == 2 for item in value):
        return dict(value)
    return value


def write_table(
    fields: Mapping[str, Any], rows: Iterable[Mapping[str, object]], stream: BinaryIO, *, at_once: int = _AT_ONCE
) -> int:
    """Write rows under these names with their types, ``at_once`` to a group; how many.

    What is known of each group stays in memory until the end, so that millions of small rows need larger ones.
    """
    schema, waiting, count = pa.schema(list(fields.items())), iter(rows), 0
    with pa_parquet.ParquetWriter(stream, schema, compression="zstd") as writer:
        while batch := list(islice(waiting, at_once)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    return count


TEXT, NUMBER, WHOLE, FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
TEXTS = pa.list_(TEXT)
TAGS = pa.map_(TEXT, TEXT)
CHAT = pa.list_(pa.struct([("role", TEXT), ("content", TEXT)]))
PARTS = pa.list_(pa.struct([("type", TEXT), ("text", TEXT)]))
