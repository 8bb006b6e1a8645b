"""Single outputs with a label for TRL (KTO), as messages: huggingface.co/docs/trl/dataset_formats."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from app.domain import Outcome
from app.file_rows import Judged
from app.formats import _jsonl, _trl
from app.formats._judged import WINS, Carries

KIND = "export"
LABEL = "TRL unpaired preference, as messages (JSON Lines)"
ABOUT = "prompt, completion and label for KTO, two rows per vote; of a both-bad vote both are false."
SUFFIX = ".jsonl"
CARRIES = Carries(
    "Which two outputs were shown together. Ties; raters, times, criteria, reasons and comments.",
    outcomes=WINS | {Outcome.BOTH_BAD},
)


def write(rows: Iterable[Judged], stream: BinaryIO) -> int:
    """Write two rows per vote; how many."""
    return _jsonl.write_rows(_trl.unpaired(rows, as_chat=True), stream)
