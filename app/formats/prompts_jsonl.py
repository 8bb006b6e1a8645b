"""Prompts as JSON Lines: ``{"id", "prompt" | "messages", "reference", "tags"}``; ``id`` is else the row number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from app.domain import Message, PromptRow
from app.errors import RowProblem
from app.formats import _jsonl
from app.formats._prompts import ROLES, one_user_message
from app.formats._record import Columns, Record, RowError, built_rows
from app.formats._text import shown

KIND = "prompts"
LABEL = "Prompts, JSON Lines"
SUFFIXES = (".jsonl", ".ndjson")
ACCEPTED = Columns(required=(("prompt",), ("messages",)), optional=("id", "reference", "tags"))
NEEDS = f"JSON objects, one per line, with the key {ACCEPTED}"


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    return _jsonl.matches(head, ACCEPTED)


def read(stream: BinaryIO) -> Iterator[PromptRow | RowProblem]:
    """The prompts of a file, and in their place the problems of bad rows."""
    return built_rows(_jsonl.records(stream), _prompt)


def write(rows: Iterable[PromptRow], stream: BinaryIO) -> int:
    """Write prompts; how many."""
    return _jsonl.write_objects(map(_object, rows), stream)


def _prompt(record: Record) -> PromptRow:
    if record.values.get("attachments"):
        raise RowError("attachments are not supported: raters would see the prompt without them")
    return PromptRow(
        line=record.line,
        id=record.identifier("id") or str(record.row_number),
        messages=_messages(record),
        reference=record.text("reference"),
        tags=_tags(record.values.get("tags")),
    )


def _messages(record: Record) -> tuple[Message, ...]:
    text = record.text("prompt")
    items = record.values.get("messages")
    if items is None:
        return one_user_message(text or "")
    if text is not None:
        raise RowError("there are both prompt and messages; leave one out")
    if not isinstance(items, list) or not items:
        raise RowError(f"messages must be a list with at least one message, not {shown(items)}")
    messages = tuple(_message(number, item) for number, item in enumerate(items, start=1))
    if messages[-1].role != "user":
        raise RowError(f"the last of the messages must have the role user, not {messages[-1].role}")
    if not messages[-1].content.strip():
        raise RowError("the last of the messages is blank")
    return messages


def _message(number: int, item: object) -> Message:
    if not isinstance(item, dict):
        raise RowError(f"message {number} must be an object with role and content, not {shown(item)}")
    role, content = item.get("role"), item.get("content")
    if role not in ROLES:
        raise RowError(f"message {number}: role must be one of {', '.join(ROLES)}, not {shown(role)}")
    if not isinstance(content, str):
        raise RowError(f"message {number}: content must be text, not {shown(content)}")
    return Message(role, content)


def _tags(tags: object) -> dict[str, str]:
    """Tags as names with values; of a plain list of names each gets the value "true"."""
    if tags is None:
        return {}
    if isinstance(tags, list):
        tags = {_tag_value("tags", name): "true" for name in tags}
    if not isinstance(tags, dict):
        raise RowError(f"tags must be an object or a list of texts, not {shown(tags)}")
    if not all(name.strip() for name in tags):
        raise RowError("tags: a name is blank")
    return {name: _tag_value(f"tags: {name}", value) for name, value in tags.items() if value is not None}


def _tag_value(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise RowError(f"{name} must be text, not {shown(value)}")
    return str(value)


def _object(row: PromptRow) -> dict[str, object]:
    found: dict[str, object] = {"id": row.id}
    if len(row.messages) == 1 and row.messages[0].role == "user":
        found["prompt"] = row.messages[0].content
    else:
        found["messages"] = [{"role": message.role, "content": message.content} for message in row.messages]
    if row.reference is not None:
        found["reference"] = row.reference
    if row.tags:
        found["tags"] = dict(row.tags)
    return found
