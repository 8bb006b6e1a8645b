"""A rater's own votes, newest first: what was on the screen and what they said; never a model."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select
from sqlmodel import Session

from app.domain import BattleStatus, Purpose
from app.study import OVERALL
from db.screens import COLUMNS, SHOWN_BY
from db.tables import Battle, Experiment, Vote, tables_of

battle, experiment, vote = tables_of(Battle, Experiment, Vote)


def _mine(rater_id: UUID) -> tuple[ColumnElement[bool], ...]:
    """Live overall answers. Practice is no vote; checks and repeats look like any other battle here too."""
    return (
        battle.c.rater_id == rater_id,
        battle.c.status.in_((BattleStatus.VOTED, BattleStatus.SKIPPED)),
        battle.c.purpose != Purpose.PRACTICE,
        vote.c.superseded_by.is_(None),
        vote.c.criterion == OVERALL,
    )


def count_own(session: Session, *, rater_id: UUID) -> int:
    """How many answers this rater has given, skips included."""
    n: int = session.execute(
        select(func.count()).select_from(battle.join(vote, vote.c.battle_id == battle.c.id)).where(*_mine(rater_id))
    ).scalar_one()
    return n


def list_own(session: Session, *, rater_id: UUID, limit: int, offset: int) -> list[Row[Any]]:
    """Some of this rater's answers, newest first, with what was on the screen."""
    # The texts are joined to the few that are shown, not to all that are sorted.
    some = (
        select(battle.c.id, vote.c.id.label("vote_id"))
        .select_from(battle.join(vote, vote.c.battle_id == battle.c.id))
        .where(*_mine(rater_id))
        .order_by(vote.c.voted_at.desc(), vote.c.id.desc())
        .limit(limit)
        .offset(offset)
        .subquery()
    )
    return list(
        session.execute(
            select(
                battle.c.id,
                experiment.c.title,
                vote.c.outcome,
                vote.c.voted_at,
                vote.c.dwell_ms,
                vote.c.strength,
                vote.c.reasons,
                vote.c.comment,
                vote.c.skip_reason,
                vote.c.guesses,
                experiment.c.shows,
                *COLUMNS,
            )
            .select_from(
                SHOWN_BY.join(some, some.c.id == battle.c.id)
                .join(vote, vote.c.id == some.c.vote_id)
                .join(experiment, battle.c.experiment_id == experiment.c.id)
            )
            .order_by(vote.c.voted_at.desc(), vote.c.id.desc())
        )
    )
