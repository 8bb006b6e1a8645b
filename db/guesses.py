"""What raters guess about who made what, and the models that they can choose from."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlmodel import Session

from db.tables import Arm, Battle, Model, Pair, Vote, tables_of
from db.votes import counted

arm, battle, model, pair, vote = tables_of(Arm, Battle, Model, Pair, Vote)


def list_options(session: Session, *, experiment_id: UUID) -> list[Row[Any]]:
    """The models of a study (id, name, version)."""
    return list(
        session.execute(
            select(model.c.id, model.c.name, model.c.version)
            .select_from(arm.join(model, arm.c.model_id == model.c.id))
            .where(arm.c.experiment_id == experiment_id)
        )
    )


def list_guesses(session: Session, *, experiment_id: UUID, with_staff: bool = False) -> list[Row[Any]]:
    """Live votes with a guess: rows (guesses, is_a_left, model_a_id, model_b_id, rater_id)."""
    return list(
        session.execute(
            select(vote.c.guesses, battle.c.is_a_left, pair.c.model_a_id, pair.c.model_b_id, battle.c.rater_id)
            .select_from(vote.join(battle, vote.c.battle_id == battle.c.id).join(pair, battle.c.pair_id == pair.c.id))
            .where(
                *counted(experiment_id, with_staff=with_staff),
                vote.c.guesses.is_not(None),
                battle.c.is_a_left.is_not(None),
            )
        )
    )
