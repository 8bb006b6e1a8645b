"""Votes as Parquet: our own columns, and any table with models (or sides) and a winner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import VoteRow
from app.formats import _votes
from app.formats._record import built_rows
from app.formats._text import PARQUET

KIND = "votes"
LABEL = "Votes, Parquet"
SUFFIXES = (".parquet",)
NEEDS = f"a Parquet table with the columns {_votes.ACCEPTED}"
COLUMNS = _votes.EXPORTED
AT_ONCE = 5000  # rows of a few hundred bytes
ABOUT = "One row per vote with everything that is known of it, for pandas, polars and DuckDB; comes back into Bakeoff."


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    return head.startswith(PARQUET)


def read(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[VoteRow | RowProblem]:
    """The votes of a file, and in their place the problems of bad rows; other columns are not even unpacked."""
    from app.formats import _parquet  # noqa: PLC0415 - Arrow is 20 MB, which a server without such files never needs

    return built_rows(_parquet.records(stream, _votes.ACCEPTED, renamed, only=_votes.KNOWN), _votes.vote)


def write(rows: Iterable[Mapping[str, object]], stream: BinaryIO) -> int:
    """Write votes with the columns ``COLUMNS``; how many."""
    from app.formats import _parquet, _vote_schema  # noqa: PLC0415 - as above

    return _parquet.write_table(_vote_schema.FIELDS, map(_votes.exported, rows), stream, at_once=AT_ONCE)
