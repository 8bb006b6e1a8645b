"""A conversation with two unnamed models: the turns side by side, the bar below them, and who it was in the end.

Keys are made of the battle's id and the number of a turn alone.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

import streamlit as st

from app.components import ballot, content, session
from app.domain import Answer, Ballot
from app.services.arena import ArenaScreen, BlindRound, Reveal, Turn
from app.study import Criterion

FORM = "arena"
_SAID = {
    Answer.LEFT: "You found the left side better.",
    Answer.RIGHT: "You found the right side better.",
    Answer.TIE: "You called it a tie.",
    Answer.BOTH_BAD: "You found both sides bad.",
    Answer.SKIP: "You passed on this one.",
}
REPLACED = "One of the answers could not be finished, so two models were drawn anew and answer from the start."


def show_head(screen: ArenaScreen) -> None:
    """The arena's title, how many votes this rater gave, and what became of the last click."""
    ballot.show_head(Ballot(screen.study, None, screen.n_votes, screen.quota))


def show_tools(show_guidelines: Callable[[], None]) -> None:
    """The guidelines and the plain texts, one click away."""
    with st.container(horizontal=True, key="tools", gap="small"):
        if st.button("Guidelines", key="guidelines", type="tertiary"):
            show_guidelines()
        content.show_switch()


def show_turns(token: str, turns: Sequence[Turn], *, is_replaced: bool, reveal: Reveal | None = None) -> None:
    """What the rater asked and what both sides answered, one turn below the other."""
    if is_replaced and reveal is None:
        _say(REPLACED)
    names = ("Left", "Right") if reveal is None else (f"Left was {reveal.left}", f"Right was {reveal.right}")
    for number, turn in enumerate(turns):
        with st.container(key=f"arena-asked-{number}-{token}"):
            content.show_text(turn.asked)
        with st.container(key=f"arena-turn-{number}-{token}"):
            for column, name, text in zip(st.columns(2, border=True), names, (turn.left, turn.right), strict=True):
                with column:
                    st.html(f'<div class="bo-side">{html.escape(name)}</div>')
                    content.show_text(text or " ")


def _say(text: str) -> None:
    st.html(f'<div class="bo-arena-note" role="status">{html.escape(text)}</div>')


def show_writing() -> None:
    """Say that there is more to come."""
    _say("Both sides are writing. You can vote when both are done.")


def show_reveal(reveal: Reveal) -> None:
    """Who was who."""
    st.html(
        f'<div class="bo-reveal" role="status"><p>{_SAID[reveal.answer]}</p><dl>'
        f"<div><dt>Left was</dt><dd>{html.escape(reveal.left)}</dd></div>"
        f"<div><dt>Right was</dt><dd>{html.escape(reveal.right)}</dd></div></dl></div>"
    )


def show_bar(round_: BlindRound, *, is_open: bool, cast: Callable[..., None], asked: Sequence[Criterion] = ()) -> None:
    """The answers as buttons with their keys; they can be pressed when both sides are done.

    ``cast`` gets the battle's id, the answer, how many messages it is about, when it was drawn here, and ``asked``, the
    criteria that stand above the bar.
    """
    token = str(round_.battle_id)
    drawn_at = session.drawn_at(token)
    with st.container(horizontal=True, horizontal_alignment="center", key="arena-bar", gap="small"):
        for answer, label, key, kind in ballot.ANSWERS:
            st.button(
                label,
                key=f"{answer}-{token}",
                shortcut=key,
                type=kind,  # type: ignore[arg-type]
                disabled=not is_open,
                on_click=cast,
                args=(token, answer.value, len(round_.turns), drawn_at, asked),
            )


def text_key() -> str:
    """The key of the field in which the rater writes; another one when what was written is stored."""
    return f"arena-text-{session.form_number(FORM)}"


def show_form(label: str, button: str, *, most: int, ask: Callable[[], None], is_first: bool = False) -> None:
    """The field for the rater's words; what stands in it stays there until it was stored."""
    with st.form("arena-form", border=False):
        st.text_area(
            label,
            key=text_key(),
            max_chars=most,
            height=120 if is_first else 80,
            placeholder="Ask anything that you know how to judge" if is_first else None,
            persist_state="session",
        )
        st.form_submit_button(button, type="primary" if is_first else "secondary", on_click=ask)
