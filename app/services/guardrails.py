"""What a better model may not cost: latency, failures, price and both-bad, each against the champion with a limit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.domain import GenerationStatus
from app.services.chosen_votes import CONFIDENCE, Chosen
from app.services.estimates import FEWEST_RATERS
from app.services.head_to_head import Setting
from app.services.vote_store import StudyVotes
from app.stats.clustered_share import clustered_share, share_difference
from app.stats.comparisons import OUTCOMES
from app.stats.intervals import quantile
from app.stats.paired_ratio import paired_ratio
from app.stats.proportions import difference_interval
from app.stats.sequential import BURN_IN, student_half_width
from db import output_facts
from db.engine import database

FEWEST_FOR_MEDIAN, FEWEST_FOR_P95 = 20, 60  # prompts; of fewer, nothing can be said of the slowest twentieth
TAU = 0.05  # the size of difference in both-bad rates at which its any-time interval aims
_FAILED = (GenerationStatus.FAILED, GenerationStatus.REFUSED, GenerationStatus.TRUNCATED, GenerationStatus.EMPTY)
_BOTH_BAD = len(OUTCOMES) - 1


class State(StrEnum):
    """Whether a limit is kept: surely, surely not, not settled, or nothing to judge by."""

    HOLDS = "holds"
    BREACHED = "breached"
    OPEN = "open"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Limits:
    """By how much a challenger may be worse: per cent for latency and cost, points for shares of failures and votes."""

    latency: float = 20.0
    failures: float = 2.0
    cost: float = 20.0
    both_bad: float = 3.0


@dataclass(frozen=True, slots=True)
class Guardrail:
    """One limit: the two values in words, the change with its interval and the limit in ``unit``, and the state."""

    label: str
    about: str
    values: tuple[str, str]
    unit: str
    limit: float
    state: State
    change: float | None = None
    lower: float | None = None
    upper: float | None = None
    missing: str = ""


def check_guardrails(setting: Setting, study: StudyVotes, picked: Chosen, limits: Limits) -> tuple[Guardrail, ...]:
    """All of them for ``setting.model`` against ``setting.opponent``, each with a 95 % interval of its own.

    They need no correction for their number: whoever ships needs every one of them to hold. Nothing for the field.
    """
    if setting.opponent is None:
        return ()
    ids = {name: study.model_ids[study.models.index(name)] for name in (setting.model, setting.opponent)}
    rows: list[Any] = []
    if setting.prompt_set_id is not None:
        with database().read() as session:
            rows = output_facts.list_facts(session, prompt_set_id=setting.prompt_set_id, model_ids=ids.values())
    of_model, of_opponent = ([row for row in rows if row.model_id == ids[name]] for name in ids)
    latency = _shared(of_model, of_opponent, "latency_ms")
    cost = _shared(of_model, of_opponent, "cost")
    return (
        _ratio("Latency, median", latency, limits.latency, quantile_=0.5, fewest=FEWEST_FOR_MEDIAN),
        _ratio("Latency, slowest 5 %", latency, limits.latency, quantile_=0.95, fewest=FEWEST_FOR_P95),
        _failures(of_model, of_opponent, limits.failures),
        _ratio("Cost of an output", cost, limits.cost, quantile_=None, fewest=FEWEST_FOR_MEDIAN),
        _both_bad(setting, study, picked, limits.both_bad),
    )


def _state(lower: float, upper: float, limit: float) -> State:
    return State.HOLDS if upper <= limit else State.BREACHED if lower > limit else State.OPEN


def _shared(
    of_model: Iterable[Any], of_opponent: Iterable[Any], column: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The means by prompt of both, over the usable outputs of the prompts that both have a number for."""
    sides: list[dict[UUID, list[float]]] = [{}, {}]
    for side, rows in zip(sides, (of_model, of_opponent), strict=True):
        for row in rows:
            value = getattr(row, column)
            if value is not None and value >= 0 and row.status == GenerationStatus.OK:
                side.setdefault(row.prompt_id, []).append(float(value))
    both = sorted(sides[0].keys() & sides[1].keys(), key=str)
    a, b = (np.array([math.fsum(side[one]) / len(side[one]) for one in both]) for side in sides)
    return a, b


def _ratio(
    label: str,
    numbers: tuple[NDArray[np.float64], NDArray[np.float64]],
    limit: float,
    *,
    quantile_: float | None,
    fewest: int,
) -> Guardrail:
    a, b = numbers
    is_cost = quantile_ is None
    about = (
        f"Over the {len(a):,} prompts that both answered; the interval is a bootstrap over prompts."
        if len(a)
        else f"No {'price' if is_cost else 'time'} of outputs of both is known."
    )
    if len(a) < fewest:
        missing = about if not len(a) else f"Both have only {len(a):,} prompts with it; {fewest} are needed."
        return Guardrail(label, about, ("–", "–"), "%", limit, State.UNKNOWN, missing=missing)
    found = paired_ratio(a, b, quantile=quantile_, confidence=CONFIDENCE)
    show = _money if is_cost else _seconds
    shown = (show(found.of_a), show(found.of_b))
    change, lower, upper = (100 * (x - 1) for x in (found.ratio, found.lower, found.upper))
    return Guardrail(label, about, shown, "%", limit, _state(lower, upper, limit), change, lower, upper)


