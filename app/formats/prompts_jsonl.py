"""Prompts as JSON Lines: ``{"id", "prompt" | "messages", "reference", "tags"}``; ``id`` is else the row number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import PromptRow
from app.formats import _jsonl
from app.formats._prompts import ACCEPTED, content, prompt
from app.formats._record import built_rows

KIND = "prompts"
LABEL = "Prompts, JSON Lines"
SUFFIXES = (".jsonl", ".ndjson", ".json")
NEEDS = f"JSON objects, one per line, with the key {ACCEPTED}"


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    return _jsonl.matches(head, ACCEPTED)


def read(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[PromptRow | RowProblem]:
    """The prompts of a file, and in their place the problems of bad rows."""
    return built_rows(_jsonl.records(stream, renamed), prompt)


def write(rows: Iterable[PromptRow], stream: BinaryIO) -> int:
    """Write prompts; how many."""
    return _jsonl.write_objects(map(_object, rows), stream)


def _object(row: PromptRow) -> dict[str, object]:
    found: dict[str, object] = {"id": row.id, **content(row)}
    if row.reference is not None:
        found["reference"] = row.reference
    if row.tags:
        found["tags"] = dict(row.tags)
    if row.attachments:
        found["attachments"] = list(row.attachments)
    return found
