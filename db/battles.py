"""Battles and the pair counts that hold an experiment's quota.

The statements stand ready-made at the top: building one anew for every vote would cost more than running it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    ColumnElement,
    Integer,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlmodel import Session

from app.domain import BattleStatus, GenerationStatus, Purpose
from app.errors import NotFoundError
from app.study import OVERALL
from db.columns import new_id
from db.prepared import Peek, Prepared, dialect_of
from db.tables import Battle, Experiment, Generation, Pair, Vote, tables_of

battle, experiment, generation, pair, vote = tables_of(Battle, Experiment, Generation, Pair, Vote)
_a, _b = generation.alias("a"), generation.alias("b")
# What voting needs to know of an experiment; the columns of these names come with the battle voted on.
RULES = (
    "id",
    "kind",
    "title",
    "guidelines",
    "status",
    "started_at",
    "min_dwell_ms",
    "lease_minutes",
    "votes_per_pair",
    "votes_per_rater",
    "allocation",
    "exploration",
    "floor_votes",
    "votes_per_prompt",
    "asks",
    "flow",
    "shows",
    "n_put_back",
)
# Written out, because SQLite can't match a partial index against bound values, and expanding an IN list costs as much
# as running the statement.
_ON_SCREEN = text("battle.status IN ('open', 'waiting')")
_COUNTS = text("battle.status IN ('open', 'waiting', 'voted')")


def _number_of(experiment_id: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.hashtextextended(cast(experiment_id, Text), 0)


# PostgreSQL's counterpart of SQLite's one writer: votes of one experiment follow each other, so they can't deadlock on
# the rows of two pairs. Some four milliseconds a vote leave room for hundreds of votes a second and experiment.
_LOCK_EXPERIMENT = Prepared(select(func.pg_advisory_xact_lock(_number_of(bindparam("experiment_id", type_=Uuid)))))
_LOCK_OF_BATTLE = Prepared(
    select(func.pg_advisory_xact_lock(_number_of(battle.c.experiment_id))).where(battle.c.id == bindparam("battle_id"))
)
_MINE = Prepared(
    select(battle.c.id, battle.c.status, battle.c.lease_until)
    .where(
        battle.c.rater_id == bindparam("rater_id"),
        battle.c.experiment_id == bindparam("experiment_id"),
        _ON_SCREEN,
    )
    # "open" sorts before "waiting"; those that an undo put aside come back in the order in which they were drawn.
    .order_by(battle.c.status, battle.c.assigned_at)
    .limit(1)
)
_WITH_RULES = (
    select(
        battle.c.id,
        battle.c.pair_id,
        battle.c.purpose,
        battle.c.status,
        battle.c.is_a_left,
        battle.c.shown_at,
        battle.c.n_revisions,
        or_(_a.c.status != GenerationStatus.OK, _b.c.status != GenerationStatus.OK).label("is_withdrawn"),
        _a.c.play_ms.label("play_a_ms"),
        _b.c.play_ms.label("play_b_ms"),
        *(column.label(f"experiment_{column.name}") for column in experiment.c if column.name in RULES),
    )
    .select_from(
        battle.join(experiment, battle.c.experiment_id == experiment.c.id)
        .outerjoin(_a, battle.c.generation_a_id == _a.c.id)
        .outerjoin(_b, battle.c.generation_b_id == _b.c.id)
    )
    .where(battle.c.id == bindparam("battle_id"), battle.c.rater_id == bindparam("rater_id"))
)
_TO_READ = Prepared(_WITH_RULES)
_FOR_VOTE = Prepared(_WITH_RULES.with_for_update(of=battle))
# As two strings in the same order: thousands of rows made as many objects, which cost more than reading them.
_COMMA: Any = literal_column("','", Text)  # a bound one would have to be known when the statement is prepared
_TAKEN = Prepared(
    select(
        func.aggregate_strings(cast(pair.c.position, Text), _COMMA).label("positions"),
        func.aggregate_strings(cast(pair.c.n_taken, Text), _COMMA).label("taken"),
    ).where(pair.c.experiment_id == bindparam("experiment_id"))
)
_SERVED = Prepared(
    select(battle.c.pair_id, battle.c.prompt_id, battle.c.is_a_left).where(
        battle.c.rater_id == bindparam("rater_id"),
        battle.c.experiment_id == bindparam("experiment_id"),
        battle.c.pair_id.is_not(None),
    )
)
_COUNT_SERVED = Prepared(
    select(
        func.count(battle.c.pair_id).label("n_served"),
        func.count().filter(text("battle.status = 'voted'")).label("n_voted"),
        func.count().filter(_ON_SCREEN).label("n_on_screen"),
    )
    .select_from(battle)
    .where(battle.c.rater_id == bindparam("rater_id"), battle.c.experiment_id == bindparam("experiment_id"))
)
_SIDES = Prepared(
    select(
        battle.c.prompt_id,
        func.count().label("n"),
        func.sum(case((battle.c.is_a_left.is_(True), 1), else_=0)).label("n_left"),
    )
    .where(
        battle.c.pair_id == bindparam("pair_id"),
        _COUNTS,
    )
    .group_by(battle.c.prompt_id)
)
_TAKE = Prepared(
    update(pair)
    .where(pair.c.id == bindparam("pair"), pair.c.n_taken < bindparam("quota"))
    .values(n_taken=pair.c.n_taken + 1)
    .returning(pair.c.id)
)
_COUNT_PAIR = Prepared(
    update(pair)
    .where(pair.c.id == bindparam("pair"))
    .values(
        n_taken=pair.c.n_taken + cast(bindparam("taken"), Integer),
        n_votes=pair.c.n_votes + cast(bindparam("votes"), Integer),
    )
    .returning(pair.c.n_votes)
)
_SET_STATUS = Prepared(
    update(battle)
    .where(battle.c.id == bindparam("battle"))
    .values(
        status=bindparam("to"),
        shown_at=bindparam("shown"),
        lease_until=bindparam("lease"),
        n_revisions=bindparam("revisions"),
    )
)
_SHOW_AGAIN = Prepared(
    update(battle)
    .where(battle.c.id == bindparam("battle"))
    .values(status=BattleStatus.OPEN, shown_at=bindparam("shown"), lease_until=bindparam("lease"))
)
_RENEW_LEASE = Prepared(update(battle).where(battle.c.id == bindparam("battle")).values(lease_until=bindparam("lease")))
_RESTART_DWELL = Prepared(update(battle).where(battle.c.id == bindparam("battle")).values(shown_at=bindparam("shown")))
_COUNT_REVISION = Prepared(
    update(battle).where(battle.c.id == bindparam("battle")).values(n_revisions=bindparam("revisions"))
)
_INSERT = Prepared(insert(battle))
_NOTHING_SPECIAL = {"gold_id": None, "repeat_of": None, "turn": None}
_EXPIRE = Prepared(
    update(battle)
    .where(
        battle.c.experiment_id == bindparam("study"),  # named otherwise than any column, as UPDATE demands
        _ON_SCREEN,
        battle.c.lease_until < bindparam("now"),
    )
    .values(status=BattleStatus.EXPIRED)
    .returning(battle.c.pair_id)
)
_WITHDRAW = Prepared(
    update(battle)
    .where(battle.c.id == bindparam("battle"), _ON_SCREEN)
    .values(status=BattleStatus.EXPIRED, lease_until=None)
    .returning(battle.c.pair_id)
)
_NEWEST = Prepared(
    select(battle.c.status, battle.c.lease_until)
    .where(battle.c.rater_id == bindparam("rater_id"), battle.c.experiment_id == bindparam("experiment_id"))
    .order_by(battle.c.assigned_at.desc(), battle.c.id.desc())
    .limit(1)
)
_HAS_ROOM = Prepared(
    select(pair.c.id)
    .where(pair.c.experiment_id == bindparam("experiment_id"), pair.c.n_votes < bindparam("quota"))
    .limit(1)
)


def lock_voting(session: Session | Peek, *, experiment_id: UUID | None = None, battle_id: UUID | None = None) -> None:
    """Hold voting in an experiment, named itself or by one of its battles, to one transaction at a time."""
    if dialect_of(session).name == "sqlite":
        return  # every write transaction does that already
    if experiment_id is not None:
        _LOCK_EXPERIMENT.all(session, experiment_id=experiment_id)
    else:
        _LOCK_OF_BATTLE.all(session, battle_id=battle_id)


def find_mine(session: Session | Peek, *, rater_id: UUID, experiment_id: UUID) -> Any:
    """The battle (id, status) that this rater has on the screen, else the one put aside by an undo."""
    return _MINE.first(session, rater_id=rater_id, experiment_id=experiment_id)


def get_for_vote(session: Session | Peek, *, battle_id: UUID, rater_id: UUID) -> Any:
    """The battle with its experiment's rules, locked; raises NotFoundError when it isn't this rater's."""
    row = _FOR_VOTE.first(session, battle_id=battle_id, rater_id=rater_id)
    if row is None:
        raise NotFoundError("There is no such battle.")
    return row


