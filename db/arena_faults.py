"""Models of arenas that gave no answer that can be shown: which, how often, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, func, or_, select
from sqlmodel import Session

from app.domain import GenerationStatus
from db.tables import Battle, Generation, Model, Prompt, tables_of

battle, generation, model, prompt = tables_of(Battle, Generation, Model, Prompt)


def list_failing(
    session: Session, *, prompt_set_id: UUID, harmless: Sequence[str], of_question: Sequence[str]
) -> list[Row[Any]]:
    """For each model of an arena that failed since it answered last: (model_id, name, n_failed, n_refused, last_at).

    ``harmless`` are reasons that say nothing about an endpoint. Reasons that begin as in ``of_question`` may lie in
    what was asked; they are counted in ``n_refused``, all others in ``n_failed``. What an endpoint gave an answer to
    has another status, be it one that can't be shown.
    """
    is_refused = _begins(of_question)
    columns = (
        generation.c.model_id,
        model.c.name,
        func.count().filter(~is_refused).label("n_failed"),
        func.count().filter(is_refused).label("n_refused"),
        func.max(generation.c.asked_at).label("last_at"),
    )
    wanted = _unanswered(prompt_set_id, *columns).where(generation.c.error.not_in(["", *harmless]))
    return list(session.execute(wanted.group_by(generation.c.model_id, model.c.name).order_by(model.c.name)))


def count_refused_raters(
    session: Session, *, prompt_set_id: UUID, model_id: UUID, of_question: Sequence[str], most: int
) -> int:
    """How many raters asked what this model refused since it answered last, the newest ``most`` questions of it."""
    newest = (
        _unanswered(prompt_set_id, generation.c.id)
        .where(generation.c.model_id == model_id, _begins(of_question))
        .order_by(generation.c.id.desc())
        .limit(most)
    )
    ids = list(session.execute(newest).scalars())
    if not ids:
        return 0
    # A battle is made after its generations and ids are in the order of time, so that no older battle is looked at.
    shows = or_(battle.c.generation_a_id.in_(ids), battle.c.generation_b_id.in_(ids))
    wanted = select(func.count(battle.c.rater_id.distinct())).where(battle.c.id > min(ids), shows)
    return int(session.execute(wanted).scalar_one())


def _begins(reasons: Sequence[str]) -> ColumnElement[bool]:
    return or_(*(generation.c.error.startswith(reason, autoescape=True) for reason in reasons))


def _unanswered(prompt_set_id: UUID, *columns: Any) -> Select[Any]:
    """Of an arena's generations, those that failed after the last one that their model answered."""
    of_set = generation.join(prompt, generation.c.prompt_id == prompt.c.id)
    unanswered = (GenerationStatus.FAILED, GenerationStatus.ASKING)
    answered = (
        select(generation.c.model_id, func.max(generation.c.asked_at).label("at"))
        .select_from(of_set)
        .where(prompt.c.prompt_set_id == prompt_set_id, generation.c.status.not_in(unanswered))
        .group_by(generation.c.model_id)
        .subquery()
    )
    with_last = of_set.outerjoin(answered, answered.c.model_id == generation.c.model_id)
    return (
        select(*columns)
        .select_from(with_last.join(model, generation.c.model_id == model.c.id))
        .where(prompt.c.prompt_set_id == prompt_set_id, generation.c.status == GenerationStatus.FAILED)
        .where(or_(answered.c.at.is_(None), generation.c.asked_at > answered.c.at))
    )


def list_faulty_models(session: Session, *, prompt_id: UUID, harmless: Sequence[str]) -> set[UUID]:
    """The models that gave no answer to this prompt that can be shown; ``harmless`` are reasons that don't count."""
    wanted = select(generation.c.model_id).where(
        generation.c.prompt_id == prompt_id, generation.c.error.not_in(["", *harmless])
    )
    return set(session.execute(wanted).scalars())


def list_troubles(session: Session, *, prompt_set_id: UUID, harmless: Sequence[str]) -> list[Row[Any]]:
    """For each model of an arena that failed: (name, n_failed, n_asked, last), the last reason."""
    failed = generation.c.error.not_in(["", *harmless])
    of_set = generation.join(prompt, generation.c.prompt_id == prompt.c.id)
    place = func.row_number().over(partition_by=generation.c.model_id, order_by=generation.c.id.desc())
    numbered = (
        select(generation.c.id, place.label("place"))
        .select_from(of_set)
        .where(prompt.c.prompt_set_id == prompt_set_id, failed)
        .subquery()
    )
    counts = (
        select(
            generation.c.model_id,
            func.count().label("n_asked"),
            func.count().filter(failed).label("n_failed"),
        )
        .select_from(of_set)
        .where(prompt.c.prompt_set_id == prompt_set_id)
        .group_by(generation.c.model_id)
        .subquery()
    )
    wanted = (
        select(model.c.name, counts.c.n_asked, counts.c.n_failed, generation.c.error.label("last"))
        .select_from(
            generation.join(model, generation.c.model_id == model.c.id).join(
                counts, counts.c.model_id == generation.c.model_id
            )
        )
        .where(generation.c.id.in_(select(numbered.c.id).where(numbered.c.place == 1)))
        .order_by(model.c.name)
    )
    return list(session.execute(wanted))
