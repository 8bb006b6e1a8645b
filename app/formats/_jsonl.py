"""JSON Lines, one object per line, or one JSON list of objects; checked as strictly as the standard reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

import orjson

from app.errors import RowProblem
from app.formats import _json_list
from app.formats._objects import STRICT, TOO_DEEP, TOO_MANY_DIGITS, checked
from app.formats._record import Columns, Record, RowError
from app.formats._text import HEAD_SIZE, Rejoined, head_text, numbered_lines, read_head

_KEY = re.compile(r'"(\w+)"\s*:')
_BEFORE_OBJECT = re.compile(r"[\s,\[]*")


def keys_of(head: bytes) -> frozenset[str] | None:
    """The keys of the objects in the first bytes of a file; None where it does not begin as JSON objects."""
    return _seen(head)[0]


def _seen(head: bytes) -> tuple[frozenset[str] | None, bool]:
    """The same, and whether any object is whole."""
    text = head_text(head).lstrip()
    if not text.startswith("{") and not _json_list.begins(head):
        return None, False
    keys, at, decoder = set[str](), 0, json.JSONDecoder(strict=False, parse_int=len)
    is_whole = False
    try:
        while (at := _end_of(_BEFORE_OBJECT, text, at)) < len(text):
            value, at = decoder.raw_decode(text, at)
            keys.update(value if isinstance(value, dict) else ())
            is_whole = True
    except (json.JSONDecodeError, RecursionError):
        pass  # the last object of the head is cut
    return frozenset(keys) if is_whole else frozenset(_KEY.findall(text)), is_whole


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def matches(head: bytes, columns: Columns) -> bool:
    """Whether these are JSON objects with the keys that are required."""
    keys, is_whole = _seen(head)
    if keys is None:
        return False
    # Where the first object is longer than the head, the keys after its long text are not to be seen yet.
    is_cut = len(head) >= HEAD_SIZE and not is_whole
    return columns.accepts(keys) or (is_cut and not columns.known.isdisjoint(keys))


def records(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[Record | RowProblem]:
    """Each object as a record, or as what is wrong with it; ``renamed`` gives keys other names, "" drops one."""
    head = read_head(stream)
    rejoined = Rejoined(head, stream)
    found = _json_list.objects(rejoined) if _json_list.begins(head) else _lines(rejoined)
    for row_number, (line, values) in enumerate(found, start=1):
        if isinstance(values, RowProblem):
            yield values
            continue
        if renamed:
            values = with_names(values, renamed)  # noqa: PLW2901 - the same object under other names
        yield Record(line, row_number, values, typed=True)


def with_names(values: Mapping[str, object], renamed: Mapping[str, str]) -> dict[str, object]:
    """The values under their new names; a value whose name another one was given is left aside."""
    taken = {new for old, new in renamed.items() if old in values}
    kept = {name: value for name, value in values.items() if name not in renamed and name not in taken}
    return kept | {new: values[old] for old, new in renamed.items() if new and old in values}


def _lines(stream: BinaryIO) -> Iterator[tuple[int, dict[str, object] | RowProblem]]:
    for line in numbered_lines(stream):
        if line.problem is None and not line.text.strip():
            continue
        if line.problem is not None:
            yield line.number, RowProblem(line.number, line.problem)
            continue
        try:
            yield line.number, _object(line.text)
        except RowError as error:
            yield line.number, RowProblem(line.number, str(error))


def write_objects(objects: Iterable[Mapping[str, object]], stream: BinaryIO) -> int:
    """Write one object per line; how many."""
    count = 0
    for count, item in enumerate(objects, start=1):  # noqa: B007 - the last number is the result
        stream.write(json.dumps(item, ensure_ascii=False, allow_nan=False).encode() + b"\n")
    return count


def write_rows(objects: Iterable[Mapping[str, object]], stream: BinaryIO) -> int:
    """The same for many small objects: several times as fast, and without blanks between keys and values."""
    count = 0
    for count, item in enumerate(objects, start=1):  # noqa: B007 - the last number is the result
        stream.write(orjson.dumps(item, option=orjson.OPT_APPEND_NEWLINE))
    return count


def write_list(objects: Iterable[Mapping[str, object]], stream: BinaryIO) -> int:
    """Write one JSON list with an object to a line; how many."""
    count = 0
    for count, item in enumerate(objects, start=1):
        stream.write(b"[\n" if count == 1 else b",\n")
        stream.write(json.dumps(item, ensure_ascii=False, allow_nan=False).encode())
    stream.write(b"\n]\n" if count else b"[]\n")
    return count


def _object(text: str) -> dict[str, object]:
    try:
        value = STRICT.decode(text)
    except json.JSONDecodeError as error:
        raise RowError(f"this is not valid JSON: {error.msg} at column {error.colno}") from None
    except RowError:
        raise
    except RecursionError:
        raise RowError(TOO_DEEP) from None
    except ValueError:  # the one other that Python raises here, to keep the parsing of numbers linear
        raise RowError(TOO_MANY_DIGITS) from None
    return checked(value, text)
