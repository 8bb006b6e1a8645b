"""What endpoints answered, as parts to be stored: texts, and the images that were taken in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from app.connectors._protocol import Reply
from app.errors import InvalidInputError
from app.services import media, output_media
from db.engine import Session


class Answer(NamedTuple):
    """The parts of an answer, and why it can't be shown, if so."""

    parts: list[dict[str, Any]]
    refusal: str


class _Question(Protocol):
    @property
    def id(self) -> UUID: ...


class _Outcome(Protocol):
    @property
    def question(self) -> _Question: ...
    @property
    def replies(self) -> tuple[Reply, ...]: ...


def take_in(outcomes: Iterable[_Outcome]) -> tuple[dict[UUID, Answer], output_media.Known]:
    """The parts of each answer by its generation; images are written to the media folder, outside any transaction."""
    taken: output_media.Known = {}
    answers = {}
    for outcome in outcomes:
        try:
            answers[outcome.question.id] = Answer(_parts(outcome.replies, taken), "")
        except InvalidInputError as error:
            texts = [{"type": "text", "text": reply.text} for reply in outcome.replies]
            answers[outcome.question.id] = Answer(texts, f"The answer's image {error}.")
    return answers, taken


def _parts(replies: Sequence[Reply], taken: output_media.Known) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for reply in replies:
        if reply.text.strip() or not reply.images:
            parts.append({"type": "text", "text": reply.text})
        parts += [output_media.part_of("image", output_media.take_in("image", one.data, taken)) for one in reply.images]
    return parts


def resolve(
    session: Session, rows: Iterable[Mapping[str, Any]], taken: output_media.Known, now: datetime
) -> list[dict[str, Any]]:
    """The rows with their images by id, which are made known in the caller's transaction."""
    ids = media.register(session, taken.values(), now)
    return [
        {**row, **{name: output_media.resolved(row[name], ids) for name in ("parts", "original_parts") if row[name]}}
        for row in rows
    ]
