"""What a rater says about a vote beside its answer, and the change of earlier votes; every change is a new row.

A row that only says more keeps the answer and the time of the vote. When it was written, its own id tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.domain import Act, Answer, BattleStatus, ExperimentStatus, Identity, Input, Kind, Purpose, Role, utc_now
from app.errors import ConflictError, InvalidInputError, NotFoundError, VoteRefusedError
from app.services import leading, quota
from app.services.criteria import add_criteria, checked_criteria, withdraw_criteria
from app.services.guesses import guess_options
from app.services.pair_counts import forget_counts
from app.services.serving import TAKES_VOTES
from app.services.sides import to_answer, to_outcome
from app.services.typed_text import checked_text
from app.services.voting import NOTHING, complete_if_full, rules_of
from app.study import (
    BAD_REASONS,
    DONT_KNOW,
    GOOD_REASONS,
    LONGEST_COMMENT,
    OVERALL,
    Asks,
    Remarks,
    SkipReason,
    Strength,
    asks_of,
    flow_of,
    remark_columns,
    remarks_of,
)
from db import battles, votes
from db.engine import Row, Session, database

ANSWERED = (BattleStatus.VOTED, BattleStatus.SKIPPED)
_FIELDS = {field.name for field in fields(Remarks)}


@dataclass(frozen=True, slots=True)
class Given:
    """A rater's own vote: what was answered, overall and on each criterion, and what was said about it."""

    battle_id: UUID
    experiment_id: UUID
    answer: Answer
    remarks: Remarks
    criteria: Mapping[str, Answer]
    voted_at: datetime
    dwell_ms: int | None
    asks: Asks
    can_change: bool


def get_given(rater: Identity, battle_id: UUID) -> Given:
    """A rater's vote on a battle; raises NotFoundError when there is none or the battle is somebody else's."""
    with database().read() as session:
        battle = battles.get_to_read(session, battle_id=battle_id, rater_id=rater.account_id)
        return _given(battle, _live(session, battle))


def find_last(rater: Identity, experiment_id: UUID) -> Given | None:
    """The vote that this rater cast last in a study; None before the first."""
    with database().read() as session:
        last = battles.find_last_answered(session, rater_id=rater.account_id, experiment_id=experiment_id)
        if last is None:
            return None
        battle = battles.get_to_read(session, battle_id=last, rater_id=rater.account_id)
        return _given(battle, _live(session, battle))


def _live(session: Session, battle: Any) -> dict[str, Row]:
    """The live row of each criterion; raises NotFoundError where the battle has no answer."""
    live = {row.criterion: row for row in votes.list_live(session, battle_id=battle.id)}
    if battle.status not in ANSWERED or OVERALL not in live:
        raise NotFoundError("There is no such vote.")
    return live


def _asks_of(battle: Any) -> Asks:
    """What is asked about a vote; not who made it where the names were shown after the vote."""
    asks = asks_of(battle.experiment_asks)
    return replace(asks, guess=False) if battle.experiment_kind == Kind.ARENA else asks


def _given(battle: Any, live: Mapping[str, Row]) -> Given:
    row = live[OVERALL]
    return Given(
        battle_id=battle.id,
        experiment_id=battle.experiment_id,
        answer=to_answer(row.outcome, is_a_left=battle.is_a_left),
        remarks=remarks_of(row),
        criteria={
            key: to_answer(said.outcome, is_a_left=battle.is_a_left)
            for key, said in live.items()
            if key != OVERALL and said.act == Act.VOTE
        },
        voted_at=row.voted_at,
        dwell_ms=row.dwell_ms,
        asks=_asks_of(battle),
        can_change=battle.experiment_status in TAKES_VOTES and battle.experiment_kind != Kind.ARENA,
    )


def remark(rater: Identity, battle_id: UUID, **said: Any) -> Given:
    """Say more about a vote: ``said`` are fields of ``Remarks``, the others stay as they are.

    Taken while the study runs, and after its end for as long as a battle would be reserved, so that the last vote can
    be explained too. Raises NotFoundError for somebody else's battle, ConflictError when the study has ended, be it for
    this rater alone, who withdrew or was screened out, InvalidInputError for what the study doesn't ask.
    """
    now = utc_now()
    with database().write() as session:
        battle, live = _open(session, rater, battle_id)
        row = live[OVERALL]
        grace = timedelta(minutes=battle.experiment_lease_minutes)
        if battle.experiment_status not in TAKES_VOTES and (
            battle.experiment_status == ExperimentStatus.ARCHIVED or now > row.voted_at + grace
        ):
            raise ConflictError("This study has ended; what you said before stands.")
        if battle.experiment_flow:
            leading.refuse_ended(session, rater, battle.experiment_id)
        given = _given(battle, live)
        before, after = given.remarks, _checked(given, said)
        if after != before:
            _revise(session, rater, battle, row, remarks=after)
            battles.count_revision(session, battle_id=battle_id, n_revisions=battle.n_revisions + 1)
    return replace(given, remarks=after)


