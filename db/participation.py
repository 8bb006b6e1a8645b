"""Who takes part in which study: what they agreed to and passed, where they came from, how it ended for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, bindparam, case, func, insert, select, text, update
from sqlmodel import Session

from app.domain import Act, BattleStatus, Outcome, Purpose
from app.study import Ending
from db import battles
from db.columns import new_id
from db.prepared import Peek, Prepared
from db.tables import Account, Battle, Gold, Pair, Participation, Vote, tables_of

account, battle, gold, pair, participation, vote = tables_of(Account, Battle, Gold, Pair, Participation, Vote)
_first_vote = vote.alias("first_vote")

_COLUMNS = (
    participation.c.id,
    participation.c.external_id,
    participation.c.consented_at,
    participation.c.practised_at,
    participation.c.ended_at,
    participation.c.ended_as,
)
# Beside what ``battles.count_served`` says, where a rater stands: one statement in its place, for studies that lead.
# Only normal battles have a pair; an attention check that was skipped is made up for.
_LED = Prepared(
    select(
        *_COLUMNS,
        func.count(battle.c.pair_id).label("n_served"),
        func.count().filter(text("battle.status = 'voted' AND battle.purpose <> 'practice'")).label("n_voted"),
        func.count().filter(text("battle.status IN ('open', 'waiting')")).label("n_on_screen"),
        func.count().filter(text("battle.purpose = 'gold' AND battle.status <> 'skipped'")).label("n_gold"),
        func.count().filter(text("battle.purpose = 'repeat'")).label("n_repeats"),
    )
    .select_from(
        participation.outerjoin(
            battle,
            and_(
                battle.c.rater_id == participation.c.account_id,
                battle.c.experiment_id == participation.c.experiment_id,
            ),
        )
    )
    .where(
        participation.c.account_id == bindparam("rater_id"),
        participation.c.experiment_id == bindparam("experiment_id"),
    )
    .group_by(participation.c.id)
)
_ENTER = Prepared(insert(participation))
_END = Prepared(
    update(participation)
    .where(participation.c.id == bindparam("participation"))
    .values(ended_at=bindparam("at"), ended_as=bindparam("as_"))
)
_FINISH = Prepared(
    update(participation)
    .where(participation.c.id == bindparam("participation"), participation.c.ended_at.is_(None))
    .values(ended_at=bindparam("at"), ended_as=bindparam("as_"))
)
_OF_RATER = (battle.c.rater_id == bindparam("rater_id"), battle.c.experiment_id == bindparam("experiment_id"))
_EXPECTED: ColumnElement[Any] = case(
    (gold.c.answer == "left", Outcome.MODEL_A.value),
    (gold.c.answer == "right", Outcome.MODEL_B.value),
    else_=gold.c.answer,
)


def _live(votes: Any) -> tuple[ColumnElement[bool], ...]:
    return (votes.c.superseded_by.is_(None), votes.c.act == Act.VOTE, votes.c.criterion == "overall")


_LIVE = _live(vote)
_FAILED = Prepared(
    select(func.count().label("n"))
    .select_from(battle.join(gold, battle.c.gold_id == gold.c.id).join(vote, vote.c.battle_id == battle.c.id))
    .where(*_OF_RATER, battle.c.purpose == Purpose.GOLD, *_LIVE, vote.c.outcome != _EXPECTED)
)
# Candidates for a planned repeat: answered, not repeated yet, oldest first; the caller leaves the newest alone.
_repeated = battle.alias("repeated")
_REPEATABLE = Prepared(
    select(
        battle.c.id,
        battle.c.prompt_id,
        battle.c.generation_a_id,
        battle.c.generation_b_id,
        battle.c.is_a_left,
        # One list of the rater's repeats; a look for each battle would read all their battles each time.
        battle.c.id.in_(
            select(_repeated.c.repeat_of).where(
                _repeated.c.rater_id == bindparam("rater_id"),
                _repeated.c.experiment_id == bindparam("experiment_id"),
                _repeated.c.repeat_of.is_not(None),
            )
        ).label("is_repeated"),
    )
    .where(*_OF_RATER, battle.c.status == BattleStatus.VOTED, battle.c.pair_id.is_not(None))
    .order_by(battle.c.assigned_at, battle.c.id)
)
_RELEASE = Prepared(
    update(battle)
    .where(
        battle.c.rater_id == bindparam("rater"),
        battle.c.experiment_id == bindparam("study"),
        text("battle.status IN ('open', 'waiting')"),
    )
    .values(status=BattleStatus.EXPIRED)
    .returning(battle.c.pair_id)
)
_VOTED_PAIRS = Prepared(
    select(battle.c.pair_id, func.count().label("n"))
    .where(*_OF_RATER, battle.c.status == BattleStatus.VOTED, battle.c.pair_id.is_not(None))
    .group_by(battle.c.pair_id)
)


def find_led(session: Session | Peek, *, rater_id: UUID, experiment_id: UUID) -> Any:
    """Where a rater stands in a study that leads them, with the counts of their battles; None before they enter."""
    return _LED.first(session, rater_id=rater_id, experiment_id=experiment_id)


def add_participation(
    session: Session | Peek,
    *,
    rater_id: UUID,
    experiment_id: UUID,
    now: datetime,
    panel: str = "",
    external_id: str = "",
    panel_values: Mapping[str, str] | None = None,
) -> None:
    """Note that a rater takes part; the caller holds the study's lock and has looked for an earlier row."""
    _ENTER.all(
        session,
        id=new_id(),
        experiment_id=experiment_id,
        account_id=rater_id,
        panel=panel,
        external_id=external_id,
        panel_values=dict(panel_values or {}),
        created_at=now,
        consented_at=None,
        practised_at=None,
        ended_at=None,
        ended_as=None,
    )


