"""Prompt sets: taken in from a file whole or not at all, versioned by name, never changed once stored."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, BinaryIO
from uuid import UUID

from app.domain import Identity, Message, Role, utc_now
from app.errors import BadFileError, ConflictError, InvalidInputError
from app.file_rows import PromptRow
from app.formats._registry import Renamed
from app.services import attachments, media
from app.services.attachments import Beside
from app.services.garbage import collected_rarely
from app.services.media import Taken
from app.services.prompt_files import messages_of, opened, read_rows
from app.services.sign_in import actor_id, require
from app.services.typed_text import checked_name
from db import audit, prompts
from db.columns import new_id
from db.engine import Row, Session, database


@dataclass(frozen=True, slots=True)
class PromptSetSummary:
    """A prompt set in a list; ``is_new`` is False when an import found the same content stored already.

    ``is_restored`` says that this content had been put away, and that the import brought it back.
    """

    id: UUID
    name: str
    version: int
    n_prompts: int
    created_at: datetime
    frozen_at: datetime | None
    archived_at: datetime | None = None
    is_new: bool = False
    is_restored: bool = False


@dataclass(frozen=True, slots=True)
class PromptSummary:
    """A prompt as it stands in its set; ``attachments`` are the addresses of its images."""

    id: UUID
    external_id: str
    messages: tuple[Message, ...]
    reference: str | None
    tags: Mapping[str, str]
    attachments: tuple[str, ...] = ()


@collected_rarely()
def import_prompts(
    actor: Identity | None,
    stream: BinaryIO,
    *,
    name: str,
    renamed: Renamed | None = None,
    beside: Beside | None = None,
) -> PromptSetSummary:
    """Store a file of prompts as a prompt set; the same name again with other content becomes its next version.

    The same content again is recognised and not stored twice. ``renamed`` gives columns the names that we know;
    ``beside`` has the images that the file names. Raises BadFileError naming every bad row, and nothing is stored then.
    """
    require(actor, Role.ADMIN)
    name = checked_name(name, what="the name")
    with opened(stream, beside) as (table, images):
        rows = read_rows(table, renamed)
        taken, written, problems = attachments.take_in_all(rows, images)
    kept: set[str] = set()
    try:
        if problems:
            raise BadFileError(problems)
        hashes = [content_hash(row, [one.content_hash for one in mine]) for row, mine in zip(rows, taken, strict=True)]
        with database().write() as session:
            known = media.register(session, written.values(), utc_now()) if written else {}
            kept = {place for _, place in known.values()}
            store = functools.partial(_store, session, rows, hashes, taken, known)
            stored = add_version(session, actor, name, hashes, store, action="prompt_set.import")
    except BaseException:
        kept = set()
        raise
    finally:
        if written:
            media.discard(written.values(), kept)
    return stored


def _store(
    session: Session,
    rows: Sequence[PromptRow],
    hashes: Sequence[str],
    taken: Sequence[Sequence[Taken]],
    known: Mapping[str, tuple[UUID, str]],
    prompt_set_id: UUID,
) -> None:
    columns = (
        {
            "id": new_id(),
            "prompt_set_id": prompt_set_id,
            "position": position,
            "external_id": row.id,
            "messages": [{"role": m.role, "content": m.content} for m in row.messages],
            "reference": row.reference,
            "tags": dict(row.tags),
            "attachments": [
                {"media_id": str(known[one.content_hash][0]), "media_type": one.media_type} for one in images
            ],
            "content_hash": content,
        }
        for position, (row, content, images) in enumerate(zip(rows, hashes, taken, strict=True))
    )
    prompts.add_prompts(session, rows=columns)


def content_hash(row: PromptRow, images: Sequence[str] = ()) -> str:
    """What makes a prompt the same in two versions; ``images`` are the hashes of its attachments."""
    content: list[object] = [
        row.id,
        [[m.role, m.content] for m in row.messages],
        row.reference,
        sorted(row.tags.items()),
    ]
    if images:
        content.append(list(images))
    return hashlib.sha256(json.dumps(content, ensure_ascii=True).encode()).hexdigest()


def add_version(
    session: Session,
    actor: Identity | None,
    name: str,
    hashes: Sequence[str],
    store: Callable[[UUID], None],
    *,
    action: str,
) -> PromptSetSummary:
    """Store prompts as the next version of a name in the caller's transaction, unless they are its newest one.

    ``store`` stores the prompts themselves in the set of an id.
    """
    whole = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    prompts.lock_names(session)
    now = utc_now()
    latest = prompts.find_latest(session, name=name)
    if latest is not None and latest.content_hash == whole:
        if latest.archived_at is None:
            return _summary(latest, len(hashes))
        # Whoever brings a set in wants to use it; "stored already" would leave it where no form offers it.
        prompts.set_archived(session, prompt_set_id=latest.id, at=None)
        audit.add_event(
            session,
            at=now,
            actor_id=actor_id(actor),
            action="prompt_set.restore",
            subject=name,
            details={"version": latest.version},
        )
        return replace(_summary(latest, len(hashes)), archived_at=None, is_restored=True)
    version = latest.version + 1 if latest else 1
    stored = prompts.add_prompt_set(session, name=name, version=version, content_hash=whole, now=now)
    store(stored.id)
    details = {"version": version, "n_prompts": len(hashes), "sha256": whole}
    audit.add_event(session, at=now, actor_id=actor_id(actor), action=action, subject=name, details=details)
    return _summary(stored, len(hashes), is_new=True)


def _summary(row: Any, n_prompts: int, *, is_new: bool = False) -> PromptSetSummary:
    return PromptSetSummary(
        row.id, row.name, row.version, n_prompts, row.created_at, row.frozen_at, row.archived_at, is_new
    )


def list_prompt_sets(actor: Identity | None, *, with_archived: bool = False) -> list[PromptSetSummary]:
    """All prompt sets, newest first; those that were put away only if asked for."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        return [
            _summary(row, row.n_prompts)
            for row in prompts.list_prompt_sets(session)
            if with_archived or row.archived_at is None
        ]


