"""Language models and their generations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, String, case, cast, delete, func, insert, select, update
from sqlmodel import Session

from app.domain import GenerationStatus
from app.errors import NotFoundError
from db.tables import AllowedAddress, Arm, Generation, Model, Prompt, tables_of

allowed, arm, generation, model, prompt = tables_of(AllowedAddress, Arm, Generation, Model, Prompt)
# What came in and raters are never shown; what names its maker waits for a choice and is counted apart.
_UNUSABLE = (
    *(GenerationStatus.EMPTY, GenerationStatus.FAILED, GenerationStatus.TRUNCATED, GenerationStatus.REFUSED),
    *(GenerationStatus.FLAGGED, GenerationStatus.DROPPED, GenerationStatus.WITHDRAWN),
)


def add_models(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """Store many models at once; each row gives every column."""
    session.execute(insert(model), list(rows))


def add_model(session: Session, **columns: Any) -> Model:
    """Store one model."""
    row = Model(**columns)
    session.add(row)
    session.flush()
    return row


def get_model(session: Session, *, model_id: UUID) -> Model:
    """The model; raises NotFoundError."""
    row = session.get(Model, model_id)
    if row is None:
        raise NotFoundError("There is no such model.")
    return row


def find_model(session: Session, *, name: str, version: str) -> Row[Any] | None:
    """The model of this name and version."""
    return session.execute(select(model).where(model.c.name == name, model.c.version == version)).one_or_none()


def update_model(session: Session, *, model_id: UUID, columns: Mapping[str, Any]) -> None:
    """Change columns of a model."""
    session.execute(update(model).where(model.c.id == model_id).values(dict(columns)))


def has_generations(session: Session, *, model_id: UUID) -> bool:
    """Whether a model was asked for anything yet."""
    found = session.execute(select(generation.c.id).where(generation.c.model_id == model_id).limit(1))
    return found.first() is not None


def list_allowed_addresses(session: Session) -> set[str]:
    """The private addresses, each ``host:port``, that models may be asked at."""
    return set(session.execute(select(allowed.c.address)).scalars())


def add_allowed_address(session: Session, *, address: str, now: datetime, account_id: UUID | None) -> None:
    """Let models be asked at a private address."""
    session.add(AllowedAddress(address=address, created_at=now, created_by=account_id))


def delete_allowed_address(session: Session, *, address: str) -> None:
    """Take a private address back."""
    session.execute(delete(allowed).where(allowed.c.address == address))


def fill_blanks(session: Session, *, model_id: UUID, columns: Mapping[str, str]) -> None:
    """Set those of ``columns`` that are blank so far."""
    for name, value in columns.items():
        if value:
            session.execute(update(model).where(model.c.id == model_id, model.c[name] == "").values({name: value}))


def list_models(session: Session) -> list[Row[Any]]:
    """All models with the number of their usable and unusable generations, by name."""
    usable = func.count(generation.c.id).filter(generation.c.status == GenerationStatus.OK)
    return list(
        session.execute(
            select(
                model.c.id,
                model.c.name,
                model.c.version,
                model.c.organisation,
                model.c.licence,
                model.c.provider_id,
                model.c.connector,
                model.c.card,
                model.c.archived_at,
                usable.label("n_generations"),
                func.count(generation.c.id).filter(generation.c.status.in_(_UNUSABLE)).label("n_unusable"),
            )
            .select_from(model.outerjoin(generation, generation.c.model_id == model.c.id))
            .group_by(model.c.id)
            .order_by(model.c.name, model.c.version)
        )
    )


def list_unarchived(session: Session) -> list[Row[Any]]:
    """The models (id, name, version, connector) that are not archived, by name; nothing of theirs is counted."""
    columns = (model.c.id, model.c.name, model.c.version, model.c.connector)
    return list(
        session.execute(select(*columns).where(model.c.archived_at.is_(None)).order_by(model.c.name, model.c.version))
    )


def list_model_names(session: Session) -> dict[str, UUID]:
    """The newest model of each name."""
    rows = session.execute(select(model.c.name, model.c.id).order_by(model.c.created_at, model.c.id))
    return {row.name: row.id for row in rows}


def list_model_keys(session: Session) -> tuple[dict[tuple[str, str], UUID], dict[str, str]]:
    """The models by name and version, and the newest version of each name."""
    rows = list(
        session.execute(select(model.c.name, model.c.version, model.c.id).order_by(model.c.created_at, model.c.id))
    )
    return {(row.name, row.version): row.id for row in rows}, {row.name: row.version for row in rows}


def get_models(session: Session, *, model_ids: Iterable[UUID]) -> dict[UUID, Row[Any]]:
    """Models (id, name, version, organisation, licence) by id."""
    rows = session.execute(
        select(model.c.id, model.c.name, model.c.version, model.c.organisation, model.c.licence).where(
            model.c.id.in_(list(model_ids))
        )
    )
    return {row.id: row for row in rows}


def add_generations(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """Store many generations at once; each row gives every column."""
    waiting = iter(rows)
    while batch := list(islice(waiting, 2_000)):
        session.execute(insert(generation), batch)


def list_generation_states(session: Session, *, prompt_set_id: UUID) -> Iterator[Row[Any]]:
    """Rows (id, model_id, prompt_id, sample, settings_hash, status) of all generations of a prompt set."""
    return _stream(session, prompt_set_id, generation.c.settings_hash, generation.c.status)


def stream_outputs(session: Session, *, prompt_set_id: UUID) -> Iterator[Row[Any]]:
    """Rows (id, model_id, prompt_id, sample, parts, original_parts) of all generations of a prompt set."""
    return _stream(session, prompt_set_id, generation.c.parts, generation.c.original_parts)


def _stream(session: Session, prompt_set_id: UUID, *more: ColumnElement[Any]) -> Iterator[Row[Any]]:
    wanted = (
        select(generation.c.id, generation.c.model_id, generation.c.prompt_id, generation.c.sample, *more)
        .select_from(generation.join(prompt, generation.c.prompt_id == prompt.c.id))
        .where(prompt.c.prompt_set_id == prompt_set_id)
    )
    with session.execute(wanted, execution_options={"yield_per": 2_000}) as rows:
        yield from rows


def replace_generation(session: Session, *, columns: Mapping[str, Any], statuses: Collection[GenerationStatus]) -> bool:
    """Change a generation, by its id among the columns, if it still has one of these statuses."""
    kept = {"id", "model_id", "prompt_id", "sample", "settings_hash"}
    changed = session.execute(
        update(generation)
        .where(generation.c.id == columns["id"], generation.c.status.in_(statuses))
        .values({name: value for name, value in columns.items() if name not in kept})
        .returning(generation.c.id)
    )
    return changed.first() is not None


def stream_generations(session: Session, *, prompt_set_id: UUID, with_flagged: bool = False) -> Iterator[Row[Any]]:
    """The outputs of a prompt set that raters may see, with their model's name and their prompt's id in the file.

    Of a model that was asked with several settings it is the newest for each prompt and sample. ``with_flagged`` adds
    those that name their maker and wait for a choice, where there is no other.
    """
    statuses = [GenerationStatus.OK] + ([GenerationStatus.FLAGGED] if with_flagged else [])
    place = func.row_number().over(
        partition_by=(generation.c.model_id, generation.c.prompt_id, generation.c.sample),
        order_by=(
            case((generation.c.status == GenerationStatus.OK, 0), else_=1),
            generation.c.ready_at.desc(),
            generation.c.id.desc(),
        ),
    )
    numbered = (
        select(generation.c.id, place.label("place"))
        .select_from(generation.join(prompt, generation.c.prompt_id == prompt.c.id))
        .where(prompt.c.prompt_set_id == prompt_set_id, generation.c.status.in_(statuses))
        .subquery()
    )
    wanted = (
        select(
            prompt.c.external_id,
            prompt.c.messages,
            prompt.c.attachments,
            model.c.name,
            model.c.version,
            generation.c.sample,
            generation.c.parts,
            generation.c.latency_ms,
            generation.c.input_tokens,
            generation.c.output_tokens,
            generation.c.cost,
        )
        .select_from(
            generation.join(numbered, generation.c.id == numbered.c.id)
            .join(prompt, generation.c.prompt_id == prompt.c.id)
            .join(model, generation.c.model_id == model.c.id)
        )
        .where(numbered.c.place == 1)
        .order_by(model.c.name, model.c.version, prompt.c.position, generation.c.sample)
    )
    with session.execute(wanted, execution_options={"yield_per": 2_000}) as rows:
        yield from rows


def list_taken_out(session: Session, *, experiment_id: UUID, prompt_set_id: UUID) -> list[UUID]:
    """The outputs of an experiment's models for this set that raters could be shown once, and no longer."""
    return list(
        session.execute(
            select(generation.c.id)
            .select_from(
                generation.join(prompt, generation.c.prompt_id == prompt.c.id).join(
                    arm, arm.c.model_id == generation.c.model_id
                )
            )
            .where(
                arm.c.experiment_id == experiment_id,
                prompt.c.prompt_set_id == prompt_set_id,
                generation.c.ready_at.is_not(None),
                generation.c.status != GenerationStatus.OK,
            )
        ).scalars()
    )


