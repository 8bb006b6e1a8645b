"""Making a sign-in link for raters of one study, and showing a new link once."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.components import links, note, session


def people_key(place: str) -> str:
    """The key of the field that says how many people may use the link."""
    return f"manage-people-{place}"


def show(place: str, invite: Callable[[], None]) -> None:
    """How many people, the button, and the link when it is there."""
    st.number_input("How many people may use it", 1, 100_000, 20, key=people_key(place))
    st.button("Make a link", key=f"manage-invite-{place}", type="primary", on_click=invite, width="stretch")
    st.caption("Each person who opens it gets an account of their own. It works for 14 days.")
    show_new(place)


def show_new(place: str) -> None:
    """The link made last in this place, for copying."""
    link = session.kept_link(place)
    if link is None:
        return
    note.show("Copy the link now: it is shown only here and only once.", "done")
    st.code(links.full(link), language=None, wrap_lines=True)
    st.button("Done", key=f"manage-link-done-{place}", on_click=session.forget_link, args=(place,))


def show_panel(path: str) -> None:
    """The link to give to a panel; it is no secret, and everybody who comes by it names themselves."""
    st.caption("For the panel: each participant's id becomes one rater. Copy it as it is.")
    st.code(links.full(path), language=None, wrap_lines=True)
