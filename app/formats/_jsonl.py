"""JSON Lines: one object per line, checked as strictly as the standard reads."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO, Never

from app.errors import RowProblem
from app.formats._record import Columns, Record, RowError
from app.formats._text import HAS_NUL, HAS_SURROGATE, HEAD_SIZE, head_text, numbered_lines, shown

_MAX_DEPTH = 100
_SUSPICIOUS = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_SURROGATE = re.compile("[\ud800-\udfff]")
_KEY = re.compile(r'"(\w+)"\s*:')
_TOO_DEEP = "the JSON is nested too deeply"


def keys_of(head: bytes) -> frozenset[str] | None:
    """The keys in the first bytes of a file, or None where this does not begin as a JSON object."""
    text = head_text(head).lstrip()
    return frozenset(_KEY.findall(text)) if text.startswith("{") else None


def matches(head: bytes, columns: Columns) -> bool:
    """Whether these are JSON objects with the keys that are required."""
    keys = keys_of(head)
    if keys is None:
        return False
    # Where the first object is longer than the head, the keys after its long text are not to be seen yet.
    is_cut = len(head) >= HEAD_SIZE and len(head.lstrip().splitlines()) == 1
    return columns.accepts(keys) or (is_cut and not columns.known.isdisjoint(keys))


def records(stream: BinaryIO) -> Iterator[Record | RowProblem]:
    """Each line that is not blank as a record, or as what is wrong with it."""
    row_number = 0
    for line in numbered_lines(stream):
        if line.problem is None and not line.text.strip():
            continue
        row_number += 1
        if line.problem is not None:
            yield RowProblem(line.number, line.problem)
            continue
        try:
            row: Record | RowProblem = Record(line.number, row_number, _object(line.text), typed=True)
        except RowError as error:
            row = RowProblem(line.number, str(error))
        yield row


def write_objects(objects: Iterable[Mapping[str, object]], stream: BinaryIO) -> int:
    """Write one object per line; how many."""
    count = 0
    for count, item in enumerate(objects, start=1):  # noqa: B007 - the last number is the result
        stream.write(json.dumps(item, ensure_ascii=False, allow_nan=False).encode() + b"\n")
    return count


def _object(text: str) -> dict[str, object]:
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise RowError(f"this is not valid JSON: {error.msg} at column {error.colno}") from None
    except RowError:
        raise
    except RecursionError:
        raise RowError(_TOO_DEEP) from None
    except ValueError:  # the one other that Python raises here, to keep the parsing of numbers linear
        raise RowError("a number has too many digits") from None
    if not isinstance(value, dict):
        raise RowError(f'there must be a JSON object like {{"key": "value"}} here, not {shown(value)}')
    if _SUSPICIOUS.search(text) or text.count("[") + text.count("{") > _MAX_DEPTH:
        _check(value)
    return value


def _check(value: object) -> None:
    """Refuse what the database cannot hold; a loop, since a recursion could itself go too deep."""
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > _MAX_DEPTH:
            raise RowError(_TOO_DEEP)
        if isinstance(item, str):
            if "\0" in item:
                raise RowError(HAS_NUL)
            if _SURROGATE.search(item):
                raise RowError(HAS_SURROGATE)
        elif isinstance(item, dict):
            waiting += [(part, depth + 1) for pair in item.items() for part in pair]
        elif isinstance(item, list):
            waiting += [(part, depth + 1) for part in item]


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RowError(f"the key {shown(twice)} appears twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise RowError(f"the number {shown(text)} is too large")
    return number


def _refuse_constant(name: str) -> Never:
    raise RowError(f"{name} is not a number that JSON knows; write null or leave it out")


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse_constant)
