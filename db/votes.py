"""Votes: written one at a time and never changed, read as counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, insert, or_, select, update
from sqlmodel import Session

from app.domain import Act, Input, Outcome, Purpose
from app.study import OVERALL
from db import participation
from db.columns import new_id
from db.prepared import Peek, Prepared
from db.tables import Battle, Vote, tables_of

battle, vote = tables_of(Battle, Vote)

_INSERT = Prepared(insert(vote))
_SUPERSEDE = Prepared(
    update(vote)
    .where(
        vote.c.battle_id == bindparam("battle"),
        vote.c.criterion == bindparam("criterion_of"),
        vote.c.superseded_by.is_(None),
        vote.c.id != bindparam("by"),
    )
    .values(superseded_by=bindparam("by"))
)
_COMMENT = Prepared(
    select(vote.c.comment)
    .where(vote.c.battle_id == bindparam("battle"), vote.c.criterion == OVERALL, vote.c.act != Act.UNDO)
    .order_by(vote.c.revision.desc())
    .limit(1)
)
_NOTHING_SAID = {"strength": None, "reasons": None, "comment": "", "skip_reason": None, "guesses": None}
_LIVE = (vote.c.superseded_by.is_(None), vote.c.act == Act.VOTE)
# Practice, attention checks and repeats say something about the rater, not about the models.
COUNTED = (Purpose.NORMAL, Purpose.CALIBRATION, Purpose.IMPORTED)


def add_vote(
    session: Session | Peek,
    *,
    battle_id: UUID,
    revision: int,
    act: Act,
    outcome: Outcome | None,
    voted_at: datetime,
    dwell_ms: int | None,
    input_: Input,
    is_staff: bool = False,
    is_late: bool = False,
    criterion: str = OVERALL,
    **said: Any,
) -> UUID:
    """Store what a rater did and mark the battle's row before it as superseded.

    ``said`` are the columns ``strength``, ``reasons``, ``comment``, ``skip_reason`` and ``guesses``, as far as given.
    """
    vote_id = new_id()
    _INSERT.all(
        session,
        id=vote_id,
        battle_id=battle_id,
        criterion=criterion,
        revision=revision,
        act=act,
        outcome=outcome,
        weight=1,
        voted_at=voted_at,
        dwell_ms=dwell_ms,
        input=input_,
        is_staff=is_staff,
        is_late=is_late,
        superseded_by=None,
        **(_NOTHING_SAID | said),
    )
    if revision:
        _SUPERSEDE.all(session, battle=battle_id, criterion_of=criterion, by=vote_id)
    return vote_id


def add_undo(
    session: Session | Peek, *, battle_id: UUID, revision: int, at: datetime, is_staff: bool, criterion: str = OVERALL
) -> None:
    """Store that what was said of a battle, or of one criterion of it, was taken back."""
    add_vote(
        session,
        battle_id=battle_id,
        revision=revision,
        act=Act.UNDO,
        outcome=None,
        voted_at=at,
        dwell_ms=None,
        input_=Input.SCREEN,
        is_staff=is_staff,
        criterion=criterion,
    )


def add_votes(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """Store many votes at once; each row gives every column."""
    session.execute(insert(vote), list(rows))


def list_live(session: Session, *, battle_id: UUID) -> list[Row[Any]]:
    """The live rows of a battle with all their columns, one for each criterion that was ever answered."""
    return list(
        session.execute(
            select(vote).where(vote.c.battle_id == battle_id, vote.c.superseded_by.is_(None)).order_by(vote.c.id)
        )
    )


def find_comment(session: Session | Peek, *, battle_id: UUID) -> str:
    """What was typed about a battle last, be its vote taken back by now or not; blank when nothing was."""
    row = _COMMENT.first(session, battle=battle_id)
    return str(row.comment) if row else ""


def counted(experiment_id: UUID, *, with_staff: bool = False, criterion: str = OVERALL) -> tuple[Any, ...]:
    """Which rows of vote and battle count in an experiment's results: live answers about its models.

    Raters who failed their attention checks or took their consent back are left out.
    """
    staff = () if with_staff else (vote.c.is_staff.is_(False),)
    return (
        battle.c.experiment_id == experiment_id,
        battle.c.purpose.in_(COUNTED),
        *_LIVE,
        vote.c.criterion == criterion,
        *staff,
        or_(battle.c.rater_id.is_(None), battle.c.rater_id.not_in(participation.left_out(experiment_id))),
    )
