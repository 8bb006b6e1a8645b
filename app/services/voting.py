"""Taking votes: what a rater's click becomes, one transaction for each act.

The contract: "saved" is said only after the commit; there is at most one live vote for a battle; a vote is always for
the pair that was on the screen; nothing is ever erased.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from app.domain import Act, Answer, Ballot, BattleStatus, Identity, Input, Kind, Purpose, Receipt, Role, utc_now
from app.errors import ConflictError, TooEarlyError, VoteRefusedError
from app.services import leading, quota
from app.services.criteria import add_criteria, checked_criteria, withdraw_criteria
from app.services.history import forgotten_on_error
from app.services.pair_counts import forget_counts
from app.services.serving import TAKES_VOTES, reserve_ballot
from app.services.sides import to_outcome
from app.study import OVERALL, asks_of, flow_of
from db import audit, battles, experiments, votes
from db.engine import Peek, Row, Session, database

NOTHING: Mapping[str, Answer] = MappingProxyType({})
PLAYED_SHARE = 0.9  # of a sound or film is enough: its end may be silence that nobody waits for, see assets/content.js
LONGEST_DWELL_MS = 24 * 3_600_000  # more is a page that stood open, and the column's integer ends at 24 days


def cast_vote(
    rater: Identity,
    battle_id: UUID,
    answer: Answer,
    *,
    input_: Input = Input.SCREEN,
    drawn_at: datetime | None = None,
    criteria: Mapping[str, Answer] = NOTHING,
) -> tuple[Receipt, Ballot | None]:
    """Store what the rater said about a battle and reserve the next one; committed when this returns.

    ``criteria`` are the answers to what the study asks beside the overall one, by key; VoteRefusedError names those
    that it needs and that are missing.
    The first answer to a battle wins: a second one (a double click, another tab) returns ALREADY_SAVED and changes
    nothing. The ballot is what to show next, None when that must be looked up. Raises TooEarlyError before the minimum
    dwell time, which counts from the reservation or from ``drawn_at``, when the server had drawn the page, whichever is
    later; it then begins anew, so that a key held down stays one vote; and where both sides must be played, before the
    longest sound or film of the two can have been. NotFoundError for somebody else's battle;
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
        if battle.is_withdrawn:
            raise VoteRefusedError("Not saved: one of the two answers was withdrawn meanwhile. Here is another pair.")
        if battle.status == BattleStatus.EXPIRED and battle.experiment_flow:
            leading.refuse_ended(session, rater, battle.experiment_id)
        if battle.purpose == Purpose.PRACTICE:
            criteria = NOTHING  # practice asks for the answer alone
        elif criteria or battle.experiment_asks:
            criteria = checked_criteria(asks_of(battle.experiment_asks), answer, criteria)
        dwell_ms = min(_milliseconds(battle.shown_at, now), LONGEST_DWELL_MS)
        drawn_ms = min(dwell_ms, _milliseconds(drawn_at, now)) if drawn_at else dwell_ms
        is_early = 0 <= drawn_ms < battle.experiment_min_dwell_ms
        if is_early:
            battles.restart_dwell(session, battle_id=battle_id, now=now)
        else:
            _refuse_unplayed(battle, answer, dwell_ms)
            if _record(session, rater, battle, answer, criteria, now=now, dwell_ms=max(dwell_ms, 0), input_=input_):
                ballot = reserve_ballot(session, rater, rules_of(battle))
    if is_early:
        raise TooEarlyError(
            f"Not saved: that came {drawn_ms / 1000:.1f} s after the pair appeared. Read both sides, then vote."
        )
    return Receipt.SAVED, ballot


def _refuse_unplayed(battle: Row, answer: Answer, dwell_ms: int) -> None:
    """Raise TooEarlyError where a side must be played and can't have been yet."""
    if answer == Answer.SKIP:
        return
    play_ms = max(battle.play_a_ms or 0, battle.play_b_ms or 0)
    if battle.experiment_flow.get("must_play", True) and 0 <= dwell_ms < PLAYED_SHARE * play_ms:
        raise TooEarlyError(
            f"Not saved: that came {dwell_ms / 1000:.1f} s after the pair appeared, and the longer side plays for "
            f"{play_ms / 1000:.1f} s. Play it to its end, then vote."
        )