def get_to_read(session: Session | Peek, *, battle_id: UUID, rater_id: UUID) -> Any:
    """The same for who only looks: nothing is locked."""
    row = _TO_READ.first(session, battle_id=battle_id, rater_id=rater_id)
    if row is None:
        raise NotFoundError("There is no such battle.")
    return row


def list_taken(session: Session | Peek, *, experiment_id: UUID) -> NDArray[np.int64]:
    """Votes and open battles of each pair, by position."""
    row = _TAKEN.first(session, experiment_id=experiment_id)
    positions, taken = (np.fromstring(column or "", np.int64, sep=",") for column in (row.positions, row.taken))
    counts = np.zeros(len(positions), np.int64)
    counts[positions] = taken
    return counts


def list_served(session: Session | Peek, *, rater_id: UUID, experiment_id: UUID) -> list[Any]:
    """(pair_id, prompt_id, is_a_left) of every battle of a pair that this rater was served; checks have none."""
    return _SERVED.all(session, rater_id=rater_id, experiment_id=experiment_id)


def count_served(session: Session | Peek, *, rater_id: UUID, experiment_id: UUID) -> Any:
    """How many battles of pairs this rater was served, and how many battles carry a vote or are on the screen."""
    return _COUNT_SERVED.first(session, rater_id=rater_id, experiment_id=experiment_id)


