"""Numbers with one sentence each, in a row of tiles as under the leaderboard."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

Tile = tuple[str, str, str]  # what it is, its value, and what that means


def show(heading: str, tiles: Sequence[Tile]) -> None:
    """A section with its heading."""
    st.html(draw(heading, tiles))


def draw(heading: str, tiles: Sequence[Tile]) -> str:
    """The same as HTML; every text is escaped."""
    body = "".join(
        f"<div><dt>{escape(name)}</dt><dd><b>{escape(value)}</b><span>{escape(text)}</span></dd></div>"
        for name, value, text in tiles
    )
    return f'<section class="bo-trust"><h2>{escape(heading)}</h2><dl>{body}</dl></section>'
