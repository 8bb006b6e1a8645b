"""One sentence about what happened or what to do, shown as it was written: no Markdown, no HTML."""

from __future__ import annotations

import html
from typing import Literal

import streamlit as st

Kind = Literal["done", "refused", "hint"]
_ROLES = {"done": "status", "refused": "alert", "hint": "note"}


def show(text: str, kind: Kind = "hint") -> None:
    """A quiet box; what was refused is announced to screen readers at once."""
    st.html(f'<div class="bo-note bo-note-{kind}" role="{_ROLES[kind]}">{html.escape(text)}</div>')


def show_mistake(text: str | None) -> None:
    """What is wrong with the field above, if anything is."""
    if text:
        st.html(f'<div class="bo-mistake" role="alert">{html.escape(text)}</div>')
