"""How a study shows outputs and results, as part of the form of an experiment."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.components import session
from app.study import Shows

_HELP = (
    "Outputs are trimmed and written in one flavour of Markdown (bullets, headings, emphasis, blank lines), so that "
    "habits of writing don't tell who wrote. Code and formulas stay as they are. What is stored doesn't change."
)

_HIDE_HELP = (
    "Until all planned votes are cast, or the study is stopped for good, nobody sees who is ahead, admins neither; the "
    "Leaderboard says how far it is. So nobody can stop at a lucky moment, and confidence means what it says."
)


def typed(key: Callable[[str], str]) -> Shows:
    """What stands in the form; ``key`` makes the key of a field."""
    return Shows(
        is_normalised=bool(session.typed(key("normalised"))),
        hides_results=bool(session.typed(key("hides-results"))),
    )


def show(key: Callable[[str], str], start: Shows) -> None:
    """The form's part."""
    st.checkbox(
        "Show all outputs in one flavour of Markdown",
        start.is_normalised,
        key=key("normalised"),
        persist_state="session",
        help=_HELP,
    )
    st.checkbox(
        "Hide results until the study is completed",
        start.hides_results,
        key=key("hides-results"),
        persist_state="session",
        help=_HIDE_HELP,
    )
