"""The design of an experiment while it can still change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any
from uuid import UUID

from app.discovery import plugin_names
from app.domain import ExperimentStatus, Identity, Kind, Role, utc_now
from app.errors import ConflictError, InvalidInputError
from app.services.arena_setup import UNLIMITED_VOTES, find_problems, rule_mistakes
from app.services.asked import find_asks_mistake
from app.services.flow_rules import find_flow_mistakes
from app.services.sign_in import actor_id, require
from app.services.typed_text import checked_name, checked_text
from app.study import Arena, Asks, Flow, Shows, arena_of, asks_of, flow_of, shows_of, to_json
from db import audit, experiments, models, prompts
from db.engine import Session, database

DEFAULT_GUIDELINES = (
    "Read the prompt, then both answers. Choose the answer that you would rather have received.\n\n"
    "- **Left** or **Right is better** when one serves you better, by whatever matters for this prompt.\n"
    "- **Tie** when both are good and you don't care which.\n"
    "- **Both are bad** when you would want neither.\n"
    "- **Can't judge** when it is not your field or you can't read it; that is no vote."
)
LONGEST_GUIDELINES = 20_000


@dataclass(frozen=True, slots=True)
class Draft:
    """What an admin decides about an experiment; frozen when it starts."""

    title: str
    prompt_set_id: UUID | None
    model_ids: tuple[UUID, ...]
    guidelines: str = DEFAULT_GUIDELINES
    votes_per_pair: int = 10
    votes_per_rater: int | None = None
    min_dwell_ms: int = 500
    lease_minutes: int = 30
    allocation: str = "uniform"
    exploration: float = 0.1
    floor_votes: int = 50
    votes_per_prompt: int | None = None
    weights: Mapping[UUID, float] = field(default_factory=dict)
    asks: Asks = field(default_factory=Asks)
    flow: Flow = field(default_factory=Flow)
    shows: Shows = field(default_factory=Shows)
    kind: Kind = Kind.PROMPTS
    arena: Arena = field(default_factory=Arena)


def find_mistakes(draft: Draft) -> dict[str, str]:
    """What can't be stored, in words, by the field of ``Draft``; empty when all is well."""
    mistakes = {}
    try:
        checked_name(draft.title, what="the title")
    except InvalidInputError as error:
        mistakes["title"] = str(error)
    try:
        checked_text(draft.guidelines, what="the guidelines", longest=LONGEST_GUIDELINES)
    except InvalidInputError as error:
        mistakes["guidelines"] = str(error)
    per_rater, is_arena = draft.votes_per_rater, draft.kind == Kind.ARENA
    checks = (
        ("prompt_set_id", draft.prompt_set_id is not None or is_arena, "Choose a prompt set."),
        ("model_ids", len(set(draft.model_ids)) == len(draft.model_ids), "A model is named twice."),
        (
            "votes_per_pair",
            1 <= draft.votes_per_pair <= 100_000 or (is_arena and draft.votes_per_pair == UNLIMITED_VOTES),
            "Votes per pair must be between 1 and 100,000.",
        ),
        (
            "votes_per_rater",
            per_rater is None or 1 <= per_rater <= 1_000_000,
            "Votes per rater must be between 1 and 1,000,000, or left empty.",
        ),
        ("min_dwell_ms", 0 <= draft.min_dwell_ms <= 60_000, "The dwell time must be between 0 and 60,000 ms."),
        ("lease_minutes", 1 <= draft.lease_minutes <= 24 * 60, "A battle can be reserved for 1 minute to 24 hours."),
        (
            "allocation",
            draft.allocation in plugin_names("app.sampling"),
            f"There is no allocation {draft.allocation!r}.",
        ),
        ("exploration", 0.0 <= draft.exploration <= 1.0, "The share of exploration must be between 0 and 1."),
        ("floor_votes", 0 <= draft.floor_votes <= 100_000, "The floor must be between 0 and 100,000 votes."),
        (
            "votes_per_prompt",
            draft.votes_per_prompt is None or 1 <= draft.votes_per_prompt <= 100_000,
            "Votes per prompt and pair must be between 1 and 100,000, or left empty.",
        ),
        (
            "weights",
            all(0.01 <= weight <= 100 for weight in draft.weights.values()),
            "The weight of a model must be between 0.01 and 100.",
        ),
    )
    mistakes |= {field: message for field, is_right, message in checks if not is_right}
    if problem := find_asks_mistake(draft.asks):
        mistakes["asks"] = problem
    of_arena = _arena_mistakes(draft) if is_arena else {}
    return mistakes | of_arena | _find_endless(draft) | find_flow_mistakes(draft.flow)


def _arena_mistakes(draft: Draft) -> dict[str, str]:
    """What an arena can't do, and what is wrong with its limits."""
    mistakes = rule_mistakes(draft.arena)
    if draft.asks.guess:
        mistakes["asks"] = "In an arena nobody can guess who made an answer: the names are shown after the vote."
    if draft.flow != Flow():
        mistakes["flow"] = "An arena leads nobody: it has no consent, practice, checks, repeats or panel of its own."
    return mistakes


