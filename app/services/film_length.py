"""How long a film plays, from what its own boxes say; what doesn't say it is not guessed.

An MP4 says it in its movie header, or, where it is in fragments, in the header of these (ISO/IEC 14496-12, 8.2.2 and
8.8.2). A WebM says it in its information, and a live recording, which does not, in the time of its last picture
(RFC 9559, 5.1.2.10 and 10).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

from app.errors import InvalidInputError
from app.services.film_boxes import boxes, is_unknown_size, number

LONGEST_MS = 24 * 3_600_000  # more is a mistake of the file
_SEGMENT, _INFO, _CLUSTER, _GROUP = 0x18538067, 0x1549A966, 0x1F43B675, 0xA0
_DURATION, _SCALE, _TIME, _BLOCK, _SIMPLE_BLOCK = 0x4489, 0x2AD7B1, 0xE7, 0xA1, 0xA3
_INSIDE = {_SEGMENT, _INFO, _CLUSTER, _GROUP}
_USUAL_SCALE = 1_000_000  # nanoseconds of a tick


def film_length(film: bytearray) -> int | None:
    """The playing time of an MP4 or WebM in milliseconds; None where it doesn't say."""
    try:
        seconds = _of_mp4(film) if film[4:8] == b"ftyp" else _of_webm(film)
    except (InvalidInputError, struct.error):
        return None
    if seconds is None or not math.isfinite(seconds) or not 0 < seconds * 1000 <= LONGEST_MS:
        return None
    return round(seconds * 1000)


def _of_mp4(film: bytearray) -> float | None:
    found = dict(_headers(film, 0, len(film)))
    head = found.get(b"mvhd")
    if head is None:
        return None
    is_long = film[head] == 1
    scale, ticks = struct.unpack_from(">LQ" if is_long else ">LL", film, head + (20 if is_long else 12))
    unknown = 2**64 - 1 if is_long else 2**32 - 1
    if ticks in {0, unknown} and (more := found.get(b"mehd")) is not None:
        (ticks,) = struct.unpack_from(">Q" if film[more] == 1 else ">L", film, more + 4)
    return ticks / scale if scale and ticks not in {0, unknown} else None


def _headers(film: bytearray, start: int, end: int) -> Iterator[tuple[bytes, int]]:
    for kind, _, body, stop in boxes(film, start, end):
        if kind in {b"moov", b"mvex"}:
            yield from _headers(film, body, stop)
        elif kind in {b"mvhd", b"mehd"}:
            yield kind, body


def _of_webm(film: bytearray) -> float | None:
    scale, told, cluster, last = _USUAL_SCALE, 0.0, 0, 0
    at = 0
    while at < len(film):
        kind, sized = number(film, at, keeps_mark=True)
        size, at = number(film, sized, keeps_mark=False)
        if kind == _CLUSTER and told > 0:
            break
        # What is inside is looked at in its turn, so the end of a part need not be known.
        if kind in _INSIDE:
            continue
        if is_unknown_size(size, at - sized) or at + size > len(film):
            break
        body = bytes(film[at : at + size])
        if kind == _SCALE:
            scale = int.from_bytes(body, "big") or _USUAL_SCALE
        elif kind == _DURATION and size in {4, 8}:
            (told,) = struct.unpack(">f" if size == 4 else ">d", body)
        elif kind == _TIME:
            cluster = int.from_bytes(body, "big")
        elif kind in {_BLOCK, _SIMPLE_BLOCK} and size > 4:
            (after,) = struct.unpack_from(">h", body, number(film, at, keeps_mark=False)[1] - at)
            last = max(last, cluster + after)
        at += size
    ticks = told if told > 0 else last
    return ticks * scale / 1e9 if ticks else None