def list_usable(
    session: Session,
    *,
    experiment_id: UUID,
    prompt_set_id: UUID,
    until: datetime | None,
    left_out: Collection[str] = (),
) -> list[Row[Any]]:
    """Rows (model_id, prompt_id, id) of the generations that an experiment may show, one setting of each model.

    ``until`` is the start of the experiment: what became ready later doesn't join a frozen design, and neither does
    what is in ``left_out``, the experiment's own. What was ready then and was taken out since helps to choose the
    setting, which stays the same, and is then passed over.
    """
    is_ok = generation.c.status == GenerationStatus.OK
    can_count = is_ok if until is None else generation.c.ready_at <= until
    of_one = (generation.c.model_id, generation.c.prompt_id, generation.c.id, generation.c.settings_hash)
    rows = session.execute(
        select(*of_one, generation.c.status)
        .select_from(
            generation.join(prompt, generation.c.prompt_id == prompt.c.id).join(
                arm, arm.c.model_id == generation.c.model_id
            )
        )
        .where(
            arm.c.experiment_id == experiment_id,
            prompt.c.prompt_set_id == prompt_set_id,
            generation.c.sample == 0,
            can_count,
        )
        .order_by(generation.c.id)
    )
    never_in = frozenset(left_out)
    own = [row for row in rows if row.id.hex not in never_in]
    return [row for row in of_one_setting(own) if row.status == GenerationStatus.OK]


