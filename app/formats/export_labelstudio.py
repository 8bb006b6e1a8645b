"""Votes as annotated tasks of Label Studio, for its Pairwise tag: labelstud.io/tags/pairwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

from app.domain import Outcome
from app.file_rows import Judged
from app.formats import _jsonl
from app.formats._judged import WINS, Carries, reply

KIND = "export"
LABEL = "Label Studio, pairwise tasks (JSON)"
ABOUT = "Tasks to import with prompt, answer1 and answer2, each with the raters' results, left standing for answer1."
SUFFIX = ".json"
CARRIES = Carries(
    "Ties and both-bad votes, which the Pairwise tag doesn't have; sides, times, strength, criteria and reasons.",
    outcomes=WINS,
    units=("pair",),
)
_SELECTED = {Outcome.MODEL_A: "left", Outcome.MODEL_B: "right"}


def write(rows: Iterable[Judged], stream: BinaryIO) -> int:
    """Write one task per pair of outputs; how many."""
    return _jsonl.write_list(_rows(rows), stream)


def _rows(rows: Iterable[Judged]) -> Iterator[dict[str, object]]:
    for row in rows:
        vote = row.vote
        yield {
            "data": {
                "prompt": "\n\n".join(message.content for message in row.prompt),
                "answer1": reply(row.output_a),
                "answer2": reply(row.output_b),
                "model1": vote["model_a"],
                "model2": vote["model_b"],
                "prompt_id": vote["prompt_id"],
            },
            "annotations": [{"result": [_result(vote)]} for vote in row.votes],
        }


def _result(vote: Mapping[str, Any]) -> dict[str, object]:
    """A rater is no user of Label Studio, so their pseudonym stands beside the result."""
    return {
        "id": vote["vote_id"],
        "from_name": "comparison",
        "to_name": "answer1,answer2",
        "type": "pairwise",
        "value": {"selected": _SELECTED[Outcome(vote["outcome"])]},
        "meta": {"rater": vote["rater"], "comment": vote.get("comment")},
    }
