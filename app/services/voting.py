"""Taking votes: what a rater's click becomes, one transaction for each act.

The contract: "saved" is said only after the commit; there is at most one live vote for a battle; a vote is always for
the pair that was on the screen; nothing is ever erased.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from app.domain import Act, Answer, Ballot, BattleStatus, Identity, Input, Outcome, Receipt, Role, utc_now
from app.errors import ConflictError, TooEarlyError, VoteRefusedError
from app.services.history import forgotten_on_error
from app.services.pair_counts import forget_counts
from app.services.serving import TAKES_VOTES, reserve_ballot
from db import audit, battles, experiments, votes
from db.engine import Peek, Row, Session, database

LONGEST_DWELL_MS = 24 * 3_600_000  # more is a page that stood open, and the column's integer ends at 24 days


def cast_vote(
    rater: Identity,
    battle_id: UUID,
    answer: Answer,
    *,
    input_: Input = Input.SCREEN,
    drawn_at: datetime | None = None,
) -> tuple[Receipt, Ballot | None]:
    """Store what the rater said about a battle and reserve the next one; committed when this returns.

    The first answer to a battle wins: a second one (a double click, another tab) returns ALREADY_SAVED and changes
    nothing. The ballot is what to show next, None when that must be looked up. Raises TooEarlyError before the minimum
    dwell time, which counts from the reservation or from ``drawn_at``, when the server had drawn the page, whichever is
    later; it then begins anew, so that a key held down stays one vote. NotFoundError for somebody else's battle;
    ConflictError when the study takes no votes any more.
    """
    now, ballot = utc_now(), None
    with forgotten_on_error(rater.account_id), database().act() as session:
        battles.lock_voting(session, battle_id=battle_id)
        battle = battles.get_for_vote(session, battle_id=battle_id, rater_id=rater.account_id)
        if battle.status in {BattleStatus.VOTED, BattleStatus.SKIPPED}:
            return Receipt.ALREADY_SAVED, None
        if battle.experiment_status not in TAKES_VOTES:
            raise ConflictError("This study has ended; it takes no votes any more.")
        dwell_ms = min(_milliseconds(battle.shown_at, now), LONGEST_DWELL_MS)
        drawn_ms = min(dwell_ms, _milliseconds(drawn_at, now)) if drawn_at else dwell_ms
        is_early = 0 <= drawn_ms < battle.experiment_min_dwell_ms
        if is_early:
            battles.restart_dwell(session, battle_id=battle_id, now=now)
        elif _record(session, rater, battle, answer, now=now, dwell_ms=max(dwell_ms, 0), input_=input_):
            rules = {name: getattr(battle, f"experiment_{name}") for name in battles.RULES}
            ballot = reserve_ballot(session, rater, rules)
    if is_early:
        raise TooEarlyError(
            f"Not saved: that came {drawn_ms / 1000:.1f} s after the pair appeared. Read both sides, then vote."
        )
    return Receipt.SAVED, ballot


def _milliseconds(begin: datetime, end: datetime) -> int:
    return round((end - begin).total_seconds() * 1000)


def _record(
    session: Session | Peek,
    rater: Identity,
    battle: Row,
    answer: Answer,
    *,
    now: datetime,
    dwell_ms: int,
    input_: Input,
) -> bool:
    """Store the answer; False when the study has all its votes with it, or this pair of a paused study."""
    is_skip, is_late = answer == Answer.SKIP, battle.status == BattleStatus.EXPIRED
    votes.add_vote(
        session,
        battle_id=battle.id,
        revision=battle.n_revisions,
        act=Act.SKIP if is_skip else Act.VOTE,
        outcome=None if is_skip else to_outcome(answer, is_a_left=battle.is_a_left),
        voted_at=now,
        dwell_ms=dwell_ms,
        input_=input_,
        is_staff=rater.role != Role.RATER,
        is_late=is_late,
    )
    _move(session, battle, BattleStatus.SKIPPED if is_skip else BattleStatus.VOTED, now=now)
    taken = (0 if is_skip else 1) - (0 if is_late else 1)
    n_votes = battles.count_pair(session, pair_id=battle.pair_id, taken=taken, votes=0 if is_skip else 1)
    if taken < 0:
        forget_counts(battle.experiment_id)  # the pair has room again
    return n_votes < battle.experiment_votes_per_pair or not _complete_if_full(session, battle.experiment_id, now=now)


def _move(session: Session | Peek, battle: Row, status: BattleStatus, *, now: datetime) -> None:
    battles.set_status(
        session,
        battle_id=battle.id,
        status=status,
        shown_at=now if status == BattleStatus.OPEN else battle.shown_at,
        lease_until=now + timedelta(minutes=battle.experiment_lease_minutes),
        n_revisions=battle.n_revisions + 1,
    )


def _complete_if_full(session: Session | Peek, experiment_id: UUID, *, now: datetime) -> bool:
    experiment = experiments.get_experiment(session, experiment_id=experiment_id)
    if battles.has_room(session, experiment_id=experiment_id, quota=experiment.votes_per_pair):
        return False
    if experiments.complete(session, experiment_id=experiment_id, now=now):
        audit.add_event(
            session, at=now, actor_id=None, action="experiment.complete", subject=experiment.key, details={}
        )
    return True


def to_outcome(answer: Answer, *, is_a_left: bool) -> Outcome:
    """Translate what was said about sides into what it says about models."""
    if answer in {Answer.TIE, Answer.BOTH_BAD}:
        return Outcome(answer.value)
    if answer == Answer.SKIP:
        raise ValueError("can't judge carries no outcome")
    return Outcome.MODEL_A if (answer == Answer.LEFT) == is_a_left else Outcome.MODEL_B


def undo_vote(rater: Identity, experiment_id: UUID) -> None:
    """Take the last answer back and show its battle again; the battle on the screen waits behind it.

    Raises VoteRefusedError when there is nothing to take back, ConflictError when the study has ended.
    """
    now = utc_now()
    with database().write() as session:
        battles.lock_voting(session, experiment_id=experiment_id)
        experiment = experiments.get_experiment(session, experiment_id=experiment_id)
        if experiment.status not in TAKES_VOTES:
            raise ConflictError("This study has ended; your votes stand.")
        last = battles.find_last_answered(session, rater_id=rater.account_id, experiment_id=experiment_id)
        if last is None:
            raise VoteRefusedError("There is nothing to take back.")
        battle = battles.get_for_vote(session, battle_id=last, rater_id=rater.account_id)
        was_vote = votes.get_live_act(session, battle_id=last) == Act.VOTE
        if was_vote:
            battles.count_pair(session, pair_id=battle.pair_id, taken=0, votes=-1)
        elif not battles.take_pair(session, pair_id=battle.pair_id, quota=experiment.votes_per_pair):
            raise VoteRefusedError("That pair has all its votes by now, so the skip stands.")
        votes.add_vote(
            session,
            battle_id=last,
            revision=battle.n_revisions,
            act=Act.UNDO,
            outcome=None,
            voted_at=now,
            dwell_ms=None,
            input_=Input.SCREEN,
            is_staff=rater.role != Role.RATER,
        )
        battles.put_aside(session, rater_id=rater.account_id, experiment_id=experiment_id)
        _move(session, battle, BattleStatus.OPEN, now=now)
