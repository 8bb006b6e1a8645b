"""Models and their outputs: taken in from files whole or not at all, and the grid that shows the holes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO, NamedTuple
from uuid import UUID

from app.domain import GenerationStatus, Identity, Role, utc_now
from app.errors import BadFileError, ConflictError, InvalidInputError
from app.file_rows import GenerationRow, ModelRow
from app.formats._registry import Renamed, read_all
from app.services import leak_check, model_files, output_media
from app.services.attachments import Beside
from app.services.garbage import collected_rarely
from app.services.generation_rows import (
    REPLACEABLE,
    ModelKey,
    Sorted,
    match_prompts,
    read_generations,
    sort_rows,
    unnamed,
)
from app.services.media import register
from app.services.model_drafts import checked_columns
from app.services.output_media import resolved
from app.services.prompt_files import opened
from app.services.sign_in import actor_id, require
from app.services.typed_text import checked_name, length_problems
from db import audit, measures, models, prompts
from db.columns import new_id
from db.engine import Session, database

_STORED_AT_ONCE = 2_000  # rows; all of them as columns at once would take as much memory again as the file


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model as a form offers it."""

    id: UUID
    name: str
    version: str
    connector: str


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """A model in a list; ``n_unusable`` counts outputs that are empty or failed and never shown to raters."""

    id: UUID
    name: str
    version: str
    organisation: str
    licence: str
    provider_id: str
    connector: str
    card: Mapping[str, str]
    archived_at: datetime | None
    n_generations: int
    n_unusable: int


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import stored, what was stored before, and how many outputs name their maker and wait for a choice."""

    n_stored: int
    n_known: int
    n_new_models: int = 0
    n_flagged: int = 0


@dataclass(frozen=True, slots=True)
class GenerationsPreview:
    """What a file of outputs would store: its rows, how many are new, and the models that nobody knows yet."""

    rows: tuple[GenerationRow, ...]
    n_new: int
    new_models: tuple[str, ...]
    needs_model: bool = False  # the file is of one model and doesn't name it


class Media(NamedTuple):
    """The parts of those rows that have media, by line, and the files that were taken in for them."""

    parts: Mapping[int, leak_check.Parts]
    taken: output_media.Known

    def parts_of(self, row: GenerationRow) -> leak_check.Parts:
        """What a row is stored as, its files by their content."""
        return self.parts.get(row.line) or [{"type": "text", "text": text} for text in row.texts]

    def play_ms_of(self, row: GenerationRow) -> int | None:
        """How long the longest sound or film of a row plays, see ``output_media``."""
        return output_media.play_ms_of(self.parts[row.line], self.taken) if row.line in self.parts else None

    def register(
        self, session: Session, rows: Iterable[GenerationRow], now: datetime
    ) -> Mapping[str, tuple[UUID, str]]:
        """Make the files of these rows known; the id and place of each content."""
        parts = (part for row in rows if row.content for part in self.parts[row.line])
        wanted = {part["content_hash"] for part in parts if "content_hash" in part}
        return register(session, [one for one in self.taken.values() if one.content_hash in wanted], now)


def read_models(stream: BinaryIO) -> list[ModelRow]:
    """The models of a file, for a preview; raises BadFileError naming every bad row."""
    rows: list[ModelRow] = read_all("models", stream)
    problems = [
        problem
        for row in rows
        for problem in length_problems(
            row.line,
            [
                ("name", row.name, 200),
                ("version", row.version, 100),
                ("organisation", row.organisation, 200),
                ("licence", row.licence, 200),
                ("api_id", row.provider_id, 300),
            ],
        )
    ]
    if problems := problems or model_files.find_problems(rows):
        raise BadFileError(problems)
    return rows


def list_new_models(actor: Identity | None, rows: Iterable[ModelRow]) -> list[str]:
    """The names among these rows that nobody knows yet; raises BadFileError where one is asked in another way."""
    require(actor, Role.ADMIN)
    with database().read() as session:
        known = models.list_model_names(session)
        asked = model_files.find_known(session, rows)
    return [row.name for row in rows if not model_files.is_known(row, known, asked)]


def import_models(actor: Identity | None, stream: BinaryIO) -> ImportSummary:
    """Store a file of models (name, organisation, licence ...).

    A model that is stored already keeps what it has; only what was blank is filled in, since models made by a file of
    outputs begin with a name alone. A row that names a connector is a model that can be asked, known by its name and
    version; BadFileError if one of these is stored with another way of asking.
    """
    require(actor, Role.ADMIN)
    rows, now = read_models(stream), utc_now()
    with database().write() as session:
        known, asked = models.list_model_names(session), model_files.find_known(session, rows)
        new = [row for row in rows if not model_files.is_known(row, known, asked)]
        for row in rows:
            model_id = asked.get((row.name, row.version)) if row.connector else known.get(row.name)
            if model_id is not None:
                models.fill_blanks(session, model_id=model_id, columns=_details(row))
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
    # An organisation that was blank until now is one more name that outputs may give away.
    leak_check.recheck(actor, model_ids=[known[row.name] for row in rows if row.name in known])
    return ImportSummary(len(new), len(rows) - len(new), len(new))


def _details(row: ModelRow) -> dict[str, str]:
    return {"provider_id": row.provider_id, "organisation": row.organisation, "licence": row.licence}


def _model_columns(row: ModelRow, now: datetime) -> dict[str, Any]:
    return {"id": new_id(), "created_at": now, **checked_columns(model_files.draft_of(row))}


@collected_rarely()
def import_generations(
    actor: Identity | None,
    stream: BinaryIO,
    *,
    prompt_set_id: UUID,
    model: str = "",
    renamed: Renamed | None = None,
    beside: Beside | None = None,
) -> ImportSummary:
    """Store a file of outputs for the prompts of a set; models that the file names and nobody knows are made.

    ``model`` is whose the outputs are where the file doesn't say; ``renamed`` gives columns the names that we know.
    Raises BadFileError naming every bad row (an unknown prompt among them), and nothing is stored then. An output that
    is stored already is counted as known and left alone, so the same file twice is harmless; one that failed, is empty,
    was cut short or refused makes room for that of the file. ``beside`` has the media that the file names; a .zip has
    its own.
    """
    require(actor, Role.ADMIN)
    model = checked_name(model, what="the model's name") if model else ""
    taken: output_media.Known = {}
    try:
        with opened(stream, beside) as (table, files):
            rows = read_generations(table, model=model, renamed=renamed)
            if unnamed(rows):
                raise InvalidInputError("This file doesn't name its model; say whose outputs these are.")
            if any(row.content for row in rows):
                with database().read() as session:
                    match_prompts(session, rows, prompt_set_id)  # no file of a bad row need be opened
            parts, problems = output_media.parts_of_rows(rows, files, taken)
        if problems:
            raise BadFileError(problems)
        media = Media(parts, taken)
        while (done := _import_rows(actor, rows, prompt_set_id, media)) is None:
            pass  # what is there, or what is looked for, changed while the rows were looked through
    finally:
        output_media.discard_unknown(taken)
    return done


class _Plan(NamedTuple):
    """What becomes of the rows of a file, and of the models that they name the ids and what is looked for."""

    sorted: Sorted
    makers: dict[ModelKey, tuple[UUID, leak_check.Watch]]

    @property
    def outputs(self) -> dict[leak_check.Key, tuple[GenerationRow, UUID | None]]:
        """The rows to store, each with the id of the generation whose place it takes, if it takes one."""
        rows = [(row, key, prompt_id, None) for row, key, prompt_id in self.sorted.fresh]
        return {
            (self.makers[key][0], prompt_id, row.sample): (row, instead)
            for row, key, prompt_id, instead in (*rows, *self.sorted.replacing)
        }


def _plan(
    session: Session, rows: list[GenerationRow], prompt_ids: list[UUID], prompt_set_id: UUID, new: dict[ModelKey, UUID]
) -> _Plan:
    """What is to be stored; ``new`` gets an id for each model that nobody knows."""
    found = sort_rows(session, rows, prompt_ids, prompt_set_id)
    named = {key for _, key, _ in found.fresh} | {key for _, key, _, _ in found.replacing}
    ids = {key: found.models[key] for key in named if key in found.models}
    watches = leak_check.load_watches(session, ids.values())
    makers = {key: (id_, watches[id_]) for key, id_ in ids.items()}
    for key in found.unknown:
        makers[key] = new.setdefault(key, new_id()), leak_check.watch_of_new(session, key[0])
    return _Plan(found, makers)


def _import_rows(
    actor: Identity | None, rows: list[GenerationRow], prompt_set_id: UUID, media: Media
) -> ImportSummary | None:
    """Look through the new rows, then store them; None when that has to be done again.

    Only storing is a writing transaction, since nobody can vote while it lasts; it checks what was read before it.
    """
    new: dict[ModelKey, UUID] = {}
    with database().read() as session:
        prompt_ids = match_prompts(session, rows, prompt_set_id)
        before = _plan(session, rows, prompt_ids, prompt_set_id, new)
    answers = ((key, media.parts_of(row)) for key, (row, _) in before.outputs.items() if not row.is_blank)
    leaky = leak_check.look_through(dict(before.makers.values()), answers)
    with database().write() as session:
        prompts.lock_names(session)
        plan = _plan(session, rows, prompt_ids, prompt_set_id, new)
        outputs = plan.outputs
        if not (plan.makers.items() <= before.makers.items() and outputs.keys() <= before.outputs.keys()):
            return None
        n_flagged = sum(key in leaky and leaky[key].status == GenerationStatus.FLAGGED for key in outputs)
        _store(session, actor, plan, outputs, leaky, n_flagged, media)
    found = plan.sorted
    return ImportSummary(found.n_new, len(rows) - found.n_new, len(found.unknown), n_flagged)


def _store(
    session: Session,
    actor: Identity | None,
    plan: _Plan,
    outputs: Mapping[leak_check.Key, tuple[GenerationRow, UUID | None]],
    leaky: Mapping[leak_check.Key, leak_check.Checked],
    n_flagged: int,
    media: Media,
) -> None:
    now, found = utc_now(), plan.sorted
    ids = media.register(session, (row for row, _ in outputs.values()), now)
    if found.unknown:
        made = [_model_columns(ModelRow(0, *key), now) | {"id": plan.makers[key][0]} for key in found.unknown]
        models.add_models(session, rows=made)
    columns = (
        (_generation_columns(row, key, now, leaky.get(key), media, ids), instead)
        for key, (row, instead) in outputs.items()
    )
    while some := list(islice(columns, _STORED_AT_ONCE)):
        if fresh := [row for row, instead in some if instead is None]:
            models.add_generations(session, rows=fresh)
        _replace(session, [row | {"id": instead} for row, instead in some if instead is not None])
    if found.n_new:
        details = {"n_stored": found.n_new, "n_replaced": len(found.replacing), "n_flagged": n_flagged}
        audit.add_event(
            session,
            at=now,
            actor_id=actor_id(actor),
            action="generation.import",
            subject=f"{found.n_new} generations",
            details={**details, "new_models": [name for name, _ in found.unknown][:100]},
        )


def _replace(session: Session, rows: list[dict[str, Any]]) -> None:
    """Put outputs in the place of those that failed."""
    measures.forget_text(session, generation_ids=[columns["id"] for columns in rows])
    for columns in rows:
        # What the job knew of its attempt is no word about the output of the file.
        blank = {"part_id": None, "error": "", "n_tries": 0, "first_token_ms": None, "asked_at": None, "retry_at": None}
        if not models.replace_generation(session, columns={**columns, **blank}, statuses=REPLACEABLE):
            raise ConflictError("Some of these outputs are being asked for at this moment; try again later.")


def check_generations(
    actor: Identity | None, stream: BinaryIO, *, prompt_set_id: UUID, model: str = "", renamed: Renamed | None = None
) -> GenerationsPreview:
    """What ``import_generations`` would do with a file; raises BadFileError naming every bad row."""
    require(actor, Role.ADMIN)
    with opened(stream) as (table, files):
        rows = read_generations(table, model=model.strip(), renamed=renamed)
        if problems := output_media.problems_of_rows(rows, files):
            raise BadFileError(problems)
    with database().read() as session:
        prompt_ids = match_prompts(session, rows, prompt_set_id)
        found = sort_rows(session, rows, prompt_ids, prompt_set_id)
    names = tuple(" ".join(key).strip() for key in found.unknown if key[0])
    return GenerationsPreview(tuple(rows), found.n_new, names, unnamed(rows))


def _generation_columns(
    row: GenerationRow,
    key: leak_check.Key,
    now: datetime,
    found: leak_check.Checked | None,
    media: Media,
    ids: Mapping[str, tuple[UUID, str]],
) -> dict[str, Any]:
    status = GenerationStatus.EMPTY if row.is_blank else GenerationStatus.OK
    checked = found or leak_check.Checked(status, [], media.parts_of(row), None)
    if row.content:
        original = checked.original_parts and resolved(checked.original_parts, ids)
        checked = checked._replace(parts=resolved(checked.parts, ids), original_parts=original)
    return {
        "id": new_id(),
        "model_id": key[0],
        "prompt_id": key[1],
        "sample": row.sample,
        "settings_hash": "",
        "latency_ms": row.latency_ms,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cost": row.cost,
        "play_ms": media.play_ms_of(row),
        "created_at": now,
        "ready_at": now if checked.status == GenerationStatus.OK else None,
        **checked._asdict(),
    }


def list_choices(actor: Identity | None) -> list[ModelChoice]:
    """The models that are not archived, by name; quick however many generations there are."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        return [ModelChoice(**row._mapping) for row in models.list_unarchived(session)]


def list_models(actor: Identity | None) -> list[ModelSummary]:
    """All models, by name."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        return [ModelSummary(**row._mapping) for row in models.list_models(session)]
