"""What the data sets of the Chatbot Arena share: https://huggingface.co/lmarena-ai and https://huggingface.co/lmsys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.domain import Outcome
from app.file_rows import Judged
from app.formats._judged import chat, n_turns

NOT_CARRIED = (
    "Criteria, strength, reasons, comments, sides, response times and propensities. The Arena's own labels "
    "(categories, code, token counts) stay empty."
)
LANGUAGE = "language"  # the tag of a prompt that says it


def winner(vote: Mapping[str, Any]) -> str:
    """The outcome in the words of the Arena until 2024, which of both-bad made a kind of tie."""
    return "tie (bothbad)" if vote["outcome"] == Outcome.BOTH_BAD else str(vote["outcome"])


def seconds(vote: Mapping[str, Any]) -> float:
    """When the vote was cast, in seconds since 1970."""
    return datetime.fromisoformat(str(vote["voted_at"])).timestamp()


def language(row: Judged) -> str | None:
    """The language of the prompt, where a tag says it."""
    return row.tags.get(LANGUAGE)


def battle(row: Judged, vote: Mapping[str, Any]) -> dict[str, object]:
    """A battle with the keys of FastChat's files of battles."""
    return {
        "question_id": vote["vote_id"],
        "model_a": vote["model_a"],
        "model_b": vote["model_b"],
        "winner": winner(vote),
        "judge": vote["rater"],
        "turn": n_turns(row),
        "anony": True,
        "language": language(row),
        "tstamp": seconds(vote),
    }


def conversations(row: Judged) -> dict[str, object]:
    """Both conversations as lists of {role, content}; None where the texts are not known."""
    if not row.is_told:
        return {"conversation_a": None, "conversation_b": None}
    return {"conversation_a": chat(row.prompt, row.output_a), "conversation_b": chat(row.prompt, row.output_b)}
