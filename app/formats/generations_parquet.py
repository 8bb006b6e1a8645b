"""Generations as Parquet, with the columns of our JSON Lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import GenerationRow
from app.formats._generations import ACCEPTED, WRITTEN, generation, values, without_media
from app.formats._record import built_rows
from app.formats._text import PARQUET

KIND = "generations"
LABEL = "Generations, Parquet"
SUFFIXES = (".parquet",)
NEEDS = f"a Parquet table with the columns {ACCEPTED}"


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    return head.startswith(PARQUET)


def read(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[GenerationRow | RowProblem]:
    """The generations of a file, and in their place the problems of bad rows."""
    from app.formats import _parquet  # noqa: PLC0415 - Arrow is 20 MB, which a server without such files never needs

    return built_rows(_parquet.records(stream, ACCEPTED, renamed), generation)


def write(rows: Iterable[GenerationRow], stream: BinaryIO) -> int:
    """Write generations; how many."""
    from app.formats import _parquet  # noqa: PLC0415 - Arrow is 20 MB, which a server without such files never needs

    types = {"content": _parquet.PARTS, "latency_ms": _parquet.NUMBER, "cost": _parquet.NUMBER}
    types |= dict.fromkeys(("sample", "input_tokens", "output_tokens"), _parquet.WHOLE)
    fields = {name: types.get(name, _parquet.TEXT) for name in WRITTEN}
    return _parquet.write_table(
        fields, (dict(zip(WRITTEN, values(row), strict=True)) for row in without_media(rows, "Parquet")), stream
    )
