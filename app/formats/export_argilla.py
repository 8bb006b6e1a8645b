"""Votes as flat records of Argilla, the answers to a question as parallel lists: docs.argilla.io."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from app.file_rows import Judged
from app.formats import _jsonl
from app.formats._judged import Carries, chat, reply, spoken

KIND = "export"
LABEL = "Argilla, flat records (JSON Lines)"
ABOUT = "One record per pair of outputs, with the answers of all raters as lists, as Argilla exports its own."
SUFFIX = ".jsonl"
CARRIES = Carries(
    "Times, sides, strength, criteria and propensities; reasons and comments stand together in one answer.",
    units=("pair",),
)


def write(rows: Iterable[Judged], stream: BinaryIO) -> int:
    """Write one record per pair of outputs; how many."""
    return _jsonl.write_rows(_rows(rows), stream)


def _rows(rows: Iterable[Judged]) -> Iterator[dict[str, object]]:
    for row in rows:
        vote, users = row.vote, [vote["rater"] for vote in row.votes]
        remarks = ["\n".join(filter(None, spoken(vote).values())) for vote in row.votes]
        yield {
            "id": vote["vote_id"],
            "prompt": chat(row.prompt, ()),
            "response_a": reply(row.output_a),
            "response_b": reply(row.output_b),
            "model_a": vote["model_a"],
            "model_b": vote["model_b"],
            "prompt_id": vote["prompt_id"],
            **_answers("preference", [vote["outcome"] for vote in row.votes], users),
            **_answers("remarks", remarks, users),
        }


def _answers(question: str, answers: list[str], users: list[str]) -> dict[str, object]:
    """The answers to a question, who gave them, and that they were given; a blank one was not."""
    given = [(answer, user) for answer, user in zip(answers, users, strict=True) if answer]
    return {
        f"{question}.responses": [answer for answer, _ in given],
        f"{question}.responses.users": [user for _, user in given],
        f"{question}.responses.status": ["submitted"] * len(given),
    }
