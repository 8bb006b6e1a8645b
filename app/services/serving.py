"""Which battle a rater sees: the one already on the screen, else a new one, stored before it is shown."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from random import SystemRandom
from typing import Any
from uuid import UUID

from app.discovery import find_plugins
from app.domain import (
    Ballot,
    BattleStatus,
    BlindBattle,
    ExperimentStatus,
    Identity,
    Purpose,
    Study,
    utc_now,
)
from app.services.design import Design, get_design
from app.stats.balance import least_used
from db import battles, experiments
from db.engine import Row, Session, database

_RNG = SystemRandom()  # sides and pairs must not be foreseeable by anybody
TAKES_VOTES = (ExperimentStatus.RUNNING, ExperimentStatus.PAUSED)


def find_study(rater: Identity) -> UUID | None:
    """The experiment that this person votes in: the one of the invite, else the running one that started last."""
    if rater.experiment_id is not None:
        return rater.experiment_id
    with database().read() as session:
        return experiments.find_running(session)


def next_battle(rater: Identity, experiment_id: UUID) -> Ballot:
    """The battle on this rater's screen, or a new one, stored before it is returned.

    Raises NotFoundError for an unknown experiment. ``Ballot.battle`` is None when the study takes no votes now, its
    quota is full, or this rater has seen all there is.
    """
    with database().read() as session:
        experiment = experiments.get_experiment(session, experiment_id=experiment_id)
        mine = battles.find_mine(session, rater_id=rater.account_id, experiment_id=experiment_id)
        if mine is not None and mine.status == BattleStatus.OPEN and mine.lease_until > utc_now():
            return _ballot(session, rater, experiment, mine.id)
    with database().write() as session:
        battles.lock_rater(session, rater_id=rater.account_id)
        # Read again: the experiment may have been paused or ended between the two transactions.
        experiment = experiments.get_experiment(session, experiment_id=experiment_id)
        return _ballot(session, rater, experiment, _reserve(session, rater, experiment))


def _ballot(session: Session, rater: Identity, experiment: Row, battle_id: UUID | None) -> Ballot:
    study = Study(experiment.id, experiment.title, experiment.guidelines, experiment.status, experiment.min_dwell_ms)
    mine = {"rater_id": rater.account_id, "experiment_id": experiment.id}
    n_votes = battles.count_voted(session, **mine)
    battle = None
    if battle_id is not None:
        content = battles.get_content(session, battle_id=battle_id)
        battle = BlindBattle(battle_id, content.prompt, content.left, content.right)
    can_undo = experiment.status in TAKES_VOTES and (n_votes > 0 or battles.has_answered(session, **mine))
    return Ballot(study, battle, n_votes, _quota(experiment), can_undo)


def _quota(experiment: Row) -> int:
    if experiment.started_at is None:
        return 0
    design = get_design(experiment.id)
    possible = min(design.n_battles, len(design.pairs) * experiment.votes_per_pair)
    return min(possible, int(experiment.votes_per_rater or possible))


def _reserve(session: Session, rater: Identity, experiment: Row) -> UUID | None:
    """The id of the battle to show, reserved for this rater; None when there is none to show."""
    now = utc_now()
    lease_until = now + timedelta(minutes=experiment.lease_minutes)
    mine = battles.find_mine(session, rater_id=rater.account_id, experiment_id=experiment.id)
    if mine is not None:
        battle_id: UUID = mine.id
        if mine.status == BattleStatus.WAITING:
            battles.show_again(session, battle_id=battle_id, now=now, lease_until=lease_until)
        else:
            battles.renew_lease(session, battle_id=battle_id, lease_until=lease_until)
        return battle_id
    if experiment.status != ExperimentStatus.RUNNING:
        return None
    battles.release_expired(session, experiment_id=experiment.id, now=now)
    drawn = _draw(session, rater, experiment)
    if drawn is None:
        return None
    return battles.add_battle(
        session,
        experiment_id=experiment.id,
        rater_id=rater.account_id,
        status=BattleStatus.OPEN,
        purpose=Purpose.NORMAL,
        assigned_at=now,
        shown_at=now,
        lease_until=lease_until,
        **drawn,
    )


def _draw(session: Session, rater: Identity, experiment: Row) -> dict[str, Any] | None:
    """What to show next, as columns of a battle, with one vote of its pair's quota taken; None when nothing is left."""
    design, mine = get_design(experiment.id), {"rater_id": rater.account_id, "experiment_id": experiment.id}
    if experiment.votes_per_rater and battles.count_voted(session, **mine) >= experiment.votes_per_rater:
        return None
    seen = battles.list_seen(session, **mine)
    n_seen = Counter(design.position[pair_id] for pair_id, _ in seen)
    strategy = find_plugins("app.sampling")[experiment.allocation]
    for _ in range(20):  # only PostgreSQL can need a second turn: another rater may take the pair's last vote first
        counts = battles.list_pair_counts(session, experiment_id=experiment.id, quota=experiment.votes_per_pair)
        room = [(position, n) for position, n in counts if n_seen[position] < len(design.prompts[position])]
        if not room:
            return None
        chosen, p_pair = strategy.draw([n for _, n in room], [n_seen[position] for position, _ in room], _RNG)
        position = room[chosen][0]
        if battles.take_pair(session, pair_id=design.pairs[position][0], quota=experiment.votes_per_pair):
            sides = battles.count_sides(session, pair_id=design.pairs[position][0])
            drawn = _choose_prompt_and_side(design, position, seen, sides)
            return {**drawn, "propensity": p_pair * drawn["propensity"]}
    return None


def _choose_prompt_and_side(
    design: Design, position: int, seen: list[tuple[UUID, UUID]], sides: dict[UUID, tuple[int, int]]
) -> dict[str, Any]:
    """The prompt this pair was shown on least, and the side on which its model a stood least."""
    pair_id, model_a, model_b = design.pairs[position]
    had = {prompt for pair, prompt in seen if pair == pair_id}
    prompt_id, p_prompt = least_used(
        (prompt for prompt in design.prompts[position] if prompt not in had),
        {prompt: n for prompt, (n, _) in sides.items()},
        Counter(prompt for _, prompt in seen),
        rng=_RNG,
    )
    n, n_left = sides.get(prompt_id, (0, 0))
    n_pair, n_pair_left = sum(n for n, _ in sides.values()), sum(left for _, left in sides.values())
    is_a_left, _ = least_used(
        (True, False), {True: n_left, False: n - n_left}, {True: n_pair_left, False: n_pair - n_pair_left}, rng=_RNG
    )
    return {
        "pair_id": pair_id,
        "prompt_id": prompt_id,
        "generation_a_id": design.generation[model_a, prompt_id],
        "generation_b_id": design.generation[model_b, prompt_id],
        "is_a_left": is_a_left,
        "propensity": p_prompt,
    }
