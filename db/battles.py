"""Battles and the pair counts that hold an experiment's quota.

The statements stand ready-made at the top: building one anew for every vote would cost more than running it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, ScalarSelect, and_, bindparam, case, cast, func, insert, or_, select, text, update
from sqlmodel import Session

from app.domain import BattleStatus, ExperimentStatus, Message
from app.errors import NotFoundError
from db.columns import new_id
from db.prepared import Peek, Prepared
from db.tables import Battle, Experiment, Generation, Pair, Prompt, Vote, tables_of

battle, experiment, generation, pair, prompt, vote = tables_of(Battle, Experiment, Generation, Pair, Prompt, Vote)
_a, _b = generation.alias("a"), generation.alias("b")
_running, _mine = experiment.alias("running"), battle.alias("mine")
RULES = ("status", "min_dwell_ms", "lease_minutes", "votes_per_pair", "votes_per_rater", "allocation")
# Written out, because SQLite can't match a partial index against bound values, and expanding an IN list costs as much
# as running the statement.
_ON_SCREEN = text("battle.status IN ('open', 'waiting')")
_COUNTS = text("battle.status IN ('open', 'waiting', 'voted')")

# PostgreSQL's counterpart of SQLite's one writer: votes of one experiment follow each other, so they can't deadlock on
# the rows of two pairs. Some four milliseconds a vote leave room for hundreds of votes a second and experiment.
_LOCK_EXPERIMENT = text("SELECT pg_advisory_xact_lock(hashtextextended(CAST(:experiment_id AS text), 0))")
_LOCK_OF_BATTLE = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(CAST(experiment_id AS text), 0)) FROM battle WHERE id = :battle_id"
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


def _count_mine(status: BattleStatus) -> ScalarSelect[int]:
    mine = battle.alias()
    return (
        select(func.count())
        .where(
            mine.c.rater_id == bindparam("rater_id"),
            mine.c.experiment_id == experiment.c.id,
            mine.c.status == status,
        )
        .correlate(experiment)
        .scalar_subquery()
    )


# One row for every rerun of the vote page: the study, this rater's counts, and the battle on the screen, if any.
_SCREEN = Prepared(
    select(
        experiment.c.id,
        experiment.c.title,
        experiment.c.guidelines,
        experiment.c.status,
        experiment.c.min_dwell_ms,
        experiment.c.votes_per_pair,
        experiment.c.votes_per_rater,
        experiment.c.started_at,
        battle.c.id.label("battle_id"),
        battle.c.lease_until,
        battle.c.is_a_left,
        prompt.c.messages,
        _a.c.parts.label("parts_a"),
        _b.c.parts.label("parts_b"),
        _count_mine(BattleStatus.VOTED).label("n_voted"),
        _count_mine(BattleStatus.SKIPPED).label("n_skipped"),
    )
    .select_from(
        experiment.outerjoin(
            battle,
            and_(
                battle.c.experiment_id == experiment.c.id,
                battle.c.rater_id == bindparam("rater_id"),
                battle.c.status == BattleStatus.OPEN,
            ),
        )
        .outerjoin(prompt, battle.c.prompt_id == prompt.c.id)
        .outerjoin(_a, battle.c.generation_a_id == _a.c.id)
        .outerjoin(_b, battle.c.generation_b_id == _b.c.id)
    )
    .where(
        experiment.c.id
        == func.coalesce(
            bindparam("experiment_id", type_=experiment.c.id.type),
            # Without a study of their own, people stay where a pair is open for them, paused or not; else they vote in
            # the running study that started last.
            select(_mine.c.experiment_id)
            .select_from(_mine.join(_running, _mine.c.experiment_id == _running.c.id))
            .where(
                _mine.c.rater_id == bindparam("rater_id"),
                _mine.c.status == BattleStatus.OPEN,
                or_(_running.c.status == ExperimentStatus.RUNNING, _running.c.status == ExperimentStatus.PAUSED),
            )
            .order_by(_mine.c.assigned_at.desc())
            .limit(1)
            .scalar_subquery(),
            select(_running.c.id)
            .where(_running.c.status == ExperimentStatus.RUNNING)
            .order_by(_running.c.started_at.desc(), _running.c.id.desc())
            .limit(1)
            .scalar_subquery(),
        )
    )
)
_FOR_VOTE = Prepared(
    select(
        battle.c.id,
        battle.c.experiment_id,
        battle.c.pair_id,
        battle.c.status,
        battle.c.is_a_left,
        battle.c.shown_at,
        battle.c.n_revisions,
        *(column.label(f"experiment_{column.name}") for column in experiment.c if column.name in RULES),
    )
    .select_from(battle.join(experiment, battle.c.experiment_id == experiment.c.id))
    .where(battle.c.id == bindparam("battle_id"), battle.c.rater_id == bindparam("rater_id"))
    .with_for_update(of=battle)
)
_TAKEN = Prepared(
    select(pair.c.n_taken).where(pair.c.experiment_id == bindparam("experiment_id")).order_by(pair.c.position)
)
_SERVED = Prepared(
    select(battle.c.status, battle.c.pair_id, battle.c.prompt_id).where(
        battle.c.rater_id == bindparam("rater_id"), battle.c.experiment_id == bindparam("experiment_id")
    )
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
_INSERT = Prepared(insert(battle))
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
_HAS_ROOM = Prepared(
    select(pair.c.id)
    .where(pair.c.experiment_id == bindparam("experiment_id"), pair.c.n_votes < bindparam("quota"))
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Content:
    """What stands on the screen; the sides are already in place."""

    prompt: tuple[Message, ...]
    left: str
    right: str


def lock_voting(session: Session, *, experiment_id: UUID | None = None, battle_id: UUID | None = None) -> None:
    """Hold voting in an experiment, named itself or by one of its battles, to one transaction at a time."""
    if session.get_bind().dialect.name == "sqlite":
        return  # every write transaction does that already
    if experiment_id is not None:
        session.connection().execute(_LOCK_EXPERIMENT, {"experiment_id": str(experiment_id)})
    else:
        session.connection().execute(_LOCK_OF_BATTLE, {"battle_id": battle_id})


def find_mine(session: Session, *, rater_id: UUID, experiment_id: UUID) -> Any:
    """The battle (id, status) that this rater has on the screen, else the one put aside by an undo."""
    return _MINE.first(session, rater_id=rater_id, experiment_id=experiment_id)


def find_screen(session: Session | Peek, *, rater_id: UUID, experiment_id: UUID | None) -> Any:
    """The study, this rater's counts and the open battle (``battle_id`` is null without).

    Without ``experiment_id``: the running study that started last; None when there is none.
    """
    return _SCREEN.first(session, rater_id=rater_id, experiment_id=experiment_id)


def content_of(screen: Any) -> Content:
    """The texts of the battle of ``find_screen``, by side."""
    texts = [_text(screen.parts_a), _text(screen.parts_b)]
    left, right = texts if screen.is_a_left else reversed(texts)
    return Content(tuple(Message(m["role"], m["content"]) for m in screen.messages), left, right)


def _text(parts: list[dict[str, Any]]) -> str:
    return "\n\n".join(part["text"] for part in parts if part["type"] == "text")


def get_for_vote(session: Session, *, battle_id: UUID, rater_id: UUID) -> Any:
    """The battle with its experiment's rules, locked; raises NotFoundError when it isn't this rater's."""
    row = _FOR_VOTE.first(session, battle_id=battle_id, rater_id=rater_id)
    if row is None:
        raise NotFoundError("There is no such battle.")
    return row