def _find_endless(draft: Draft) -> dict[str, str]:
    if draft.shows.hides_results and draft.votes_per_pair == UNLIMITED_VOTES:
        return {"shows": "Results can be hidden until the end only where a number of votes per pair is planned."}
    return {}


def require_storable(session: Session, draft: Draft) -> dict[str, Any]:
    """The columns of a design; raises InvalidInputError or NotFoundError naming the first value that can't be."""
    for message in find_mistakes(draft).values():
        raise InvalidInputError(message)
    is_arena = draft.kind == Kind.ARENA
    if draft.prompt_set_id is not None and not is_arena:
        prompts.get_prompt_set(session, prompt_set_id=draft.prompt_set_id)
    if len(models.get_models(session, model_ids=draft.model_ids)) != len(draft.model_ids):
        raise InvalidInputError("One of the models does not exist.")
    if is_arena and (problems := find_problems(session, draft.model_ids, draft.arena)):
        raise InvalidInputError(" ".join(problems))
    return {
        "title": checked_name(draft.title, what="the title"),
        "kind": draft.kind.value,
        "prompt_set_id": None if is_arena else draft.prompt_set_id,  # an arena gets one of its own at its start
        "guidelines": draft.guidelines.strip(),
        "votes_per_pair": draft.votes_per_pair,
        "votes_per_rater": draft.votes_per_rater,
        "min_dwell_ms": draft.min_dwell_ms,
        "lease_minutes": draft.lease_minutes,
        "allocation": draft.allocation,
        "exploration": draft.exploration,
        "floor_votes": draft.floor_votes,
        "votes_per_prompt": draft.votes_per_prompt,
        "asks": to_json(draft.asks),
        "flow": to_json(draft.flow),
        "shows": to_json(draft.shows),
        "arena": to_json(draft.arena),
    }


def get_draft(actor: Identity | None, experiment_id: UUID) -> Draft:
    """The design of an experiment; raises NotFoundError."""
    require(actor, Role.ADMIN)
    with database().read() as session:
        row = experiments.get_experiment(session, experiment_id=experiment_id)
        arms = experiments.list_arms(session, experiment_id=experiment_id)
    return Draft(
        title=row.title,
        prompt_set_id=row.prompt_set_id,
        model_ids=tuple(arm.model_id for arm in arms),
        guidelines=row.guidelines,
        votes_per_pair=row.votes_per_pair,
        votes_per_rater=row.votes_per_rater,
        min_dwell_ms=row.min_dwell_ms,
        lease_minutes=row.lease_minutes,
        allocation=row.allocation,
        exploration=row.exploration,
        floor_votes=row.floor_votes,
        votes_per_prompt=row.votes_per_prompt,
        weights={arm.model_id: arm.weight for arm in arms if arm.weight != 1},
        asks=asks_of(row.asks),
        flow=flow_of(row.flow),
        shows=shows_of(row.shows),
        kind=Kind(row.kind),
        arena=arena_of(row.arena),
    )


def update_draft(actor: Identity | None, experiment_id: UUID, draft: Draft) -> None:
    """Replace the design of a draft; ConflictError once it has started."""
    require(actor, Role.ADMIN)
    now = utc_now()
    with database().write() as session:
        experiment = experiments.lock_experiment(session, experiment_id=experiment_id)
        if experiment.status != ExperimentStatus.DRAFT:
            raise ConflictError("This experiment was started already; its design is frozen.")
        columns = require_storable(session, draft)
        experiments.set_status(session, experiment_id=experiment_id, status=ExperimentStatus.DRAFT, **columns)
        experiments.set_arms(session, experiment_id=experiment_id, model_ids=draft.model_ids, weights=draft.weights)
        audit.add_event(session, at=now, actor_id=actor_id(actor), action="experiment.update", subject=experiment.key)


def count_pairs(covered: Sequence[frozenset[UUID]]) -> int:
    """How many pairs of models can meet, given the prompts that each has a usable output for."""
    return sum(1 for i, mine in enumerate(covered) for other in covered[:i] if not mine.isdisjoint(other))


def narrow_pairs(draft: Any, have: Mapping[UUID, set[UUID]]) -> list[str]:
    """What to say of pairs that share too few prompts to get their votes without exceeding those per prompt.

    ``draft`` has the two numbers, ``have`` the prompts that each model has a usable output for.
    """
    if draft.votes_per_prompt is None:
        return []
    shared = [len(have[a] & have[b]) for a, b in combinations(have, 2) if not have[a].isdisjoint(have[b])]
    n = sum(n_prompts * draft.votes_per_prompt < draft.votes_per_pair for n_prompts in shared)
    if not n:
        return []
    return [
        f"{n:,} of {len(shared):,} pairs share too few prompts: with {draft.votes_per_prompt:,} votes per prompt and "
        f"pair at most, {min(shared):,} prompts give {min(shared) * draft.votes_per_prompt:,} votes, and a pair is to "
        f"get {draft.votes_per_pair:,}. Allow more votes per prompt, or ask for fewer per pair."
    ]