def _seconds(ms: float) -> str:
    return f"{ms:,.0f} ms" if ms < 1000 else f"{ms / 1000:,.1f} s"


def _money(x: float) -> str:
    return f"{x:.2g}" if x < 0.1 else f"{x:,.2f}"


def _failures(of_model: Sequence[Any], of_opponent: Sequence[Any], limit: float) -> Guardrail:
    label = "Failed, refused or cut short"
    about = "Share of the outputs asked for that failed, were refused, empty or cut short; Newcombe's interval."
    if not of_model or not of_opponent:
        missing = "No outputs of both are stored in this study's prompt set."
        return Guardrail(label, about, ("–", "–"), "points", limit, State.UNKNOWN, missing=missing)
    n_failed = [sum(row.status in _FAILED for row in rows) for rows in (of_model, of_opponent)]
    n = [len(of_model), len(of_opponent)]
    found = difference_interval(n_failed[0], n[0], n_failed[1], n[1], confidence=CONFIDENCE)
    shown = (f"{100 * n_failed[0] / n[0]:.1f} %", f"{100 * n_failed[1] / n[1]:.1f} %")
    lower, upper = 100 * found.lower, 100 * found.upper
    change = 100 * (found.estimate or 0.0)
    return Guardrail(label, about, shown, "points", limit, _state(lower, upper, limit), change, lower, upper)


def _both_bad(setting: Setting, study: StudyVotes, picked: Chosen, limit: float) -> Guardrail:
    label = "Both called bad"
    a, b = (study.models.index(name) for name in (setting.model, setting.opponent or ""))
    in_a, in_b = ((picked.model_a == one) | (picked.model_b == one) for one in (a, b))
    votes = picked.votes
    found = share_difference(picked.outcome == _BOTH_BAD, in_a, in_b, votes.weight, votes.cluster)
    by = "clustered by rater" if votes.cluster is not None else "per vote"
    kind = "95 % interval" if setting.is_at_end else "interval that holds at any time"
    about = f"Share of all votes on each model in which both answers were called bad; {kind}, {by}."
    if found is None:
        missing = "One of the two has no votes."
        return Guardrail(label, about, ("–", "–"), "points", limit, State.UNKNOWN, missing=missing)
    shown = (f"{100 * found.share_a:.1f} %", f"{100 * found.share_b:.1f} %")
    n = min(float(votes.weight[in_a].sum()), float(votes.weight[in_b].sum()))
    if not found.variance > 0:
        return _without_spread(label, about, shown, limit, [(picked, in_a), (picked, in_b)], setting)
    se = math.sqrt(found.variance)
    if setting.is_at_end:
        half = quantile(CONFIDENCE, found.df) * se
    elif (
        n >= BURN_IN
        and (votes.n_raters == 0 or found.df >= FEWEST_RATERS - 1)
        and not (votes.n_raters and np.isinf(found.df))
    ):
        half = float(student_half_width(np.array([se]), found.df, confidence=CONFIDENCE, tau=TAU)[0])
    else:
        missing = f"Too few votes or raters yet for an interval that holds at any time ({BURN_IN} and {FEWEST_RATERS})."
        return Guardrail(label, about, shown, "points", limit, State.OPEN, 100 * found.difference, missing=missing)
    change, lower, upper = (100 * (found.difference + x) for x in (0.0, -half, half))
    return Guardrail(label, about, shown, "points", limit, _state(lower, upper, limit), change, lower, upper)


def _without_spread(
    label: str,
    about: str,
    shown: tuple[str, str],
    limit: float,
    sides: Sequence[tuple[Chosen, NDArray[np.bool_]]],
    setting: Setting,
) -> Guardrail:
    """Where no vote, or every vote, called both bad: Newcombe's interval from both shares' own (Wilson's) intervals."""
    if not setting.is_at_end:
        missing = "No vote so far tells the two apart in this, so there is no interval that holds at any time."
        return Guardrail(label, about, shown, "points", limit, State.UNKNOWN, missing=missing)
    own, other = (
        clustered_share(picked.outcome[rows] == _BOTH_BAD, votes.weight, votes.cluster, confidence=CONFIDENCE)
        for picked, rows in sides
        for votes in [picked.votes.select(rows)]
    )
    change = own.share - other.share
    lower = change - math.hypot(own.share - own.lower, other.upper - other.share)
    upper = change + math.hypot(own.upper - own.share, other.share - other.lower)
    bounds = 100 * lower, 100 * upper
    return Guardrail(label, about, shown, "points", limit, _state(*bounds, limit), 100 * change, *bounds)
