"""Votes as the Arena's first data set: huggingface.co/datasets/lmsys/chatbot_arena_conversations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from app.file_rows import Judged
from app.formats._judged import Carries, votes_of
from app.formats._lmarena import NOT_CARRIED, battle, conversations

KIND = "export"
LABEL = "LMArena, as its 33k data set (Parquet)"
ABOUT = "Battles with both conversations in the columns of chatbot_arena_conversations."
SUFFIX = ".parquet"
CARRIES = Carries(NOT_CARRIED, texts="optional")


def write(rows: Iterable[Judged], stream: BinaryIO) -> int:
    """Write one row per vote; how many."""
    from app.formats import _lmarena_schema, _parquet  # noqa: PLC0415 - Arrow is 20 MB, which few processes need

    found = ({**battle(row, vote), **conversations(row)} for row, vote in votes_of(rows))
    return _parquet.write_table(_lmarena_schema.OF_33K, found, stream)