def archive_prompt_set(actor: Identity | None, prompt_set_id: UUID) -> None:
    """Put a set away: no form offers it, what was done with it stays; ConflictError while a draft uses it."""
    _set_archived(actor, prompt_set_id, is_archived=True)


def restore_prompt_set(actor: Identity | None, prompt_set_id: UUID) -> None:
    """Let forms offer a set again."""
    _set_archived(actor, prompt_set_id, is_archived=False)


def _set_archived(actor: Identity | None, prompt_set_id: UUID, *, is_archived: bool) -> None:
    require(actor, Role.ADMIN)
    now = utc_now()
    with database().write() as session:
        row = prompts.get_prompt_set(session, prompt_set_id=prompt_set_id)
        if is_archived and (drafts := prompts.list_drafts_with(session, prompt_set_id=prompt_set_id)):
            raise ConflictError(f"The draft “{drafts[0]}” asks these prompts; discard it or give it others first.")
        if (row.archived_at is not None) == is_archived:
            return
        prompts.set_archived(session, prompt_set_id=prompt_set_id, at=now if is_archived else None)
        action = "prompt_set.archive" if is_archived else "prompt_set.restore"
        details = {"version": row.version}
        audit.add_event(session, at=now, actor_id=actor_id(actor), action=action, subject=row.name, details=details)


def list_prompts(actor: Identity | None, prompt_set_id: UUID) -> list[PromptSummary]:
    """The prompts of a set in the order of its file; raises NotFoundError."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        prompts.get_prompt_set(session, prompt_set_id=prompt_set_id)
        rows = prompts.list_prompts(session, prompt_set_id=prompt_set_id)
    return [summary_of(row) for row in rows]


def summary_of(row: Row) -> PromptSummary:
    """A stored prompt as pages show it."""
    images = media.addresses(row.attachments) if row.attachments else ()
    return PromptSummary(row.id, row.external_id, messages_of(row), row.reference, row.tags, images)


def list_texts(actor: Identity | None, prompt_ids: Sequence[UUID], *, longest: int = 140) -> dict[UUID, str]:
    """How the last message of each of these prompts begins."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        found = prompts.list_messages(session, prompt_ids=prompt_ids)
    return {prompt_id: messages[-1]["content"][:longest] for prompt_id, messages in found.items()}


def find_prompt_set(
    actor: Identity | None, name: str, *, version: int | None = None, with_archived: bool = False
) -> PromptSetSummary:
    """The newest version of a prompt set, or the one asked for; InvalidInputError names those that there are."""
    listed = list_prompt_sets(actor, with_archived=with_archived)
    for row in listed:  # newest version first
        if row.name == name and version in {None, row.version}:
            return row
    known = ", ".join(dict.fromkeys(row.name for row in listed)) or "none yet"
    what = f"{name!r}" if version is None else f"{name!r} with version {version}"
    raise InvalidInputError(f"There is no prompt set {what}. Known: {known}.")
