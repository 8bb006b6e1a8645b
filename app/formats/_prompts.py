"""What all files of prompts share."""

from __future__ import annotations

from app.domain import Message
from app.formats._record import RowError

ROLES = ("system", "user", "assistant")


def one_user_message(text: str) -> tuple[Message, ...]:
    """The plain text of a prompt as a chat of one message; blank text is a problem."""
    if not text.strip():
        raise RowError("prompt is missing or blank")
    return (Message("user", text),)