def of_one_setting(rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Of each model (rows of model_id, settings_hash ...) those with the setting that it has most for, else the newest.

    A model that was asked at two temperatures, or with two system prompts, would else stand in one study as a mixture.
    """
    counts: dict[UUID, Counter[str]] = {}
    for row in rows:
        counts.setdefault(row.model_id, Counter())[row.settings_hash] += 1
    # Of equal counts the last one added wins: rows come oldest first.
    chosen = {model_id: max(reversed(found.items()), key=lambda item: item[1])[0] for model_id, found in counts.items()}
    return [row for row in rows if row.settings_hash == chosen[row.model_id]]


def list_sole_outputs(session: Session, *, prompt_set_id: UUID, model_ids: Collection[UUID]) -> list[Row[Any]]:
    """Rows (prompt_id, model_id, id) of outputs that are the only one of their model for their prompt in this set."""
    of_one = (generation.c.prompt_id, generation.c.model_id)
    # One row in each group, so that the smallest id is its own; PostgreSQL has no smallest UUID.
    first = func.min(cast(generation.c.id, String)).label("id")
    rows = session.execute(
        select(*of_one, first)
        .select_from(generation.join(prompt, generation.c.prompt_id == prompt.c.id))
        .where(
            prompt.c.prompt_set_id == prompt_set_id,
            generation.c.model_id.in_(list(model_ids)),
            generation.c.status == GenerationStatus.OK,
        )
        .group_by(*of_one)
        .having(func.count() == 1)
    )
    return list(rows)
