"""Generations that name their maker, what was chosen for them, and the phrases that admins added."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Text,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    null,
    or_,
    select,
    update,
)
from sqlmodel import Session

from app.domain import ExperimentStatus, GenerationStatus, LeakChoice
from db.columns import new_id
from db.prepared import dialect_of
from db.tables import Arm, Experiment, Generation, LeakPhrase, Model, Prompt, tables_of

arm, experiment, generation, phrase, model, prompt = tables_of(Arm, Experiment, Generation, LeakPhrase, Model, Prompt)

# JSON columns have no equality on PostgreSQL, and a null in them may be SQL's or JSON's.
_HAS_LEAKS = cast(generation.c.leaks, Text) != "[]"
_IS_MASKED = func.coalesce(cast(generation.c.original_parts, Text), "null") != "null"
_CHECKED = (GenerationStatus.OK, GenerationStatus.FLAGGED, GenerationStatus.DROPPED)
_PASSED_OVER = (GenerationStatus.WITHDRAWN, GenerationStatus.ASKING)
_STATE: ColumnElement[str] = case(
    (generation.c.status == GenerationStatus.FLAGGED, "flagged"),
    (generation.c.status == GenerationStatus.DROPPED, "dropped"),
    (_IS_MASKED, "masked"),
    else_="kept",
)
# A started study shows what was ready and not taken out at its start. An imported one, which ends as it starts, shows
# nothing to anybody.
_SHOWS = and_(
    experiment.c.started_at.is_not(None),
    or_(experiment.c.ended_at.is_(None), experiment.c.ended_at != experiment.c.started_at),
    experiment.c.prompt_set_id == prompt.c.prompt_set_id,
    generation.c.ready_at <= experiment.c.started_at,
    ~cast(experiment.c.left_out, Text).contains(func.replace(cast(generation.c.id, Text), "-", "")),  # its hex
)
_IN_USE = and_(
    generation.c.status == GenerationStatus.OK,
    generation.c.sample == 0,
    exists()
    .where(arm.c.experiment_id == experiment.c.id, arm.c.model_id == generation.c.model_id, _SHOWS)
    .correlate(generation, prompt),
)
_ROW = (
    generation.c.id,
    generation.c.model_id,
    generation.c.status,
    generation.c.error,
    generation.c.parts,
    generation.c.original_parts,
    generation.c.leaks,
    generation.c.ready_at,
    prompt.c.external_id,
    prompt.c.messages,
    _STATE.label("state"),
    _IN_USE.label("is_in_use"),
)


def hold_rules(session: Session, *, is_change: bool = False) -> None:
    """Hold phrases, names and choices as they are until this transaction ends; one that changes them waits for it.

    Without, an output checked by the rules of a moment ago could be stored after the search for what a new rule finds.
    """
    if dialect_of(session).name != "sqlite":  # there one transaction writes at a time
        lock = func.pg_advisory_xact_lock if is_change else func.pg_advisory_xact_lock_shared
        session.execute(select(lock(7203918)))


def list_phrases(session: Session) -> list[Row[Any]]:
    """The phrases (id, phrase, created_at) that admins added, by phrase."""
    return list(session.execute(select(phrase.c.id, phrase.c.phrase, phrase.c.created_at).order_by(phrase.c.phrase)))


def add_phrase(session: Session, *, text: str, now: datetime, created_by: UUID | None) -> None:
    """Store a phrase that gives a maker away."""
    session.execute(insert(phrase).values(id=new_id(), phrase=text, created_at=now, created_by=created_by))


def delete_phrase(session: Session, *, phrase_id: UUID) -> None:
    """Look for a phrase no longer."""
    session.execute(delete(phrase).where(phrase.c.id == phrase_id))


def list_makers(session: Session, *, model_ids: Collection[UUID] | None = None) -> dict[UUID, Row[Any]]:
    """What is registered of models (name, version, organisation, provider_id, leak_choice), by id."""
    columns = (
        model.c.id,
        model.c.name,
        model.c.version,
        model.c.organisation,
        model.c.provider_id,
        model.c.leak_choice,
    )
    query = select(*columns) if model_ids is None else select(*columns).where(model.c.id.in_(list(model_ids)))
    return {row.id: row for row in session.execute(query)}


def list_messages(session: Session, *, prompt_ids: Iterable[UUID]) -> dict[UUID, list[dict[str, str]]]:
    """The messages of these prompts, by prompt."""
    rows = session.execute(select(prompt.c.id, prompt.c.messages).where(prompt.c.id.in_(list(prompt_ids))))
    return {row.id: row.messages for row in rows}


def count_by_model(session: Session) -> list[Row[Any]]:
    """Rows (model_id, state, n) of the generations that name their maker."""
    return list(
        session.execute(
            select(generation.c.model_id, _STATE.label("state"), func.count().label("n"))
            .where(_HAS_LEAKS, generation.c.status.in_(_CHECKED))
            .group_by(generation.c.model_id, _STATE)
        )
    )


def count_for_experiments(session: Session, *, experiment_ids: Collection[UUID]) -> dict[str, int]:
    """How many generations of each experiment's models for its prompts name their maker, each once, by state."""
    rows = session.execute(
        select(_STATE.label("state"), func.count(generation.c.id.distinct()).label("n"))
        .select_from(
            experiment.join(prompt, prompt.c.prompt_set_id == experiment.c.prompt_set_id)
            .join(arm, arm.c.experiment_id == experiment.c.id)
            .join(generation, and_(generation.c.prompt_id == prompt.c.id, generation.c.model_id == arm.c.model_id))
        )
        .where(
            experiment.c.id.in_(list(experiment_ids)),
            generation.c.sample == 0,
            generation.c.status.in_(_CHECKED),
            _HAS_LEAKS,
        )
        .group_by(_STATE)
    )
    return {row.state: row.n for row in rows}


