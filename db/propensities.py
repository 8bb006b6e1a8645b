"""The chances with which the battles of a study were drawn, summed up."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select
from sqlmodel import Session

from db.tables import Battle, tables_of

(battle,) = tables_of(Battle)


def sum_propensities(session: Session, *, experiment_id: UUID) -> Row[Any]:
    """(n, lowest, highest, total, squares): of battles with a chance p, the sums of 1 / p and of 1 / p^2."""
    p = battle.c.propensity
    return session.execute(
        select(
            func.count().label("n"),
            func.min(p).label("lowest"),
            func.max(p).label("highest"),
            func.sum(1 / p).label("total"),
            func.sum(1 / (p * p)).label("squares"),
        ).where(battle.c.experiment_id == experiment_id, p > 0, battle.c.status == "voted")
    ).one()
