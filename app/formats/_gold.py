"""One row of a file of pairs whose right answer is known."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain import Answer, Message


@dataclass(frozen=True, slots=True)
class GoldRow:
    """One pair of a file whose right answer is known, and why."""

    line: int
    messages: tuple[Message, ...]
    left: str
    right: str
    answer: Answer
    reason: str = ""
