"""Pairs with a known answer as JSON Lines: ``{"prompt" | "messages", "left", "right", "gold", "reason"}``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from app.domain import Answer
from app.errors import RowProblem
from app.formats import _jsonl
from app.formats._gold import GoldRow
from app.formats._prompts import messages_of
from app.formats._record import Columns, Record, RowError, built_rows
from app.formats._text import shown

KIND = "gold"
LABEL = "Known answers, JSON Lines"
SUFFIXES = (".jsonl", ".ndjson", ".json")
ACCEPTED = Columns(
    required=(("prompt", "left", "right", "gold"), ("messages", "left", "right", "gold")), optional=("reason",)
)
NEEDS = f"JSON objects, one per line, with the keys {ACCEPTED}"
_ANSWERS = {
    "left": Answer.LEFT,
    "right": Answer.RIGHT,
    "tie": Answer.TIE,
    "both_bad": Answer.BOTH_BAD,
    "bothbad": Answer.BOTH_BAD,
    "tie (bothbad)": Answer.BOTH_BAD,
}


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    return _jsonl.matches(head, ACCEPTED)


def read(stream: BinaryIO) -> Iterator[GoldRow | RowProblem]:
    """The pairs of a file, and in their place the problems of bad rows."""
    return built_rows(_jsonl.records(stream), _pair)


def _pair(record: Record) -> GoldRow:
    word = record.required_name("gold")
    if word not in _ANSWERS:
        raise RowError(f"gold must be left, right, tie or both_bad, not {shown(word)}")
    left, right = _side(record, "left"), _side(record, "right")
    if left == right and _ANSWERS[word] in {Answer.LEFT, Answer.RIGHT}:
        raise RowError(f"left and right are the same text, so neither can be better; gold says {word}")
    return GoldRow(
        line=record.line,
        messages=messages_of(record),
        left=left,
        right=right,
        answer=_ANSWERS[word],
        reason=(record.filled("reason") or "").strip(),
    )


def _side(record: Record, name: str) -> str:
    text = record.filled(name)
    if text is None:
        raise RowError(f"{name} is missing or blank")
    return text
