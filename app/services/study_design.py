"""How a study was laid out, as far as whoever reads its results has to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain import ExperimentStatus, Kind
from app.services.arena_setup import UNLIMITED_VOTES
from app.services.model_labels import model_labels
from app.study import Asks, Flow, Shows, asks_of, flow_of, shows_of
from db import experiments, gold, prompts
from db.engine import Session


@dataclass(frozen=True)
class StudyDesign:
    """The design of a study, frozen at its start, and how it ended.

    ``prompt_set`` is a name with its version; ``n_wanted`` is the number of votes planned, None without a planned end.
    ``weights`` are by the model's label, where one isn't 1. ``n_checks`` are its pairs with a known answer.
    """

    kind: Kind
    status: ExperimentStatus
    is_imported: bool
    prompt_set: str | None
    n_pairs: int
    n_wanted: int | None
    votes_per_pair: int
    votes_per_rater: int | None
    votes_per_prompt: int | None
    min_dwell_ms: int
    allocation: str
    exploration: float
    floor_votes: int
    weights: Mapping[str, float]
    n_checks: int
    flow: Flow
    asks: Asks
    shows: Shows
    started_at: datetime | None
    ended_at: datetime | None
    stop_reason: str


def get_design(session: Session, experiment: Any) -> StudyDesign:
    """The design of an experiment (its row)."""
    arms = experiments.list_arms(session, experiment_id=experiment.id)
    labels, kind = model_labels(arms), Kind(experiment.kind)
    prompt_set = None
    if experiment.prompt_set_id is not None and kind == Kind.PROMPTS:
        row = prompts.get_prompt_set(session, prompt_set_id=experiment.prompt_set_id)
        prompt_set = f"{row.name} v{row.version}"
    n_pairs = experiments.count_pairs(session, experiment_id=experiment.id)
    is_imported = experiment.ended_at is not None and experiment.started_at == experiment.ended_at
    has_end = not is_imported and 0 < experiment.votes_per_pair < UNLIMITED_VOTES
    return StudyDesign(
        kind=kind,
        status=ExperimentStatus(experiment.status),
        is_imported=is_imported,
        prompt_set=prompt_set,
        n_pairs=n_pairs,
        n_wanted=n_pairs * experiment.votes_per_pair if has_end else None,
        votes_per_pair=experiment.votes_per_pair,
        votes_per_rater=experiment.votes_per_rater,
        votes_per_prompt=experiment.votes_per_prompt,
        min_dwell_ms=experiment.min_dwell_ms,
        allocation=experiment.allocation,
        exploration=experiment.exploration,
        floor_votes=experiment.floor_votes,
        weights={labels[arm.model_id]: arm.weight for arm in arms if arm.weight != 1},
        n_checks=sum(gold.count_gold(session, experiment_id=experiment.id).values()),
        flow=flow_of(experiment.flow),
        asks=asks_of(experiment.asks),
        shows=shows_of(experiment.shows),
        started_at=experiment.started_at,
        ended_at=experiment.ended_at,
        stop_reason=experiment.stop_reason,
    )