def list_taken(session: Session, *, experiment_id: UUID) -> list[int]:
    """Votes and open battles of each pair, by position."""
    return [row.n_taken for row in _TAKEN.all(session, experiment_id=experiment_id)]


def list_served(session: Session, *, rater_id: UUID, experiment_id: UUID) -> list[Any]:
    """(status, pair_id, prompt_id) of every battle that this rater was ever served."""
    return _SERVED.all(session, rater_id=rater_id, experiment_id=experiment_id)


def count_sides(session: Session, *, pair_id: UUID) -> dict[UUID, tuple[int, int]]:
    """For each prompt of a pair: (battles that count, those with model a on the left)."""
    return {row.prompt_id: (row.n, row.n_left) for row in _SIDES.all(session, pair_id=pair_id)}


def take_pair(session: Session, *, pair_id: UUID, quota: int) -> bool:
    """Reserve one vote of the pair's quota; False when somebody took the last one meanwhile."""
    return _TAKE.first(session, pair=pair_id, quota=quota) is not None


def count_pair(session: Session, *, pair_id: UUID, taken: int, votes: int) -> int:
    """Change the counts of a pair; returns its live votes."""
    n_votes: int = _COUNT_PAIR.first(session, pair=pair_id, taken=taken, votes=votes)[0]
    return n_votes


