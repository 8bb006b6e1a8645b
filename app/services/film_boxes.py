"""The boxes of MP4 (ISO/IEC 14496-12) and the numbers of WebM (EBML, RFC 8794), as they lie in a file."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from app.errors import InvalidInputError

BROKEN = "is a damaged film"


def boxes(film: bytearray, start: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """(type, begin, begin of the content, end) of the boxes of an MP4 between two places."""
    at = start
    while at < end:
        if end - at < 8:
            raise InvalidInputError(BROKEN)
        size, kind = struct.unpack_from(">L4s", film, at)
        head = 8
        if size == 1:
            if end - at < 16:
                raise InvalidInputError(BROKEN)
            (size,) = struct.unpack_from(">Q", film, at + 8)
            head = 16
        elif size == 0:
            size = end - at
        if size < head or at + size > end:
            raise InvalidInputError(BROKEN)
        yield kind, at, at + head, at + size
        at += size


def number(film: bytearray, at: int, *, keeps_mark: bool) -> tuple[int, int]:
    """A number of variable length of a WebM and where it ends; names of elements keep their mark of length."""
    if at >= len(film) or not film[at]:
        raise InvalidInputError(BROKEN)
    length = 9 - film[at].bit_length()
    if at + length > len(film):
        raise InvalidInputError(BROKEN)
    value = int.from_bytes(film[at : at + length], "big")
    return (value if keeps_mark else value & ~(1 << 7 * length)), at + length


def is_unknown_size(size: int, n_bytes: int) -> bool:
    """Whether the size of an element, written in so many bytes, says that it is not known."""
    return size == (1 << 7 * n_bytes) - 1
