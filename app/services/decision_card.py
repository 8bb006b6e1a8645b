"""Ship, keep or discuss: what the votes and the guardrails together say about putting one model in another's place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from scipy.special import expit

from app.domain import ExperimentStatus
from app.errors import InvalidInputError
from app.services.chosen_votes import CONFIDENCE
from app.services.estimates import Estimate
from app.services.guardrails import Guardrail, State
from app.services.head_to_head import HeadToHead, Setting
from app.services.pair_plan import count_pair_votes
from app.stats.cluster import FEW_CLUSTERS
from app.stats.votes_to_decide import votes_to_decide

ROPE_POINTS = 2.5  # of win share: 52.5 % of votes or fewer are too little to change a model for


class Decision(StrEnum):
    """What to do with the challenger."""

    SHIP = "ship"
    KEEP = "keep"
    DISCUSS = "discuss"


class Finding(StrEnum):
    """What the votes say of the challenger."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Forecast:
    """Votes until a decision: ``n_more`` beyond those there are (None: more than anybody collects), and ``days``.

    ``n_pair`` votes would do on this pair alone, planned for one look, for a difference as large as the range of
    equivalence.
    """

    n_more: int | None
    days: float | None
    n_pair: int | None


@dataclass(frozen=True, slots=True)
class Card:
    """The decision with its headline, its reasons and, where the votes leave it open, a forecast."""

    decision: Decision
    finding: Finding
    headline: str
    reasons: tuple[str, ...]
    forecast: Forecast | None


def rope_of(points: float) -> float:
    """The range of equivalence in logits from points of win share: 2.5 is 52.5 to 47.5 %.

    Raises ``InvalidInputError`` unless it lies between 0 and 50.
    """
    if not 0 < points < 50:
        raise InvalidInputError(f"The range that doesn't matter must lie between 0 and 50 points, not {points:g}.")
    return math.log((50 + points) / (50 - points))


def find(estimate: Estimate | None, rope: float) -> Finding:
    """What the corrected interval says: within the rope, all on one side of zero, or neither."""
    if estimate is None or estimate.together is None:
        return Finding.OPEN
    lower, upper = estimate.together
    if -rope < lower and upper < rope:
        return Finding.EQUIVALENT
    return Finding.BETTER if lower > 0 else Finding.WORSE if upper < 0 else Finding.OPEN


def decide(result: HeadToHead, guardrails: Sequence[Guardrail], *, rope_points: float = ROPE_POINTS) -> Card | None:
    """The card of a challenger against its opponent; None against the field, in whose place nothing can be put.

    Ship: the challenger is better by the corrected interval and every guardrail that can be judged holds. Keep: it is
    worse, or the difference is too small to matter. Discuss: all else, and whatever too few raters said.
    """
    setting, estimate = result.setting, result.estimate
    if setting.opponent is None:
        return None
    finding = find(estimate, rope_of(rope_points))
    reasons = [_of_votes(result, finding, rope_points)]
    is_few = 0 < result.votes_by < FEW_CLUSTERS
    if is_few:
        raters = "1 rater" if result.votes_by == 1 else f"{result.votes_by} raters"
        reasons.append(f"Only {raters} voted: nothing tells whether others would agree.")
    decision = Decision.KEEP if finding in (Finding.WORSE, Finding.EQUIVALENT) else Decision.DISCUSS
    if finding == Finding.BETTER:
        is_safe = all(rail.state in (State.HOLDS, State.UNKNOWN) for rail in guardrails)
        decision = Decision.SHIP if is_safe else Decision.DISCUSS
        reasons += _of_guardrails(guardrails)
    if is_few:
        decision = Decision.DISCUSS
    reasons += _of_parts(result, finding)
    if setting.is_simulated:
        reasons.append("The votes are simulated, not people's.")
    headline = _headline(setting, decision, finding)
    forecast = _forecast(result, rope_points) if finding == Finding.OPEN else None
    return Card(decision, finding, headline, tuple(reasons), forecast)


def _headline(setting: Setting, decision: Decision, finding: Finding) -> str:
    if decision == Decision.SHIP:
        return f"Ship {setting.model}"
    if decision == Decision.KEEP:
        return f"Keep {setting.opponent}"
    return "Discuss: not decided yet" if finding == Finding.OPEN else "Discuss before deciding"


def _of_votes(result: HeadToHead, finding: Finding, rope_points: float) -> str:
    setting, estimate = result.setting, result.estimate
    if estimate is None:
        return "Votes don't link the two models, so nothing is known of their difference."
    if estimate.together is None:
        return "Too few votes or raters so far for an interval that holds."
    lower, upper = (f"{100 * float(expit(x)):.1f}" for x in estimate.together)
    kind = "one look at the planned end" if setting.is_at_end else "any number of looks"
    sure = (
        f"{setting.model} would win {lower} to {upper} % of votes against {setting.opponent}, at "
        f"{100 * CONFIDENCE:.0f} % confidence for {setting.family} and {kind}"
    )
    if finding == Finding.BETTER:
        return f"Better: {sure}."
    if finding == Finding.WORSE:
        return f"Worse: {sure}."
    if finding == Finding.EQUIVALENT:
        return f"Too close to matter: {sure}, all within {rope_points:g} points of 50 %."
    status = setting.status
    after = " The study was stopped early." if status == ExperimentStatus.STOPPED else ""
    after = " The planned end was reached without an answer." if setting.is_at_end else after
    return f"Open: {sure}, which leaves both a gain and a loss possible.{after}"


def _of_guardrails(guardrails: Sequence[Guardrail]) -> Iterator[str]:
    for state, words in (
        (State.BREACHED, "beyond its limit"),
        (State.OPEN, "not settled against its limit"),
        (State.UNKNOWN, "not known, so not checked"),
    ):
        names = [rail.label for rail in guardrails if rail.state == state]
        if names:
            said = "; ".join(names)
            yield f"{said}: {words}."
    if guardrails and all(rail.state == State.HOLDS for rail in guardrails):
        yield f"All {len(guardrails)} guardrails hold."


def _of_parts(result: HeadToHead, finding: Finding) -> Iterator[str]:
    """Where a part of the votes clearly says the contrary of the whole."""
    sign = {Finding.BETTER: -1, Finding.WORSE: 1}.get(finding, 0)
    names = [part.name for part in result.parts if part.is_clear and part.estimate.difference * sign > 0]
    if names:
        yield f"The contrary holds in {', '.join(names[:3])}{' and others' if len(names) > 3 else ''} (exploratory)."


def _forecast(result: HeadToHead, rope_points: float) -> Forecast | None:
    whole, setting = result.whole, result.setting
    if whole is None or not 0 < whole.variance < math.inf:
        return None
    needed = votes_to_decide(
        whole.difference,
        whole.variance,
        whole.n_votes,
        rope=rope_of(rope_points),
        df=whole.df,
        confidence=1 - (1 - CONFIDENCE) / setting.n_family,
        is_anytime=not setting.is_at_end,
    )
    n_more = None if needed is None else max(1, math.ceil(needed - whole.n_votes))
    days = n_more / result.votes_per_day if n_more is not None and result.votes_per_day else None
    pair = count_pair_votes(result, points=rope_points)
    return Forecast(n_more, days, None if pair is None else pair.n_votes)
