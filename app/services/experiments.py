"""The life of an experiment: drafted, checked, started, paused, stopped."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any
from uuid import UUID

from app.domain import ExperimentStatus, Identity, Kind, Role, utc_now
from app.errors import ConflictError, InvalidInputError
from app.services import arena_setup
from app.services.asked import find_asks_mistake
from app.services.drafts import Draft, narrow_pairs, require_storable
from app.services.gold_files import missing_gold
from app.services.panels import panel_link
from app.services.sign_in import actor_id, require
from app.services.typed_text import checked_text
from app.study import arena_of, asks_of, flow_of, shows_of
from db import audit, experiments, gold, models, prompts
from db.columns import new_id
from db.engine import Session, database


@dataclass(frozen=True, slots=True)
class ExperimentSummary:
    """An experiment in a list; ``n_wanted`` is its quota of votes."""

    id: UUID
    key: str
    title: str
    kind: Kind
    status: ExperimentStatus
    prompt_set: str | None
    n_models: int
    n_votes: int
    n_wanted: int
    votes_per_pair: int
    allocation: str
    is_simulated: bool
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    stop_reason: str
    is_led: bool = False  # raters are led through it, so there is something to tell of each
    panel_link: str | None = None
    hides_results: bool = False  # until it has ended


def slug(title: str) -> str:
    """A key for addresses: lower-case ASCII letters, digits and hyphens, at most 60 characters."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "experiment"


def free_key(session: Session, title: str) -> str:
    """A key for ``title`` that no experiment has."""
    key = base = slug(title)
    n = 1
    while experiments.find_by_key(session, key=key) is not None:
        n += 1
        key = f"{base}-{n}"
    return key


def create_experiment(
    actor: Identity | None,
    *,
    title: str,
    prompt_set_id: UUID | None,
    model_ids: Sequence[UUID],
    is_simulated: bool = False,
    **design: Any,
) -> UUID:
    """Store a draft; raises InvalidInputError naming the first value that can't be.

    ``design`` are further fields of ``Draft``.
    """
    draft = Draft(title=title, prompt_set_id=prompt_set_id, model_ids=tuple(model_ids), **design)
    return store_draft(actor, draft, is_simulated=is_simulated)


def store_draft(actor: Identity | None, draft: Draft, *, is_simulated: bool = False) -> UUID:
    """Store a design as a draft; raises InvalidInputError naming the first value that can't be."""
    require(actor, Role.ADMIN)
    now = utc_now()
    with database().write() as session:
        columns = require_storable(session, draft)
        row = experiments.add_experiment(
            session,
            key=free_key(session, draft.title),
            status=ExperimentStatus.DRAFT,
            is_simulated=is_simulated,
            created_at=now,
            **columns,
        )
        experiments.set_arms(session, experiment_id=row.id, model_ids=draft.model_ids, weights=draft.weights)
        numbers = {"n_models": len(draft.model_ids), "votes_per_pair": draft.votes_per_pair}
        _log(session, actor, "experiment.create", row.key, now, **numbers)
    return row.id


def _log(session: Session, actor: Identity | None, action: str, subject: str, now: datetime, **details: object) -> None:
    audit.add_event(session, at=now, actor_id=actor_id(actor), action=action, subject=subject, details=details)


def check_experiment(actor: Identity | None, experiment_id: UUID) -> list[str]:
    """What is missing before a draft can start, in words; empty when nothing is."""
    require(actor, Role.ADMIN)
    with database().read() as session:
        return _problems(session, experiment_id)


def _problems(session: Session, experiment_id: UUID) -> list[str]:
    experiment = experiments.get_experiment(session, experiment_id=experiment_id)
    arms = experiments.list_arms(session, experiment_id=experiment_id)
    problems = []
    if len(arms) < 2:
        problems.append(f"A comparison needs at least two models; this experiment has {len(arms)}.")
    if experiment.kind == Kind.ARENA:
        asked = [arm.model_id for arm in arms]
        problems += arena_setup.find_problems(session, asked, arena_of(experiment.arena))
    else:
        problems += _missing_outputs(session, experiment, arms)
    flow, asks = flow_of(experiment.flow), asks_of(experiment.asks)
    problems += missing_gold(flow, gold.count_gold(session, experiment_id=experiment_id))
    if mistake := find_asks_mistake(asks):
        problems.append(mistake)
    labels = [criterion.label for criterion in asks.criteria]
    said = [experiment.title, experiment.guidelines, flow.consent, *labels]
    shown = {"What raters read (title, guidelines, consent, criteria)": said}
    for number, row in enumerate(gold.list_texts(session, experiment_id=experiment_id), start=1):
        shown[f"Pair {number} of those with a known answer"] = [row.left, row.right, row.reason]
    return problems + _find_names([arm.name for arm in arms], shown)


