"""The outputs of models written to a file, for another tool or another Bakeoff."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import BinaryIO
from uuid import UUID

from app.domain import Identity, Part, Role
from app.errors import InvalidInputError
from app.file_rows import GenerationRow
from app.services.generation_rows import digest
from app.services.output_media import as_data
from app.services.prompt_files import WRITTEN_OUTPUTS, messages_of, writer_of
from app.services.sign_in import require
from db import models, prompts
from db.engine import Row, Session, database


def export_generations(
    actor: Identity | None, prompt_set_id: UUID, stream: BinaryIO, *, file_format: str, with_flagged: bool = False
) -> int:
    """Write every output that there is for a prompt set, model by model; how many.

    ``file_format`` is a key of ``WRITTEN_OUTPUTS``. Only what raters may see: what was cut short, refused, is empty,
    failed or was dropped would come back as a good answer. ``with_flagged`` adds what names its maker and waits for a
    choice. Of a model asked with several settings it is the newest output for each prompt and sample.
    InvalidInputError says what a format cannot carry.
    """
    require(actor, Role.RESEARCHER)
    if file_format not in WRITTEN_OUTPUTS:
        raise InvalidInputError(f"Outputs can be written as {', '.join(WRITTEN_OUTPUTS)}; not as {file_format!r}.")
    write = writer_of("generations", file_format)
    with database().read() as session:
        prompts.get_prompt_set(session, prompt_set_id=prompt_set_id)
        try:
            with contextlib.closing(
                _rows(session, prompt_set_id, with_flagged, by_text=file_format == "alpacaeval")
            ) as rows:
                written: int = write(rows, stream)
        except ValueError as error:
            raise InvalidInputError(f"This can't be written as {WRITTEN_OUTPUTS[file_format]}: {error}.") from None
    return written


def _rows(
    session: Session, prompt_set_id: UUID, with_flagged: bool, *, by_text: bool
) -> Generator[GenerationRow, None, None]:
    """The outputs with the ids of their prompts, or with the texts of them; ValueError where a text isn't all."""
    ids: dict[bytes, str] = {}
    found = models.stream_generations(session, prompt_set_id=prompt_set_id, with_flagged=with_flagged)
    for number, row in enumerate(found, start=1):
        texts = tuple(part["text"] for part in row.parts if part["type"] == "text")
        has_media = any(part["type"] != "text" for part in row.parts)
        yield GenerationRow(
            line=number,
            model=row.name,
            output="\n\n".join(texts),
            prompt_id=None if by_text else row.external_id,
            prompt=_text(row, ids) if by_text else None,
            latency_ms=row.latency_ms,
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            cost=row.cost,
            sample=row.sample,
            turns=texts if len(texts) > 1 else (),
            version=row.version,
            content=tuple(map(_content, row.parts)) if has_media else (),
        )


def _content(part: dict[str, str]) -> Part:
    return Part(part["type"], part["text"] if part["type"] == "text" else as_data(part))


def _text(row: Row, ids: dict[bytes, str]) -> str:
    """The text of a prompt, if it is all of it and that of no other; ``ids`` has the prompts so far by their texts."""
    messages = messages_of(row)
    if len(messages) != 1 or row.attachments:
        what = "images" if row.attachments else "several messages"
        raise ValueError(f"prompt {row.external_id!r} has {what}; write JSON Lines instead")
    first = ids.setdefault(digest(messages[0].content), row.external_id)
    if first != row.external_id:
        raise ValueError(f"prompts {first!r} and {row.external_id!r} have the same text; write JSON Lines instead")
    return messages[0].content
