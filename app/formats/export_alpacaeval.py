"""Votes as the annotations of AlpacaEval (``annotations.json``): github.com/tatsu-lab/alpaca_eval."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from app.domain import Outcome
from app.file_rows import Judged
from app.formats import _jsonl
from app.formats._judged import WINS, Carries, reply, votes_of

KIND = "export"
LABEL = "AlpacaEval annotations (JSON)"
ABOUT = "Every model against one reference model, which is always output_1; preference 1.0 is for it, 2.0 against it."
SUFFIX = ".json"
CARRIES = Carries(
    "Ties and both-bad votes, pairs without the reference model, conversations of several turns; times, sides, "
    "criteria, reasons and comments.",
    outcomes=WINS,
    needs_one_turn=True,
    needs_reference=True,
)


def write(rows: Iterable[Judged], stream: BinaryIO) -> int:
    """Write one object per vote, whose model a is the reference; how many."""
    return _jsonl.write_list(_rows(rows), stream)


def _rows(rows: Iterable[Judged]) -> Iterator[dict[str, object]]:
    for row, vote in votes_of(rows):
        yield {
            "instruction": row.prompt[0].content,
            "output_1": reply(row.output_a),
            "generator_1": vote["model_a"],
            "output_2": reply(row.output_b),
            "generator_2": vote["model_b"],
            "annotator": vote["rater"],
            "preference": 1.0 if vote["outcome"] == Outcome.MODEL_A else 2.0,
        }
