"""Votes as CSV or TSV: our own export, and any table with models (or sides) and a winner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import VoteRow
from app.formats import _csv, _votes
from app.formats._record import built_rows

KIND = "votes"
LABEL = "Votes, CSV or TSV"
SUFFIXES = (".csv", ".tsv")
NEEDS = f"a CSV or TSV table with the columns {_votes.ACCEPTED}"
COLUMNS = _votes.EXPORTED
ABOUT = "One row per vote with everything that is known of it, for spreadsheets and R; comes back into Bakeoff."


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    return _csv.matches(head, _votes.ACCEPTED)


def read(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[VoteRow | RowProblem]:
    """The votes of a file, and in their place the problems of bad rows."""
    return built_rows(_csv.records(stream, _votes.ACCEPTED, renamed), _votes.vote)


def write(rows: Iterable[Mapping[str, object]], stream: BinaryIO) -> int:
    """Write votes with the columns ``COLUMNS``; how many."""
    return _csv.write_table(COLUMNS, (list(_votes.exported(row).values()) for row in rows), stream)
