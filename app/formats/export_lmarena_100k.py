"""Votes as the Arena's data set of 100,000: huggingface.co/datasets/lmarena-ai/arena-human-preference-100k."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from app.file_rows import Judged
from app.formats._judged import Carries, n_turns, votes_of
from app.formats._lmarena import NOT_CARRIED, battle, conversations

KIND = "export"
LABEL = "LMArena, as its 100k data set (Parquet)"
ABOUT = "Battles with both conversations in the columns of arena-human-preference-100k."
SUFFIX = ".parquet"
CARRIES = Carries(NOT_CARRIED, texts="optional")


def write(rows: Iterable[Judged], stream: BinaryIO) -> int:
    """Write one row per vote; how many."""
    from app.formats import _lmarena_schema, _parquet  # noqa: PLC0415 - Arrow is 20 MB, which few processes need

    found = (
        {
            **battle(row, vote),
            **conversations(row),
            "conv_metadata": {"turns": n_turns(row)} if row.is_told else None,
            "judge_hash": vote["rater"],
        }
        for row, vote in votes_of(rows)
    )
    return _parquet.write_table(_lmarena_schema.OF_100K, found, stream)
