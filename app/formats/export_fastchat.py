"""Votes as FastChat's files of cleaned battles (``clean_battle_*.json``), which its notebooks of ratings read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from app.file_rows import Judged
from app.formats import _jsonl
from app.formats._judged import Carries, votes_of
from app.formats._lmarena import battle

KIND = "export"
LABEL = "FastChat, clean battles (JSON)"
ABOUT = "One JSON list of battles without any text, as FastChat's rating notebooks read them."
SUFFIX = ".json"
CARRIES = Carries(
    "All texts; criteria, strength, reasons, comments, sides, response times and propensities. "
    'A both-bad vote is "tie (bothbad)".',
    texts="none",
)


def write(rows: Iterable[Judged], stream: BinaryIO) -> int:
    """Write one object per vote; how many."""
    return _jsonl.write_list((battle(row, vote) for row, vote in votes_of(rows)), stream)