def _open(session: Session, rater: Identity, battle_id: UUID) -> tuple[Any, dict[str, Row]]:
    battles.lock_voting(session, battle_id=battle_id)
    battle = battles.get_for_vote(session, battle_id=battle_id, rater_id=rater.account_id)
    return battle, _live(session, battle)


def _revise(
    session: Session,
    rater: Identity,
    battle: Any,
    row: Row,
    *,
    remarks: Remarks,
    answer: Answer | None = None,
) -> None:
    """A new row in the place of the overall one: another answer where there is one, at the time of the vote."""
    is_skip = row.act == Act.SKIP if answer is None else answer == Answer.SKIP
    if answer is None or is_skip:
        outcome = None if is_skip else row.outcome
    else:
        outcome = to_outcome(answer, is_a_left=battle.is_a_left)
    votes.add_vote(
        session,
        battle_id=battle.id,
        revision=battle.n_revisions,
        act=Act.SKIP if is_skip else Act.VOTE,
        outcome=outcome,
        voted_at=row.voted_at,
        dwell_ms=row.dwell_ms,
        input_=Input.SCREEN,
        is_staff=rater.role != Role.RATER,
        is_late=row.is_late,
        **remark_columns(remarks),
    )


def _checked(given: Given, said: Mapping[str, Any]) -> Remarks:
    """The remarks with ``said``; raises InvalidInputError for what the study or the answer has no room for."""
    asks = given.asks
    if unknown := said.keys() - _FIELDS:
        raise InvalidInputError(f"There is no remark {min(unknown)!r}.")
    after = replace(given.remarks, **said)
    is_asked = {
        "strength": asks.strength and given.answer in (Answer.LEFT, Answer.RIGHT),
        "left": asks.reasons and given.answer != Answer.SKIP,
        "right": asks.reasons and given.answer != Answer.SKIP,
        "comment": asks.comment,
        "skip_reason": asks.skip_reason and given.answer == Answer.SKIP,
        "guess_left": asks.guess and given.answer != Answer.SKIP,
        "guess_right": asks.guess and given.answer != Answer.SKIP,
    }
    for name in said:
        if getattr(after, name) and not is_asked[name]:
            raise InvalidInputError(f"Not kept: this study doesn't ask for that ({name.replace('_', ' ')}) here.")
    if after.strength is not None:
        after = replace(after, strength=_word(Strength, after.strength, "how much better"))
    if after.skip_reason is not None:
        after = replace(after, skip_reason=_word(SkipReason, after.skip_reason, "why you can't judge"))
    return replace(
        after,
        left=_reasons(after.left),
        right=_reasons(after.right),
        comment=checked_text(after.comment, what="the comment", longest=LONGEST_COMMENT),
        guess_left=_guess(given, after.guess_left),
        guess_right=_guess(given, after.guess_right),
    )


