"""JSON Lines in bulk by Arrow, where nothing about the file is unusual; the careful reader names what is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from io import BytesIO
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.json as pa_json  # type: ignore[import-untyped]

from app.errors import RowProblem
from app.formats import _jsonl
from app.formats._text import HEAD_SIZE

BLOCK_SIZE = 8 * 2**20
_PIECE = 16 * 2**20  # as tables whose texts are all written out, a whole file would take three times its size
_UTF8_BOM = b"\xef\xbb\xbf"
# A NUL or half a surrogate pair, which the careful reader refuses, can only come as an escape.
_SUSPICIOUS = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


def read_table(data: bytes, needed: Set[str]) -> tuple[Any, list[str]] | None:
    """An Arrow table with the ``needed`` columns and the names of those that are there, or None.

    Each column has the type that its values have in the first 64 kB; a file that goes on otherwise gets None, as does
    one that is not one object to a line.
    """
    data = data.removeprefix(_UTF8_BOM)
    n_lines = data.count(b"\n") + (not data.endswith(b"\n"))
    if data.count(b"}\n{") + data.count(b"}\r\n{") != n_lines - 1 or b"\0" in data or _SUSPICIOUS.search(data):
        return None
    types = _types(data, needed)
    if types is None:
        return None
    try:
        data.decode()
    except UnicodeDecodeError:
        return None
    for as_float in (False, True):
        schema = {name: pa.float64() if as_float and kind == pa.int64() else kind for name, kind in types.items()}
        table = _read(data, schema)
        if table is not None:
            break
    if table is None or table.num_rows != n_lines:
        return None
    seen = [name for name in table.column_names if table.column(name).null_count < n_lines]
    return table, seen


def _read(data: bytes, types: Mapping[str, Any]) -> Any:
    parse = pa_json.ParseOptions(explicit_schema=pa.schema(list(types.items())), unexpected_field_behavior="ignore")
    pieces, start = [], 0
    while start < len(data):
        end = data.find(b"\n", start + _PIECE) + 1 or len(data)
        piece = pa.py_buffer(data).slice(start, end - start)
        try:
            table = pa_json.read_json(pa.BufferReader(piece), pa_json.ReadOptions(block_size=BLOCK_SIZE), parse)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            return None
        pieces.append(pa.table({name: _coded(table.column(name)) for name in table.column_names}))
        start = end
    return pa.concat_tables(pieces)


def _coded(column: Any) -> Any:
    return column.dictionary_encode() if pa.types.is_string(column.type) else column


def _types(data: bytes, needed: Set[str]) -> dict[str, Any] | None:
    """The Arrow type of each needed column by the first rows, text where they don't say; None for any other type."""
    end = len(data) if len(data) <= HEAD_SIZE else data.rfind(b"\n", 0, HEAD_SIZE) + 1
    kinds: dict[str, set[type]] = {name: set() for name in sorted(needed)}
    for record in _jsonl.records(BytesIO(data[:end])):
        if isinstance(record, RowProblem):
            return None
        for name, value in record.values.items():
            if name in kinds and value is not None:
                kinds[name].add(type(value))
    found = {}
    for name, seen in kinds.items():
        if seen <= {str}:
            found[name] = pa.string()
        elif seen == {int}:
            found[name] = pa.int64()
        elif seen <= {int, float}:
            found[name] = pa.float64()
        elif seen == {bool}:
            found[name] = pa.bool_()
        else:
            return None
    return found
