"""Preferences for OpenAI's fine-tuning by DPO: platform.openai.com/docs/guides/direct-preference-optimization."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from app.domain import Outcome
from app.file_rows import Judged
from app.formats import _jsonl
from app.formats._judged import WINS, Carries, majority, reply

KIND = "export"
LABEL = "OpenAI DPO (JSON Lines)"
ABOUT = "input, preferred_output and non_preferred_output as OpenAI's fine-tuning takes them, per vote or by majority."
SUFFIX = ".jsonl"
CARRIES = Carries(
    "Ties and both-bad votes, and outputs of several turns; models, raters, times, criteria, reasons and comments.",
    outcomes=WINS,
    units=("vote", "pair"),
    needs_one_turn=True,
    needs_winner=True,
)


def write(rows: Iterable[Judged], stream: BinaryIO) -> int:
    """Write one row per vote or pair of outputs; how many."""
    return _jsonl.write_rows(_rows(rows), stream)


def _rows(rows: Iterable[Judged]) -> Iterator[dict[str, object]]:
    for row in rows:
        outputs = [[{"role": "assistant", "content": reply(turns)}] for turns in (row.output_a, row.output_b)]
        if majority(row.votes).winner == Outcome.MODEL_B:
            outputs.reverse()
        asked = [{"role": message.role, "content": message.content} for message in row.prompt]
        yield {"input": {"messages": asked}, "preferred_output": outputs[0], "non_preferred_output": outputs[1]}
