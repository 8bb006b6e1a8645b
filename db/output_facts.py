"""What is known of stored outputs beside their words: how they ended, their time and cost, and their form."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Row, String, cast, func, select, text
from sqlmodel import Session

from app.domain import GenerationStatus
from db.output_lengths import JUDGED
from db.prepared import dialect_of
from db.tables import Generation, Prompt, tables_of

generation, prompt = tables_of(Generation, Prompt)
_PENDING = (GenerationStatus.WAITING, GenerationStatus.ASKING)
# Characters, and marks that begin a line (heading, list item) or a bold word; the last stand twice around each.
FEATURES = ("characters", "headings", "list items", "bold")


def list_facts(session: Session, *, prompt_set_id: UUID, model_ids: Collection[UUID]) -> list[Row[Any]]:
    """(model_id, prompt_id, status, latency_ms, cost) of every output of these models that was asked for and ended."""
    columns = (generation.c.model_id, generation.c.prompt_id, generation.c.status)
    return list(
        session.execute(
            select(*columns, generation.c.latency_ms, generation.c.cost)
            .select_from(generation.join(prompt, generation.c.prompt_id == prompt.c.id))
            .where(
                prompt.c.prompt_set_id == prompt_set_id,
                generation.c.model_id.in_(list(model_ids)),
                generation.c.status.not_in(_PENDING),
            )
        )
    )


def count_outputs(session: Session, *, prompt_set_id: UUID) -> tuple[tuple[Any, ...], ...]:
    """How many outputs of each status a prompt set has, and the newest of them: changes when ``list_forms`` may."""
    rows = session.execute(
        select(generation.c.status, func.count(), func.max(cast(generation.c.id, String)))
        .select_from(generation.join(prompt, generation.c.prompt_id == prompt.c.id))
        .where(prompt.c.prompt_set_id == prompt_set_id)
        .group_by(generation.c.status)
        .order_by(generation.c.status)
    )
    return tuple(tuple(row) for row in rows)


def list_forms(session: Session, *, prompt_set_id: UUID) -> list[tuple[Any, ...]]:
    """(model_id, prompt_id, and the mean of each of ``FEATURES``) over the outputs that raters may see.

    Ids are hexadecimal digits. The database counts, so that no text leaves it.
    """
    is_sqlite = dialect_of(session).name == "sqlite"
    each, said = ("json_each(g.parts) AS p", "json_extract(p.value, '$.text')")
    if not is_sqlite:
        each, said = ("json_array_elements(g.parts) AS p", "p->>'text'")
    break_ = "char(10)" if is_sqlite else "chr(10)"
    part = f"({break_} || coalesce({said}, ''))"

    def counted(mark: str) -> str:
        return f"(length({part}) - length(replace({part}, {mark}, ''))) / length({mark})"

    lists = f"{counted(f'({break_} || {chr(39)}- {chr(39)})')} + {counted(f'({break_} || {chr(39)}* {chr(39)})')}"
    features = (
        f"length({part}) - 1",
        counted(f"({break_} || '#')"),
        lists,
        counted("'**'") + " / 2.0",
    )
    sums = ", ".join(f"(SELECT sum({feature}) FROM {each}) AS f{i}" for i, feature in enumerate(features))  # noqa: S608
    means = ", ".join(f"avg(f{i}) AS f{i}" for i in range(len(features)))
    digits = (lambda column: column) if is_sqlite else (lambda column: f"replace(CAST({column} AS text), '-', '')")
    statement = text(
        f"SELECT {digits('model_id')} AS model_id, {digits('prompt_id')} AS prompt_id, {means} FROM ("  # noqa: S608 - no value of anybody's stands in it
        f"SELECT g.model_id, g.prompt_id, {sums} FROM generation g JOIN prompt q ON g.prompt_id = q.id "
        "WHERE q.prompt_set_id = :prompt_set AND (g.status = :ok OR g.ready_at IS NOT NULL)) AS counted "
        "GROUP BY model_id, prompt_id"
    )
    wanted = prompt_set_id.hex if is_sqlite else prompt_set_id
    rows = session.execute(statement, {"prompt_set": wanted, "ok": JUDGED})
    return [tuple(row) for row in rows]
