"""Votes as JSON Lines: our own export, and any objects with models (or sides) and a winner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import VoteRow
from app.formats import _jsonl, _votes
from app.formats._record import built_rows

KIND = "votes"
LABEL = "Votes, JSON Lines"
SUFFIXES = (".jsonl", ".ndjson")
NEEDS = f"JSON objects, one per line, with the keys {_votes.ACCEPTED}"
COLUMNS = _votes.EXPORTED
ABOUT = "One JSON object per vote with everything that is known of it; comes back into Bakeoff."


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    return _jsonl.matches(head, _votes.ACCEPTED)


def read(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[VoteRow | RowProblem]:
    """The votes of a file, and in their place the problems of bad rows."""
    return built_rows(_jsonl.records(stream, renamed), _votes.vote)


def write(rows: Iterable[Mapping[str, object]], stream: BinaryIO) -> int:
    """Write votes with the columns ``COLUMNS``; how many."""
    return _jsonl.write_rows(map(_votes.exported, rows), stream)