def _word(kind: Any, value: Any, what: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise InvalidInputError(f"{value!r} is no answer to {what}.") from None


def _reasons(chosen: tuple[str, ...]) -> tuple[str, ...]:
    """The chosen reasons in their own order, each once."""
    known = (*GOOD_REASONS, *BAD_REASONS)
    for word in chosen:
        if word not in known:
            raise InvalidInputError(f"{word!r} is not one of the reasons: {', '.join(known)}.")
    return tuple(word for word in known if word in chosen)


def _guess(given: Given, guess: str | None) -> str | None:
    if guess and guess != DONT_KNOW and guess not in dict(guess_options(given.experiment_id)):
        raise InvalidInputError("Not kept: that is none of this study's models.")
    return guess or None


def answer_criterion(rater: Identity, battle_id: UUID, key: str, answer: Answer | None) -> Given:
    """Answer one criterion of an earlier vote, or take that answer back with None, unless the study needs it.

    Raises as ``change_vote`` does.
    """
    now = utc_now()
    with database().write() as session:
        battle, live = _open(session, rater, battle_id)
        _require_changeable(session, rater, battle)
        given = _given(battle, live)
        criteria = {name: said for name, said in given.criteria.items() if name != key}
        if answer is not None:
            criteria[key] = answer
        if given.answer == Answer.SKIP:
            raise VoteRefusedError("Not kept: you said that you can't judge this pair.")
        checked_criteria(given.asks, given.answer, criteria)
        if criteria == given.criteria:
            return given
        if answer is None:
            withdraw_criteria(session, rater, battle, list(live.values()), now=now, only=key)
        else:
            _add_beside(session, rater, battle, live[OVERALL], {key: answer})
        battles.count_revision(session, battle_id=battle_id, n_revisions=battle.n_revisions + 1)
    return replace(given, criteria=criteria)


def _add_beside(session: Session, rater: Identity, battle: Any, row: Row, criteria: Mapping[str, Answer]) -> None:
    add_criteria(session, rater, battle, criteria, voted_at=row.voted_at, dwell_ms=row.dwell_ms, is_late=row.is_late)


def _require_changeable(session: Session, rater: Identity, battle: Any) -> None:
    if battle.experiment_status not in TAKES_VOTES:
        raise ConflictError("This study has ended; your votes stand.")
    if battle.experiment_kind == Kind.ARENA:
        raise VoteRefusedError("The names were shown after that vote, so it stands.")
    if battle.experiment_flow:
        leading.refuse_ended(session, rater, battle.experiment_id)
    if battle.is_withdrawn:
        raise VoteRefusedError("Not changed: one of the two answers was withdrawn. Your vote stays as it is.")


def change_vote(rater: Identity, battle_id: UUID, answer: Answer, *, criteria: Mapping[str, Answer] = NOTHING) -> Given:
    """Give another answer to a battle that was answered before; it counts from now on, in the place of the old one.

    ``criteria`` are further answers to criteria. Raises NotFoundError for somebody else's battle, ConflictError when
    the study has ended, VoteRefusedError when the pair of a skipped battle has all its votes by now, or when a
    criterion is missing that the study needs.
    """
    now = utc_now()
    with database().write() as session:
        battle, live = _open(session, rater, battle_id)
        _require_changeable(session, rater, battle)
        given = _given(battle, live)
        beside = checked_criteria(given.asks, answer, {**given.criteria, **criteria})
        if answer == given.answer and beside == given.criteria:
            return given
        n_votes = _recount(session, battle, given.answer, answer)
        remarks = _fitting(given.remarks, given.answer, answer)
        _revise(session, rater, battle, live[OVERALL], remarks=remarks, answer=answer)
        if answer == Answer.SKIP:
            withdraw_criteria(session, rater, battle, list(live.values()), now=now)
        new = {key: said for key, said in beside.items() if given.criteria.get(key) != said}
        _add_beside(session, rater, battle, live[OVERALL], new)
        battles.set_answered(
            session,
            battle_id=battle_id,
            status=BattleStatus.SKIPPED if answer == Answer.SKIP else BattleStatus.VOTED,
            n_revisions=battle.n_revisions + 1,
        )
        if battle.purpose == Purpose.GOLD:
            leading.judge_check(session, rater, battle.experiment_id, flow_of(battle.experiment_flow), now)
        if n_votes is not None:
            complete_if_full(session, rules_of(battle), n_votes, now=now)
    return replace(given, answer=answer, criteria=beside, remarks=remarks)


def _fitting(remarks: Remarks, before: Answer, after: Answer) -> Remarks:
    """What of the remarks still makes sense: nothing that was typed is ever dropped."""
    if after == before:
        return remarks
    if after == Answer.SKIP:
        return Remarks(comment=remarks.comment)
    return replace(remarks, strength=None, skip_reason=None)


def _recount(session: Session, battle: Any, before: Answer, after: Answer) -> int | None:
    """Hold the pair's counts to its live votes; how many it has where one was added. One for attention has no pair."""
    if battle.pair_id is None or (before == Answer.SKIP) == (after == Answer.SKIP):
        return None
    forget_counts(battle.experiment_id)
    if after == Answer.SKIP:
        battles.count_pair(session, pair_id=battle.pair_id, taken=-1, votes=-1)
        return None
    if not quota.take_pair(session, rules_of(battle), battle.pair_id):
        raise VoteRefusedError("That pair has all its votes by now, so the skip stands.")
    return battles.count_pair(session, pair_id=battle.pair_id, taken=0, votes=1)
