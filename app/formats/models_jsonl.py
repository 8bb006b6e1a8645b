"""Models as JSON Lines: ``{"name", "version", "organisation", "licence", "provider_id"}``; other keys are ignored.

Models that are asked have ``connector``, ``settings``, the name of a ``secret``, prices and limits too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import ModelRow
from app.formats import _jsonl
from app.formats._models import ACCEPTED, ASKED, WRITTEN, asked_values, model, values
from app.formats._record import built_rows

KIND = "models"
LABEL = "Models, JSON Lines"
SUFFIXES = (".jsonl", ".ndjson")
NEEDS = f"JSON objects, one per line, with the keys {ACCEPTED}"


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    return _jsonl.matches(head, ACCEPTED)


def read(stream: BinaryIO) -> Iterator[ModelRow | RowProblem]:
    """The models of a file, and in their place the problems of bad rows."""
    return built_rows(_jsonl.records(stream), model)


def write(rows: Iterable[ModelRow], stream: BinaryIO) -> int:
    """Write models, leaving out what is not known; how many."""
    return _jsonl.write_objects(map(_object, rows), stream)


def _object(row: ModelRow) -> dict[str, object]:
    asked = {key: value for key, value in zip(ASKED, asked_values(row), strict=True) if value not in (None, "")}
    return dict(zip(WRITTEN, values(row), strict=True)) | asked
