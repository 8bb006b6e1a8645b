"""Finding prompts of a set by their words and tags, in the database and a page at a time.

Messages and tags are searched as the text of their JSON, as SQLAlchemy wrote it: to take each apart would make a search
in 100,000 prompts take seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Row, Text, func, or_, select, type_coerce
from sqlalchemy import cast as sql_cast
from sqlmodel import Session

from db.tables import Prompt, tables_of

(prompt,) = tables_of(Prompt)
_FRAMES = tuple(f'{{"role": "{role}", "content": "' for role in ("user", "assistant", "system"))
_PART_FRAME = '{"type": "text", "text": "'


def find_prompts(
    session: Session,
    *,
    prompt_set_id: UUID,
    words: Sequence[str],
    tags: Mapping[str, Sequence[str]],
    offset: int,
    limit: int,
) -> tuple[list[UUID], int]:
    """The ids of a page of prompts that have all words and, of each tag, one of the values; and how many there are."""
    is_sqlite = _is_sqlite(session)
    conditions = [prompt.c.prompt_set_id == prompt_set_id]
    conditions += [_has_word(word, is_sqlite=is_sqlite) for word in words]
    conditions += [_has_tag(name, values, is_sqlite=is_sqlite) for name, values in tags.items()]
    # Both in one pass through the texts; only a page behind the last one needs another.
    page = select(prompt.c.id, func.count().over().label("n")).where(*conditions).order_by(prompt.c.position)
    found = list(session.execute(page.offset(offset).limit(limit)))
    if found or not offset:
        return [row.id for row in found], found[0].n if found else 0
    return [], session.execute(select(func.count()).select_from(prompt).where(*conditions)).scalar_one()


def find_prompt_ids(session: Session, *, prompt_set_ids: Sequence[UUID], words: Sequence[str]) -> list[UUID]:
    """The ids of all prompts of these sets that have all words."""
    is_sqlite = _is_sqlite(session)
    found = select(prompt.c.id).where(
        prompt.c.prompt_set_id.in_(prompt_set_ids), *(_has_word(word, is_sqlite=is_sqlite) for word in words)
    )
    return list(session.execute(found).scalars())


def has_part(column: Any, word: str, *, is_sqlite: bool) -> ColumnElement[bool]:
    """Whether the parts of a generation have a word; their JSON frame is no word of them."""
    parts = _text(column, is_sqlite=is_sqlite)
    if word.lower() in _PART_FRAME:
        parts = func.replace(parts, _PART_FRAME, "")
    return or_(*(_like(parts, json.dumps(form)[1:-1], is_sqlite) for form in _forms(word)))


def has_text(column: Any, word: str, *, is_sqlite: bool) -> ColumnElement[bool]:
    """Whether a column of plain text has a word."""
    return or_(*(_like(column, form, is_sqlite) for form in _forms(word)))


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def count_tags(session: Session, *, prompt_set_id: UUID, limit: int) -> list[Row[Any]]:
    """Rows (name, value, n) of the tags of a set, the most frequent first."""
    each = _tags(is_sqlite=_is_sqlite(session))
    n = func.count().label("n")
    wanted = (
        select(each.c.key.label("name"), each.c.value.label("value"), n)
        .select_from(prompt)
        .join(each, prompt.c.id == prompt.c.id)
        .where(prompt.c.prompt_set_id == prompt_set_id)
        .group_by(each.c.key, each.c.value)
        .order_by(n.desc(), each.c.key, each.c.value)
        .limit(limit)
    )
    return list(session.execute(wanted))


def list_tag_names(session: Session, *, prompt_set_id: UUID) -> list[str]:
    """The names of all tags of a set."""
    each = _tags(is_sqlite=_is_sqlite(session))
    wanted = select(each.c.key).select_from(prompt).join(each, prompt.c.id == prompt.c.id).distinct()
    return sorted(session.execute(wanted.where(prompt.c.prompt_set_id == prompt_set_id)).scalars())


def _tags(*, is_sqlite: bool) -> FromClause:
    if is_sqlite:
        return func.json_each(prompt.c.tags).table_valued("key", "value")
    return func.json_each_text(prompt.c.tags).table_valued("key", "value").render_derived()


def _text(column: Any, *, is_sqlite: bool) -> ColumnElement[str]:
    """A JSON column as the text that is stored."""
    return type_coerce(column, Text) if is_sqlite else sql_cast(column, Text)


def _has_word(word: str, *, is_sqlite: bool) -> ColumnElement[bool]:
    messages = _text(prompt.c.messages, is_sqlite=is_sqlite)
    # What stands around every message is no word of it.
    if any(word.lower() in frame for frame in _FRAMES):
        for frame in _FRAMES:
            messages = func.replace(messages, frame, "")
    forms = _forms(word)
    tags = _text(prompt.c.tags, is_sqlite=is_sqlite)
    plain = [_like(column, form, is_sqlite) for form in forms for column in (prompt.c.external_id, prompt.c.reference)]
    coded = [_like(column, json.dumps(form)[1:-1], is_sqlite) for form in forms for column in (messages, tags)]
    return or_(*coded, *plain)


def _forms(word: str) -> set[str]:
    """SQLite's LIKE ignores the case of ASCII letters; for others the likely forms are tried."""
    return {word} if word.isascii() else {word, word.lower(), word.upper(), word.capitalize()}


def _has_tag(name: str, values: Sequence[str], *, is_sqlite: bool) -> ColumnElement[bool]:
    tags, find = _text(prompt.c.tags, is_sqlite=is_sqlite), func.instr if is_sqlite else func.strpos
    return or_(*(find(tags, f"{json.dumps(name)}: {json.dumps(value)}") > 0 for value in values))


def _like(column: Any, text: str, is_sqlite: bool) -> ColumnElement[bool]:
    pattern = "%" + text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
    found: ColumnElement[bool] = (column.like if is_sqlite else column.ilike)(pattern, escape="!")
    return found
