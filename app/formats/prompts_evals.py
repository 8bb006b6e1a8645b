"""Prompts as OpenAI evals has its samples: ``{"input": [{role, content}] | "..", "ideal": ".." | [..]}``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import PromptRow
from app.formats import _jsonl
from app.formats._prompts import chat, joined, one_user_message, tags, without_attachments
from app.formats._record import Columns, Record, built_rows

KIND = "prompts"
LABEL = "OpenAI evals samples, JSON Lines"
SUFFIXES = (".jsonl",)
ACCEPTED = Columns(required=(("input",),), optional=("ideal", "id", "tags"))
NEEDS = "OpenAI evals samples with the keys input and ideal"
_OTHERS = Columns(required=(("instruction",), ("prompt",), ("messages",), ("turns",)))


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format; other formats use the word input for less."""
    return _jsonl.matches(head, ACCEPTED) and not _OTHERS.accepts(_jsonl.keys_of(head) or ())


def read(stream: BinaryIO) -> Iterator[PromptRow | RowProblem]:
    """The prompts of a file, and in their place the problems of bad rows."""
    return built_rows(_jsonl.records(stream), _prompt)


def write(rows: Iterable[PromptRow], stream: BinaryIO) -> int:
    """Write prompts as samples; how many."""
    return _jsonl.write_objects(map(_object, without_attachments(rows, "OpenAI evals")), stream)


def _object(row: PromptRow) -> dict[str, object]:
    found: dict[str, object] = {"id": row.id, "input": [{"role": m.role, "content": m.content} for m in row.messages]}
    if row.reference is not None:
        found["ideal"] = row.reference
    if row.tags:
        found["tags"] = dict(row.tags)
    return found


def _prompt(record: Record) -> PromptRow:
    found = record.values.get("input")
    return PromptRow(
        line=record.line,
        id=record.identifier("id") or str(record.row_number),
        messages=chat("input", found) if isinstance(found, list) else one_user_message(record.text("input") or ""),
        reference=joined("ideal", record.values.get("ideal")),
        tags=tags(record.values.get("tags")),
    )
