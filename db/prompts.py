"""Prompt sets and their prompts."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Text, cast, func, insert, literal, select, type_coerce, update
from sqlmodel import Session, col

from app.domain import ExperimentStatus, Kind
from app.errors import NotFoundError
from db.columns import new_id
from db.tables import Experiment, Prompt, PromptSet, tables_of

experiment, prompt, prompt_set = tables_of(Experiment, Prompt, PromptSet)
NAMES_ONLY = ""  # the content hash of what has none
_AT_ONCE = 2_000  # rows in one statement
_CONTENT = (
    prompt.c.id,
    prompt.c.external_id,
    prompt.c.position,
    prompt.c.messages,
    prompt.c.reference,
    prompt.c.tags,
    prompt.c.attachments,
    prompt.c.content_hash,
)


def add_prompt_set(session: Session, *, name: str, version: int, content_hash: str, now: datetime) -> PromptSet:
    """Store an empty prompt set."""
    row = PromptSet(name=name, version=version, content_hash=content_hash, created_at=now)
    session.add(row)
    session.flush()
    return row


def add_names_only(session: Session, *, name: str, now: datetime) -> UUID:
    """Store a prompt set, still empty, whose prompts have names and no texts; no list of sets has it."""
    row = PromptSet(name=name, content_hash=NAMES_ONLY, created_at=now, frozen_at=now, archived_at=now)
    session.add(row)
    session.flush()
    return row.id


def add_prompts(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """Store many prompts at once; each row gives every column."""
    waiting = iter(rows)
    while batch := list(islice(waiting, _AT_ONCE)):
        session.execute(insert(prompt), batch)


def copy_prompts(session: Session, *, prompt_id: UUID, to: UUID, changed: Mapping[str, Any]) -> None:
    """Store the prompts of a prompt's set in another set, this one with other columns.

    The database copies them by itself, which takes a tenth of the time that reading and storing them would.
    """
    row = get_prompt(session, prompt_id=prompt_id)
    of_it = {column.name: getattr(row, column.name) for column in _CONTENT}
    add_prompts(session, rows=[{**of_it, **changed, "id": new_id(), "prompt_set_id": to}])
    names = [column.name for column in _CONTENT if column.name != "id"]
    others = select(_made_id(session), literal(to, type_=prompt.c.id.type), *(prompt.c[name] for name in names)).where(
        prompt.c.prompt_set_id == row.prompt_set_id, prompt.c.id != prompt_id
    )
    session.execute(insert(prompt).from_select(["id", "prompt_set_id", *names], others))


def _made_id(session: Session) -> ColumnElement[Any]:
    """A new UUIDv7 for each row: the moment and the version are ours, 72 random bits the database's own."""
    moment = new_id().hex[:13]
    if session.get_bind().dialect.name == "postgresql":
        random = func.replace(cast(func.gen_random_uuid(), Text), "-", "")
        return cast(func.concat(moment, func.substr(random, 14)), prompt.c.id.type)
    random = func.lower(func.hex(func.randomblob(10)))
    made = literal(moment).concat(func.substr(random, 1, 3)).concat("8").concat(func.substr(random, 4, 15))
    return type_coerce(made, prompt.c.id.type)


