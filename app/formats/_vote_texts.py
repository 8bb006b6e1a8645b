"""The texts that a file of votes carries: what was asked and what both models answered, in each dialect that has them.

``conversation_a`` and ``conversation_b`` (our data set, LMArena, MT-bench), ``prompt``, ``response_a`` and
``response_b`` (Kaggle), or ``instruction``, ``output_1`` and ``output_2`` (AlpacaEval).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple

from app.domain import Message
from app.errors import RowProblem
from app.formats import _alpaca, _csv, _jsonl, _votes
from app.formats._objects import check_storable, value_of_cell
from app.formats._prompts import LABELS, ROLES
from app.formats._record import Record, RowError, built_rows
from app.formats._registry import flat_format
from app.formats._text import PARQUET, Rejoined, read_head, shown

_CHATS = ("conversation_a", "conversation_b")
_KAGGLE = ("prompt", "response_a", "response_b")
_ALPACA = ("instruction", "output_1", "output_2")
_WAYS = (_CHATS, _KAGGLE, _ALPACA)
_IDS = ("prompt_id", "question_id")
COLUMNS = frozenset(name for names in _WAYS for name in names) | {*LABELS, "input", *_IDS}


class Told(NamedTuple):
    """The texts of one row; none where the row has none, or has images in them. An output is a text for each turn.

    ``is_named`` says whether the name that the row gives its prompt is one, and not the text of it.
    """

    line: int
    messages: tuple[Message, ...] = ()
    output_a: tuple[str, ...] = ()
    output_b: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    is_named: bool = True


def has_texts(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> bool:
    """Whether a file of votes has columns of texts, or its first vote has texts where it has to be flattened."""
    head = read_head(stream)
    if (flat := flat_format(head, renamed)) is not None:
        found = (record for record in flat.flattened(Rejoined(head, stream), renamed) if isinstance(record, Record))
        return {*_CHATS} <= next((record.values.keys() for record in found), set())
    names: Collection[str] | None = _jsonl.keys_of(head)
    if head.startswith(PARQUET):
        from app.formats import _parquet  # noqa: PLC0415 - Arrow is 20 MB, which a server without such files never needs

        names = _parquet.column_names(Rejoined(head, stream))
    elif names is None:
        names = _csv.column_names(head, _votes.ACCEPTED)
    names = [(renamed or {}).get(name, name) for name in names]
    return any(way[-1] in names or way[-2] in names for way in _WAYS)  # the first object of a file may be cut


def read(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[Told | RowProblem]:
    """The texts of each row of a file of votes, and in their place the problems of bad rows."""
    head = read_head(stream)
    rejoined = Rejoined(head, stream)
    if (flat := flat_format(head, renamed)) is not None:
        records = flat.flattened(rejoined, renamed)
    elif head.startswith(PARQUET):
        from app.formats import _parquet  # noqa: PLC0415 - Arrow is 20 MB, which a server without such files never needs

        records = _parquet.records(rejoined, _votes.ACCEPTED, renamed, only=COLUMNS)
    elif _jsonl.keys_of(head) is not None:
        records = _jsonl.records(rejoined, renamed)
    else:
        records = _csv.records(rejoined, _votes.ACCEPTED, renamed)
    return built_rows(records, _told)


def _told(record: Record) -> Told:
    way = next((way for way in _WAYS if all(record.values.get(name) not in (None, "") for name in way)), None)
    if way is None:
        return Told(record.line)
    found: tuple[tuple[Message, ...], tuple[str, ...], tuple[str, ...]] | None
    if way is _CHATS:
        found = _from_chats(record)
    elif way is _KAGGLE:
        asked, of_a, of_b = (_turns(name, record.values[name]) for name in way)
        found = tuple(Message("user", text) for text in asked), of_a, of_b
    else:
        outputs = [record.text(name) or "" for name in way[1:]]
        found = (Message("user", _alpaca.instruction(record)),), (outputs[0],), (outputs[1],)
    if found is None or not found[0][-1].content.strip():
        return Told(record.line)
    is_named = record.identifier(*_IDS) is not None
    return Told(record.line, *found, tags=_tags(record), is_named=is_named)


def _tags(record: Record) -> tuple[tuple[str, str], ...]:
    said = ((name, record.values.get(name)) for name in LABELS)
    return tuple((name, value) for name, value in said if isinstance(value, str) and value.strip())


def _turns(name: str, value: object) -> tuple[str, ...]:
    """The texts of a cell: a JSON list with one for each turn, or a text that is the only one."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return (str(value),)
        check_storable(value)
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not value or not all(turn is None or isinstance(turn, str) for turn in value):
        raise RowError(f"{name} must be text or a list of texts, not {shown(value)}")
    return tuple(turn or "" for turn in value)


Chat = list[tuple[str, str]]


def _from_chats(record: Record) -> tuple[tuple[Message, ...], tuple[str, ...], tuple[str, ...]] | None:
    """What both conversations ask, and how each is answered."""
    chats = [_chat(name, record.values[name]) for name in _CHATS]
    of_a, of_b = chats
    if of_a is None or of_b is None:
        return None
    asked = [one for one in of_a if one[0] != "assistant"]
    if asked != [one for one in of_b if one[0] != "assistant"]:
        raise RowError("conversation_a and conversation_b ask different things")
    answers = (tuple(text for role, text in chat if role == "assistant") for chat in (of_a, of_b))
    return tuple(Message(*one) for one in asked), next(answers), next(answers)


def _chat(name: str, value: object) -> Chat | None:
    """A conversation as pairs of role and text, which ends with an answer; None where it has more than texts."""
    if isinstance(value, str):
        value = value_of_cell(name, value, "a list of messages")
    if not isinstance(value, list) or len(value) < 2:
        raise RowError(f"{name} must be a list with a question and its answer, not {shown(value)}")
    found = []
    for number, message in enumerate(value, start=1):
        role, content = (message.get("role"), message.get("content")) if isinstance(message, dict) else (None, None)
        if role not in ROLES:
            raise RowError(f"{name}, message {number}: role must be one of {', '.join(ROLES)}, not {shown(role)}")
        text = _content(content)
        if text is None:
            return None
        found.append((str(role), text))
    if found[-1][0] != "assistant" or found[0][0] == "assistant":
        raise RowError(f"{name} must begin with a question and end with an answer")
    return found


def _content(content: object) -> str | None:
    """The text of a message, which LMArena writes as parts; None where a part is no text."""
    if isinstance(content, str) or content is None:
        return content or ""
    if not isinstance(content, Sequence) or isinstance(content, bytes):
        return None
    parts: list[str] = []
    for part in content:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            return None
        parts.append(part["text"])
    return "\n\n".join(parts)
