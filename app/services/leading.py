"""How a study leads a rater from the link to the end: consent, practice, attention checks, repeats, farewell.

Only studies whose ``flow`` says something come here; a vote in any other one asks nothing of this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any
from uuid import UUID

from app.domain import Answer, BattleStatus, ExperimentStatus, Identity, Outcome, Purpose, utc_now
from app.errors import ConflictError
from app.services.pair_counts import forget_counts
from app.study import Consent, Ending, Farewell, Feedback, Flow, Practice, Step, flow_of
from db import battles, gold, participation
from db.engine import Peek, Row, Session, database

LEAST_GAP = 5  # answers between a battle and its repeat; after fewer, people remember what they said
LEAST_COMPARED = 10  # votes of others; agreement with fewer says nothing
PROLIFIC = "PROLIFIC_PID"
PROLIFIC_RETURN = "https://app.prolific.com/submissions/complete?cc="
_RNG = SystemRandom()  # nobody must foresee where a check comes
_NO_PAIR = {"pair_id": None, "prompt_id": None, "generation_a_id": None, "generation_b_id": None}


def may_go_on(flow: Flow, led: Row) -> bool:
    """Whether a rater who stands here may be given another battle that counts."""
    has_agreed = led.consented_at is not None or not flow.consent
    return led.ended_at is None and has_agreed and (led.practised_at is not None or not flow.needs_practice)


def plan_battle(session: Session | Peek, flow: Flow, led: Row, mine: Mapping[str, UUID]) -> dict[str, Any] | None:
    """An attention check or a repeat as columns of a battle, where one is due now; None for a battle as usual.

    In each stretch of ``gold_every`` battles one is a check, its place equally likely to be any: of the places left,
    each has the same chance. The first battle of all is never one, so that who gets none was given nothing. Repeats
    are spread in the same way over the places that no check will need.
    """
    n_asked = led.n_served + led.n_gold + led.n_repeats
    if not led.n_served:
        return None
    chance = _chance(n_asked, flow.gold_every, led.n_gold)
    if chance and _RNG.random() < chance and (check := _unseen_gold(session, mine, chance)):
        return check
    chance = _chance(n_asked, flow.repeat_every, led.n_repeats, _checks_to_come(n_asked, flow, led.n_gold))
    if chance and _RNG.random() < chance:
        return _repeat(session, mine, chance)
    return None


def _chance(n_asked: int, every: int | None, n_given: int, n_taken: int = 0) -> float:
    """For this place in its stretch of ``every``; ``n_taken`` of the places left will be needed for something else."""
    if not every or n_given > n_asked // every:
        return 0.0
    return 1 / max(1, every - n_asked % every - n_taken)


def _checks_to_come(n_asked: int, flow: Flow, n_gold: int) -> int:
    """How many attention checks are certain to come after this place in the same stretch of repeats."""
    if not flow.gold_every or not flow.repeat_every:
        return 0
    beyond = flow.repeat_every - n_asked % flow.repeat_every - (flow.gold_every - n_asked % flow.gold_every)
    if beyond < 0:
        return 0
    return beyond // flow.gold_every + (n_gold <= n_asked // flow.gold_every)


def _unseen_gold(session: Session | Peek, mine: Mapping[str, UUID], chance: float) -> dict[str, Any] | None:
    unseen = [row.id for row in gold.list_met(session, **mine, purpose=Purpose.GOLD) if not row.n_served]
    if not unseen:
        return None
    return {
        **_NO_PAIR,
        "gold_id": _RNG.choice(unseen),
        "purpose": Purpose.GOLD,
        "is_a_left": _RNG.random() < 0.5,
        "propensity": chance / len(unseen),
    }


def _repeat(session: Session | Peek, mine: Mapping[str, UUID], chance: float) -> dict[str, Any] | None:
    answered: Sequence[Row] = participation.list_repeatable(session, **mine)[:-LEAST_GAP]
    able = [row for row in answered if not row.is_repeated]
    if not able:
        return None
    before = _RNG.choice(able)
    return {
        "pair_id": None,  # it takes no place in the quota of its pair
        "prompt_id": before.prompt_id,
        "generation_a_id": before.generation_a_id,
        "generation_b_id": before.generation_b_id,
        "repeat_of": before.id,
        "purpose": Purpose.REPEAT,
        "is_a_left": not before.is_a_left,
        "propensity": chance / len(able),
    }


def judge_check(session: Session | Peek, rater: Identity, experiment_id: UUID, flow: Flow, now: datetime) -> None:
    """After an attention check: end the study for a rater who failed more of them than it allows."""
    mine = {"rater_id": rater.account_id, "experiment_id": experiment_id}
    if flow.most_failed_checks is None or participation.count_failed(session, **mine) <= flow.most_failed_checks:
        return
    led = participation.find_led(session, **mine)
    participation.end_participation(session, participation_id=led.id, at=now, ending=Ending.SCREENED_OUT)
    participation.release_all(session, **mine)
    forget_counts(experiment_id)


def refuse_ended(session: Session | Peek, rater: Identity, experiment_id: UUID) -> None:
    """Raise ConflictError for a rater who was screened out or withdrew: no vote of theirs is taken or taken back."""
    led = participation.find_led(session, rater_id=rater.account_id, experiment_id=experiment_id)
    if led is not None and led.ended_at is not None and led.ended_as in {None, Ending.SCREENED_OUT}:
        raise ConflictError("This study has ended for you; it takes no votes of yours any more.")


def enter(session: Session | Peek, rater: Identity, rules: Mapping[str, Any]) -> None:
    """Note that a rater takes part, and put the first pair for practice on their screen where it is due."""
    mine = {"rater_id": rater.account_id, "experiment_id": rules["id"]}
    led = participation.find_led(session, **mine)
    if led is None:
        participation.add_participation(session, **mine, now=utc_now())
        led = participation.find_led(session, **mine)
    flow = flow_of(rules["flow"])
    is_due = flow.needs_practice and led.practised_at is None and not led.n_on_screen
    if not is_due or not may_go_on(Flow(consent=flow.consent), led) or rules["status"] != ExperimentStatus.RUNNING:
        return
    pairs = gold.list_met(session, **mine, purpose=Purpose.PRACTICE)
    if not any(pair.n_answered for pair in pairs):
        reserve_practice(session, mine, pairs, rules)


def reserve_practice(
    session: Session | Peek, mine: Mapping[str, UUID], pairs: Sequence[Row], rules: Mapping[str, Any]
) -> None:
    """Put the pair for practice that was answered least on the screen."""
    now = utc_now()
    pair = min(pairs, key=lambda pair: pair.n_answered)
    battles.add_battle(
        session,
        **mine,
        **_NO_PAIR,
        gold_id=pair.id,
        purpose=Purpose.PRACTICE,
        is_a_left=_RNG.random() < 0.5,
        propensity=None,
        status=BattleStatus.OPEN,
        assigned_at=now,
        shown_at=now,
        lease_until=now + timedelta(minutes=rules["lease_minutes"]),
    )


def find_step(rater: Identity, screen: Row) -> tuple[Step | None, UUID | None]:
    """Where a rater stands whose screen has no battle that counts, and the battle to show beside it, if any."""
    mine = {"rater_id": rater.account_id, "experiment_id": screen.id}
    flow, status = flow_of(screen.flow), ExperimentStatus(screen.status)
    if status == ExperimentStatus.DRAFT:
        return None, None
    with database().read() as session:
        led = participation.find_led(session, **mine)
        pairs = gold.list_met(session, **mine, purpose=Purpose.PRACTICE) if flow.needs_practice else []
        last = gold.find_last_practice(session, **mine) if pairs and any(row.n_answered for row in pairs) else None
    is_open = status in {ExperimentStatus.RUNNING, ExperimentStatus.PAUSED}
    if is_open and screen.battle_id is not None and (led is None or led.ended_at is None):
        return Practice(_place(pairs), len(pairs)), screen.battle_id
    if led is not None and led.ended_at is not None:
        if led.ended_as is None and led.consented_at is None:
            return Consent(flow.consent, is_declined=True), None
        return _farewell(rater, screen, flow, led.ended_as), None
    if is_open and led is not None and not may_go_on(flow, led):
        if status == ExperimentStatus.PAUSED:
            return None, None
        if flow.consent and led.consented_at is None:
            return Consent(flow.consent), None
        if last is not None:
            return _feedback(pairs, last), last.battle_id
    limit = screen.votes_per_rater
    if status == ExperimentStatus.PAUSED and not (limit and screen.n_voted >= limit):
        return None, None
    ending = Ending.DONE if screen.n_voted else Ending.OVER_QUOTA
    # Who was given a code has finished, whatever place becomes free later.
    if led is not None and (flow.panel or flow.code_done):
        with database().act() as peek:
            participation.finish_participation(peek, participation_id=led.id, at=utc_now(), ending=ending)
            led = participation.find_led(peek, **mine)
        return _farewell(rater, screen, flow, led.ended_as), None
    return _farewell(rater, screen, flow, ending), None


def _place(pairs: Sequence[Row]) -> int:
    """Which pair of the practice round is on the screen, from 1."""
    least = min((pair.n_answered for pair in pairs), default=0)
    return 1 + sum(1 for pair in pairs if pair.n_answered > least)


def _feedback(pairs: Sequence[Row], last: Row) -> Feedback:
    least, most = min(pair.n_answered for pair in pairs), max(pair.n_answered for pair in pairs)
    number = len(pairs) if least == most else sum(1 for pair in pairs if pair.n_answered == most)
    return Feedback(
        number=number,
        n_pairs=len(pairs),
        answer=_side(last.outcome, is_a_left=last.is_a_left) if last.outcome else Answer.SKIP,
        expected=_as_shown(last.answer, is_a_left=last.is_a_left),
        reason=last.reason,
        can_start=least > 0,
        is_last=least == most,
    )


def _side(outcome: Outcome, *, is_a_left: bool) -> Answer:
    if outcome in {Outcome.TIE, Outcome.BOTH_BAD}:
        return Answer(outcome.value)
    return Answer.LEFT if (outcome == Outcome.MODEL_A) == is_a_left else Answer.RIGHT


def _as_shown(answer: Answer, *, is_a_left: bool) -> Answer:
    """The known answer as it is right on the screen, where the file's left side may stand on the right."""
    swapped = {Answer.LEFT: Answer.RIGHT, Answer.RIGHT: Answer.LEFT}
    return Answer(answer) if is_a_left else swapped.get(Answer(answer), Answer(answer))


def _farewell(rater: Identity, screen: Row, flow: Flow, ending: Ending | None) -> Farewell:
    codes = {
        Ending.DONE: flow.code_done,
        Ending.SCREENED_OUT: flow.code_screened_out,
        Ending.OVER_QUOTA: flow.code_over_quota,
    }
    code = codes[Ending(ending)] if ending else ""
    return Farewell(
        ending=Ending(ending) if ending else None,
        code=code,
        return_url=PROLIFIC_RETURN + code if code and flow.panel == PROLIFIC else "",
        agreement=_agreement(rater, screen.id) if flow.shows_agreement and ending == Ending.DONE else None,
    )


def _agreement(rater: Identity, experiment_id: UUID) -> float | None:
    with database().read() as session:
        found = participation.find_agreement(session, rater_id=rater.account_id, experiment_id=experiment_id)
    return found.n_same / found.n if found.n >= LEAST_COMPARED else None
