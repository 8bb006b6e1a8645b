"""Which studies may be pooled with one, and what to say of those that somebody asks for and that may not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain import Identity, Role
from app.services.experiments import ExperimentSummary
from app.services.hidden_results import hides_now
from app.services.pooled_votes import MOST_STUDIES
from app.services.sign_in import require
from db import experiments
from db.engine import database


@dataclass(frozen=True)
class Poolable:
    """The studies that may be ``chosen`` beside one, by key, those that were, and what to say of others."""

    offered: Mapping[str, ExperimentSummary]
    chosen: tuple[ExperimentSummary, ...] = ()
    notes: tuple[str, ...] = ()


def find_poolable(
    actor: Identity | None,
    study: ExperimentSummary,
    started: Mapping[str, ExperimentSummary],
    wanted: Sequence[str] = (),
) -> Poolable:
    """What may be pooled with a study, of those that have started (by key), and what of ``wanted`` keys is.

    Others need votes, results that aren't hidden, people where its votes are of people, and a model of its own or of
    one that is chosen: what no model links can't be compared.
    """
    require(actor, Role.RESEARCHER)
    keys = [key for key in dict.fromkeys(wanted) if key not in ("", study.key)]
    problems = {key: _find_problem(study, started.get(key), key) for key in keys}
    usable = {key: row for key, row in started.items() if key != study.key and not _find_problem(study, row, key)}
    if not usable:
        return Poolable({}, (), tuple(said for said in problems.values() if said))
    chosen = [key for key in keys if not problems[key]]
    linked = _linked(study, [usable[key] for key in chosen])
    problems |= {
        key: f"“{usable[key].title}” shares no model with the studies here, so its votes say nothing of them."
        for key in chosen
        if usable[key].id not in linked
    }
    chosen = [key for key in chosen if not problems[key]]
    for key in chosen[MOST_STUDIES - 1 :]:
        problems[key] = f"At most {MOST_STUDIES} studies are pooled, so “{usable[key].title}” is left out."
    offered = {key: row for key, row in usable.items() if row.id in linked}
    return Poolable(
        offered,
        tuple(usable[key] for key in chosen[: MOST_STUDIES - 1]),
        tuple(said for said in problems.values() if said),
    )


def _find_problem(study: ExperimentSummary, other: ExperimentSummary | None, key: str) -> str:
    """Why the votes of another study can't be counted with those of this one; blank where they can."""
    if other is None:
        return f"The study “{key}” in this link isn't here, so none of its votes are counted."
    if hides_now(other):
        return f"The results of “{other.title}” are hidden until it is completed, so its votes aren't counted here."
    if not other.n_votes:
        return f"“{other.title}” has no votes yet."
    if other.is_simulated and not study.is_simulated:
        return f"The votes of “{other.title}” are simulated, and people's votes aren't pooled with such."
    if study.is_simulated and not other.is_simulated:
        return f"“{other.title}” has votes of people, which simulated ones aren't pooled with."
    return ""


def _linked(study: ExperimentSummary, chosen: Sequence[ExperimentSummary]) -> set[object]:
    """The ids of all studies that share a model with this one, or with a chosen one that is linked to it."""
    pool = {study.id}
    with database().read() as session:
        while True:
            linked = experiments.list_sharing(session, experiment_ids=pool)
            more = {row.id for row in chosen if row.id in linked} - pool
            if not more:
                return set(linked)
            pool |= more
