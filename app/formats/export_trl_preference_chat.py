"""Preferences for TRL (DPO, reward models), prompt and answers as messages: huggingface.co/docs/trl/dataset_formats."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from app.file_rows import Judged
from app.formats import _jsonl, _trl
from app.formats._judged import WINS, Carries

KIND = "export"
LABEL = "TRL preference, as messages (JSON Lines)"
ABOUT = "prompt, chosen and rejected for DPO and reward models, one row per vote or per pair of outputs by majority."
SUFFIX = ".jsonl"
CARRIES = Carries(f"{_trl.UNITS_LOST}", outcomes=WINS, units=("vote", "pair"), needs_winner=True)


def write(rows: Iterable[Judged], stream: BinaryIO) -> int:
    """Write one row per vote or pair of outputs; how many."""
    return _jsonl.write_rows(_trl.preferences(rows, as_chat=True), stream)