def find_panelist(session: Session, *, experiment_id: UUID, panel: str, external_id: str) -> Row[Any] | None:
    """The account (account_id, is_blocked) of a panel's person in a study."""
    return session.execute(
        select(participation.c.account_id, account.c.is_blocked)
        .select_from(participation.join(account, participation.c.account_id == account.c.id))
        .where(
            participation.c.experiment_id == experiment_id,
            participation.c.panel == panel,
            participation.c.external_id == external_id,
        )
    ).first()


def update_participation(session: Session, *, rater_id: UUID, experiment_id: UUID, **values: Any) -> None:
    """Change what is known of a rater in a study; the keywords are columns."""
    session.execute(
        update(participation)
        .where(participation.c.account_id == rater_id, participation.c.experiment_id == experiment_id)
        .values(**values)
    )


def end_participation(session: Session | Peek, *, participation_id: UUID, at: datetime, ending: Ending | None) -> None:
    """Note how a study ended for a rater; None when they withdrew."""
    _END.all(session, participation=participation_id, at=at, as_=ending)


def finish_participation(session: Session | Peek, *, participation_id: UUID, at: datetime, ending: Ending) -> None:
    """The same where it hasn't ended yet; how it ended before stands."""
    _FINISH.all(session, participation=participation_id, at=at, as_=ending)


def count_failed(session: Session | Peek, *, rater_id: UUID, experiment_id: UUID) -> int:
    """How many attention checks a rater answered otherwise than expected."""
    n: int = _FAILED.first(session, rater_id=rater_id, experiment_id=experiment_id).n
    return n


def list_repeatable(session: Session | Peek, *, rater_id: UUID, experiment_id: UUID) -> list[Any]:
    """The normal battles that a rater answered, oldest first, each with whether it was repeated."""
    return _REPEATABLE.all(session, rater_id=rater_id, experiment_id=experiment_id)


def release_all(session: Session | Peek, *, rater_id: UUID, experiment_id: UUID) -> None:
    """Give back what is on a rater's screen, and the places that their votes took in the quotas of pairs."""
    for row in _RELEASE.all(session, rater=rater_id, study=experiment_id):
        if row.pair_id is not None:
            battles.count_pair(session, pair_id=row.pair_id, taken=-1, votes=0)
    for row in _VOTED_PAIRS.all(session, rater_id=rater_id, experiment_id=experiment_id):
        battles.count_pair(session, pair_id=row.pair_id, taken=-row.n, votes=-row.n)


