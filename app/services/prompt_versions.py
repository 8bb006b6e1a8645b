"""Versions of a prompt set: what is different between two, and a new one by changing one prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.domain import Identity, Message, Role
from app.errors import ConflictError, InvalidInputError
from app.file_rows import PromptRow
from app.services.prompt_files import messages_of
from app.services.prompt_sets import PromptSetSummary, PromptSummary, add_version, content_hash, summary_of
from app.services.sign_in import require
from app.services.typed_text import checked_text
from db import media, prompts
from db.engine import Row, Session, database

MOST_SHOWN = 50
LONGEST_TEXT = 1_000_000


@dataclass(frozen=True, slots=True)
class PromptDiff:
    """What the newer of two sets has more, less and otherwise; of each at most ``MOST_SHOWN`` are listed."""

    n_same: int
    n_added: int
    n_removed: int
    n_changed: int
    added: tuple[PromptSummary, ...]
    removed: tuple[PromptSummary, ...]
    changed: tuple[tuple[PromptSummary, PromptSummary], ...]


def compare_prompt_sets(actor: Identity | None, before: UUID, after: UUID) -> PromptDiff:
    """The difference between two sets, prompts matched by their ids; raises NotFoundError."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        old, new = _by_name(session, before), _by_name(session, after)
        added = [new[name] for name in new if name not in old]
        removed = [old[name] for name in old if name not in new]
        both = [(old[name], new[name]) for name in new if name in old]
        changed = [(one, other) for one, other in both if one.content_hash != other.content_hash]
        wanted = [*added[:MOST_SHOWN], *removed[:MOST_SHOWN], *(row for pair in changed[:MOST_SHOWN] for row in pair)]
        shown = prompts.list_some(session, prompt_ids=[row.id for row in wanted])
    found = {id_: summary_of(row) for id_, row in shown.items()}
    return PromptDiff(
        len(both) - len(changed),
        len(added),
        len(removed),
        len(changed),
        tuple(found[row.id] for row in added[:MOST_SHOWN]),
        tuple(found[row.id] for row in removed[:MOST_SHOWN]),
        tuple((found[one.id], found[other.id]) for one, other in changed[:MOST_SHOWN]),
    )


def _by_name(session: Session, prompt_set_id: UUID) -> dict[str, Row]:
    prompts.get_prompt_set(session, prompt_set_id=prompt_set_id)
    return {row.external_id: row for row in prompts.list_prompt_keys(session, prompt_set_id=prompt_set_id)}


def edit_prompt(
    actor: Identity | None,
    prompt_id: UUID,
    *,
    texts: Sequence[str],
    reference: str | None,
    tags: Mapping[str, str],
) -> PromptSetSummary:
    """Store a new version of a prompt's set in which this prompt is another; the set itself stays as it is.

    ``texts`` are the contents of its messages, in their order. ConflictError unless the set is the newest version.
    """
    require(actor, Role.ADMIN)
    for text in (*texts, reference or "", *tags, *tags.values()):
        checked_text(text, what="the text", longest=LONGEST_TEXT)
    if not all(text.strip() for text in texts):
        raise InvalidInputError("A message is blank; write something or leave it as it was.")
    if not all(name.strip() for name in tags):
        raise InvalidInputError("A tag has no name.")
    with database().read() as session:
        row = prompts.get_prompt(session, prompt_id=prompt_id)
        old = prompts.get_prompt_set(session, prompt_set_id=row.prompt_set_id)
        if len(texts) != len(row.messages):
            raise InvalidInputError("A prompt keeps its number of messages; upload a file to change that.")
        changed = _changed(session, row, texts, reference, tags)
        ids = prompts.list_prompt_keys(session, prompt_set_id=old.id)  # they never change
    hashes = [changed["content_hash"] if one.id == prompt_id else one.content_hash for one in ids]
    with database().write() as session:
        prompts.lock_names(session)
        latest = prompts.find_latest(session, name=old.name)
        if latest is None or latest.id != old.id:
            newest = latest.version if latest else "?"
            raise ConflictError(f"There is a newer version of this set, v{newest}; change the prompt in that one.")

        def store(prompt_set_id: UUID) -> None:
            prompts.copy_prompts(session, prompt_id=prompt_id, to=prompt_set_id, changed=changed)

        return add_version(session, actor, old.name, hashes, store, action="prompt.edit")


def _changed(
    session: Session, row: Row, texts: Sequence[str], reference: str | None, tags: Mapping[str, str]
) -> dict[str, Any]:
    messages = tuple(Message(message.role, text) for message, text in zip(messages_of(row), texts, strict=True))
    edited = PromptRow(0, row.external_id, messages, reference or None, dict(tags))
    images = media.list_hashes(session, media_ids=[UUID(item["media_id"]) for item in row.attachments])
    return {
        "messages": [{"role": m.role, "content": m.content} for m in messages],
        "reference": edited.reference,
        "tags": dict(tags),
        "content_hash": content_hash(edited, [images[UUID(item["media_id"])] for item in row.attachments]),
    }
