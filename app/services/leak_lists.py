"""What people read of the leak check: which outputs name their maker, by model, and how many of a study's do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.domain import Identity, LeakChoice, Role
from app.errors import InvalidInputError
from app.services.leak_check import prompt_text
from app.services.sign_in import require
from db import leaks, models
from db.engine import Row, database

_AROUND = 90  # characters before and behind a leak
_SHOWN = 200  # characters of what gives somebody away, which may be a whole text that is too long to look through
_MOST_EXCERPTS = 5


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A leak with what stands around it."""

    before: str
    text: str
    after: str
    phrase: str


@dataclass(frozen=True, slots=True)
class LeakRow:
    """A generation that names its maker; ``state`` is one of ``STATES``."""

    id: UUID
    model: str
    prompt_id: str
    prompt: str
    state: str
    is_in_use: bool
    excerpts: tuple[Excerpt, ...]


@dataclass(frozen=True, slots=True)
class ModelLeaks:
    """How many of a model's outputs name their maker, by state, and what becomes of new ones."""

    id: UUID
    name: str
    choice: LeakChoice
    counts: Mapping[str, int]

    @property
    def n(self) -> int:
        """All of them."""
        return sum(self.counts.values())


def list_by_model(actor: Identity | None) -> list[ModelLeaks]:
    """Models of which outputs name their maker, those that wait for a choice first."""
    require(actor, Role.ADMIN)
    with database().read() as session:
        counts: dict[UUID, dict[str, int]] = {}
        for row in leaks.count_by_model(session):
            counts.setdefault(row.model_id, {})[row.state] = row.n
        labels = _labels(list(leaks.list_makers(session).values()))
        makers = leaks.list_makers(session, model_ids=counts.keys())
    listed = [ModelLeaks(id_, labels[id_], LeakChoice(makers[id_].leak_choice), found) for id_, found in counts.items()]
    return sorted(listed, key=lambda row: (not row.counts.get("flagged"), row.name.casefold()))


def list_leaks(
    actor: Identity | None, *, model_id: UUID | None = None, state: str | None = None, limit: int = 20, offset: int = 0
) -> list[LeakRow]:
    """Outputs that name their maker, those that wait for a choice first."""
    require(actor, Role.ADMIN)
    with database().read() as session:
        rows = leaks.list_leaking(session, model_id=model_id, state=state, limit=limit, offset=offset)
        labels = _labels(list(leaks.list_makers(session).values()))
    return [_leak_row(row, labels[row.model_id]) for row in rows]


def find_model(actor: Identity | None, name: str) -> UUID:
    """The newest model of this name; raises InvalidInputError that lists the names there are."""
    require(actor, Role.ADMIN)
    with database().read() as session:
        known = models.list_model_names(session)
    if name not in known:
        raise InvalidInputError(f"There is no model {name!r}. Known: {', '.join(sorted(known)) or 'none yet'}.")
    return known[name]


def _labels(makers: list[Row]) -> dict[UUID, str]:
    names = [row.name for row in makers]
    return {row.id: row.name if names.count(row.name) == 1 else f"{row.name} {row.version}".strip() for row in makers}


def _leak_row(row: Row, model: str) -> LeakRow:
    parts: list[dict[str, Any]] = row.original_parts or row.parts
    return LeakRow(
        id=row.id,
        model=model,
        prompt_id=row.external_id,
        prompt=prompt_text(row.messages),
        state=row.state,
        is_in_use=row.is_in_use,
        excerpts=tuple(_excerpt(leak, parts[leak["part"]]["text"]) for leak in row.leaks[:_MOST_EXCERPTS]),
    )


def _excerpt(leak: dict[str, Any], text: str) -> Excerpt:
    start, end = leak["start"], leak["end"]
    before, after = text[max(0, start - _AROUND) : start], text[end : end + _AROUND]
    return Excerpt(
        f"{'…' if start > _AROUND else ''}{before}",
        f"{text[start : min(end, start + _SHOWN)]}{'…' if end - start > _SHOWN else ''}",
        f"{after}{'…' if end + _AROUND < len(text) else ''}",
        leak["phrase"],
    )


def count_for_study(actor: Identity | None, experiment_id: UUID) -> dict[str, int]:
    """How many outputs of a study's models for its prompts name their maker, by state."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        return leaks.count_for_experiments(session, experiment_ids=[experiment_id])


def describe_waiting(actor: Identity | None, experiment_id: UUID) -> list[str]:
    """What an admin should know before a study starts, though it may start: outputs that wait for a choice."""
    n = count_for_study(actor, experiment_id).get("flagged", 0)
    if not n:
        return []
    what = "1 output names its maker and waits" if n == 1 else f"{n:,} outputs name their maker and wait"
    return [
        f"{what} for a choice under Models, Leaks. Raters of this study won't be shown {'it' if n == 1 else 'them'}."
    ]