def left_out(experiment_id: UUID) -> Any:
    """A subquery of the raters whose votes count no more: screened out, or withdrawn."""
    return select(participation.c.account_id).where(
        participation.c.experiment_id == experiment_id,
        participation.c.ended_at.is_not(None),
        (participation.c.ended_as == Ending.SCREENED_OUT) | participation.c.ended_as.is_(None),
    )


def withdrawn(experiment_id: UUID) -> Any:
    """A subquery of the raters who took their consent back."""
    return select(participation.c.account_id).where(
        participation.c.experiment_id == experiment_id,
        participation.c.ended_at.is_not(None),
        participation.c.ended_as.is_(None),
    )


def find_agreement(session: Session, *, rater_id: UUID, experiment_id: UUID) -> Row[Any]:
    """(n, n_same): other raters' votes on the same two outputs as this rater's, and how many said the same."""
    mine, theirs, their_vote = battle.alias("mine"), battle.alias("theirs"), vote.alias("their_vote")
    return session.execute(
        select(
            func.count().label("n"),
            func.count().filter(their_vote.c.outcome == vote.c.outcome).label("n_same"),
        )
        .select_from(
            mine.join(vote, vote.c.battle_id == mine.c.id)
            .join(
                theirs,
                and_(
                    theirs.c.pair_id == mine.c.pair_id,
                    theirs.c.prompt_id == mine.c.prompt_id,
                    theirs.c.rater_id != mine.c.rater_id,
                ),
            )
            .join(their_vote, their_vote.c.battle_id == theirs.c.id)
        )
        .where(
            mine.c.rater_id == rater_id,
            mine.c.experiment_id == experiment_id,
            mine.c.purpose == Purpose.NORMAL,
            *_LIVE,
            *_live(their_vote),
            their_vote.c.is_staff.is_(False),
        )
    ).one()


def list_checks(session: Session, *, experiment_id: UUID) -> list[Row[Any]]:
    """One row for each participant: votes, checks passed and failed, repeats and how many were answered as before."""
    is_gold, is_repeat = battle.c.purpose == Purpose.GOLD, battle.c.purpose == Purpose.REPEAT
    is_same = _first_vote.c.outcome == vote.c.outcome
    return list(
        session.execute(
            select(
                participation.c.account_id,
                participation.c.panel,
                participation.c.external_id,
                participation.c.consented_at,
                participation.c.practised_at,
                participation.c.ended_at,
                participation.c.ended_as,
                account.c.name,
                func.count(vote.c.id).filter(battle.c.pair_id.is_not(None)).label("n_votes"),
                func.count(vote.c.id).filter(is_gold, vote.c.outcome == _EXPECTED).label("n_passed"),
                func.count(vote.c.id).filter(is_gold, vote.c.outcome != _EXPECTED).label("n_failed"),
                func.count(vote.c.id).filter(is_repeat, _first_vote.c.id.is_not(None)).label("n_repeats"),
                func.count(vote.c.id).filter(is_repeat, is_same).label("n_same"),
            )
            .select_from(
                participation.join(account, participation.c.account_id == account.c.id)
                .outerjoin(
                    battle,
                    and_(
                        battle.c.rater_id == participation.c.account_id,
                        battle.c.experiment_id == participation.c.experiment_id,
                    ),
                )
                .outerjoin(vote, and_(vote.c.battle_id == battle.c.id, *_LIVE))
                .outerjoin(gold, battle.c.gold_id == gold.c.id)
                .outerjoin(_first_vote, and_(_first_vote.c.battle_id == battle.c.repeat_of, *_live(_first_vote)))
            )
            .where(participation.c.experiment_id == experiment_id)
            .group_by(participation.c.id, account.c.name)
            .order_by(participation.c.id)
        )
    )