def _find_names(models: Sequence[str], shown: Mapping[str, Sequence[str]]) -> list[str]:
    """What of these texts, by what they are, names a model; one sentence for each of them."""
    # A name of one letter is also a word, and tells nobody anything.
    names = {name: re.compile(rf"(?<!\w){re.escape(name.casefold())}(?!\w)") for name in models if len(name) > 1}
    problems = []
    for what, texts in shown.items():
        text = "\n".join(texts).casefold()
        if named := next((name for name, pattern in names.items() if pattern.search(text)), None):
            problems.append(f"{what} names {named}, so the study would not be blind.")
    return problems


def _missing_outputs(session: Session, experiment: Any, arms: Sequence[Any]) -> list[str]:
    have = _prompts_by_model(session, experiment.id, experiment.prompt_set_id)
    problems = [f"{arm.name} has no usable outputs for these prompts." for arm in arms if not have.get(arm.model_id)]
    if len(arms) >= 2 and not problems and not _shared_pairs(have):
        problems.append("No two models have an output for the same prompt.")
    return problems + narrow_pairs(experiment, have)


def _prompts_by_model(session: Session, experiment_id: UUID, prompt_set_id: UUID | None) -> dict[UUID, set[UUID]]:
    """What a draft has now, which is what its design has once it is started."""
    have: dict[UUID, set[UUID]] = {}
    if prompt_set_id is not None:
        for row in models.list_usable(session, experiment_id=experiment_id, prompt_set_id=prompt_set_id, until=None):
            have.setdefault(row.model_id, set()).add(row.prompt_id)
    return have


def _shared_pairs(have: dict[UUID, set[UUID]]) -> list[tuple[UUID, UUID]]:
    """Pairs of models that can meet on at least one prompt; a pair that can't would never fill its quota."""
    return [(a, b) for a, b in combinations(have, 2) if not have[a].isdisjoint(have[b])]


def start_experiment(actor: Identity | None, experiment_id: UUID) -> None:
    """Freeze the design and open the experiment for votes; raises InvalidInputError when the checklist isn't empty."""
    require(actor, Role.ADMIN)
    with database().write() as session:
        now = utc_now()  # inside, so that no import that commits later carries an earlier time
        experiment = experiments.lock_experiment(session, experiment_id=experiment_id)
        if experiment.status != ExperimentStatus.DRAFT:
            raise ConflictError("This experiment was started already.")
        if problems := _problems(session, experiment_id):
            raise InvalidInputError(" ".join(problems))
        arms = [arm.model_id for arm in experiments.list_arms(session, experiment_id=experiment_id)]
        prompt_set_id = experiment.prompt_set_id
        if experiment.kind == Kind.ARENA:
            prompt_set_id = arena_setup.add_prompt_set(session, key=experiment.key, now=now)
            pairs = list(combinations(arms, 2))
        else:
            have = _prompts_by_model(session, experiment_id, prompt_set_id)
            pairs = _shared_pairs({model_id: have[model_id] for model_id in arms if model_id in have})
        assert prompt_set_id is not None  # noqa: S101 - the checklist saw to it
        experiments.add_pairs(
            session,
            rows=[
                {
                    "id": new_id(),
                    "experiment_id": experiment_id,
                    "position": position,
                    "model_a_id": a,
                    "model_b_id": b,
                    "n_taken": 0,
                    "n_votes": 0,
                }
                for position, (a, b) in enumerate(pairs)
            ],
        )
        prompts.freeze(session, prompt_set_id=prompt_set_id, now=now)
        out = models.list_taken_out(session, experiment_id=experiment_id, prompt_set_id=prompt_set_id)
        started = {"started_at": now, "prompt_set_id": prompt_set_id, "left_out": [id_.hex for id_ in out]}
        experiments.set_status(session, experiment_id=experiment_id, status=ExperimentStatus.RUNNING, **started)
        _log(session, actor, "experiment.start", experiment.key, now, n_pairs=len(pairs))


