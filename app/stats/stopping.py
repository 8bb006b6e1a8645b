"""Whether to stop collecting votes, and why, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidInputError
from app.stats.sequential import AnytimeTests

ROPE = 0.1  # logits: 2.5 percentage points of preference, too little to matter


class Verdict(StrEnum):
    """What the rules say at this look."""

    WINNER = "winner"
    EQUIVALENT = "equivalent"
    KEEP_GOING = "keep_going"
    BUDGET = "budget"


@dataclass(frozen=True)
class Decision:
    """The verdict, its reason as a sentence, the leader's index, and all models that may still be the best."""

    verdict: Verdict
    reason: str
    leader: int
    contenders: tuple[int, ...]

    @property
    def stops(self) -> bool:
        """Whether no more votes are needed."""
        return self.verdict != Verdict.KEEP_GOING


def decide(
    tests: AnytimeTests,
    theta: NDArray[np.float64],
    models: Sequence[str],
    *,
    n_votes: float,
    budget: float | None = None,
    alpha: float = 0.05,
    rope: float = ROPE,
) -> Decision:
    """The verdict on the ``tests`` of all pairs at this look, valid whenever and however often it is asked.

    Winner: all m - 1 differences to the leader (the highest ``theta``) have a Holm-adjusted any-time p of at most
    ``alpha``. Equivalent: all differences among the contenders (models not clearly below the leader) have their whole
    confidence sequence inside -+``rope`` logits; use tests of confidence 1 - ``alpha``. Budget: ``n_votes`` has reached
    ``budget`` without either. Otherwise keep going. The rules are tried in this order. Raises ``InvalidInputError`` for
    fewer than two models or settings that make no sense.
    """
    m = len(theta)
    if m < 2 or len(models) != m or len(tests.p) != m * (m - 1) // 2:
        raise InvalidInputError("a decision needs two or more models and the tests of all their pairs")
    if not 0 < alpha < 1 or not rope > 0:
        raise InvalidInputError("alpha must lie between 0 and 1, and the range of equivalence be positive")
    leader = int(np.argmax(theta))
    clear = (tests.p_adjusted <= alpha) & ((tests.i == leader) | (tests.j == leader))
    beaten = {int(model) for pair in (tests.i[clear], tests.j[clear]) for model in pair} - {leader}
    contenders = tuple(model for model in range(m) if model not in beaten)
    if len(contenders) == 1:
        reason = f"{models[leader]} is clearly better than {_rest(m - 1)} (adjusted any-time p at most {alpha:g})."
        return Decision(Verdict.WINNER, reason, leader, contenders)
    among = np.isin(tests.i, contenders) & np.isin(tests.j, contenders)
    inside = among & (tests.lower > -rope) & (tests.upper < rope)
    if np.array_equal(inside, among):
        reason = (
            f"{_listed(contenders, models)} differ by less than {rope:g} logits "
            f"({100 * (_share(rope) - 0.5):.1f} points of preference), too little to matter."
        )
        return Decision(Verdict.EQUIVALENT, reason, leader, contenders)
    open_question = f"{_listed(contenders, models)} may each still be the best"
    if budget is not None and n_votes >= budget:
        reason = f"The budget of {budget:,.0f} votes is spent: {open_question}."
        return Decision(Verdict.BUDGET, reason, leader, contenders)
    waiting = "" if tests.is_ready[among].all() else ", and some have too few votes to be judged"
    return Decision(Verdict.KEEP_GOING, f"Keep going: {open_question}{waiting}.", leader, contenders)


def _rest(n_others: int) -> str:
    return "the other model" if n_others == 1 else f"each of the {n_others} others"


def _listed(chosen: Sequence[int], models: Sequence[str], most: int = 4) -> str:
    names = [models[model] for model in chosen[:most]]
    if len(chosen) > most:
        return f"{', '.join(names)} and {len(chosen) - most} more"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _share(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))
