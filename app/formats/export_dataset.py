"""Votes with their texts as a data set folder for Hugging Face ``datasets``, packed as .zip: Parquet and a card."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, BinaryIO, cast

from app.file_rows import Card, Judged
from app.formats import _votes
from app.formats._judged import Carries, votes_of
from app.formats._lmarena import conversations, language

KIND = "export"
LABEL = "Hugging Face data set (folder)"
ABOUT = "Parquet files and a card that datasets.load_dataset opens: every column of our own export, and all texts."
SUFFIX = ".zip"
CARRIES = Carries("Votes that don't count: changed later, skipped, checks and repeats.", texts="optional")
_ROWS_IN_FILE = 100_000
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same votes are the same bytes, whenever they are written


def write(rows: Iterable[Judged], stream: BinaryIO, *, card: Card | None = None) -> int:
    """Write one row per vote, 100,000 to a file, and the card; how many rows."""
    from app.formats import _card, _parquet, _vote_schema  # noqa: PLC0415 - Arrow is 20 MB, which few processes need

    texts = {"conversation_a": _parquet.CHAT, "conversation_b": _parquet.CHAT, "language": _parquet.TEXT}
    fields = {**_vote_schema.FIELDS, **texts}
    n_rows, waiting = 0, _rows(rows)
    with zipfile.ZipFile(stream, "w") as packed:
        for number, part in enumerate(_parts(waiting)):
            with packed.open(_entry(f"data/train-{number:05}.parquet"), "w", force_zip64=True) as file:
                n_rows += _parquet.write_table(fields, part, cast("BinaryIO", file))
        if not n_rows:
            with packed.open(_entry("data/train-00000.parquet"), "w") as file:
                _parquet.write_table(fields, (), cast("BinaryIO", file))
        packed.writestr(_entry("README.md"), _card.readme(card or Card(), fields, n_rows))
    return n_rows


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, _LONG_AGO)


def _parts(rows: Iterator[dict[str, Any]]) -> Iterator[Iterator[dict[str, Any]]]:
    for first in rows:
        yield chain([first], islice(rows, _ROWS_IN_FILE - 1))


def _rows(rows: Iterable[Judged]) -> Iterator[dict[str, Any]]:
    for row, vote in votes_of(rows):
        yield {**_votes.exported(vote), **conversations(row), "language": language(row)}
