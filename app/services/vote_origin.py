"""Where the votes of a study come from: its raters, or a file, in the words that stand as the reason of its end."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

_FROM_FILE, _WITH_TEXTS = "These votes came from a file", ", with their texts"


def tell_file(digest: str, *, with_texts: bool, renamed: Mapping[str, str] | None = None) -> str:
    """The words for a file with this SHA-256 (hexadecimal), whose texts were taken in too or weren't.

    Read with its columns ``renamed`` the same file has other votes, so that the words differ, too.
    """
    if renamed:
        digest = hashlib.sha256(f"{digest} {sorted(renamed.items())}".encode()).hexdigest()
    digest_of = "SHA-256 with its columns mapped" if renamed else "SHA-256"
    return f"{_FROM_FILE}{_WITH_TEXTS if with_texts else ''} ({digest_of} {digest[:16]})."


def is_file(stop_reason: str) -> bool:
    """Whether the votes came from a file."""
    return stop_reason.startswith(_FROM_FILE)


def is_file_without_texts(stop_reason: str) -> bool:
    """Whether the votes came from a file that doesn't say which outputs were judged."""
    return is_file(stop_reason) and not stop_reason.startswith(f"{_FROM_FILE}{_WITH_TEXTS}")