def list_leaking(
    session: Session,
    *,
    model_id: UUID | None = None,
    state: str | None = None,
    generation_id: UUID | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[Row[Any]]:
    """The generations that name their maker, those that wait for a choice first."""
    wanted: list[ColumnElement[bool]] = [_HAS_LEAKS, generation.c.status.in_(_CHECKED)]
    if model_id is not None:
        wanted.append(generation.c.model_id == model_id)
    if state is not None:
        wanted.append(_STATE.in_([state]))
    if generation_id is not None:
        wanted.append(generation.c.id.in_([generation_id]))
    waits = case((generation.c.status == GenerationStatus.FLAGGED, 0), else_=1)
    return list(
        session.execute(
            select(*_ROW)
            .select_from(generation.join(prompt, generation.c.prompt_id == prompt.c.id))
            .where(*wanted)
            .order_by(waits, generation.c.id)
            .limit(limit)
            .offset(offset)
        )
    )


def list_checked(
    session: Session, *, model_ids: Collection[UUID] | None, after: UUID | None, limit: int
) -> list[Row[Any]]:
    """The next generations (of these models) that are or were answers, by id."""
    later: list[ColumnElement[bool]] = []
    if after is not None:
        later.append(generation.c.id > after)
    if model_ids is not None:
        later.append(generation.c.model_id.in_(list(model_ids)))
    return list(
        session.execute(
            select(*_ROW)
            .select_from(generation.join(prompt, generation.c.prompt_id == prompt.c.id))
            .where(generation.c.status.in_(_CHECKED), *later)
            .order_by(generation.c.id)
            .limit(limit)
        )
    )


def list_by_ids(session: Session, *, generation_ids: Collection[UUID]) -> list[Row[Any]]:
    """These generations as ``list_checked`` gives them, with those that were withdrawn or are being continued."""
    return list(
        session.execute(
            select(*_ROW)
            .select_from(generation.join(prompt, generation.c.prompt_id == prompt.c.id))
            .where(
                generation.c.id.in_(list(generation_ids)),
                generation.c.status.in_((*_CHECKED, *_PASSED_OVER)),
            )
            .order_by(generation.c.id)
        )
    )


def hold_drafts(session: Session, *, model_ids: Collection[UUID]) -> None:
    """Let no draft with these models start before this transaction ends, so that what it shows can't change by that."""
    drafts = select(experiment.c.id).where(
        experiment.c.status == ExperimentStatus.DRAFT,
        experiment.c.id.in_(select(arm.c.experiment_id).where(arm.c.model_id.in_(list(model_ids)))),
    )
    session.execute(drafts.order_by(experiment.c.id).with_for_update())


def update_leaks(session: Session, *, generation_id: UUID, columns: Mapping[str, Any]) -> None:
    """Store what was found in a generation and what became of it."""
    values = dict(columns)
    if "original_parts" in values and values["original_parts"] is None:
        values["original_parts"] = null()  # None would be stored as the JSON value
    session.execute(update(generation).where(generation.c.id == generation_id).values(values))


def set_choice(session: Session, *, model_id: UUID, choice: LeakChoice) -> None:
    """What becomes of a model's generations that name their maker, from now on."""
    session.execute(update(model).where(model.c.id == model_id).values(leak_choice=choice))
