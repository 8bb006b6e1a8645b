"""The data set types of TRL: https://huggingface.co/docs/trl/dataset_formats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from app.domain import Outcome
from app.file_rows import Judged
from app.formats._judged import majority, parted, reply, votes_of

UNITS_LOST = "Ties and both-bad votes; raters, times, criteria, reasons and comments."


def preferences(rows: Iterable[Judged], *, as_chat: bool) -> Iterator[dict[str, object]]:
    """Rows prompt, chosen, rejected, with who made them, by how many votes of how many."""
    for row in rows:
        found = majority(row.votes)
        prompt, a, b = _texts(row, as_chat=as_chat)
        models = row.vote["model_a"], row.vote["model_b"]
        is_a = found.winner == Outcome.MODEL_A
        yield {
            "prompt": prompt,
            "chosen": a if is_a else b,
            "rejected": b if is_a else a,
            "chosen_model": models[0 if is_a else 1],
            "rejected_model": models[1 if is_a else 0],
            "prompt_id": row.vote["prompt_id"],
            "margin": found.margin,
            "n_votes": found.n_votes,
        }


def unpaired(rows: Iterable[Judged], *, as_chat: bool) -> Iterator[dict[str, object]]:
    """Rows prompt, completion, label: two to each vote, both false where both were bad."""
    for row, vote in votes_of(rows):
        prompt, *completions = _texts(row, as_chat=as_chat)
        for side, completion in zip((Outcome.MODEL_A, Outcome.MODEL_B), completions, strict=True):
            yield {
                "prompt": prompt,
                "completion": completion,
                "label": vote["outcome"] == side,
                "model": vote[str(side)],
                "prompt_id": vote["prompt_id"],
            }


def _texts(row: Judged, *, as_chat: bool) -> tuple[Any, Any, Any]:
    if as_chat:
        return parted(row)
    return row.prompt[0].content, reply(row.output_a), reply(row.output_b)
