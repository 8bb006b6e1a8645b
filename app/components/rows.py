"""A list as quiet rows: a name, what is known of it, and at the end of the row what can be done."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import streamlit as st


def facts(*parts: str | None) -> str:
    """Short facts in one line; those that are None or empty are left out."""
    return " · ".join(part for part in parts if part)


def head_html(title: str, known: str, tags: Iterable[tuple[str, str]] = ()) -> str:
    """A name with its tags (kind, word) and the facts below, as it was written."""
    marks = "".join(f'<span class="bo-tag bo-tag-{kind}">{html.escape(word)}</span>' for kind, word in tags)
    return (
        f'<div class="bo-row"><div class="bo-row-title"><b>{html.escape(title)}</b>{marks}</div>'
        f'<div class="bo-row-facts">{html.escape(known)}</div></div>'
    )


@contextmanager
def row(key: str, title: str, known: str, tags: Iterable[tuple[str, str]] = ()) -> Iterator[None]:
    """One row; buttons that are drawn inside stand at its end."""
    with st.container(horizontal=True, vertical_alignment="center", wrap=False, key=f"row-{key}", gap="small"):
        st.html(head_html(title, known, tags), width="stretch")
        yield


def show_empty(text: str) -> None:
    """What a list says while there is nothing in it: what to do next."""
    st.html(f'<div class="bo-empty">{html.escape(text)}</div>')
