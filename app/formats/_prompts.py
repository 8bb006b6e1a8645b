"""What all files of prompts share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from app.domain import Message
from app.file_rows import PromptRow
from app.formats._record import Columns, Record, RowError, not_blank
from app.formats._text import shown

ROLES = ("system", "user", "assistant")
LABELS = ("category", "language")  # tags that have a key of their own
ACCEPTED = Columns(required=(("prompt",), ("messages",)), optional=("id", "reference", "tags", "attachments", *LABELS))


def one_user_message(text: str) -> tuple[Message, ...]:
    """The plain text of a prompt as a chat of one message; blank text is a problem."""
    if not text.strip():
        raise RowError("prompt is missing or blank")
    return (Message("user", text),)


def prompt(record: Record) -> PromptRow:
    """One prompt with all that our own files can say of it."""
    return PromptRow(
        line=record.line,
        id=record.identifier("id") or str(record.row_number),
        messages=messages_of(record),
        reference=record.filled("reference"),
        tags=_labels(record) | tags(record.values.get("tags")),
        attachments=_attachments(record.values.get("attachments")),
    )


def prompt_of_table(record: Record) -> PromptRow:
    """The same, where each column that has no other meaning is a tag."""
    row = prompt(record)
    record.taken |= {"messages", "tags", "attachments", *LABELS}
    own = {name: text for name, value in record.rest().items() if (text := _cell_text(name, value))}
    return PromptRow(row.line, row.id, row.messages, row.reference, own | dict(row.tags), row.attachments)


def _cell_text(name: str, value: object) -> str:
    if isinstance(value, date | Decimal):
        return str(value)
    return "" if value is None else tag_value(f"the column {shown(name)}", value)


def messages_of(record: Record) -> tuple[Message, ...]:
    """The text of a prompt as a chat of one message, or its messages."""
    text = record.text("prompt")
    items = record.values.get("messages")
    if items is None:
        return one_user_message(text or "")
    if text is not None:
        raise RowError("there are both prompt and messages; leave one out")
    return chat("messages", items)


def chat(name: str, items: object) -> tuple[Message, ...]:
    """A list of {role, content} that ends with something to answer."""
    if not isinstance(items, list) or not items:
        raise RowError(f"{name} must be a list with at least one message, not {shown(items)}")
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


def _labels(record: Record) -> dict[str, str]:
    """The tags that stand beside the prompt under a name of their own."""
    return {name: tag_value(name, value) for name in LABELS if (value := record.values.get(name)) not in (None, "")}


def tags(found: object) -> dict[str, str]:
    """Tags as names with values; of a plain list of names each gets the value "true"."""
    if found is None:
        return {}
    if isinstance(found, list):
        found = {tag_value("tags", name): "true" for name in found}
    if not isinstance(found, dict):
        raise RowError(f"tags must be an object or a list of texts, not {shown(found)}")
    if not all(name.strip() for name in found):
        raise RowError("tags: a name is blank")
    return {name: tag_value(f"tags: {name}", value) for name, value in found.items() if value is not None}


def tag_value(name: str, value: object) -> str:
    """The value of a tag as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise RowError(f"{name} must be text, not {shown(value)}")
    return str(value)


def _attachments(found: object) -> tuple[str, ...]:
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(item, str) and item.strip() for item in found):
        raise RowError(f"attachments must be a list of file names or data: URLs, not {shown(found)}")
    return tuple(found)


def joined(name: str, found: object) -> str | None:
    """A text, or a list of texts as one with a blank line between them."""
    if found is None or isinstance(found, str):
        return not_blank(found)
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise RowError(f"{name} must be text or a list of texts, not {shown(found)}")
    return not_blank("\n\n".join(found))


def without_attachments(rows: Iterable[PromptRow], what: str) -> Iterable[PromptRow]:
    """The same rows; ValueError for one with an attachment, which this kind of file cannot carry."""
    for row in rows:
        if row.attachments:
            raise ValueError(f"prompt {row.id!r} has attachments, which {what} cannot carry; write JSON Lines instead")
        yield row


def content(row: PromptRow) -> Mapping[str, object]:
    """The messages of a prompt under the name that our own files give them."""
    if len(row.messages) == 1 and row.messages[0].role == "user":
        return {"prompt": row.messages[0].content}
    return {"messages": [{"role": message.role, "content": message.content} for message in row.messages]}
