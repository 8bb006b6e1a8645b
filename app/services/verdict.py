"""What a ranking says, in plain words: who leads, and whether that is certain."""

from __future__ import annotations

import math
from dataclasses import dataclass

from app.domain import ModelRating, Ranking

MOST_TIMES = 100  # the votes cast: with more than so many, nobody waits for a decision


@dataclass(frozen=True, slots=True)
class Verdict:
    """A title (one sentence) and what stands under it."""

    title: str
    text: str


def listed(names: list[str], *, most: int = 3) -> str:
    """Names as a phrase: "A", "A and B", "A, B and C", "A, B and 4 others"."""
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} others"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def describe(ranking: Ranking, *, more_votes: float | None = None) -> Verdict:
    """The verdict on a ranking; ``more_votes`` is how many more would decide it (``votes_needed.count_more_votes``).

    "Certain" means: ahead of every other model by Holm-adjusted tests over all pairs, so the chance of any wrong claim
    on the board is at most 1 - confidence.
    """
    rated = [model for model in ranking.models if model.n_votes]
    if not rated:
        return Verdict("No votes yet", "The board fills as soon as the first rater has voted.")
    groups = [[m for m in rated if m.component == number] for number in sorted({m.component for m in rated})]
    if len(groups) > 1:
        return Verdict(
            "No ranking yet: the models fall into groups that never met",
            f"{_count(ranking.n_votes, 'vote')} connect {len(rated)} of {len(ranking.models)} models in {len(groups)} "
            "groups. A model can only be ranked against models that votes connect it to, so each group stands alone.",
        )
    peers = peers_of_first(ranking)
    leaders = [m for m in rated if m.model in peers]
    if not any(m.rank_lower for m in rated):
        return _without_intervals(rated)
    said = _one_board(ranking, rated, leaders)
    if more_votes is None or len(leaders) == 1:
        return said
    return Verdict(said.title, f"{said.text} {describe_more(more_votes, ranking.n_votes)}")


def describe_more(more_votes: float, n_votes: int) -> str:
    """The votes that are lacking, in a sentence; beyond a hundred times those cast, that they are as good as equal."""
    if more_votes > MOST_TIMES * max(n_votes, 1):
        return (
            f"The models on top are so close that {MOST_TIMES} times as many votes would hardly decide; by these votes "
            "they are as good as equal."
        )
    return (
        f"About {_rounded(more_votes):,} more votes, spread as so far, would decide with a chance of 80 % if the "
        "differences are as large as they look now."
    )


def _rounded(n: float) -> int:
    """Up to two digits, since it is an estimate."""
    unit = int(10 ** max(0, math.floor(math.log10(n)) - 1))
    return math.ceil(n / unit) * unit


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _without_intervals(rated: list[ModelRating]) -> Verdict:
    top = [m.model for m in rated if m.rank == 1] or [rated[0].model]
    return Verdict(
        f"{listed(top)} {'is' if len(top) == 1 else 'are'} on top",
        "This method doesn't test whether that is more than chance. Bradley-Terry does.",
    )


def _one_board(ranking: Ranking, rated: list[ModelRating], leaders: list[ModelRating]) -> Verdict:
    first, sure = rated[0], f"at {ranking.confidence * 100:.0f} % confidence"
    unrated = len(ranking.models) - len(rated)
    missing = (
        f" {_count(unrated, 'model')} without votes {'stands' if unrated == 1 else 'stand'} apart." if unrated else ""
    )
    if len(rated) == 1:
        return Verdict("Nothing to compare yet", f"Only {first.model} has votes; a ranking needs two models.{missing}")
    if len(leaders) == 1:
        rest = "the other model" if len(rated) == 2 else f"every one of the other {len(rated) - 1} models"
        return Verdict(f"{first.model} leads", f"It is ahead of {rest} {sure} for the whole board.{missing}")
    if len(leaders) == len(rated):
        text = (
            f"{first.model} and {leaders[1].model} can't be told apart {sure}."
            if len(rated) == 2
            else f"{first.model} is on top, but none of the other {len(rated) - 1} models is clearly behind it, {sure} "
            "for the whole board."
        )
        return Verdict("No winner yet", text + missing)
    others = [m.model for m in leaders if m.model != first.model]
    behind = len(rated) - len(leaders)
    title = (
        f"{listed([first.model, *others])} lead; they can't be told apart yet"
        if len(leaders) <= 3
        else f"No single winner yet: {first.model} is on top, {len(others)} others may be as good"
    )
    return Verdict(
        title,
        f"Of {len(rated)} models, {behind} {'is' if behind == 1 else 'are'} behind the leader {sure} for the whole "
        f"board; the {_others(len(others))} can't be told apart from it.{missing}",
    )


def peers_of_first(ranking: Ranking) -> set[str]:
    """The model on top and those that can't be told apart from it, by the tests of all pairs at once."""
    rated = [model for model in ranking.models if model.n_votes]
    if not rated:
        return set()
    first, alpha = rated[0].model, 1 - ranking.confidence
    if not ranking.pairs:  # this method tests no pairs
        return {model.model for model in rated if model.rank_lower == 1} or {first}
    apart = {
        test.model_a if test.model_b == first else test.model_b
        for test in ranking.pairs
        if first in (test.model_a, test.model_b) and test.p_adjusted <= alpha
    }
    return {model.model for model in rated if model.model not in apart}


def _others(n: int) -> str:
    return "other" if n == 1 else f"other {n}"
