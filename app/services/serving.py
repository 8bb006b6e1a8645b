"""Which battle a rater sees: the one already on the screen, else a new one, stored before it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from app.domain import (
    Ballot,
    BattleStatus,
    BlindBattle,
    ExperimentStatus,
    Identity,
    Kind,
    Purpose,
    Study,
    utc_now,
)
from app.services import leading
from app.services.design import get_design
from app.services.drawing import draw_battle
from app.services.history import forgotten_on_error, get_history
from app.services.pair_counts import forget_counts
from app.services.shown import blind
from app.study import asks_of, flow_of
from db import battles, experiments, participation, screens
from db.engine import Peek, Row, Session, database

WITHDRAWN = "One of the two answers was withdrawn meanwhile. Here is another pair."
GIVEN_AWAY = "You were away for longer than a pair is kept for you, so it went back. Here is another one."
TAKES_VOTES = (ExperimentStatus.RUNNING, ExperimentStatus.PAUSED)


def next_battle(rater: Identity) -> Ballot | None:
    """The battle on this rater's screen, or a new one, stored before it is returned; None when no study is running.

    ``Ballot.battle`` is None when the study takes no votes now, its quota is full, or this rater has seen all there is.
    """
    with database().peek() as connection:
        screen = screens.find_screen(connection, rater_id=rater.account_id, experiment_id=rater.experiment_id)
    if screen is None:
        return None
    is_withdrawn = screen.battle_id is not None and bool(screen.is_withdrawn)
    is_open = screen.battle_id is not None and screen.lease_until > utc_now() and not is_withdrawn
    note = WITHDRAWN if is_withdrawn else ""
    if not is_open and screen.status in TAKES_VOTES:
        with forgotten_on_error(rater.account_id), database().act() as session:
            battles.lock_voting(session, experiment_id=screen.id)
            rules = experiments.get_experiment(session, experiment_id=screen.id)._asdict()
            mine = {"rater_id": rater.account_id, "experiment_id": screen.id}
            if screen.battle_id is None and battles.was_given_away(session, **mine, now=utc_now()):
                note = GIVEN_AWAY
            if rules["flow"]:
                leading.enter(session, rater, rules)
            if _reserve_shown(session, rater, rules) is not None or is_withdrawn:
                screen = screens.find_screen(session, rater_id=rater.account_id, experiment_id=screen.id)
    if screen is None:
        return None
    battle = None
    if screen.battle_id is not None and screen.status in TAKES_VOTES:
        battle = blind(screen.battle_id, screens.content_of(screen), screen._asdict())
    ballot = _ballot(screen._asdict(), battle, screen.n_voted)
    if note and battle is not None:
        ballot = replace(ballot, note=note)
    is_led = screen.flow and (battle is None or screen.purpose == Purpose.PRACTICE)
    return _led(rater, screen, ballot) if is_led else ballot


def _led(rater: Identity, screen: Row, ballot: Ballot) -> Ballot:
    """The same with the step on which this rater stands, where there is no battle that counts."""
    step, battle_id = leading.find_step(rater, screen)
    battle = ballot.battle
    if battle_id != screen.battle_id:
        battle = None
        if battle_id is not None:
            with database().peek() as connection:
                content = screens.get_content(connection, battle_id=battle_id)
            battle = blind(battle_id, content, screen._asdict())
    return replace(ballot, battle=battle, step=step)


def reserve_ballot(session: Session | Peek, rater: Identity, rules: Mapping[str, Any]) -> Ballot | None:
    """What to show after a vote, reserved in the vote's own transaction; None when there is no battle to show.

    A study that an admin ends in this moment shows one pair more, whose answer is then refused in words.
    """
    if rules["kind"] == Kind.ARENA:
        return None  # there, the next battle begins with what the rater asks
    reserved = _reserve_shown(session, rater, rules)
    if reserved is None:
        return None
    battle_id, content, n_voted = reserved
    return _ballot(rules, blind(battle_id, content, rules), n_voted)


def _reserve_shown(
    session: Session | Peek, rater: Identity, rules: Mapping[str, Any]
) -> tuple[UUID, screens.Content, int] | None:
    """The same with what the battle shows; one whose output was withdrawn after the start is passed over for good."""
    while (reserved := reserve_battle(session, rater, rules)) is not None:
        content = screens.get_content(session, battle_id=reserved[0])
        if not content.is_withdrawn:
            return reserved[0], content, reserved[1]
        battles.withdraw_battle(session, battle_id=reserved[0])
        forget_counts(rules["id"])
    return None


def _ballot(rules: Mapping[str, Any], battle: BlindBattle | None, n_voted: int) -> Ballot:
    study = Study(
        rules["id"],
        rules["title"],
        rules["guidelines"],
        rules["status"],
        rules["flow"].get("consent", ""),
        asks_of(rules["asks"]),
    )
    return Ballot(study, battle, int(n_voted), _quota(rules))


def _quota(rules: Mapping[str, Any]) -> int | None:
    """What is asked of one rater, as far as the study has that many different battles."""
    if rules["votes_per_rater"] is None or rules["started_at"] is None:
        return None
    design = get_design(rules["id"], rules["n_put_back"])
    return min(int(rules["votes_per_rater"]), design.n_battles, len(design.pairs) * int(rules["votes_per_pair"]))


def reserve_battle(session: Session | Peek, rater: Identity, rules: Mapping[str, Any]) -> tuple[UUID, int] | None:
    """The battle to show next, reserved for this rater in the caller's transaction, and how many votes they gave.

    ``rules`` has the experiment's columns named in ``db.battles.RULES``. None when there is nothing to show.
    """
    now = utc_now()
    lease_until = now + timedelta(minutes=rules["lease_minutes"])
    mine = {"rater_id": rater.account_id, "experiment_id": rules["id"]}
    flow = flow_of(rules["flow"]) if rules["flow"] else None
    served = participation.find_led(session, **mine) if flow else battles.count_served(session, **mine)
    if served is None:
        return None
    if served.n_on_screen and (other := battles.find_mine(session, **mine)) is not None:
        if other.status == BattleStatus.WAITING:
            battles.show_again(session, battle_id=other.id, now=now, lease_until=lease_until)
        else:
            battles.renew_lease(session, battle_id=other.id, lease_until=lease_until)
        return other.id, served.n_voted
    limit = rules["votes_per_rater"]
    if rules["status"] != ExperimentStatus.RUNNING or (limit and served.n_voted >= limit):
        return None
    if flow and not leading.may_go_on(flow, served):
        return None
    drawn = leading.plan_battle(session, flow, served, mine) if flow else None
    if drawn is None:
        design = get_design(rules["id"], rules["n_put_back"])
        history = get_history(session, design, **mine, n_served=served.n_served)
        drawn = draw_battle(session, design, rules, history)
    if drawn is None:
        return None
    battle_id = battles.add_battle(
        session,
        **mine,
        status=BattleStatus.OPEN,
        assigned_at=now,
        shown_at=now,
        lease_until=lease_until,
        **({"purpose": Purpose.NORMAL} | drawn),
    )
    return battle_id, served.n_voted