def count_sides(session: Session | Peek, *, pair_id: UUID) -> dict[UUID, tuple[int, int]]:
    """For each prompt of a pair: (battles that count, those with model a on the left)."""
    return {row.prompt_id: (row.n, row.n_left) for row in _SIDES.all(session, pair_id=pair_id)}


def take_pair(session: Session | Peek, *, pair_id: UUID, quota: int) -> bool:
    """Reserve one vote of the pair's quota; False when somebody took the last one meanwhile."""
    return _TAKE.first(session, pair=pair_id, quota=quota) is not None


def count_pair(session: Session | Peek, *, pair_id: UUID, taken: int, votes: int) -> int:
    """Change the counts of a pair; returns its live votes."""
    n_votes: int = _COUNT_PAIR.first(session, pair=pair_id, taken=taken, votes=votes)[0]
    return n_votes


def add_battle(session: Session | Peek, **values: Any) -> UUID:
    """Store a battle; the keywords are its columns, of which those that few battles have may be left out."""
    battle_id = new_id()
    _INSERT.all(session, id=battle_id, n_revisions=0, **(_NOTHING_SPECIAL | values))
    return battle_id


def add_battles(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """Store many battles at once; each row gives every column."""
    session.execute(insert(battle), list(rows))


def set_status(
    session: Session | Peek,
    *,
    battle_id: UUID,
    status: BattleStatus,
    shown_at: datetime,
    lease_until: datetime,
    n_revisions: int,
) -> None:
    """Move a battle on."""
    _SET_STATUS.all(session, battle=battle_id, to=status, shown=shown_at, lease=lease_until, revisions=n_revisions)


def count_revision(session: Session | Peek, *, battle_id: UUID, n_revisions: int) -> None:
    """Say that a battle has so many revisions by now."""
    _COUNT_REVISION.all(session, battle=battle_id, revisions=n_revisions)


def set_answered(session: Session, *, battle_id: UUID, status: BattleStatus, n_revisions: int) -> None:
    """Say how an answered battle was answered by now."""
    session.execute(update(battle).where(battle.c.id == battle_id).values(status=status, n_revisions=n_revisions))


def show_again(session: Session | Peek, *, battle_id: UUID, now: datetime, lease_until: datetime) -> None:
    """Put a battle that was set aside back on the screen."""
    _SHOW_AGAIN.all(session, battle=battle_id, shown=now, lease=lease_until)


def put_aside(session: Session, *, rater_id: UUID, experiment_id: UUID) -> None:
    """Set the battle on the rater's screen aside, to be shown again after an earlier one."""
    session.execute(
        update(battle)
        .where(
            battle.c.rater_id == rater_id,
            battle.c.experiment_id == experiment_id,
            battle.c.status == BattleStatus.OPEN,
        )
        .values(status=BattleStatus.WAITING)
    )


def renew_lease(session: Session | Peek, *, battle_id: UUID, lease_until: datetime) -> None:
    """Keep a battle reserved for the rater who looks at it."""
    _RENEW_LEASE.all(session, battle=battle_id, lease=lease_until)


def restart_dwell(session: Session | Peek, *, battle_id: UUID, now: datetime) -> None:
    """Count the dwell time anew, so that a key held down never becomes a vote."""
    _RESTART_DWELL.all(session, battle=battle_id, shown=now)


def find_last_answered(session: Session, *, rater_id: UUID, experiment_id: UUID) -> UUID | None:
    """The battle that this rater answered or skipped last."""
    return session.execute(
        select(battle.c.id)
        .select_from(battle.join(vote, vote.c.battle_id == battle.c.id))
        .where(
            battle.c.rater_id == rater_id,
            battle.c.experiment_id == experiment_id,
            battle.c.status.in_((BattleStatus.VOTED, BattleStatus.SKIPPED)),
            battle.c.purpose != Purpose.PRACTICE,
            vote.c.superseded_by.is_(None),
            vote.c.criterion == OVERALL,
        )
        .order_by(vote.c.voted_at.desc(), vote.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()


def was_given_away(session: Session | Peek, *, rater_id: UUID, experiment_id: UUID, now: datetime) -> bool:
    """Whether the newest battle of this rater went back because its lease ran out, not because it was withdrawn."""
    newest = _NEWEST.first(session, rater_id=rater_id, experiment_id=experiment_id)
    if newest is None or newest.status != BattleStatus.EXPIRED or newest.lease_until is None:
        return False
    return bool(newest.lease_until < now)


def has_room(session: Session | Peek, *, experiment_id: UUID, quota: int) -> bool:
    """Whether any pair still lacks votes."""
    return _HAS_ROOM.first(session, experiment_id=experiment_id, quota=quota) is not None


def withdraw_battle(session: Session | Peek, *, battle_id: UUID) -> None:
    """Take a battle off its rater's screen, and give its place back."""
    row = _WITHDRAW.first(session, battle=battle_id)
    if row is not None and row.pair_id is not None:
        count_pair(session, pair_id=row.pair_id, taken=-1, votes=0)


def release_expired(session: Session | Peek, *, experiment_id: UUID, now: datetime) -> int:
    """Give battles whose lease has run out back to the pool; returns how many."""
    rows = _EXPIRE.all(session, study=experiment_id, now=now)
    for row in rows:
        if row.pair_id is not None:
            count_pair(session, pair_id=row.pair_id, taken=-1, votes=0)
    return len(rows)
