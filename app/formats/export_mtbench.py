"""Votes as the human judgments of MT-bench: huggingface.co/datasets/lmsys/mt_bench_human_judgments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from app.domain import Outcome
from app.file_rows import Judged
from app.formats import _jsonl
from app.formats._judged import WINS, Carries, n_turns, votes_of
from app.formats._lmarena import conversations

KIND = "export"
LABEL = "MT-bench, human judgments (JSON Lines)"
ABOUT = "One judgment per line with its question, judge and both conversations, as MT-bench published its own."
SUFFIX = ".jsonl"
CARRIES = Carries(
    "Times, sides, criteria, reasons and comments. Both-bad votes, since MT-bench has only ties for them.",
    outcomes=WINS | {Outcome.TIE},
    texts="optional",
)


def write(rows: Iterable[Judged], stream: BinaryIO) -> int:
    """Write one object per vote; how many."""
    return _jsonl.write_rows(_rows(rows), stream)


def _rows(rows: Iterable[Judged]) -> Iterator[dict[str, object]]:
    for row, vote in votes_of(rows):
        yield {
            "question_id": _question(vote["prompt_id"]),
            "model_a": vote["model_a"],
            "model_b": vote["model_b"],
            "winner": vote["outcome"],
            "judge": vote["rater"],
            **conversations(row),
            "turn": n_turns(row),
        }


def _question(prompt_id: str | None) -> str | int | None:
    """MT-bench numbers its questions; an id that is such a number is written as one."""
    is_number = prompt_id is not None and prompt_id.isascii() and prompt_id.isdigit() and len(prompt_id) < 10
    return int(prompt_id) if prompt_id and is_number and str(int(prompt_id)) == prompt_id else prompt_id
