"""How many votes find a difference of a given size: those of a study of two models alone, and of the one there is."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from scipy.special import logit

from app.errors import InvalidInputError
from app.services.chosen_votes import CONFIDENCE
from app.services.head_to_head import HeadToHead
from app.services.votes_needed import VotesNeeded, count_votes_needed, decisive_share
from app.stats.votes_to_decide import votes_to_decide

USUAL_GAPS = (1.0, 2.5, 5.0, 10.0, 15.0)  # points of win share beyond 50 %
POWERS = (0.8, 0.9, 0.95)


@dataclass(frozen=True, slots=True)
class PlannedGap:
    """What a true win probability of 50 + ``points`` %, ties half, takes; ``logits`` is that gap of ratings.

    ``needed`` counts the votes of a study of the two models alone with one look; None where so many ties leave no such
    gap. ``n_sequential`` votes are those of one with a look after each, on average. ``n_more`` votes of this study,
    spread over its models as so far, find the gap beyond those it has: 0 where it has enough, None where that can't be
    told or nobody collects so many.
    """

    points: float
    logits: float
    needed: VotesNeeded | None
    n_sequential: int | None
    n_more: int | None


@dataclass(frozen=True, slots=True)
class PairPlan:
    """``gaps`` from the smallest to the largest, ``chosen`` among them, and what of the votes they were made from.

    ``per_day`` is the pace by which votes become days (None: not known), of the last seven days if ``is_recent``.
    """

    gaps: tuple[PlannedGap, ...]
    chosen: PlannedGap
    power: float
    tie_rate: float
    both_bad_rate: float
    design_effect: float
    per_day: float | None
    is_recent: bool


def plan_pair(result: HeadToHead, *, points: float, power: float = 0.8) -> PairPlan:
    """Votes for the usual gaps and the chosen one, by the ties, both-bad votes and raters' habits of this study.

    Raises ``InvalidInputError`` unless ``points`` lies between 0 and 50 and ``power`` between 0.025 and 1.
    """
    if not 0 < points < 50:
        raise InvalidInputError(f"The gap must lie between 0 and 50 points of win share, not {points:g}.")
    gaps = {one: _plan_gap(result, one, power) for one in sorted({*USUAL_GAPS, points})}
    per_day, is_recent = result.votes_per_day, True
    if per_day is None:
        per_day, is_recent = result.usual_per_day, False
    effect = 1.0 if result.whole is None else result.whole.design_effect
    return PairPlan(tuple(gaps.values()), gaps[points], power, *_rates(result), effect, per_day or None, is_recent)


def count_pair_votes(result: HeadToHead, *, points: float, power: float = 0.8) -> VotesNeeded | None:
    """Votes of a new study of the two models alone for a win probability of 50 + ``points`` %, ties half.

    None for the field, and where so many ties leave no such gap.
    """
    rates = _rates(result)
    share = decisive_share(points, *rates)
    if result.setting.opponent is None or share is None:
        return None
    return _count_needed(share, power, *rates, 1.0 if result.whole is None else result.whole.design_effect)


def _rates(result: HeadToHead) -> tuple[float, float]:
    """The shares of ties and both-bad votes between the two, or in all votes if there are none between them."""
    tally = result.tally
    return (tally.ties.share, tally.both_bad.share) if tally.n_votes else result.rates_of_all


def _plan_gap(result: HeadToHead, points: float, power: float) -> PlannedGap:
    gap = float(logit(0.5 + points / 100))
    needed = count_pair_votes(result, points=points, power=power)
    n_sequential = None
    if needed is not None and needed.n_sequential is not None:
        n_sequential = math.ceil(needed.n_sequential * needed.n_votes / needed.n_decisive)
    return PlannedGap(points, gap, needed, n_sequential, _count_more(result, gap, power))


@functools.lru_cache(maxsize=256)
def _count_needed(share: float, power: float, tie_rate: float, both_bad_rate: float, effect: float) -> VotesNeeded:
    """Kept, since the exact course of a test with a look after every vote takes a second for small gaps."""
    return count_votes_needed(
        win_share=share, tie_rate=tie_rate, both_bad_rate=both_bad_rate, design_effect=effect, power=power
    )


def _count_more(result: HeadToHead, gap: float, power: float) -> int | None:
    """Votes beyond those there are until the interval of such a gap would exclude 0, as many as 0."""
    whole, setting = result.whole, result.setting
    if whole is None or not 0 < whole.variance < math.inf:
        return None
    total = votes_to_decide(
        gap,
        whole.variance,
        whole.n_votes,
        rope=gap,
        df=whole.df,
        confidence=1 - (1 - CONFIDENCE) / setting.n_family,
        power=power,
        is_anytime=not setting.is_at_end,
    )
    return None if total is None else max(0, math.ceil(total - whole.n_votes))
