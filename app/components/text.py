"""Showing what a person or a model wrote as it was written, in Streamlit's Markdown."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

_JOINER = "⁠"  # a word joiner: nothing to see, and no directive, shortcode or arrow is read across it
# Every quantifier that could try again is possessive, or bounded by the next opening: a model may write openings by the
# thousand, and a search from each of them to the end of the text would hold the server for minutes.
_CODE = re.compile(
    r"(^[ \t>]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)?+"  # a fence may stand in a quotation or in a list
    r"(`{3,}+(?=[^\n`]*+\n)|~{3,}+)[^\n]*+\n.*?(?:^[ \t>]*+\2[`~]*+[ \t]*+$|\Z)"
    r"|(?<!`)(`++)(?:(?!\n[ \t]*+\n).)+?(?<!`)\3(?!`))",
    re.S | re.M,
)
_DISPLAY = re.compile(r"(?<!\\)\\\[((?:[^\\]|\\\\|\\(?![\\\[\]]))+)\\\]")  # no "++": 3.11.2 loses matches
_INLINE = re.compile(r"(?<!\\)\\\(((?:[^\\]|\\\\|\\(?![\\()]))+)\\\)")
_MATH = re.compile(r"(\$\$.+?\$\$|\$[^\s$](?:[^$\n]*[^\s$])?\$)", re.S)
_SHORTCODE = re.compile(r":(?=[A-Za-z0-9_+\-/]+:)")
# A directive of any name, ours among the letters of it, would lose what stands in its brackets; its colon is escaped.
_DIRECTIVE = re.compile(r"(?<!\\)((?:\\\\)*+):(?=[\w\u2060][\w\u2060\-]*+[\[{])")
_ARROW = re.compile(r"(<-|-(?=[->])|[<>!](?==)|=(?==))")
_RULE = re.compile(r"(^[ \t>]*(?:[|:=-][|:= \t-]*)$)", re.M)  # a table's second row, a rule, the line under a heading


@functools.lru_cache(maxsize=2048)
def to_markdown(text: str) -> str:
    r"""Markdown that Streamlit renders as its writer meant it.

    Outside code, Streamlit would read ``:red[..]`` and ``:smile:`` as directives and ``->`` or ``>=`` as signs of its
    own; an invisible joiner stops that. ``\(..\)`` and ``\[..\]`` become the dollar forms that it understands.
    """
    parts = _CODE.split(text)
    # split() gives the text between matches, then the groups of a match: the whole, its fence, its backticks.
    return "".join(part if i % 4 == 1 else _prose(part) for i, part in enumerate(parts) if i % 4 < 2 and part)


def _prose(text: str) -> str:
    text = _DISPLAY.sub(lambda match: f"\n$$\n{match[1].strip()}\n$$\n", text)
    text = _INLINE.sub(lambda match: f"${match[1].strip()}$", text)
    pieces = _MATH.split(text)
    return "".join(piece if i % 2 else _plain(piece) for i, piece in enumerate(pieces))


def _plain(text: str) -> str:
    return "".join(part if i % 2 else _words(part) for i, part in enumerate(_RULE.split(text)))


def _words(text: str) -> str:
    return _ARROW.sub(
        lambda match: match[1] + _JOINER if len(match[1]) == 1 else f"<{_JOINER}-",
        _SHORTCODE.sub(f":{_JOINER}", _DIRECTIVE.sub(rf"\1\\:{_JOINER}", text)),
    )


# More than this takes a browser seconds to draw: 100 blocks of code took 4 s, 2,000 rows of a table 6 s, 200 kB of
# short paragraphs 11 s and 100 kB of code a minute (Chromium, Streamlit 1.67, a busy machine); 15,000 groups in one
# formula 3 s.
LONGEST_DRAWN = 60_000
_MOST = {"\n": 3000, "```": 80, "~~~": 80, "|": 2000, "[": 3000, "<": 3000, ">": 1000, "`": 2000, "*": 3000, "_": 3000,
         "$": 2000, "&": 5000}  # fmt: skip
_MOST_GROUPS = 2000  # of formulas, which begin with one of these
_FORMULA = re.compile(r"\$|\\[(\[]")
_LONGEST_CODE = 30_000
_DEEP = re.compile(r"^[ \t]{200}", re.M)


def is_too_much(text: str) -> bool:
    """Whether a browser would take seconds to draw a text as Markdown, which is then shown as it was written."""
    return len(text) > LONGEST_DRAWN or _is_heavy(text)


@functools.lru_cache(maxsize=2048)
def _is_heavy(text: str) -> bool:
    if len(text) > _LONGEST_CODE and ("```" in text or "~~~" in text):
        return True
    return len(text) > min(_MOST.values()) and (
        any(text.count(sign) > most for sign, most in _MOST.items())
        or _DEEP.search(text) is not None
        or (text.count("{") > _MOST_GROUPS and _FORMULA.search(text) is not None)
    )


def images_markdown(addresses: Sequence[str]) -> str:
    """The images of a prompt, below its text; the addresses are our own and name nothing."""
    return "".join(f"\n\n![Image {number} of the prompt]({path})" for number, path in enumerate(addresses, start=1))


def plain_label(text: str) -> str:
    """A text for the label of a button or chip, which Streamlit would read as Markdown."""
    return re.sub(r"([\\`*_{}\[\]()#+.!|:$~<>-])", r"\\\1", text)
