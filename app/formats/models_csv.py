"""Models as CSV or TSV: ``name``, perhaps ``version, organisation, licence, provider_id``; others are ignored.

Models that are asked have ``connector``, ``settings`` as JSON text, the name of a ``secret``, prices and limits too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import ModelRow
from app.formats import _csv
from app.formats._models import ACCEPTED, ASKED, WRITTEN, asked_values, model, values
from app.formats._record import built_rows

KIND = "models"
LABEL = "Models, CSV or TSV"
SUFFIXES = (".csv", ".tsv")
NEEDS = f"a CSV or TSV table with the columns {ACCEPTED}"


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    return _csv.matches(head, ACCEPTED)


def read(stream: BinaryIO) -> Iterator[ModelRow | RowProblem]:
    """The models of a file, and in their place the problems of bad rows."""
    return built_rows(_csv.records(stream, ACCEPTED), model)


def write(rows: Iterable[ModelRow], stream: BinaryIO) -> int:
    """Write models; how many."""
    return _csv.write_table(WRITTEN + ASKED, ((*values(row), *asked_values(row)) for row in rows), stream)
