"""Which model has an output for which prompt, counted in the database."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import case, func, select
from sqlmodel import Session

from app.domain import GenerationStatus
from db.models import of_one_setting
from db.tables import Generation, Prompt, tables_of

generation, prompt = tables_of(Generation, Prompt)
# Of several outputs of a model for a prompt (other samples or settings) the best one counts.
_BEST_FIRST = (
    *(GenerationStatus.OK, GenerationStatus.FLAGGED, GenerationStatus.ASKING, GenerationStatus.WAITING),
    *(GenerationStatus.TRUNCATED, GenerationStatus.REFUSED, GenerationStatus.EMPTY, GenerationStatus.FAILED),
    *(GenerationStatus.DROPPED, GenerationStatus.WITHDRAWN),
)
_PLACE = func.min(
    case({status.value: place for place, status in enumerate(_BEST_FIRST)}, value=generation.c.status)
).label("place")


def count_outputs(session: Session, *, prompt_set_id: UUID) -> list[tuple[UUID, GenerationStatus, int]]:
    """For how many prompts of a set (model, status, n) a model's best output has a status."""
    best = (
        select(generation.c.model_id, _PLACE)
        .select_from(prompt.join(generation, generation.c.prompt_id == prompt.c.id))
        .where(prompt.c.prompt_set_id == prompt_set_id)
        .group_by(generation.c.prompt_id, generation.c.model_id)
        .subquery()
    )
    rows = session.execute(select(best.c.model_id, best.c.place, func.count()).group_by(best.c.model_id, best.c.place))
    return [(row[0], _BEST_FIRST[row[1]], row[2]) for row in rows]


def list_cells(session: Session, *, prompt_ids: Iterable[UUID]) -> dict[tuple[UUID, UUID], GenerationStatus]:
    """The status of each model's best output for each of these prompts, by (model, prompt)."""
    rows = session.execute(
        select(generation.c.model_id, generation.c.prompt_id, _PLACE)
        .where(generation.c.prompt_id.in_(list(prompt_ids)))
        .group_by(generation.c.prompt_id, generation.c.model_id)
    )
    return {(row.model_id, row.prompt_id): _BEST_FIRST[row.place] for row in rows}


def list_usable_prompts(session: Session, *, prompt_set_id: UUID) -> dict[UUID, set[UUID]]:
    """The prompts of a set that a study can show each model for."""
    rows = session.execute(
        select(generation.c.model_id, generation.c.prompt_id, generation.c.settings_hash)
        .select_from(prompt.join(generation, generation.c.prompt_id == prompt.c.id))
        .where(
            prompt.c.prompt_set_id == prompt_set_id,
            generation.c.status == GenerationStatus.OK,
            generation.c.sample == 0,
        )
        .order_by(generation.c.id)
    )
    found: dict[UUID, set[UUID]] = {}
    for row in of_one_setting(list(rows)):
        found.setdefault(row.model_id, set()).add(row.prompt_id)
    return found
