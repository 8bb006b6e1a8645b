"""Where the attachments of a file of prompts are found: in the file itself, in its .zip, or in the folder beside it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from app.errors import InvalidInputError, RowProblem
from app.file_rows import PromptRow
from app.formats._text import shown
from app.services import media

_DATA = re.compile(r"data:[\w.+/-]*(?:;[\w=.-]+)*;base64,(.*)", re.S)
MOST = 10  # of one prompt


class Beside(Protocol):
    """What lies beside a file."""

    def read(self, name: str, most: int) -> bytes | None:
        """At most ``most`` + 1 bytes of a file, or None where there is none."""


class Folder:
    """The folder of a file on this machine, for the command line."""

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()

    def read(self, name: str, most: int) -> bytes | None:
        """A file of this folder or below; one that a name or a link leads out of it to is none."""
        found = (self._path / name).resolve()
        if not found.is_relative_to(self._path) or not found.is_file():
            return None
        with found.open("rb") as file:
            return file.read(most + 1)


def read_attachment(name: str, beside: Beside | None, *, most: int = media.MAX_BYTES) -> bytes:
    """The bytes of an attachment; InvalidInputError says why there are none."""
    if found := _DATA.fullmatch(name):
        try:
            return base64.b64decode(found[1], validate=True)
        except (binascii.Error, ValueError):
            raise InvalidInputError("is not valid base64") from None
    if name.startswith("data:"):
        raise InvalidInputError("is no data: URL with base64")
    if "://" in name or name.startswith("//"):
        raise InvalidInputError("is at another place, which is not asked; put the file into a .zip with this one")
    if "\0" in name or name.startswith("/") or "\\" in name or ".." in name.split("/"):
        raise InvalidInputError("must be the name of a file beside this one")
    data = beside.read(name, most) if beside else None
    if data is None:
        raise InvalidInputError(
            "is not there" if beside else "needs its file; drop a .zip with this file and those that it names"
        )
    return data


def each(
    rows: Iterable[PromptRow], beside: Beside | None, use: Callable[[bytes], None], *, most_problems: int = 100
) -> list[RowProblem]:
    """Use the bytes of every attachment, in order; what is wrong with any."""
    problems: list[RowProblem] = []
    for row in rows:
        if len(row.attachments) > MOST:
            problems.append(RowProblem(row.line, f"there are {len(row.attachments)} attachments; {MOST} are the most"))
            continue
        for name in row.attachments:
            try:
                use(read_attachment(name, beside))
            except InvalidInputError as error:
                problems.append(RowProblem(row.line, f"the attachment {shown(name)} {error}"))
        if len(problems) >= most_problems:
            break
    return problems


def take_in_all(
    rows: Sequence[PromptRow], beside: Beside | None
) -> tuple[list[list[media.Taken]], dict[str, media.Taken], list[RowProblem]]:
    """The images of each row, those that were written by hash, and what is wrong."""
    known: dict[str, media.Taken] = {}
    taken: list[list[media.Taken]] = []
    problems: list[RowProblem] = []
    for row in rows:
        mine: list[media.Taken] = []
        taken.append(mine)
        if row.attachments:
            problems += each([row], beside, lambda data, mine=mine: mine.append(media.take_in(data, known)))  # type: ignore[misc]
    return taken, known, problems
