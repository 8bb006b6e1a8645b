"""How long stored outputs are, counted where they are stored, so that no text has to be read for it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import Float, String, and_, cast, func, or_, select, text, type_coerce
from sqlmodel import Session

from app.domain import GenerationStatus
from db.content_tables import Generation
from db.prepared import dialect_of
from db.tables import Arm, tables_of

arm, generation = tables_of(Arm, Generation)
BATCH = 500
# The votes on what was taken out since are kept, and so is what they are explained by.
JUDGED = GenerationStatus.OK.value
# Of all turns of an output, in characters as Unicode counts them; media has none.
_LENGTH = {
    "sqlite": "(SELECT COALESCE(SUM(LENGTH(json_extract(part.value, '$.text'))), 0) "
    "FROM json_each(generation.parts) AS part)",
    "postgresql": "(SELECT COALESCE(SUM(CHAR_LENGTH(part ->> 'text')), 0) "
    "FROM json_array_elements(generation.parts) AS part)",
}


def list_lengths(
    session: Session, *, experiment_id: UUID, prompt_ids: list[UUID]
) -> Iterator[tuple[UUID, UUID, float]]:
    """(prompt, model, characters) of a study's judged outputs; the mean where a model has several for a prompt."""
    length = type_coerce(text(_LENGTH[dialect_of(session).name]), Float)
    for at in range(0, len(prompt_ids), BATCH):
        rows = session.execute(
            select(generation.c.prompt_id, generation.c.model_id, cast(func.avg(length), Float))
            .select_from(
                generation.join(
                    arm, and_(arm.c.model_id == generation.c.model_id, arm.c.experiment_id == experiment_id)
                )
            )
            .where(
                generation.c.prompt_id.in_(prompt_ids[at : at + BATCH]),
                or_(type_coerce(generation.c.status, String) == JUDGED, generation.c.ready_at.is_not(None)),
            )
            .group_by(generation.c.prompt_id, generation.c.model_id)
        )
        for prompt_id, model_id, characters in rows:
            yield prompt_id, model_id, float(characters)
