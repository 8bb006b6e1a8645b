"""How far LLM judges go with people, and with themselves: beside the board, never in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np

from app.discovery import find_plugins
from app.domain import Comparison, Identity, Outcome, Ranking, Role
from app.errors import InvalidInputError, RankingError
from app.services.hidden_results import is_hidden
from app.services.measure_board import correlate, human_ranking, human_ratings
from app.services.model_labels import model_labels
from app.services.sign_in import require
from app.stats.agreement import Agreement, agreement
from app.stats.clustered_mean import ClusteredMean, clustered_mean
from app.stats.comparisons import Comparisons
from app.stats.rank_correlation import RankCorrelation
from db import experiments, judge_votes, models
from db.engine import Row, database

Item: TypeAlias = tuple[UUID, UUID, UUID]  # model a, model b, prompt
CODES = tuple(Outcome)


@dataclass(frozen=True)
class JudgeReport:
    """One judge of an experiment.

    ``same_verdict`` is the share of pairs, judged in both orders, with one verdict; ``first_twice`` and
    ``second_twice`` the share in which the judge named the side shown first, or second, both times: its position bias.
    ``with_people`` is its agreement with the majority of raters, over the ``n_items`` pairs on a prompt that have both;
    ``raw`` the share of equal verdicts. ``between_people`` is that of raters with each other on those of the judge's
    pairs that two or more of them saw. ``order`` are the models by the judge's own ranking, best first. What can't be
    known is None, the correlation with ``reason``.
    """

    judge: str
    n_answers: int
    n_unreadable: int
    n_failed: int
    cost: float | None
    same_verdict: ClusteredMean | None
    first_twice: ClusteredMean | None
    second_twice: ClusteredMean | None
    raw: ClusteredMean | None
    with_people: Agreement | None
    between_people: Agreement | None
    n_items: int
    order: tuple[str, ...]
    correlation: RankCorrelation | None
    reason: str
    warnings: tuple[str, ...]


def get_judge_reports(
    actor: Identity | None, experiment_id: UUID, *, ranking: Ranking | None = None
) -> list[JudgeReport]:
    """A report for each judge that was asked about an experiment, by name.

    ``ranking`` is people's by Bradley-Terry where the caller has it already. While a study hides its results, what
    judges say is compared with nothing.
    """
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        rows = judge_votes.list_judge_votes(session, experiment_id=experiment_id)
        if not rows:
            return []
        hides = is_hidden(experiments.get_experiment(session, experiment_id=experiment_id))
        people = [] if hides else judge_votes.list_human_verdicts(session, experiment_id=experiment_id)
        arms = experiments.list_arms(session, experiment_id=experiment_id)
        judges = {row.judge_id: models.get_model(session, model_id=row.judge_id) for row in rows}
    names, problem = model_labels(arms), ""
    if ranking is None:
        ranking, problem = human_ranking(actor, experiment_id)
    ratings, no_ratings = human_ratings(ranking)
    reports = []
    for judge_id, judge in judges.items():
        own = [row for row in rows if row.judge_id == judge_id]
        order, values = _own_ranking(own, names)
        correlation, reason = correlate(values, ratings, problem or no_ratings)
        reports.append(
            JudgeReport(
                judge=f"{judge.name} {judge.version}".strip(),
                n_answers=sum(row.outcome is not None for row in own),
                n_unreadable=sum(row.outcome is None and row.is_answered for row in own),
                n_failed=sum(not row.is_answered for row in own),
                cost=_cost(own),
                **_orders(own),
                **_with_people(own, people),
                order=order,
                correlation=correlation,
                reason=reason,
                warnings=_warnings(judge, arms),
            )
        )
    return sorted(reports, key=lambda report: report.judge.casefold())


def combined_verdicts(rows: list[Row]) -> dict[Item, Outcome]:
    """One verdict for each pair of outputs that a judge saw in both orders: what it said twice, else a tie.

    Calling a winner only when both orders name it is the conservative rule of Zheng et al. 2023 (NeurIPS, MT-bench).
    """
    said: dict[Item, list[Outcome]] = {}
    for row in rows:
        if row.outcome is not None:
            said.setdefault((row.model_a_id, row.model_b_id, row.prompt_id), []).append(Outcome(row.outcome))
    return {item: both[0] if both[0] == both[1] else Outcome.TIE for item, both in said.items() if len(both) == 2}


def majorities(people: list[Row]) -> dict[Item, Outcome]:
    """What more than half of the votes on a pair and a prompt say; a pair without such a majority is left out."""
    weights: dict[Item, dict[Outcome, float]] = {}
    for row in people:
        of_item = weights.setdefault((row.model_a_id, row.model_b_id, row.prompt_id), {})
        of_item[Outcome(row.outcome)] = of_item.get(Outcome(row.outcome), 0.0) + float(row.weight)
    top = {item: max(found, key=lambda outcome: found[outcome]) for item, found in weights.items()}
    return {item: outcome for item, outcome in top.items() if 2 * weights[item][outcome] > sum(weights[item].values())}


def _cost(rows: list[Row]) -> float | None:
    known = [row.cost for row in rows if row.cost is not None]
    return sum(known) if known else None


def _orders(rows: list[Row]) -> dict[str, Any]:
    """How alike a judge's two verdicts on a pair are, and how often a side alone decides."""
    said: dict[Item, dict[bool, Outcome]] = {}
    for row in rows:
        if row.outcome is not None:
            item = (row.model_a_id, row.model_b_id, row.prompt_id)
            said.setdefault(item, {})[bool(row.is_a_left)] = Outcome(row.outcome)
    both = {item: found for item, found in said.items() if len(found) == 2}
    a, b = Outcome.MODEL_A, Outcome.MODEL_B
    tests = {
        "same_verdict": [found[True] == found[False] for found in both.values()],
        "first_twice": [(found[True], found[False]) == (a, b) for found in both.values()],
        "second_twice": [(found[True], found[False]) == (b, a) for found in both.values()],
    }
    return {name: _share(hits, list(both)) for name, hits in tests.items()}


