"""Films without what their makers wrote into them: MP4 and WebM, whose boxes are blanked in their places.

Nothing moves, so no offset in the file changes and no picture is touched: what isn't needed for playing becomes free
space of the same length, filled with zeros. MP4 is ISO/IEC 14496-12, WebM the Matroska of RFC 9559 in the EBML of
RFC 8794.
"""

from __future__ import annotations

import re

from app.errors import InvalidInputError
from app.services.film_boxes import BROKEN, boxes, is_unknown_size, number
from app.services.film_length import film_length

_MOST_DEPTH = 12
# What a player needs of an MP4; all other boxes become free space.
_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"mvex", b"moof", b"traf"}
_KEPT = set(
    b"ftyp styp mdat free skip wide sidx mfra mvhd tkhd mdhd hdlr vmhd smhd nmhd sthd dref elst stsd stts ctts cslg "
    b"stss stsc stsz stz2 stco co64 stsh sdtp sbgp sgpd mehd trex mfhd tfhd tfdt trun".split()
)
_TIMED = {b"mvhd", b"tkhd", b"mdhd"}
# x264 and x265 write all their settings into the first picture, behind these two marks.
_ENCODERS = re.compile(rb"(?:\xdc\x45\xe9\xbd\xe6\xd9\x48\xb7\x96\x2c\xd8\x20\xd9\x23\xee\xef|"
                       rb"\x2c\xa2\xde\x09\xb5\x17\x47\xdb\xbb\x55\xa4\xfe\x7f\xc2\xfc\x4e)([\x20-\x7e]+)")  # fmt: skip


def clean_film(data: bytes) -> tuple[bytes, str, str, int | None]:
    """The same film without its metadata, its type, the ending of its name and how many milliseconds it plays.

    Raises InvalidInputError if it is none; None stands for a length that the film doesn't say.
    """
    film = bytearray(data)
    if data[4:8] == b"ftyp":
        if not _clean_boxes(film, 0, len(film), 0) & {b"moov"}:
            raise InvalidInputError(BROKEN)
        found = "video/mp4", ".mp4"
    elif data.startswith(b"\x1aE\xdf\xa3"):
        if b"webm" not in data[:64]:
            raise InvalidInputError("is no film that browsers play (MP4 or WebM)")
        _clean_elements(film)
        found = "video/webm", ".webm"
    else:
        raise InvalidInputError("is no film that browsers play (MP4 or WebM)")
    for mark in _ENCODERS.finditer(bytes(film)):
        film[mark.start(1) : mark.end(1)] = b" " * (mark.end(1) - mark.start(1))
    return bytes(film), *found, film_length(film)


# ------------------------------------------------------------------------------------------------ MP4


def _clean_boxes(film: bytearray, start: int, end: int, depth: int) -> set[bytes]:
    """Blank what isn't needed; the types that were found."""
    found = set()
    for kind, at, body, stop in boxes(film, start, end):
        found.add(kind)
        if kind in _CONTAINERS and depth < _MOST_DEPTH:
            _clean_boxes(film, body, stop, depth + 1)
        elif kind not in _KEPT or kind in {b"free", b"skip"}:
            film[at + 4 : at + 8] = b"free"
            film[body:stop] = bytes(stop - body)
        elif kind in _TIMED and stop - body >= 20:
            film[body + 4 : body + (20 if film[body] == 1 else 12)] = bytes(16 if film[body] == 1 else 8)
        elif kind == b"hdlr" and stop - body > 24:
            film[body + 12 : body + 24] = bytes(12)
            film[body + 24 : stop] = bytes(stop - body - 24)
        elif kind == b"stsd" and stop - body > 8:
            _clean_samples(film, body + 8, stop)
    return found


def _clean_samples(film: bytearray, start: int, end: int) -> None:
    """Blank the name of the compressor, which every picture track has; its boxes of settings stay."""
    for kind, _, body, stop in boxes(film, start, end):
        if kind in {b"avc1", b"avc3", b"hev1", b"hvc1", b"av01", b"vp08", b"vp09"} and stop - body >= 78:
            film[body + 16 : body + 20] = bytes(4)  # the vendor, of QuickTime
            film[body + 42 : body + 74] = bytes(32)


# ------------------------------------------------------------------------------------------------ WebM

_SEGMENT, _INFO, _TRACKS, _TRACK, _CLUSTER = 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0x1F43B675
_INSIDE = {_SEGMENT, _INFO, _TRACKS, _TRACK}
# Tags, attachments, chapters, checksums that would be wrong now; title, date, and the names of segments and tracks.
_BLANKED = {
    0x1254C367,
    0x1941A469,
    0x1043A770,
    0xBF,
    0x7BA9,
    0x4461,
    0x73A4,
    0x7384,
    0x3CB923,
    0x3EB923,
    0x536E,
    0x258688,
}
_PROGRAMS = {0x4D80, 0x5741}  # must be there, so they are emptied
_TOP = {_INFO, _TRACKS, _CLUSTER, 0x1254C367, 0x1941A469, 0x1043A770, 0x114D9B74, 0x1C53BB6B, 0xEC}


def _clean_elements(film: bytearray) -> None:
    open_until = [len(film)]
    at, has_tracks = 0, False
    while at < len(film):
        while len(open_until) > 1 and at >= open_until[-1]:
            open_until.pop()
        kind, sized = number(film, at, keeps_mark=True)
        size, body = number(film, sized, keeps_mark=False)
        is_unknown = is_unknown_size(size, body - sized)
        end = open_until[-1] if is_unknown else body + size
        if end > open_until[-1] or len(open_until) > _MOST_DEPTH:
            raise InvalidInputError(BROKEN)
        has_tracks |= kind == _TRACKS
        if kind in _INSIDE:
            open_until.append(end)
            at = body
        elif is_unknown:  # a cluster of a live recording: its parts follow, up to the next element of the top
            if kind != _CLUSTER:
                raise InvalidInputError(BROKEN)
            at = _end_of_cluster(film, body, end)
        else:
            if kind in _BLANKED:
                _blank(film, at, end)
            elif kind in _PROGRAMS:
                film[body:end] = bytes(end - body)
            at = end
    if not has_tracks:
        raise InvalidInputError(BROKEN)


def _end_of_cluster(film: bytearray, at: int, end: int) -> int:
    while at < end:
        kind, sized = number(film, at, keeps_mark=True)
        if kind in _TOP and kind != 0xEC:
            break
        size, at = number(film, sized, keeps_mark=False)
        at += size
    return min(at, end)


def _blank(film: bytearray, at: int, end: int) -> None:
    """Make an element one of nothing (Void) that is as long as it was."""
    n = end - at
    if n < 2:
        raise InvalidInputError(BROKEN)
    head = bytes([0xEC, 0x80 | n - 2]) if n < 128 else b"\xec\x01" + (n - 9).to_bytes(7, "big")
    film[at:end] = head + bytes(n - len(head))