def _milliseconds(begin: datetime, end: datetime) -> int:
    return round((end - begin).total_seconds() * 1000)


def _record(
    session: Session | Peek,
    rater: Identity,
    battle: Row,
    answer: Answer,
    criteria: Mapping[str, Answer],
    *,
    now: datetime,
    dwell_ms: int,
    input_: Input,
) -> bool:
    """Store the answer; False when the study has all its votes with it, or this pair of a paused study."""
    is_skip, is_late = answer == Answer.SKIP, battle.status == BattleStatus.EXPIRED
    # What was typed before the vote was taken back is not lost with it.
    typed = votes.find_comment(session, battle_id=battle.id) if battle.n_revisions and battle.experiment_asks else ""
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
        comment=typed,
    )
    add_criteria(session, rater, battle, criteria, voted_at=now, dwell_ms=dwell_ms, input_=input_, is_late=is_late)
    _move(session, battle, BattleStatus.SKIPPED if is_skip else BattleStatus.VOTED, now=now)
    if battle.pair_id is None:  # practice, a check or a repeat, which take no place in any quota
        if battle.purpose == Purpose.GOLD:
            leading.judge_check(session, rater, battle.experiment_id, flow_of(battle.experiment_flow), now)
        return True
    taken = (0 if is_skip else 1) - (0 if is_late else 1)
    n_votes = battles.count_pair(session, pair_id=battle.pair_id, taken=taken, votes=0 if is_skip else 1)
    if taken < 0:
        forget_counts(battle.experiment_id)  # the pair has room again
    return is_skip or not complete_if_full(session, rules_of(battle), n_votes, now=now)


def rules_of(battle: Row) -> dict[str, Any]:
    """The rules of the experiment that came with a battle."""
    return {name: getattr(battle, f"experiment_{name}") for name in battles.RULES}


def _move(session: Session | Peek, battle: Row, status: BattleStatus, *, now: datetime) -> None:
    battles.set_status(
        session,
        battle_id=battle.id,
        status=status,
        shown_at=now if status == BattleStatus.OPEN else battle.shown_at,
        lease_until=now + timedelta(minutes=battle.experiment_lease_minutes),
        n_revisions=battle.n_revisions + 1,
    )


def complete_if_full(session: Session | Peek, rules: Mapping[str, Any], n_votes: int, *, now: datetime) -> bool:
    """Complete the study if it has all its votes, after one on a pair that now has ``n_votes``; whether it has."""
    if not quota.is_reached(session, rules, n_votes):
        return False
    experiment_id = rules["id"]
    experiment = experiments.get_experiment(session, experiment_id=experiment_id)
    if experiments.complete(session, experiment_id=experiment_id, now=now):
        audit.add_event(
            session, at=now, actor_id=None, action="experiment.complete", subject=experiment.key, details={}
        )
    return True


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
        if experiment.flow:
            leading.refuse_ended(session, rater, experiment_id)
        if experiment.kind == Kind.ARENA:
            raise VoteRefusedError("The names were shown after that vote, so it stands.")
        last = battles.find_last_answered(session, rater_id=rater.account_id, experiment_id=experiment_id)
        if last is None:
            raise VoteRefusedError("There is nothing to take back.")
        battle = battles.get_for_vote(session, battle_id=last, rater_id=rater.account_id)
        if battle.is_withdrawn:
            raise VoteRefusedError("One of the two answers was withdrawn, so your answer stays as it is.")
        live = votes.list_live(session, battle_id=last)
        was_vote = any(row.criterion == OVERALL and row.act == Act.VOTE for row in live)
        if battle.pair_id is None:
            pass
        elif was_vote:
            battles.count_pair(session, pair_id=battle.pair_id, taken=0, votes=-1)
        elif not quota.take_pair(session, rules_of(battle), battle.pair_id):
            raise VoteRefusedError("That pair has all its votes by now, so the skip stands.")
        is_staff = rater.role != Role.RATER
        votes.add_undo(session, battle_id=last, revision=battle.n_revisions, at=now, is_staff=is_staff)
        withdraw_criteria(session, rater, battle, live, now=now)
        battles.put_aside(session, rater_id=rater.account_id, experiment_id=experiment_id)
        _move(session, battle, BattleStatus.OPEN, now=now)
