"""One flavour of Markdown for all outputs of a study, so that habits of writing don't tell who wrote.

What is said stays, as do code and formulas: only the signs of Markdown are exchanged for their equals, and white space
that draws nothing is taken out. CommonMark 0.31 says which signs mean the same.
"""

from __future__ import annotations

import functools
import re

_FENCED = re.compile(r"(^[ \t>]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)?+)(`{3,}+(?=[^\n`]*+\n)|~{3,}+)([^\n]*+)", re.M)
_INLINE = re.compile(r"((?<!`)(`++)(?:(?!\n[ \t]*+\n).)+?(?<!`)\2(?!`)|\$\$.+?\$\$|\$[^\s$](?:[^$\n]*[^\s$])?\$)", re.S)
_BULLET = re.compile(r"^([ \t>]*+)[*+•][ \t]++(?=\S)", re.M)
_NUMBER = re.compile(r"^([ \t>]*+\d{1,9})\)(?=[ \t]+\S)", re.M)
_RULE = re.compile(r"^ {0,3}(?:(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|(?:-[ \t]*){3,})$", re.M)
_HEADING = re.compile(r"^( {0,3}#{1,6})[ \t]++([^\n]*?)(?:[ \t]+#+)?[ \t]*$", re.M)
_UNDERLINED = re.compile(r"(?:\A|(?<=\n\n)) {0,3}(?![-=*+>#|\d])(\S[^\n]*+)\n {0,3}(=+|-+)[ \t]*$", re.M)
# What is emphasised is of one line and short, so that underlines by the thousand take time in proportion.
_STRONG = re.compile(r"(?<![\w_\\])__(?=[^\s_])([^\n_]{0,500}[^\s_\n])__(?![\w_])")
_SOFT = re.compile(r"(?<![\w_\\])_(?=[^\s_])([^\n_]{0,500}[^\s_\n\\])_(?![\w_])")
_BLANK = re.compile(r"\n(?:[ \t]*\n){2,}")
_TRAILING = re.compile(r"[ \t]+$", re.M)


@functools.lru_cache(maxsize=1024)
def normalised(text: str) -> str:
    """The text, trimmed, with one kind of bullet, heading, emphasis, rule and fence, and single blank lines."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    pieces: list[str] = []
    at = 0
    while (begin := _FENCED.search(text, at)) is not None:
        before = _prose(text[at : begin.start()])
        body_at = min(begin.end() + 1, len(text))
        sign = re.escape(begin[2][0])
        close = re.compile(rf"^[ \t>]*{sign}{{{len(begin[2])},}}[ \t]*$", re.M).search(text, body_at)
        body = text[body_at : close.start() if close else len(text)]
        at = close.end() if close else len(text)
        # A fence of backticks must be longer than any that stands in it.
        longest = max((len(run) for run in re.findall(r"`{3,}", body)), default=2)
        fence = "`" * max(3, longest + 1)
        end = _indent(begin[1]) + fence if close else ""
        pieces += [before, f"{begin[1]}{fence}{begin[3].rstrip()}\n{body}{end}"]
    pieces.append(_prose(text[at:]))
    return "".join(pieces).strip("\n").rstrip()


def _indent(before: str) -> str:
    """What stands before a closing fence: the quotation's signs, and spaces for the bullet."""
    return "".join(sign if sign in "> \t" else " " for sign in before)


def _prose(text: str) -> str:
    """Text between fences; code and formulas within lines stay."""
    text = _TRAILING.sub("", _lines(text))
    parts = _INLINE.split(text)
    # split() gives the text between matches, then the groups of a match: the whole and its backticks.
    kept = ((part, i % 3) for i, part in enumerate(parts) if i % 3 < 2 and part)
    text = "".join(_words(part) if group == 0 else part for part, group in kept)
    return _BLANK.sub("\n\n", text)


def _lines(text: str) -> str:
    text = _UNDERLINED.sub(lambda match: f"{'#' if match[2][0] == '=' else '##'} {match[1].rstrip()}", text)
    text = _HEADING.sub(lambda match: f"{match[1].strip()} {match[2]}", text)
    return _NUMBER.sub(r"\1.", _BULLET.sub(r"\1- ", _RULE.sub("---", text)))  # a rule of asterisks is no bullet


def _words(text: str) -> str:
    return _SOFT.sub(r"*\1*", _STRONG.sub(r"**\1**", text))