def add_battle(session: Session, **values: Any) -> UUID:
    """Store a battle; the keywords are its columns."""
    battle_id = new_id()
    _INSERT.all(session, id=battle_id, n_revisions=0, **values)
    return battle_id


def add_battles(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """Store many battles at once; each row gives every column."""
    session.execute(insert(battle), list(rows))


def set_status(
    session: Session,
    *,
    battle_id: UUID,
    status: BattleStatus,
    shown_at: datetime,
    lease_until: datetime,
    n_revisions: int,
) -> None:
    """Move a battle on."""
    _SET_STATUS.all(session, battle=battle_id, to=status, shown=shown_at, lease=lease_until, revisions=n_revisions)


def show_again(session: Session, *, battle_id: UUID, now: datetime, lease_until: datetime) -> None:
    """Put a battle that was set aside back on the screen."""
    session.execute(
        update(battle)
        .where(battle.c.id == battle_id)
        .values(status=BattleStatus.OPEN, shown_at=now, lease_until=lease_until)
    )


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


def renew_lease(session: Session, *, battle_id: UUID, lease_until: datetime) -> None:
    """Keep a battle reserved for the rater who looks at it."""
    session.execute(update(battle).where(battle.c.id == battle_id).values(lease_until=lease_until))


def restart_dwell(session: Session, *, battle_id: UUID, now: datetime) -> None:
    """Count the dwell time anew, so that a key held down never becomes a vote."""
    session.execute(update(battle).where(battle.c.id == battle_id).values(shown_at=now))


def find_last_answered(session: Session, *, rater_id: UUID, experiment_id: UUID) -> UUID | None:
    """The battle that this rater answered or skipped last."""
    return session.execute(
        select(battle.c.id)
        .select_from(battle.join(vote, vote.c.battle_id == battle.c.id))
        .where(
            battle.c.rater_id == rater_id,
            battle.c.experiment_id == experiment_id,
            battle.c.status.in_((BattleStatus.VOTED, BattleStatus.SKIPPED)),
            vote.c.superseded_by.is_(None),
        )
        .order_by(vote.c.voted_at.desc(), vote.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()


def has_room(session: Session, *, experiment_id: UUID, quota: int) -> bool:
    """Whether any pair still lacks votes."""
    return _HAS_ROOM.first(session, experiment_id=experiment_id, quota=quota) is not None


def release_expired(session: Session, *, experiment_id: UUID, now: datetime) -> int:
    """Give battles whose lease has run out back to the pool; returns how many."""
    rows = _EXPIRE.all(session, study=experiment_id, now=now)
    for row in rows:
        count_pair(session, pair_id=row.pair_id, taken=-1, votes=0)
    return len(rows)
