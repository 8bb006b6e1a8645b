"""The battle on the rater's screen and the bar below it; knows sides, never models.

Every element costs time on every vote, so there are as few as can be: names of the sides, their frames and the layout
are in the style sheet. All keys are made of the battle's id alone.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

import streamlit as st

from app.components import content, links, session
from app.domain import Answer, Ballot, BlindBattle
from app.study import Criterion

# In the order of the bar: label, key (A, T, X, D are its second keys, see assets/bakeoff.js), kind of button.
ANSWERS = (
    (Answer.LEFT, "Left is better", "Left", "primary"),
    (Answer.TIE, "Tie", "Up", "secondary"),
    (Answer.BOTH_BAD, "Both are bad", "Down", "secondary"),
    (Answer.RIGHT, "Right is better", "Right", "primary"),
    (Answer.SKIP, "Can't judge", "S", "tertiary"),
)
KEYS = "← or A, → or D, ↑ or T for a tie, ↓ or X for both bad, S can't judge, U undo, P plain text, ? these guidelines."


def show_tools(*, undo: Callable[[], None], show_guidelines: Callable[[], None]) -> None:
    """What is not a vote: the guidelines, and taking the last answer back."""
    with st.container(horizontal=True, key="tools", gap="small"):
        if st.button("Guidelines", key="guidelines", type="tertiary"):
            show_guidelines()
        content.show_switch()
        st.button("Undo", key="undo", shortcut="U", type="tertiary", on_click=undo)
        links.show_page("my_votes", "My votes")


def show_head(ballot: Ballot) -> None:
    """The study's title, this rater's progress, and what became of the last click."""
    said, alert = _said()
    st.html(
        f'<div class="bo-head"><b>{html.escape(ballot.study.title)}</b>'
        f'<span role="status">{said}{" · " if said else ""}{_count(ballot)}</span></div>{_bar(ballot)}{alert}'
    )


def show_title(title: str) -> None:
    """A title in the place of the study's, and what became of the last click."""
    said, alert = _said()
    st.html(f'<div class="bo-head"><b>{html.escape(title)}</b><span role="status">{said}</span></div>{alert}')


def _said() -> tuple[str, str]:
    """What became of the last click: where all is well a word in the head, else an alert below it."""
    message = session.take_flash()
    if message is None:
        return "", ""
    text = html.escape(message.text)
    return ("", f'<div class="bo-said" role="alert">{text}</div>') if message.kind == "refused" else (text, "")


def _count(ballot: Ballot) -> str:
    if ballot.quota is not None:
        return f"{ballot.n_votes:,} of {ballot.quota:,}"
    return "1 vote" if ballot.n_votes == 1 else f"{ballot.n_votes:,} votes"


def _bar(ballot: Ballot) -> str:
    share = min(100, round(100 * ballot.n_votes / ballot.quota)) if ballot.quota else 0
    return (
        f'<div class="bo-bar" role="progressbar" aria-label="Your votes" aria-valuenow="{share}" aria-valuemin="0" '
        f'aria-valuemax="100"><i style="width:{share}%"></i></div>'
    )


def show_bar(battle: BlindBattle, *, cast: Callable[..., None], asked: Sequence[Criterion] = ()) -> None:
    """The answers as buttons with their keys.

    ``cast`` gets the battle's id, the answer, when it was drawn here, and the criteria that are asked beside it.
    """
    token = str(battle.id)
    drawn_at = session.drawn_at(token)
    with st.container(horizontal=True, horizontal_alignment="center", key="bar", gap="small"):
        for answer, label, key, kind in ANSWERS:
            st.button(
                label,
                key=f"{answer}-{token}",
                shortcut=key,
                type=kind,  # type: ignore[arg-type]
                on_click=cast,
                args=(token, answer.value, drawn_at, asked),
            )


def show_no_bar(text: str) -> None:
    """The bar of a pair that takes no answer any more."""
    with st.container(horizontal=True, horizontal_alignment="center", key="bar"):
        st.html(f"<div>{html.escape(text)}</div>", width="content")
