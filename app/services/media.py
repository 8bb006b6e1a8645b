"""Media: taken in once, images drawn anew without what their makers wrote into them, kept under random names."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from PIL import Image, ImageOps

from app.domain import Identity, Role
from app.errors import InvalidInputError, NotFoundError
from app.services.sign_in import require
from app.settings import get_settings
from db import media
from db.columns import new_id
from db.engine import Session, database, open_database

MAX_BYTES = 20 * 2**20
MAX_PIXELS = 16_000_000
MAX_PIXELS_WEBP = 10_000_000  # its decoder holds four copies
_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
_WRITTEN = {"JPEG": ("image/jpeg", ".jpg")}  # all others are written as PNG, which loses nothing
_PNG = ("image/png", ".png")
_KEPT_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}  # a palette is a quarter of its colours
# Pillow's plug-ins raise these for files that only begin well.
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True)
class Taken:
    """A file whose bytes are in the media folder already; the database doesn't know it yet."""

    content_hash: str
    media_type: str
    n_bytes: int
    place: str
    play_ms: int | None = None  # a sound or a film, as far as that is known


def folder() -> Path:
    """Where the bytes of media lie."""
    return get_settings().data_dir / "media"


def check_image(data: bytes) -> None:
    """Raise InvalidInputError for what is no image that we show, by its beginning."""
    _opened(data).close()


def _opened(data: bytes) -> Image.Image:
    if len(data) > MAX_BYTES:
        raise InvalidInputError(f"is larger than {MAX_BYTES // 2**20} MB")
    if not data:
        raise InvalidInputError("is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=list(_TYPES))
    except _BROKEN:
        raise InvalidInputError("is not a PNG, JPEG, WebP or GIF image") from None
    most = min(MAX_PIXELS, MAX_PIXELS_WEBP) if image.format == "WEBP" else MAX_PIXELS
    if image.width * image.height > most:
        raise InvalidInputError(f"has more than {most // 1_000_000} million pixels")
    if getattr(image, "is_animated", False):
        raise InvalidInputError("moves; only still images are shown")
    return image


def clean_image(data: bytes, *, as_png: bool = False) -> tuple[bytes, str, str]:
    """The same picture without its metadata, with its type and the ending of its name; InvalidInputError if broken.

    ``as_png`` writes a JPEG as PNG too, and a palette in full, so that no file tells what its maker writes.
    """
    with _opened(data) as image:
        media_type, ending = _PNG if as_png else _WRITTEN.get(image.format or "", _PNG)
        try:
            # All in place: a copy of the largest image takes 64 MB, and several may be taken in at the same time.
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            # Nothing but the pixels and which of them are clear, so that no comment, place or maker comes along.
            clear = image.info.get("transparency")
            image.info = {} if clear is None or media_type == "image/jpeg" else {"transparency": clear}
            out = io.BytesIO()
            if media_type == "image/jpeg":
                bare = image if image.mode in {"L", "RGB"} else image.convert("RGB")
                bare.save(out, "JPEG", quality=92, optimize=True)
            else:
                bare = _in_full(image) if as_png else image if image.mode in _KEPT_MODES else image.convert("RGBA")
                bare.save(out, "PNG", optimize=False)
        except _BROKEN:
            raise InvalidInputError("is a damaged image") from None
    return out.getvalue(), media_type, ending


def _in_full(image: Image.Image) -> Image.Image:
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def take_in(data: bytes, known: dict[str, Taken]) -> Taken:
    """Write an image into the media folder, unless ``known`` has it; a file of our own making stays as it is."""
    content_hash = hashlib.sha256(data).hexdigest()
    if content_hash in known:
        return known[content_hash]
    with database().read() as session:
        stored = media.list_by_hash(session, hashes=[content_hash]).get(content_hash)
    if stored is not None:
        found = Taken(content_hash, stored.media_type, len(data), stored.place)
    else:
        found = keep(known, *clean_image(data))
    known[content_hash] = found
    return found


def keep(known: Mapping[str, Taken], clean: bytes, media_type: str, ending: str, play_ms: int | None = None) -> Taken:
    """Write a clean file into the media folder, unless ``known`` has the same."""
    clean_hash = hashlib.sha256(clean).hexdigest()
    return next((one for one in known.values() if one.content_hash == clean_hash), None) or Taken(
        clean_hash, media_type, len(clean), _write(clean, ending), play_ms
    )


def _write(data: bytes, ending: str) -> str:
    place = secrets.token_hex(16) + ending
    folder().mkdir(parents=True, exist_ok=True)
    partial = folder() / f".{place}.partial"
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder() / place)
    return place


def register(session: Session, taken: Iterable[Taken], now: datetime) -> dict[str, tuple[UUID, str]]:
    """Make files known in the caller's transaction; the id and place of each content."""
    wanted = {one.content_hash: one for one in taken}
    found = {key: (row.id, row.place) for key, row in media.list_by_hash(session, hashes=wanted).items()}
    new = {key: one for key, one in wanted.items() if key not in found}
    if new:
        ids = {key: new_id() for key in new}
        columns = ("content_hash", "media_type", "n_bytes", "place")
        media.add_media(
            session,
            rows=[
                {"id": ids[key], "created_at": now, **{name: getattr(one, name) for name in columns}}
                for key, one in new.items()
            ],
        )
        found |= {key: (ids[key], one.place) for key, one in new.items()}
    return found


def discard(taken: Iterable[Taken], kept: Iterable[str] = ()) -> None:
    """Delete the files among these whose places nobody keeps or knows."""
    keep = set(kept)
    with database().read() as session:
        for one in taken:
            if one.place not in keep and media.find_by_place(session, place=one.place) is None:
                (folder() / one.place).unlink(missing_ok=True)


def address(place: str) -> str:
    """Where a browser finds a file."""
    return f"/m/{place}"


def addresses(attachments: Sequence[dict[str, str]]) -> tuple[str, ...]:
    """The addresses of a prompt's attachments, as they are stored with it."""
    return tuple(address(place) for item in attachments if (place := place_of(item["media_id"])))


def place_of(media_id: str) -> str | None:
    """The place of a file, as it is named in what is stored."""
    return _place(get_settings().database_url, media_id)


@functools.lru_cache(maxsize=16_384)
def _place(database_url: str, media_id: str) -> str | None:
    with open_database(database_url).peek() as connection:
        return media.find_place(connection, media_id=UUID(media_id))


def read_media(actor: Identity | None, place: str) -> tuple[Path, str]:
    """The file at a place and its type, for anybody who is signed in; raises NotFoundError."""
    require(actor, Role.RATER)
    with database().peek() as connection:
        found = media.find_by_place(connection, place=place)
    path = folder() / place
    if found is None or not path.is_file():
        raise NotFoundError("There is no such file.")
    return path, found.media_type


def load_image(item: Mapping[str, str]) -> tuple[str, bytes]:
    """The type and the bytes of an attachment as it is stored with its prompt, for a model that is shown it."""
    place = place_of(item["media_id"])
    path = folder() / str(place)
    if place is None or not path.is_file():
        raise NotFoundError("A file is gone from the media folder; a backup may have it.")
    return item["media_type"], path.read_bytes()
