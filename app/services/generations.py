"""Models and their outputs: taken in from files whole or not at all, and the grid that shows the holes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO
from uuid import UUID

from app.domain import GenerationRow, GenerationStatus, Identity, ModelRow, Role, utc_now
from app.errors import BadFileError, RowProblem
from app.formats._registry import read_all
from app.services.sign_in import actor_id, require
from db import audit, models, prompts
from db.columns import new_id
from db.engine import Session, database


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """A model in a list; ``n_unusable`` counts outputs that are empty or failed and never shown to raters."""

    id: UUID
    name: str
    version: str
    organisation: str
    licence: str
    provider_id: str
    n_generations: int
    n_unusable: int


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import stored, and what was stored before."""

    n_stored: int
    n_known: int
    n_new_models: int = 0


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which model has a usable output for which prompt: ``cells[(model, prompt)]`` is its status, a hole is absent."""

    models: tuple[tuple[UUID, str], ...]
    prompts: tuple[tuple[UUID, str], ...]
    cells: dict[tuple[UUID, UUID], GenerationStatus]

    @property
    def n_missing(self) -> int:
        """Cells without a usable output."""
        usable = sum(1 for status in self.cells.values() if status == GenerationStatus.OK)
        return len(self.models) * len(self.prompts) - usable


def import_models(actor: Identity | None, stream: BinaryIO) -> ImportSummary:
    """Store a file of models (name, organisation, licence ...); names that are stored already are left as they are."""
    require(actor, Role.ADMIN)
    rows: list[ModelRow] = read_all("models", stream)
    now = utc_now()
    with database().write() as session:
        known = models.list_model_names(session)
        new = [row for row in rows if row.name not in known]
        if new:
            models.add_models(session, rows=[_model_columns(row, now) for row in new])
            audit.add_event(
                session,
                at=now,
                actor_id=actor_id(actor),
                action="model.import",
                subject=f"{len(new)} models",
                details={"names": [row.name for row in new][:100]},
            )
    return ImportSummary(len(new), len(rows) - len(new), len(new))


def _model_columns(row: ModelRow, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "name": row.name,
        "version": row.version,
        "connector": "file",
        "provider_id": row.provider_id,
        "organisation": row.organisation,
        "licence": row.licence,
        "created_at": now,
    }


def import_generations(actor: Identity | None, stream: BinaryIO, *, prompt_set_id: UUID) -> ImportSummary:
    """Store a file of outputs for the prompts of a set; models that the file names and nobody knows are made.

    Raises BadFileError naming every bad row (an unknown prompt among them), and nothing is stored then. An output that
    is stored already is counted as known and left alone, so the same file twice is harmless.
    """
    require(actor, Role.ADMIN)
    rows: list[GenerationRow] = read_all("generations", stream)
    now = utc_now()
    with database().write() as session:
        prompt_ids = _match_prompts(session, rows, prompt_set_id)
        known = models.list_model_names(session)
        unknown = list(dict.fromkeys(row.model for row in rows if row.model not in known))
        if unknown:
            new = [_model_columns(ModelRow(0, name), now) for name in unknown]
            models.add_models(session, rows=new)
            known |= {columns["name"]: columns["id"] for columns in new}
        stored = models.list_generation_keys(session, prompt_ids=set(prompt_ids))
        fresh = [
            _generation_columns(row, known[row.model], prompt_id, now)
            for row, prompt_id in zip(rows, prompt_ids, strict=True)
            if (known[row.model], prompt_id) not in stored
        ]
        if fresh:
            models.add_generations(session, rows=fresh)
            details = {"n_stored": len(fresh), "new_models": unknown[:100]}
            subject = f"{len(fresh)} generations"
            audit.add_event(
                session,
                at=now,
                actor_id=actor_id(actor),
                action="generation.import",
                subject=subject,
                details=details,
            )
    return ImportSummary(len(fresh), len(rows) - len(fresh), len(unknown))


def _match_prompts(session: Session, rows: Iterable[GenerationRow], prompt_set_id: UUID) -> list[UUID]:
    prompts.get_prompt_set(session, prompt_set_id=prompt_set_id)
    listed = prompts.list_prompts(session, prompt_set_id=prompt_set_id)
    by_id = {row.external_id: row.id for row in listed}
    by_text = {row.messages[-1]["content"].strip(): row.id for row in listed}
    matched: list[UUID] = []
    seen: dict[tuple[str, UUID], int] = {}
    problems: list[RowProblem] = []
    for row in rows:
        found = by_id.get(row.prompt_id) if row.prompt_id is not None else by_text.get((row.prompt or "").strip())
        if found is None:
            what = f"prompt {row.prompt_id!r}" if row.prompt_id is not None else f"prompt text {row.prompt!r:.60}"
            problems.append(RowProblem(row.line, f"{what} is not in this prompt set"))
            continue
        if (first := seen.setdefault((row.model, found), row.line)) != row.line:
            problems.append(RowProblem(row.line, f"a second output of {row.model!r} for the prompt of line {first}"))
        matched.append(found)
    if problems:
        raise BadFileError(problems)
    return matched


def _generation_columns(row: GenerationRow, model_id: UUID, prompt_id: UUID, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "model_id": model_id,
        "prompt_id": prompt_id,
        "sample": 0,
        "settings_hash": "",
        "status": GenerationStatus.OK if row.output.strip() else GenerationStatus.EMPTY,
        "parts": [{"type": "text", "text": row.output}],
        "latency_ms": row.latency_ms,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cost": row.cost,
        "created_at": now,
    }


def list_models(actor: Identity | None) -> list[ModelSummary]:
    """All models, by name."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        return [ModelSummary(**row._mapping) for row in models.list_models(session)]


def get_coverage(actor: Identity | None, prompt_set_id: UUID) -> Coverage:
    """The grid of a prompt set: models that have any output for it, by name, against its prompts."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        listed = prompts.list_prompts(session, prompt_set_id=prompt_set_id)
        cells = {
            (row.model_id, row.prompt_id): GenerationStatus(row.status)
            for row in models.list_coverage(session, prompt_set_id=prompt_set_id)
        }
        named = models.get_models(session, model_ids={model_id for model_id, _ in cells})
    by_name = sorted(named.values(), key=lambda row: (row.name.casefold(), row.version))
    return Coverage(
        models=tuple((row.id, row.name) for row in by_name),
        prompts=tuple((row.id, row.external_id) for row in listed),
        cells=cells,
    )
