"""Prompts as Parquet, with the columns of our JSON Lines; further columns are tags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import PromptRow
from app.formats._prompts import ACCEPTED, content, prompt_of_table
from app.formats._record import built_rows
from app.formats._text import PARQUET

KIND = "prompts"
LABEL = "Prompts, Parquet"
SUFFIXES = (".parquet",)
NEEDS = f"a Parquet table with the column {ACCEPTED}"


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    return head.startswith(PARQUET)


def read(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[PromptRow | RowProblem]:
    """The prompts of a file, and in their place the problems of bad rows."""
    from app.formats import _parquet  # noqa: PLC0415 - Arrow is 20 MB, which a server without such files never needs

    return built_rows(_parquet.records(stream, ACCEPTED, renamed), prompt_of_table)


def write(rows: Iterable[PromptRow], stream: BinaryIO) -> int:
    """Write prompts; how many."""
    from app.formats import _parquet  # noqa: PLC0415 - Arrow is 20 MB, which a server without such files never needs

    fields = {
        "id": _parquet.TEXT,
        "prompt": _parquet.TEXT,
        "messages": _parquet.CHAT,
        "reference": _parquet.TEXT,
        "tags": _parquet.TAGS,
        "attachments": _parquet.TEXTS,
    }
    return _parquet.write_table(fields, map(_values, rows), stream)


def _values(row: PromptRow) -> dict[str, object]:
    own = {"id": row.id, "reference": row.reference, "attachments": list(row.attachments) or None}
    return {**own, **content(row), "tags": list(row.tags.items()) or None}
