"""Votes as bare comparisons, for arena-rank, evalica and everything that ranks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from app.file_rows import Judged
from app.formats import _csv
from app.formats._judged import Carries, votes_of

KIND = "export"
LABEL = "Bare comparisons by model (CSV)"
ABOUT = "Three columns, model_a, model_b and winner: all that a ranking needs."
SUFFIX = ".csv"
CARRIES = Carries("Everything but the two models and who won.", texts="none")


def write(rows: Iterable[Judged], stream: BinaryIO) -> int:
    """Write one row per vote; how many."""
    found = ((vote["model_a"], vote["model_b"], vote["outcome"]) for _, vote in votes_of(rows))
    return _csv.write_table(("model_a", "model_b", "winner"), found, stream)
