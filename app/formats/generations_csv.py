"""Generations as CSV or TSV: columns ``prompt_id`` or ``prompt``, ``model``, ``output`` or ``response``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import GenerationRow
from app.formats import _csv
from app.formats._generations import ACCEPTED, WRITTEN, generation, values
from app.formats._record import built_rows

KIND = "generations"
LABEL = "Generations, CSV or TSV"
SUFFIXES = (".csv", ".tsv")
NEEDS = f"a CSV or TSV table with the columns {ACCEPTED}"


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    return _csv.matches(head, ACCEPTED)


def read(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[GenerationRow | RowProblem]:
    """The generations of a file, and in their place the problems of bad rows."""
    return built_rows(_csv.records(stream, ACCEPTED, renamed), generation)


def write(rows: Iterable[GenerationRow], stream: BinaryIO, *, delimiter: str = ",") -> int:
    """Write generations, as TSV with a tab as ``delimiter``; how many."""
    return _csv.write_table(WRITTEN, map(values, rows), stream, delimiter=delimiter)
