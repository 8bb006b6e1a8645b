"""Prompts as Alpaca and AlpacaEval have them: ``{"instruction", "input", "output", "dataset"}``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import PromptRow
from app.formats import _jsonl
from app.formats._alpaca import instruction
from app.formats._prompts import one_user_message, tag_value, without_attachments
from app.formats._record import Columns, Record, built_rows

KIND = "prompts"
LABEL = "Alpaca or AlpacaEval instructions, JSON"
SUFFIXES = (".json", ".jsonl")
ACCEPTED = Columns(required=(("instruction",),), optional=("input", "output", "dataset", "id"))
NEEDS = "Alpaca instructions with the keys instruction, input and output"


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    return _jsonl.matches(head, ACCEPTED)


def read(stream: BinaryIO) -> Iterator[PromptRow | RowProblem]:
    """The prompts of a file, and in their place the problems of bad rows; an output is the reference."""
    return built_rows(_jsonl.records(stream), _prompt)


def write(rows: Iterable[PromptRow], stream: BinaryIO) -> int:
    """Write prompts of one user message each, with no tag but ``dataset``; how many."""
    return _jsonl.write_list(map(_object, without_attachments(rows, "Alpaca")), stream)


def _object(row: PromptRow) -> dict[str, object]:
    if len(row.messages) != 1 or row.messages[0].role != "user":
        raise ValueError(f"prompt {row.id!r} has several messages; write JSON Lines instead")
    if others := [name for name in row.tags if name != "dataset"]:
        raise ValueError(f"prompt {row.id!r} has the tag {others[0]!r}, but Alpaca has only dataset")
    return {
        "id": row.id,
        "instruction": row.messages[0].content,
        "input": "",
        "output": row.reference or "",
        **row.tags,
    }


def _prompt(record: Record) -> PromptRow:
    labels = {name: tag_value(name, value) for name in ("dataset",) if (value := record.values.get(name)) is not None}
    return PromptRow(
        line=record.line,
        id=record.identifier("id") or str(record.row_number),
        messages=one_user_message(instruction(record)),
        reference=record.filled("output"),
        tags=labels,
    )
