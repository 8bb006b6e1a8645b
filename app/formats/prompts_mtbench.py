"""Prompts as MT-bench has them: ``{"question_id", "category", "turns", "reference"}``; each turn is a user message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from app.domain import Message
from app.errors import RowProblem
from app.file_rows import PromptRow
from app.formats import _jsonl
from app.formats._prompts import LABELS, joined, tag_value, tags, without_attachments
from app.formats._record import Columns, Record, RowError, built_rows
from app.formats._text import shown

KIND = "prompts"
LABEL = "MT-bench questions, JSON Lines"
SUFFIXES = (".jsonl",)
ACCEPTED = Columns(required=(("question_id", "turns"),), optional=("category", "reference", "tags"))
NEEDS = f"MT-bench questions with the keys {ACCEPTED}"


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    return _jsonl.matches(head, ACCEPTED)


def read(stream: BinaryIO) -> Iterator[PromptRow | RowProblem]:
    """The prompts of a file, and in their place the problems of bad rows."""
    return built_rows(_jsonl.records(stream), _prompt)


def write(rows: Iterable[PromptRow], stream: BinaryIO) -> int:
    """Write prompts whose messages are all the user's; how many."""
    return _jsonl.write_objects(map(_object, without_attachments(rows, "MT-bench")), stream)


def _prompt(record: Record) -> PromptRow:
    turns = record.values.get("turns")
    if not isinstance(turns, list) or not turns:
        raise RowError(f"turns must be a list with at least one text, not {shown(turns)}")
    for number, turn in enumerate(turns, start=1):
        if not isinstance(turn, str) or not turn.strip():
            raise RowError(f"turn {number} must be text that is not blank, not {shown(turn)}")
    labels = {name: tag_value(name, value) for name in LABELS if (value := record.values.get(name)) is not None}
    return PromptRow(
        line=record.line,
        id=record.identifier("question_id") or str(record.row_number),
        messages=tuple(Message("user", turn) for turn in turns),
        reference=joined("reference", record.values.get("reference")),
        tags=labels | tags(record.values.get("tags")),
    )


def _object(row: PromptRow) -> dict[str, object]:
    if any(message.role != "user" for message in row.messages):
        raise ValueError(f"prompt {row.id!r} has messages that are not the user's; write JSON Lines instead")
    own = {name: row.tags[name] for name in LABELS if name in row.tags}
    others = {name: value for name, value in row.tags.items() if name not in LABELS}
    found: dict[str, object] = {"question_id": _number(row.id), **own, "turns": [m.content for m in row.messages]}
    if row.reference is not None:
        found["reference"] = [row.reference]
    if others:
        found["tags"] = others
    return found


def _number(name: str) -> int | str:
    """An id as MT-bench writes it: a number where it is one."""
    is_number = name.isascii() and name.isdigit() and len(name) < 19 and str(int(name)) == name
    return int(name) if is_number else name
