"""Pairs whose right answer is known: for practice, and as attention checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, bindparam, delete, func, insert, select, text
from sqlmodel import Session

from app.domain import Purpose
from db.prepared import Peek, Prepared
from db.tables import Battle, Gold, Vote, tables_of

battle, gold, vote = tables_of(Battle, Gold, Vote)

# All pairs of one purpose with how often this rater was served and answered each.
_MET = Prepared(
    select(
        gold.c.id,
        func.count(battle.c.id).label("n_served"),
        func.count(battle.c.id).filter(text("battle.status IN ('voted', 'skipped')")).label("n_answered"),
    )
    .select_from(
        gold.outerjoin(battle, and_(battle.c.gold_id == gold.c.id, battle.c.rater_id == bindparam("rater_id")))
    )
    .where(gold.c.experiment_id == bindparam("experiment_id"), gold.c.purpose == bindparam("purpose"))
    .group_by(gold.c.id, gold.c.position)
    .order_by(gold.c.position)
)


def replace_gold(session: Session, *, experiment_id: UUID, purpose: Purpose, rows: Iterable[Mapping[str, Any]]) -> None:
    """Put these pairs in the place of those of one purpose; each row gives every column."""
    session.execute(delete(gold).where(gold.c.experiment_id == experiment_id, gold.c.purpose == purpose))
    if rows := list(rows):
        session.execute(insert(gold), rows)


def next_position(session: Session, *, experiment_id: UUID, other_than: Purpose) -> int:
    """The first free position behind the pairs of the other purposes."""
    last = session.execute(
        select(func.max(gold.c.position)).where(gold.c.experiment_id == experiment_id, gold.c.purpose != other_than)
    ).scalar_one()
    return 0 if last is None else int(last) + 1


def count_gold(session: Session, *, experiment_id: UUID) -> dict[Purpose, int]:
    """How many pairs with a known answer a study has, by purpose."""
    rows = session.execute(
        select(gold.c.purpose, func.count()).where(gold.c.experiment_id == experiment_id).group_by(gold.c.purpose)
    )
    return {Purpose(row[0]): row[1] for row in rows}


def list_texts(session: Session, *, experiment_id: UUID) -> list[Row[Any]]:
    """What the pairs with a known answer say beside their prompts: rows (left, right, reason) in their order."""
    wanted = select(gold.c.left, gold.c.right, gold.c.reason).where(gold.c.experiment_id == experiment_id)
    return list(session.execute(wanted.order_by(gold.c.position)))


def list_met(session: Session | Peek, *, rater_id: UUID, experiment_id: UUID, purpose: Purpose) -> list[Any]:
    """The pairs of one purpose in their order, with how often this rater was served and answered each."""
    return _MET.all(session, rater_id=rater_id, experiment_id=experiment_id, purpose=purpose)


def find_last_practice(session: Session, *, rater_id: UUID, experiment_id: UUID) -> Row[Any] | None:
    """The battle for practice that this rater answered last, and what was expected of it."""
    return session.execute(
        select(
            battle.c.id.label("battle_id"),
            battle.c.gold_id,
            battle.c.is_a_left,
            vote.c.outcome,
            gold.c.answer,
            gold.c.reason,
        )
        .select_from(battle.join(gold, battle.c.gold_id == gold.c.id).join(vote, vote.c.battle_id == battle.c.id))
        .where(
            battle.c.rater_id == rater_id,
            battle.c.experiment_id == experiment_id,
            battle.c.purpose == Purpose.PRACTICE,
            battle.c.status.in_(("voted", "skipped")),
            vote.c.superseded_by.is_(None),
            vote.c.criterion == "overall",
        )
        .order_by(battle.c.assigned_at.desc(), battle.c.id.desc())
        .limit(1)
    ).first()
