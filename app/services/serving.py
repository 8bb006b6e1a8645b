"""Which battle a rater sees: the one already on the screen, else a new one, stored before it is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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
from app.services.pair_counts import forget_counts, get_counts
from app.stats.balance import least_used
from db import battles, experiments
from db.engine import Session, database

_RNG = SystemRandom()  # sides and pairs must not be foreseeable by anybody
ON_SCREEN = (BattleStatus.OPEN, BattleStatus.WAITING)
TAKES_VOTES = (ExperimentStatus.RUNNING, ExperimentStatus.PAUSED)


def next_battle(rater: Identity) -> Ballot | None:
    """The battle on this rater's screen, or a new one, stored before it is returned; None when no study is running.

    ``Ballot.battle`` is None when the study takes no votes now, its quota is full, or this rater has seen all there is.
    """
    with database().peek() as connection:
        screen = battles.find_screen(connection, rater_id=rater.account_id, experiment_id=rater.experiment_id)
    if screen is None:
        return None
    is_open = screen.battle_id is not None and screen.lease_until > utc_now()
    if not is_open and screen.status in TAKES_VOTES:
        with database().write() as session:
            battles.lock_voting(session, experiment_id=screen.id)
            experiment = experiments.get_experiment(session, experiment_id=screen.id)
            if reserve_battle(session, rater, screen.id, dict(experiment._mapping)) is not None:
                screen = battles.find_screen(session, rater_id=rater.account_id, experiment_id=screen.id)
    return _ballot(screen) if screen is not None else None


def _ballot(screen: Any) -> Ballot:
    study = Study(screen.id, screen.title, screen.guidelines, screen.status, screen.min_dwell_ms)
    battle = None
    if screen.battle_id is not None and screen.status in TAKES_VOTES:
        content = battles.content_of(screen)
        battle = BlindBattle(screen.battle_id, content.prompt, content.left, content.right)
    can_undo = screen.status in TAKES_VOTES and screen.n_voted + screen.n_skipped > 0
    return Ballot(study, battle, int(screen.n_voted), _quota(screen), can_undo)


def _quota(screen: Any) -> int | None:
    """What is asked of one rater, as far as the study has that many different battles."""
    if screen.votes_per_rater is None or screen.started_at is None:
        return None
    design = get_design(screen.id)
    return min(int(screen.votes_per_rater), design.n_battles, len(design.pairs) * int(screen.votes_per_pair))


def reserve_battle(session: Session, rater: Identity, experiment_id: UUID, rules: Mapping[str, Any]) -> UUID | None:
    """The battle to show next, reserved for this rater in the caller's transaction; None when there is none to show.

    ``rules`` has the experiment's columns named in ``db.battles.RULES``.
    """
    now = utc_now()
    lease_until = now + timedelta(minutes=rules["lease_minutes"])
    mine = {"rater_id": rater.account_id, "experiment_id": experiment_id}
    served = battles.list_served(session, **mine)
    if any(row.status in ON_SCREEN for row in served) and (other := battles.find_mine(session, **mine)) is not None:
        battle_id: UUID = other.id
        if other.status == BattleStatus.WAITING:
            battles.show_again(session, battle_id=battle_id, now=now, lease_until=lease_until)
        else:
            battles.renew_lease(session, battle_id=battle_id, lease_until=lease_until)
        return battle_id
    if rules["status"] != ExperimentStatus.RUNNING:
        return None
    drawn = _draw(session, experiment_id, rules, served)
    if drawn is None:
        return None
    return battles.add_battle(
        session,
        experiment_id=experiment_id,
        rater_id=rater.account_id,
        status=BattleStatus.OPEN,
        purpose=Purpose.NORMAL,
        assigned_at=now,
        shown_at=now,
        lease_until=lease_until,
        **drawn,
    )


def _draw(
    session: Session, experiment_id: UUID, rules: Mapping[str, Any], served: Sequence[Any]
) -> dict[str, Any] | None:
    """What to show next, as columns of a battle, with one vote of its pair's quota taken; None when nothing is left."""
    quota, limit = rules["votes_per_pair"], rules["votes_per_rater"]
    if limit and sum(row.status == BattleStatus.VOTED for row in served) >= limit:
        return None
    design = get_design(experiment_id)
    n_seen = Counter(design.position[row.pair_id] for row in served)
    excluded = {position for position, n in n_seen.items() if n >= len(design.prompts[position])}
    strategy = find_plugins("app.sampling")[rules["allocation"]]
    n_taken = get_counts(session, experiment_id)
    while len(excluded) < len(n_taken):
        position, p_pair = strategy.draw(n_taken, excluded, n_seen, _RNG)
        pair_id = design.pairs[position][0]
        if battles.take_pair(session, pair_id=pair_id, quota=quota):
            n_taken[position] += 1
            sides = battles.count_sides(session, pair_id=pair_id)
            return _choose_prompt_and_side(design, position, served, sides, p_pair)
        if n_taken[position] < quota:  # another process took the last one: look again
            forget_counts(experiment_id)
            n_taken = get_counts(session, experiment_id)
        excluded |= {i for i, n in enumerate(n_taken) if n >= quota}
    return None


def _choose_prompt_and_side(
    design: Design,
    position: int,
    served: Sequence[Any],
    sides: Mapping[UUID, tuple[int, int]],
    p_pair: float,
) -> dict[str, Any]:
    """The prompt this pair was shown on least, and the side on which its model a stood least."""
    pair_id, model_a, model_b = design.pairs[position]
    had = {row.prompt_id for row in served if row.pair_id == pair_id}
    prompt_id, p_prompt = least_used(
        (prompt for prompt in design.prompts[position] if prompt not in had),
        {prompt: n for prompt, (n, _) in sides.items()},
        Counter(row.prompt_id for row in served),
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
        "propensity": p_pair * p_prompt,
    }
