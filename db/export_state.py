"""What tells whether anything changed that the exports of a study are made of."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import String, cast, func, select
from sqlmodel import Session

from db.tables import AuditEvent, Battle, Participation, Vote, tables_of

audit_event, battle, participation, vote = tables_of(AuditEvent, Battle, Participation, Vote)


def find_votes_since(session: Session, *, experiment_id: UUID, after: UUID) -> tuple[int, str]:
    """How many rows of a study's votes have later ids, and the latest: rows are only ever added."""
    n, newest = session.execute(
        select(func.count(), func.max(cast(vote.c.id, String)))
        .select_from(vote.join(battle, vote.c.battle_id == battle.c.id))
        .where(vote.c.id > after, battle.c.experiment_id == experiment_id)
    ).one()
    return int(n), newest or ""


def find_state(session: Session, *, experiment_id: UUID) -> tuple[Any, ...]:
    """What changes when a rater ends, withdraws or is screened out, and whenever an admin does anything."""
    ended = select(func.count(participation.c.ended_at), func.max(participation.c.ended_at)).where(
        participation.c.experiment_id == experiment_id
    )
    return *session.execute(ended).one(), session.execute(select(func.max(audit_event.c.sequence))).scalar_one()
