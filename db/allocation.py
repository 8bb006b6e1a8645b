"""What the choice of the next battle asks of the database beside the counts of ``db.battles``."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, case, func, select, text, update
from sqlmodel import Session

from app.domain import Outcome
from db.prepared import Peek, Prepared
from db.tables import Battle, Pair, Vote, tables_of
from db.votes import counted

battle, pair, vote = tables_of(Battle, Pair, Vote)
_sum = pair.alias("summed")  # inside the update of a pair the plain name would mean the row that is updated

_TAKE_OF_ALL = Prepared(
    update(pair)
    .where(
        pair.c.id == bindparam("pair"),
        select(func.sum(_sum.c.n_taken)).where(_sum.c.experiment_id == bindparam("study")).scalar_subquery()
        < bindparam("total"),
    )
    .values(n_taken=pair.c.n_taken + 1)
    .returning(pair.c.id)
)
_COUNT_VOTES = Prepared(select(func.sum(pair.c.n_votes)).where(pair.c.experiment_id == bindparam("study")))
# Not through db.battles: there the counts are asked for one pair, here for all of a study, and only the full ones.
_FULL = Prepared(
    select(battle.c.pair_id, battle.c.prompt_id)
    .where(
        battle.c.experiment_id == bindparam("study"),
        battle.c.pair_id.is_not(None),
        text("battle.status IN ('open', 'waiting', 'voted')"),
    )
    .group_by(battle.c.pair_id, battle.c.prompt_id)
    .having(func.count() >= bindparam("limit"))
)


def take_of_all(session: Session | Peek, *, pair_id: UUID, experiment_id: UUID, total: int) -> bool:
    """Reserve one vote of a study that has ``total`` to give to any of its pairs; False when all are taken."""
    return _TAKE_OF_ALL.first(session, pair=pair_id, study=experiment_id, total=total) is not None


def count_votes(session: Session | Peek, *, experiment_id: UUID) -> int:
    """The live votes of all pairs of a study."""
    return int(_COUNT_VOTES.first(session, study=experiment_id)[0] or 0)


def list_full(session: Session | Peek, *, experiment_id: UUID, limit: int) -> list[Any]:
    """(pair_id, prompt_id) wherever a pair has ``limit`` votes or open battles on one prompt, or more."""
    return _FULL.all(session, study=experiment_id, limit=limit)


def list_evidence(session: Session, *, experiment_id: UUID) -> tuple[list[Any], list[Any]]:
    """What a strategy learns from: (position, n_taken, n_open) of all pairs, in order, and wins of those with votes.

    The wins are rows (position, wins of model a, wins of model b), a tie or both-bad half a win for each.
    """
    counts = session.execute(
        select(pair.c.position, pair.c.n_taken, (pair.c.n_taken - pair.c.n_votes).label("n_open"))
        .where(pair.c.experiment_id == experiment_id)
        .order_by(pair.c.position)
    )
    worth = [
        func.sum(vote.c.weight * case((vote.c.outcome == winner, 1.0), (vote.c.outcome == loser, 0.0), else_=0.5))
        for winner, loser in ((Outcome.MODEL_A, Outcome.MODEL_B), (Outcome.MODEL_B, Outcome.MODEL_A))
    ]
    wins = session.execute(
        select(pair.c.position, *worth)
        .select_from(vote.join(battle, vote.c.battle_id == battle.c.id).join(pair, battle.c.pair_id == pair.c.id))
        .where(*counted(experiment_id))
        .group_by(pair.c.position)
    )
    return list(counts), list(wins)
