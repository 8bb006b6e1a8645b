"""Media that models made: taken in once, all images, sounds and films in forms that don't tell models apart.

Images become PNG and sounds FLAC, whatever a model gave; films keep their MP4 or WebM, emptied of what isn't picture or
sound. Until they are stored, parts name their file by its content hash; ``resolved`` gives them its id.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from app.domain import Part
from app.errors import InvalidInputError, RowProblem
from app.file_rows import GenerationRow
from app.formats._text import shown
from app.services import media
from app.services.attachments import Beside, read_attachment
from app.services.film import clean_film
from app.services.media import Taken
from app.services.sound import clean_sound

MAX_BYTES = {"image": media.MAX_BYTES, "audio": 50 * 2**20, "video": 100 * 2**20}
MOST = 20  # of one output
PLAYED = {"audio", "video"}
_CLEAN: dict[str, Callable[[bytes], tuple[Any, ...]]] = {
    "image": lambda data: media.clean_image(data, as_png=True),
    "audio": clean_sound,
    "video": clean_film,
}
Known = dict[str, Taken]


def take_in(kind: str, data: bytes, known: Known) -> Taken:
    """Write a file of an output into the media folder, unless ``known`` has it; InvalidInputError says why not."""
    if not data:
        raise InvalidInputError("is empty")
    if len(data) > MAX_BYTES[kind]:
        raise InvalidInputError(f"is larger than {MAX_BYTES[kind] // 2**20} MB")
    key = f"{kind}-{hashlib.sha256(data).hexdigest()}"
    if key not in known:
        known[key] = media.keep(known, *_CLEAN[kind](data))
    return known[key]


def part_of(kind: str, taken: Taken) -> dict[str, Any]:
    """A part that names its file by its content."""
    return {"type": kind, "content_hash": taken.content_hash, "media_type": taken.media_type}


def parts_of_row(row: GenerationRow, beside: Beside | None, known: Known) -> list[dict[str, Any]]:
    """The parts of an output of a file, its media taken in; InvalidInputError names the one that can't be."""
    if sum(part.kind != "text" for part in row.content) > MOST:
        raise InvalidInputError(f"there are more than {MOST} media")
    return [
        {"type": "text", "text": part.content} if part.kind == "text" else _taken(part, beside, known)
        for part in row.content
    ]


def _taken(part: Part, beside: Beside | None, known: Known) -> dict[str, Any]:
    try:
        data = read_attachment(part.content, beside, most=MAX_BYTES[part.kind])
        return part_of(part.kind, take_in(part.kind, data, known))
    except InvalidInputError as error:
        raise InvalidInputError(f"the {part.kind} {shown(part.content)} {error}") from None


def parts_of_rows(
    rows: Sequence[GenerationRow], beside: Beside | None, known: Known
) -> tuple[dict[int, list[dict[str, Any]]], list[RowProblem]]:
    """The parts of those rows that have media, by line, and what is wrong."""
    found: dict[int, list[dict[str, Any]]] = {}
    problems: list[RowProblem] = []
    for row in rows:
        if row.content and len(problems) < 100:
            try:
                found[row.line] = parts_of_row(row, beside, known)
            except InvalidInputError as error:
                problems.append(RowProblem(row.line, str(error)))
    return found, problems


def problems_of_rows(rows: Iterable[GenerationRow], beside: Beside | None) -> list[RowProblem]:
    """What is wrong with the media of rows as far as it can be told without opening them, for a preview."""
    problems: list[RowProblem] = []
    for row in rows:
        for part in row.content:
            if part.kind != "text" and len(problems) < 100:
                try:
                    data = read_attachment(part.content, beside, most=MAX_BYTES[part.kind])
                    if len(data) > MAX_BYTES[part.kind]:
                        raise InvalidInputError(f"is larger than {MAX_BYTES[part.kind] // 2**20} MB")
                    if part.kind == "image":
                        media.check_image(data)
                except InvalidInputError as error:
                    problems.append(RowProblem(row.line, f"the {part.kind} {shown(part.content)} {error}"))
    return problems


def play_ms_of(parts: Iterable[Mapping[str, Any]], known: Known) -> int | None:
    """How long the longest sound or film of an output plays: 0 where none says it, None where there is none."""
    lengths = {one.content_hash: one.play_ms for one in known.values()}
    played = [lengths.get(part["content_hash"]) or 0 for part in parts if part["type"] in PLAYED]
    return max(played, default=None)


def resolved(parts: list[dict[str, Any]], ids: Mapping[str, tuple[UUID, str]]) -> list[dict[str, Any]]:
    """The parts as they are stored, each file by its id; ``ids`` is what ``media.register`` said."""
    return [
        part
        if "content_hash" not in part
        else {"type": part["type"], "media_id": str(ids[part["content_hash"]][0]), "media_type": part["media_type"]}
        for part in parts
    ]


def discard_unknown(known: Known) -> None:
    """Delete the files that were written and that no stored output names."""
    if known:
        media.discard(known.values())


def as_data(item: Mapping[str, str]) -> str:
    """A stored file as a data: URL, for an export."""
    media_type, data = media.load_image(item)
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
