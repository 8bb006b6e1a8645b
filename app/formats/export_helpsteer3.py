"""Preferences as NVIDIA's HelpSteer3: huggingface.co/datasets/nvidia/HelpSteer3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

from app.domain import Outcome
from app.file_rows import Judged
from app.formats import _jsonl
from app.formats._judged import WINS, Carries, parted, reply, spoken
from app.formats._lmarena import language
from app.study import Strength

KIND = "export"
LABEL = "HelpSteer3 preference (JSON Lines)"
ABOUT = (
    "One row per pair of outputs, with its models and every rater's preference from -3 to 3; below 0 is for the first."
)
SUFFIX = ".jsonl"
CARRIES = Carries(
    "Both-bad votes, since 0 says only that neither is better; raters, times, sides and criteria.",
    outcomes=WINS | {Outcome.TIE},
    units=("pair",),
)
# Slightly better is 1, better 2 and much better 3; a vote that doesn't say how much better is the one in the middle.
_STRENGTHS = {Strength.SLIGHTLY.value: 1, None: 2, Strength.CLEARLY.value: 3}


def write(rows: Iterable[Judged], stream: BinaryIO) -> int:
    """Write one row per pair of outputs; how many. The preference over all is the mean, to a whole number."""
    return _jsonl.write_rows(_rows(rows), stream)


def _rows(rows: Iterable[Judged]) -> Iterator[dict[str, object]]:
    for row in rows:
        scores = [_score(vote) for vote in row.votes]
        context, a, b = parted(row)
        yield {
            "domain": row.tags.get("domain") or row.tags.get("category"),
            "language": language(row),
            "context": context,
            "response1": _text(a, row.output_a),
            "response2": _text(b, row.output_b),
            "overall_preference": round(sum(scores) / len(scores)),
            "individual_preference": [
                {"score": score, **_said(vote)} for score, vote in zip(scores, row.votes, strict=True)
            ],
            "model1": row.vote["model_a"],
            "model2": row.vote["model_b"],
            "prompt_id": row.vote["prompt_id"],
        }


def _text(answer: list[dict[str, str]], turns: tuple[str, ...]) -> str:
    return answer[0]["content"] if len(answer) == 1 else reply(turns)


def _score(vote: Mapping[str, Any]) -> int:
    if vote["outcome"] == Outcome.TIE:
        return 0
    return _STRENGTHS[vote["strength"]] * (-1 if vote["outcome"] == Outcome.MODEL_A else 1)


def _said(vote: Mapping[str, Any]) -> dict[str, str]:
    said = spoken(vote)
    return {"reasoning": said["comment"], "feedback1": said["reasons_a"], "feedback2": said["reasons_b"]}