_CHANGES = {
    "pause": (ExperimentStatus.RUNNING, ExperimentStatus.PAUSED, "Only a running experiment can be paused"),
    "resume": (ExperimentStatus.PAUSED, ExperimentStatus.RUNNING, "Only a paused experiment can be resumed"),
    "discard": (ExperimentStatus.DRAFT, ExperimentStatus.ARCHIVED, "Only a draft can be discarded"),
}


def _change(actor: Identity | None, experiment_id: UUID, verb: str) -> None:
    require(actor, Role.ADMIN)
    before, after, rule = _CHANGES[verb]
    now = utc_now()
    with database().write() as session:
        experiment = experiments.lock_experiment(session, experiment_id=experiment_id)
        if experiment.status != before:
            raise ConflictError(f"{rule}; this one is {experiment.status}.")
        experiments.set_status(session, experiment_id=experiment_id, status=after)
        _log(session, actor, f"experiment.{verb}", experiment.key, now)


def pause_experiment(actor: Identity | None, experiment_id: UUID) -> None:
    """Hand out no new battles; votes on open ones are still taken."""
    _change(actor, experiment_id, "pause")


def resume_experiment(actor: Identity | None, experiment_id: UUID) -> None:
    """Hand out battles again."""
    _change(actor, experiment_id, "resume")


def discard_experiment(actor: Identity | None, experiment_id: UUID) -> None:
    """Put a draft away that nobody will start; it stays in the database as archived."""
    _change(actor, experiment_id, "discard")


def stop_experiment(actor: Identity | None, experiment_id: UUID, *, reason: str) -> None:
    """End an experiment for good, with a reason that stands beside its results."""
    require(actor, Role.ADMIN)
    reason = checked_text(reason, what="the reason", longest=2000)
    if not reason:
        raise InvalidInputError("Say why the experiment stops; the reason stands beside its results.")
    now = utc_now()
    with database().write() as session:
        experiment = experiments.lock_experiment(session, experiment_id=experiment_id)
        if experiment.status not in (ExperimentStatus.RUNNING, ExperimentStatus.PAUSED):
            raise ConflictError(f"This experiment is {experiment.status}; there is nothing to stop.")
        experiments.set_status(
            session,
            experiment_id=experiment_id,
            status=ExperimentStatus.STOPPED,
            ended_at=now,
            stop_reason=reason,
        )
        _log(session, actor, "experiment.stop", experiment.key, now, reason=reason)


def list_experiments(actor: Identity | None) -> list[ExperimentSummary]:
    """All experiments, newest first."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        return [
            ExperimentSummary(
                id=row.id,
                key=row.key,
                title=row.title,
                kind=Kind(row.kind),
                status=ExperimentStatus(row.status),
                prompt_set=f"{row.prompt_set} v{row.prompt_set_version}" if row.prompt_set else None,
                n_models=row.n_models,
                n_votes=int(row.n_votes),
                n_wanted=row.n_pairs * row.votes_per_pair,
                votes_per_pair=row.votes_per_pair,
                allocation=row.allocation,
                is_simulated=row.is_simulated,
                created_at=row.created_at,
                started_at=row.started_at,
                ended_at=row.ended_at,
                stop_reason=row.stop_reason,
                is_led=bool(row.flow),
                panel_link=panel_link(row.key, flow_of(row.flow)) if row.flow else None,
                hides_results=shows_of(row.shows).hides_results,
            )
            for row in experiments.list_experiments(session)
        ]


def find_experiment(actor: Identity | None, key: str) -> UUID:
    """The id of the experiment with this key; raises InvalidInputError that lists the keys there are."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        found = experiments.find_by_key(session, key=key)
    if found is None:
        known = ", ".join(row.key for row in list_experiments(actor)) or "none yet"
        raise InvalidInputError(f"There is no experiment {key!r}. Known: {known}.")
    return found
