"""Prompts of which a file of votes has the names alone: votes on the same one belong together, whatever it asks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from db import prompts
from db.columns import new_id
from db.engine import Session

MOST_NAMES = 250_000
_LONGEST = 200


def name_prompts(session: Session, names: Sequence[str], *, study: str, now: datetime) -> dict[str, UUID]:
    """Store prompts without a text, in a set that no list shows, for the study of this key; their ids by name.

    The intervals of the board need them: votes on one prompt are no independent ones. Above ``MOST_NAMES`` nothing is
    stored, since each vote is on a prompt of its own then, or nearly so.
    """
    if not 0 < len(names) <= MOST_NAMES:
        return {}
    stored = {name: _stored(name) for name in names}
    ids = {told: new_id() for told in stored.values()}
    set_id = prompts.add_names_only(session, name=f"Names of the prompts of {study}, {new_id().hex}", now=now)
    prompts.add_prompts(
        session,
        rows=(
            {
                "id": id_,
                "prompt_set_id": set_id,
                "external_id": told,
                "position": position,
                "messages": [],
                "reference": None,
                "tags": {},
                "attachments": [],
                "content_hash": prompts.NAMES_ONLY,
            }
            for position, (told, id_) in enumerate(ids.items())
        ),
    )
    return {name: ids[told] for name, told in stored.items()}


def _stored(name: str) -> str:
    """A whole text stands for itself by its beginning and a hash; what went out so is the same when it is back."""
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 20]}… {hashlib.sha256(name.encode()).hexdigest()[:16]}"
