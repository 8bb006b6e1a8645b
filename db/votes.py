"""Votes: written one at a time and never changed, read as counts or as a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, func, insert, select, update
from sqlmodel import Session

from app.domain import Act, Input, Outcome
from db.columns import new_id
from db.prepared import Peek, Prepared
from db.tables import Account, Battle, Experiment, Model, Pair, Prompt, PromptSet, Vote, tables_of

account, battle, experiment, model, pair, prompt, prompt_set, vote = tables_of(
    Account, Battle, Experiment, Model, Pair, Prompt, PromptSet, Vote
)

_INSERT = Prepared(insert(vote))
_SUPERSEDE = Prepared(
    update(vote)
    .where(vote.c.battle_id == bindparam("battle"), vote.c.superseded_by.is_(None), vote.c.id != bindparam("by"))
    .values(superseded_by=bindparam("by"))
)
_LIVE = (vote.c.superseded_by.is_(None), vote.c.act == Act.VOTE)


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
) -> UUID:
    """Store what a rater did and mark the battle's row before it as superseded."""
    vote_id = new_id()
    _INSERT.all(
        session,
        id=vote_id,
        battle_id=battle_id,
        criterion="overall",
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
    )
    if revision:
        _SUPERSEDE.all(session, battle=battle_id, by=vote_id)
    return vote_id


def add_votes(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """Store many votes at once; each row gives every column."""
    session.execute(insert(vote), list(rows))


def get_live_act(session: Session, *, battle_id: UUID) -> Act:
    """What the live row of a battle says."""
    return Act(
        session.execute(
            select(vote.c.act).where(vote.c.battle_id == battle_id, vote.c.superseded_by.is_(None))
        ).scalar_one()
    )


def _selected(experiment_id: UUID, *, with_staff: bool) -> tuple[Any, ...]:
    staff = () if with_staff else (vote.c.is_staff.is_(False),)
    return (battle.c.experiment_id == experiment_id, *_LIVE, *staff)


def count_outcomes(session: Session, *, experiment_id: UUID, with_staff: bool = False) -> list[Row[Any]]:
    """Live votes as counts: rows (pair_id, is_a_left, outcome, n)."""
    return list(
        session.execute(
            select(battle.c.pair_id, battle.c.is_a_left, vote.c.outcome, func.sum(vote.c.weight).label("n"))
            .select_from(vote.join(battle, vote.c.battle_id == battle.c.id))
            .where(*_selected(experiment_id, with_staff=with_staff))
            .group_by(battle.c.pair_id, battle.c.is_a_left, vote.c.outcome)
        )
    )


def list_outcomes(session: Session, *, experiment_id: UUID, with_staff: bool = False) -> list[Row[Any]]:
    """Live votes one by one, in the order of their casting: rows (pair_id, is_a_left, outcome, weight, rater_id)."""
    return list(
        session.execute(
            select(battle.c.pair_id, battle.c.is_a_left, vote.c.outcome, vote.c.weight, battle.c.rater_id)
            .select_from(vote.join(battle, vote.c.battle_id == battle.c.id))
            .where(*_selected(experiment_id, with_staff=with_staff))
            .order_by(vote.c.voted_at, vote.c.id)
        )
    )


def count_totals(session: Session, *, experiment_id: UUID, with_staff: bool = False) -> Row[Any]:
    """One row (n_votes, n_raters, first_at, last_at) over live votes."""
    return session.execute(
        select(
            func.coalesce(func.sum(vote.c.weight), 0).label("n_votes"),
            func.count(battle.c.rater_id.distinct()).label("n_raters"),
            func.min(vote.c.voted_at).label("first_at"),
            func.max(vote.c.voted_at).label("last_at"),
        )
        .select_from(vote.join(battle, vote.c.battle_id == battle.c.id))
        .where(*_selected(experiment_id, with_staff=with_staff))
    ).one()


def count_staff(session: Session, *, experiment_id: UUID) -> int:
    """How many live votes were cast by unblinded staff."""
    n: int = session.execute(
        select(func.count())
        .select_from(vote.join(battle, vote.c.battle_id == battle.c.id))
        .where(battle.c.experiment_id == experiment_id, *_LIVE, vote.c.is_staff.is_(True))
    ).scalar_one()
    return n


def stream_votes(session: Session, *, experiment_id: UUID, batch: int = 5000) -> Iterator[Row[Any]]:
    """Every row of every vote of an experiment, in order, with all that an export names."""
    model_a, model_b = model.alias("ma"), model.alias("mb")
    statement = (
        select(
            vote.c.id.label("vote_id"),
            experiment.c.key.label("experiment"),
            prompt_set.c.name.label("prompt_set"),
            prompt_set.c.version.label("prompt_set_version"),
            prompt.c.external_id.label("prompt_id"),
            model_a.c.name.label("model_a"),
            model_b.c.name.label("model_b"),
            model_a.c.version.label("version_a"),
            model_b.c.version.label("version_b"),
            battle.c.is_a_left,
            vote.c.act,
            vote.c.outcome,
            vote.c.weight,
            vote.c.criterion,
            battle.c.rater_id,
            account.c.role.label("rater_role"),
            battle.c.shown_at,
            vote.c.voted_at,
            vote.c.dwell_ms,
            vote.c.input,
            battle.c.purpose,
            battle.c.propensity,
            experiment.c.allocation,
            vote.c.superseded_by,
            vote.c.is_staff,
        )
        .select_from(
            vote.join(battle, vote.c.battle_id == battle.c.id)
            .join(experiment, battle.c.experiment_id == experiment.c.id)
            .join(pair, battle.c.pair_id == pair.c.id)
            .join(model_a, pair.c.model_a_id == model_a.c.id)
            .join(model_b, pair.c.model_b_id == model_b.c.id)
            .outerjoin(prompt, battle.c.prompt_id == prompt.c.id)
            .outerjoin(prompt_set, prompt.c.prompt_set_id == prompt_set.c.id)
            .outerjoin(account, battle.c.rater_id == account.c.id)
        )
        .where(battle.c.experiment_id == experiment_id)
        .order_by(vote.c.voted_at, vote.c.id)
    )
    yield from session.execute(statement, execution_options={"yield_per": batch})
