"""Generations as JSON Lines: ``{"prompt_id" | "prompt", "model", "output"}``, perhaps latency, tokens and cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import GenerationRow
from app.formats import _jsonl
from app.formats._generations import ACCEPTED, WRITTEN, generation, values
from app.formats._record import built_rows

KIND = "generations"
LABEL = "Generations, JSON Lines"
SUFFIXES = (".jsonl", ".ndjson", ".json")
NEEDS = f"JSON objects, one per line, with the keys {ACCEPTED}"


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    return _jsonl.matches(head, ACCEPTED)


def read(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[GenerationRow | RowProblem]:
    """The generations of a file, and in their place the problems of bad rows."""
    return built_rows(_jsonl.records(stream, renamed), generation)


def write(rows: Iterable[GenerationRow], stream: BinaryIO) -> int:
    """Write generations, leaving out what is not known; how many."""
    return _jsonl.write_objects(map(_object, rows), stream)


def _object(row: GenerationRow) -> dict[str, object]:
    return {key: value for key, value in zip(WRITTEN, values(row), strict=True) if value is not None}
