"""Rows of files of models that name a connector: endpoints that a lab registers by the dozen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from app.errors import BadFileError, ConnectorError, RowProblem
from app.file_rows import ModelRow
from app.services.model_drafts import FILE, ModelDraft, asked_with, find_mistakes, kept_settings
from app.services.models import endpoint_of, require_open
from db import models
from db.engine import Session


def draft_of(row: ModelRow) -> ModelDraft:
    """A row as what an admin would have typed."""
    return ModelDraft(
        name=row.name,
        version=row.version,
        connector=row.connector or FILE,
        provider_id=row.provider_id,
        settings=row.settings,
        secret_name=row.secret,
        organisation=row.organisation,
        licence=row.licence,
        input_price=row.input_price,
        output_price=row.output_price,
        concurrency=8 if row.concurrency is None else row.concurrency,
        per_minute=row.per_minute,
    )


def find_problems(rows: Sequence[ModelRow]) -> list[RowProblem]:
    """What is wrong with how the models of a file are to be asked, with their addresses; a host is looked up once."""
    problems = []
    looked_up: dict[str, str] = {}
    for row in rows:
        if not row.connector:
            continue
        draft = draft_of(row)
        mistakes = list(find_mistakes(draft).values())
        if not mistakes:
            endpoint = endpoint_of(draft)
            if endpoint not in looked_up:
                looked_up[endpoint] = _refusal(draft)
            mistakes = [looked_up[endpoint]] if looked_up[endpoint] else []
        problems += [RowProblem(row.line, mistake) for mistake in mistakes]
    return problems


def _refusal(draft: ModelDraft) -> str:
    try:
        require_open(draft)
    except ConnectorError as error:
        return str(error)
    return ""


def find_known(session: Session, rows: Iterable[ModelRow]) -> dict[tuple[str, str], UUID]:
    """The stored models among the rows that name a connector, by name and version.

    Raises BadFileError naming those that are stored with another way of asking: their outputs would be mixed.
    """
    found, problems = {}, []
    for row in rows:
        if not row.connector:
            continue
        stored = models.find_model(session, name=row.name, version=row.version)
        if stored is None:
            continue
        draft = draft_of(row)
        same_place = (stored.connector, stored.provider_id) == (draft.connector, draft.provider_id)
        settings = kept_settings(draft)
        if not same_place or asked_with(stored.connector, stored.settings) != asked_with(draft.connector, settings):
            version = f" {row.version}" if row.version else ""
            reason = f"{row.name}{version} is stored already and asked in another way; give this one another version"
            problems.append(RowProblem(row.line, reason))
        found[row.name, row.version] = stored.id
    if problems:
        raise BadFileError(problems)
    return found


def is_known(row: ModelRow, known: Mapping[str, UUID], asked: Mapping[tuple[str, str], UUID]) -> bool:
    """Whether a row's model is stored: by name, and by name and version where it says how it is asked."""
    return (row.name, row.version) in asked if row.connector else row.name in known
