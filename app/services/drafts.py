"""The design of an experiment while it can still change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.discovery import plugin_names
from app.domain import ExperimentStatus, Identity, Role, utc_now
from app.errors import ConflictError, InvalidInputError
from app.services.sign_in import actor_id, require
from app.services.typed_text import checked_name, checked_text
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
    per_rater = draft.votes_per_rater
    checks = (
        ("prompt_set_id", draft.prompt_set_id is not None, "Choose a prompt set."),
        ("model_ids", len(set(draft.model_ids)) == len(draft.model_ids), "A model is named twice."),
        ("votes_per_pair", 1 <= draft.votes_per_pair <= 100_000, "Votes per pair must be between 1 and 100,000."),
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
    )
    return mistakes | {field: message for field, is_right, message in checks if not is_right}


def require_storable(session: Session, draft: Draft) -> dict[str, Any]:
    """The columns of a design; raises InvalidInputError or NotFoundError naming the first value that can't be."""
    for message in find_mistakes(draft).values():
        raise InvalidInputError(message)
    assert draft.prompt_set_id is not None  # noqa: S101 - find_mistakes saw to it
    prompts.get_prompt_set(session, prompt_set_id=draft.prompt_set_id)
    if len(models.get_models(session, model_ids=draft.model_ids)) != len(draft.model_ids):
        raise InvalidInputError("One of the models does not exist.")
    return {
        "title": checked_name(draft.title, what="the title"),
        "prompt_set_id": draft.prompt_set_id,
        "guidelines": draft.guidelines.strip(),
        "votes_per_pair": draft.votes_per_pair,
        "votes_per_rater": draft.votes_per_rater,
        "min_dwell_ms": draft.min_dwell_ms,
        "lease_minutes": draft.lease_minutes,
        "allocation": draft.allocation,
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
        experiments.set_arms(session, experiment_id=experiment_id, model_ids=draft.model_ids)
        audit.add_event(session, at=now, actor_id=actor_id(actor), action="experiment.update", subject=experiment.key)


def count_pairs(covered: Sequence[frozenset[UUID]]) -> int:
    """How many pairs of models can meet, given the prompts that each has a usable output for."""
    return sum(1 for i, mine in enumerate(covered) for other in covered[:i] if not mine.isdisjoint(other))