def _share(hits: list[bool], items: list[Item]) -> ClusteredMean | None:
    """A share of pairs with an interval over prompts."""
    if not hits:
        return None
    code = {prompt_id: i for i, prompt_id in enumerate(dict.fromkeys(item[2] for item in items))}
    return clustered_mean([float(hit) for hit in hits], [code[item[2]] for item in items], is_share=True)


def _with_people(rows: list[Row], people: list[Row]) -> dict[str, Any]:
    machine, majority = combined_verdicts(rows), majorities(people)
    items = sorted(machine.keys() & majority.keys(), key=str)
    place = {item: i for i, item in enumerate(items)}
    both = [
        (place[item], rater, CODES.index(found[item]))
        for item in items
        for rater, found in enumerate((machine, majority))
    ]
    # Not only where there is a majority: two people who differ make none, and all that is left would agree.
    judged = {item: i for i, item in enumerate(machine)}
    raters = {rater: i for i, rater in enumerate(dict.fromkeys(row.rater_id for row in people if row.rater_id))}
    each = [
        (judged[item], raters[row.rater_id], CODES.index(Outcome(row.outcome)))
        for row in people
        if row.rater_id and (item := (row.model_a_id, row.model_b_id, row.prompt_id)) in judged
    ]
    return {
        "n_items": len(items),
        "raw": _share([machine[item] == majority[item] for item in items], items),
        "with_people": _agreement(both),
        "between_people": _agreement(each),
    }


def _agreement(ratings: list[tuple[int, int, int]]) -> Agreement | None:
    if not ratings:
        return None
    item, rater, code = np.array(ratings, np.int64).T
    try:
        return agreement(item, rater, code, n_codes=len(CODES))
    except InvalidInputError:  # no pair was judged by two of them
        return None


def _own_ranking(rows: list[Row], names: dict[UUID, str]) -> tuple[tuple[str, ...], dict[str, float]]:
    """The models by a judge's own votes, best first, and their ratings where votes connect them all."""
    votes = [
        Comparison(names[row.model_a_id], names[row.model_b_id], Outcome(row.outcome))
        for row in rows
        if row.outcome is not None and row.model_a_id in names and row.model_b_id in names
    ]
    if not votes:
        return (), {}
    try:
        ranking: Ranking = find_plugins("app.ranking")["bradley_terry"].rank(Comparisons.from_rows(votes))
    except RankingError:
        return (), {}
    rated = [row for row in ranking.models if row.n_votes and row.rating is not None]
    if not ranking.connected:
        return (), {}
    return tuple(row.model for row in rated), {row.model: row.rating for row in rated if row.rating is not None}


def _warnings(judge: Any, arms: list[Row]) -> tuple[str, ...]:
    """Whom a judge may favour; models tend to prefer their own writing (Panickssery et al. 2024, NeurIPS)."""
    if any(arm.model_id == judge.id or arm.name == judge.name for arm in arms):
        return ("The judge is one of the compared models, and models tend to prefer their own writing.",)
    maker = judge.organisation.strip().casefold()
    same = [arm.name for arm in arms if maker and arm.organisation.strip().casefold() == maker]
    if same:
        return (f"The judge comes from the same maker as {', '.join(same)}, whose style it may prefer.",)
    return ()


def judge_result(report: JudgeReport) -> dict[str, Any]:
    """A report in plain values, as `bakeoff judge --json` prints it."""
    plain = asdict(report)
    return {**plain, "order": list(report.order), "warnings": list(report.warnings)}
