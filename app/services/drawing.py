"""The draw: which pair a rater meets next, on which prompt, and which model stands on the left."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from random import SystemRandom
from typing import Any
from uuid import UUID

import numpy as np

from app.sampling._draw import draw
from app.sampling._protocol import Moment
from app.sampling._registry import get_strategies
from app.services import prompt_room, quota
from app.services.design import Design
from app.services.history import History
from app.services.pair_counts import forget_counts, get_counts
from app.services.plans import get_plan
from app.stats.balance import least_used
from db import battles
from db.engine import Peek, Session

_RNG = SystemRandom()  # sides and pairs must not be foreseeable by anybody


def draw_battle(
    session: Session | Peek, design: Design, rules: Mapping[str, Any], history: History
) -> dict[str, Any] | None:
    """What to show next, as columns of a battle, with one vote of its quota taken; None when nothing is left."""
    strategy = get_strategies()[rules["allocation"]]
    refused = history.is_exhausted | (design.n_prompts == 0)  # of a pair, all outputs may have been withdrawn
    plan = partial(get_plan, rules["id"], rules["allocation"], design)
    while True:
        n_taken = get_counts(session, rules["id"])
        excluded = refused | quota.full_pairs(rules, n_taken)
        room = _prompt_room(session, design, rules)
        if room is not None:
            excluded |= room.blocked(history)
        able = np.flatnonzero(~excluded)
        if not able.size:
            if room is not None and prompt_room.forget_if_old(rules["id"]):
                continue  # somebody else may have given a prompt back
            return None
        moment = Moment(design.board, n_taken, history.n_seen, able, plan)
        position, p_pair = draw(
            strategy, moment, exploration=rules["exploration"], floor_votes=rules["floor_votes"], rng=_RNG
        )
        pair_id = design.pairs[position][0]
        sides = battles.count_sides(session, pair_id=pair_id)
        if room is not None:
            room.correct(position, prompt_room.full_prompts(sides, rules["votes_per_prompt"]))
            if room.blocked(history)[position]:
                continue  # another process filled its last prompts: draw again, now that this is known
        if quota.take_pair(session, rules, pair_id):
            n_taken[position] += 1
            full = room.full[position] if room is not None else set()
            return _choose_prompt_and_side(design, position, history, (sides, full), p_pair)
        forget_counts(rules["id"])  # another process took the last one: look again
        refused[position] = True


def _prompt_room(session: Session | Peek, design: Design, rules: Mapping[str, Any]) -> prompt_room.PromptRoom | None:
    limit = rules["votes_per_prompt"]
    return None if limit is None else prompt_room.get_room(session, design, rules["id"], limit)


def _choose_prompt_and_side(
    design: Design,
    position: int,
    history: History,
    shown: tuple[Mapping[UUID, tuple[int, int]], set[UUID]],
    p_pair: float,
) -> dict[str, Any]:
    """The prompt this pair was shown on least, and the side that model a had least: there, in its pair, for this rater.

    ``shown`` are the counts of the pair's prompts and those of them that have all their votes.
    """
    pair_id, model_a, model_b = design.pairs[position]
    (sides, full), had = shown, history.had.get(position, set())
    prompt_id, p_prompt = least_used(
        (prompt for prompt in design.prompts[position] if prompt not in had and prompt not in full),
        {prompt: n for prompt, (n, _) in sides.items()},
        history.prompts,
        rng=_RNG,
    )
    n, n_left = sides.get(prompt_id, (0, 0))
    n_pair, n_pair_left = sum(n for n, _ in sides.values()), sum(left for _, left in sides.values())
    is_a_left, _ = least_used(
        (True, False),
        {True: n_left, False: n - n_left},
        {True: n_pair_left, False: n_pair - n_pair_left},
        {True: history.lean[model_a] - history.lean[model_b]},
        rng=_RNG,
    )
    history.add(position, prompt_id, is_a_left=is_a_left)
    return {
        "pair_id": pair_id,
        "prompt_id": prompt_id,
        "generation_a_id": design.generation[model_a, prompt_id],
        "generation_b_id": design.generation[model_b, prompt_id],
        "is_a_left": is_a_left,
        "propensity": p_pair * p_prompt,
    }
