"""Votes as the table of Kaggle's LMSYS competition: huggingface.co/datasets/lmsys/lmsys-arena-human-preference-55k."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from app.domain import Outcome
from app.file_rows import Judged
from app.formats import _csv
from app.formats._judged import WINS, Carries, votes_of

KIND = "export"
LABEL = "Kaggle LMSYS, as its 55k table (CSV)"
ABOUT = "Prompt, both responses and three columns that say who won, as the Kaggle competition had them."
SUFFIX = ".csv"
CARRIES = Carries(
    "Raters, times, sides, criteria, reasons and comments. Both-bad votes, since the table has only ties for them.",
    outcomes=WINS | {Outcome.TIE},
)
_COLUMNS = (
    *("id", "model_a", "model_b", "prompt", "response_a", "response_b"),
    *("winner_model_a", "winner_model_b", "winner_tie"),
)


def write(rows: Iterable[Judged], stream: BinaryIO) -> int:
    """Write one row per vote; how many. The texts are JSON lists, one item for each turn."""
    return _csv.write_table(_COLUMNS, _rows(rows), stream)


def _rows(rows: Iterable[Judged]) -> Iterator[list[object]]:
    for row, vote in votes_of(rows):
        asked = [message.content for message in row.prompt if message.role == "user"]
        texts = [json.dumps(list(turns), ensure_ascii=False) for turns in (asked, row.output_a, row.output_b)]
        won = [int(vote["outcome"] == one) for one in (Outcome.MODEL_A, Outcome.MODEL_B, Outcome.TIE)]
        yield [vote["vote_id"], vote["model_a"], vote["model_b"], *texts, *won]
