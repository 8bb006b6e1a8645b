"""Where the votes of a study come from: its raters, or a file, in the words that stand as the reason of its end."""

from __future__ import annotations

_FROM_FILE, _WITH_TEXTS = "These votes came from a file", ", with their texts"


def tell_file(digest: str, *, with_texts: bool) -> str:
    """The words for a file with this SHA-256 (hexadecimal), whose texts were taken in too or weren't."""
    return f"{_FROM_FILE}{_WITH_TEXTS if with_texts else ''} (SHA-256 {digest[:16]})."


def is_file(stop_reason: str) -> bool:
    """Whether the votes came from a file."""
    return stop_reason.startswith(_FROM_FILE)


def is_file_without_texts(stop_reason: str) -> bool:
    """Whether the votes came from a file that doesn't say which outputs were judged."""
    return is_file(stop_reason) and not stop_reason.startswith(f"{_FROM_FILE}{_WITH_TEXTS}")
