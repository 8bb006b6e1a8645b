"""Prompts as CSV or TSV: ``prompt``, perhaps ``id`` (else the row number) and ``reference``; other columns are tags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import PromptRow
from app.formats import _csv
from app.formats._prompts import one_user_message, without_attachments
from app.formats._record import Columns, Record, built_rows

KIND = "prompts"
LABEL = "Prompts, CSV or TSV"
SUFFIXES = (".csv", ".tsv")
ACCEPTED = Columns(required=(("prompt",),), optional=("id", "reference"))
NEEDS = f"a CSV or TSV table with the column {ACCEPTED}"


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    return _csv.matches(head, ACCEPTED)


def read(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[PromptRow | RowProblem]:
    """The prompts of a file, and in their place the problems of bad rows."""
    return built_rows(_csv.records(stream, ACCEPTED, renamed), _prompt)


def write(
    rows: Iterable[PromptRow], stream: BinaryIO, tags: Sequence[str] | None = None, *, delimiter: str = ","
) -> int:
    """Write prompts of one user message each; ``tags`` are columns, without it those of the first one. How many."""
    waiting = iter(without_attachments(rows, "CSV"))
    first = next(waiting, None)
    if tags is None:
        tags = list(first.tags) if first else []
    for tag in tags:
        if not tag or tag != tag.strip() or tag.lower() in ACCEPTED.known:
            raise ValueError(f"a column cannot be called {tag!r}; write JSON Lines instead")
    every = chain([first] if first else [], waiting)
    header = ["id", "prompt", "reference", *tags]
    return _csv.write_table(header, (_cells(row, tags) for row in every), stream, delimiter=delimiter)


def _prompt(record: Record) -> PromptRow:
    return PromptRow(
        line=record.line,
        id=record.identifier("id") or str(record.row_number),
        messages=one_user_message(record.text("prompt") or ""),
        reference=record.filled("reference"),
        tags={name: str(value) for name, value in record.rest().items() if value},
    )


def _cells(row: PromptRow, tags: Sequence[str]) -> list[object]:
    if len(row.messages) != 1 or row.messages[0].role != "user":
        raise ValueError(f"prompt {row.id!r} has several messages; write JSON Lines instead")
    unknown = [tag for tag in row.tags if tag not in tags]
    if unknown:
        raise ValueError(f"prompt {row.id!r} has the tag {unknown[0]!r}, which the first one has not")
    return [row.id, row.messages[0].content, row.reference, *(row.tags.get(tag) for tag in tags)]