def lock_names(session: Session) -> None:
    """Let no other transaction add a prompt set or generations of a file before this one ends."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        session.execute(select(func.pg_advisory_xact_lock(7203917)))


def find_latest(session: Session, *, name: str) -> PromptSet | None:
    """The newest version of the prompt set of this name."""
    return session.execute(
        select(PromptSet).where(col(PromptSet.name) == name).order_by(col(PromptSet.version).desc()).limit(1)
    ).scalar_one_or_none()


def get_prompt_set(session: Session, *, prompt_set_id: UUID) -> PromptSet:
    """The prompt set; raises NotFoundError."""
    row = session.get(PromptSet, prompt_set_id)
    if row is None:
        raise NotFoundError("There is no such prompt set.")
    return row


def list_prompt_sets(session: Session) -> list[Row[Any]]:
    """All prompt sets with their sizes, newest first.

    Without those that hold what an arena's raters asked, and those that have names alone.
    """
    of_arena = select(experiment.c.prompt_set_id).where(
        experiment.c.kind == Kind.ARENA, experiment.c.prompt_set_id.is_not(None)
    )
    return list(
        session.execute(
            select(
                prompt_set.c.id,
                prompt_set.c.name,
                prompt_set.c.version,
                prompt_set.c.created_at,
                prompt_set.c.frozen_at,
                prompt_set.c.archived_at,
                func.count(prompt.c.id).label("n_prompts"),
            )
            .select_from(prompt_set.outerjoin(prompt, prompt.c.prompt_set_id == prompt_set.c.id))
            .where(prompt_set.c.id.not_in(of_arena), prompt_set.c.content_hash != NAMES_ONLY)
            .group_by(prompt_set.c.id)
            .order_by(prompt_set.c.id.desc())
        )
    )


def list_prompts(session: Session, *, prompt_set_id: UUID) -> list[Row[Any]]:
    """The prompts of a set, in the order of its file."""
    return list(stream_prompts(session, prompt_set_id=prompt_set_id))


def stream_prompts(session: Session, *, prompt_set_id: UUID) -> Generator[Row[Any], None, None]:
    """The same, a part at a time."""
    wanted = select(*_CONTENT).where(prompt.c.prompt_set_id == prompt_set_id).order_by(prompt.c.position)
    with session.execute(wanted, execution_options={"yield_per": _AT_ONCE}) as rows:
        yield from rows


def list_prompt_keys(session: Session, *, prompt_set_id: UUID) -> list[Row[Any]]:
    """Rows (id, external_id, content_hash) of the prompts of a set, in the order of its file."""
    wanted = select(prompt.c.id, prompt.c.external_id, prompt.c.content_hash)
    return list(session.execute(wanted.where(prompt.c.prompt_set_id == prompt_set_id).order_by(prompt.c.position)))


def list_some(session: Session, *, prompt_ids: Iterable[UUID]) -> dict[UUID, Row[Any]]:
    """A page of prompts by their ids."""
    return {row.id: row for row in session.execute(select(*_CONTENT).where(prompt.c.id.in_(list(prompt_ids))))}


def get_prompt(session: Session, *, prompt_id: UUID) -> Row[Any]:
    """A prompt with the set it stands in; raises NotFoundError."""
    row = session.execute(select(*_CONTENT, prompt.c.prompt_set_id).where(prompt.c.id == prompt_id)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such prompt.")
    return row


def list_drafts_with(session: Session, *, prompt_set_id: UUID) -> list[str]:
    """The titles of the drafts that would ask these prompts."""
    wanted = select(experiment.c.title).where(
        experiment.c.prompt_set_id == prompt_set_id, experiment.c.status == ExperimentStatus.DRAFT
    )
    return list(session.execute(wanted).scalars())


def set_archived(session: Session, *, prompt_set_id: UUID, at: datetime | None) -> None:
    """Put a set away, or with None bring it back."""
    session.execute(update(prompt_set).where(prompt_set.c.id == prompt_set_id).values(archived_at=at))


def count_prompts(session: Session, *, prompt_set_id: UUID) -> int:
    """How many prompts a set has."""
    return int(session.execute(select(func.count()).where(prompt.c.prompt_set_id == prompt_set_id)).scalar_one())


def list_labels(session: Session, *, prompt_set_id: UUID, first: int, n: int) -> list[Row[Any]]:
    """Rows (id, external_id) of ``n`` prompts of a set, from the one at ``first`` on."""
    found = (
        select(prompt.c.id, prompt.c.external_id)
        .where(prompt.c.prompt_set_id == prompt_set_id)
        .order_by(prompt.c.position)
        .offset(first)
        .limit(n)
    )
    return list(session.execute(found))


def list_messages(session: Session, *, prompt_ids: Iterable[UUID]) -> dict[UUID, list[dict[str, str]]]:
    """The messages of these prompts."""
    found = select(prompt.c.id, prompt.c.messages).where(prompt.c.id.in_(list(prompt_ids)))
    return {row.id: row.messages for row in session.execute(found)}


def freeze(session: Session, *, prompt_set_id: UUID, now: datetime) -> None:
    """Make a prompt set unchangeable, since a study uses it."""
    session.execute(
        update(prompt_set)
        .where(prompt_set.c.id == prompt_set_id, prompt_set.c.frozen_at.is_(None))
        .values(frozen_at=now)
    )
