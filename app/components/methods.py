"""How a board was computed, one click away: the methods text as it can be pasted into a paper, and as a file."""

from __future__ import annotations

import re
from html import escape

import streamlit as st

from app.components import page_file
from app.services.leaderboard import Board
from app.services.methods_text import methods_text

_ESCAPED = re.compile(r"\\([\\`*_\[\]<>#|~])")


def show(board: Board) -> None:
    """The text, made when it is opened."""
    box = st.expander("How was this computed?", key="methods", on_change="rerun")
    if not box.open:
        return
    text = methods_text(board)
    with box:
        st.html(f'<div class="bo-methods">{to_html(text)}</div>')
        page_file.show("Methods as Markdown", lambda: text, f"{board.key}-methods.md", key="methods-md")


def to_html(text: str) -> str:
    """The Markdown that ``methods_text`` writes, as HTML: headings, paragraphs that begin in bold, one list."""
    blocks = []
    for block in text.strip().split("\n\n"):
        if block.startswith("#"):
            marks, _, title = block.partition(" ")
            blocks.append(f"<h{len(marks) + 1}>{_inline(title)}</h{len(marks) + 1}>")
        elif block.startswith("- "):
            items = "".join(f"<li>{_inline(line.removeprefix('- '))}</li>" for line in block.split("\n"))
            blocks.append(f"<ul>{items}</ul>")
        else:
            blocks.append(f"<p>{_inline(block)}</p>")
    return "".join(blocks)


def _inline(text: str) -> str:
    """Escaped signs wait as private characters while the bold marks are read."""
    hidden = _ESCAPED.sub(lambda found: chr(0xE000 + ord(found[1])), text)
    bold = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(hidden))
    return re.sub("[\ue000-\ue07f]", lambda found: escape(chr(ord(found[0]) - 0xE000)), bold)
