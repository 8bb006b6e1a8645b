"""The battle on the rater's screen and the bar below it; knows sides, never models."""

from __future__ import annotations

import html
from collections.abc import Callable

import streamlit as st

from app.components import session
from app.components.text import to_markdown
from app.domain import Answer, Ballot, BlindBattle, Message

# label, key, second key, icon
ANSWERS = {
    Answer.LEFT: ("Left is better", "Left", "A"),
    Answer.TIE: ("Tie", "Up", "T"),
    Answer.BOTH_BAD: ("Both are bad", "Down", "X"),
    Answer.RIGHT: ("Right is better", "Right", "D"),
}
SPEAKERS = {"system": "System", "user": "Prompt", "assistant": "Earlier answer"}


def show_head(ballot: Ballot) -> None:
    """The study's title, this rater's progress and the way to the guidelines."""
    share = min(100, round(100 * ballot.n_votes / ballot.quota)) if ballot.quota else 0
    count = f"{ballot.n_votes:,} of {ballot.quota:,}"
    st.html(
        f'<div class="bo-head"><b>{html.escape(ballot.study.title)}</b><span>{count}</span></div>'
        f'<div class="bo-bar" role="progressbar" aria-label="Your votes" aria-valuenow="{share}" aria-valuemin="0" '
        f'aria-valuemax="100"><i style="width:{share}%"></i></div>'
    )


def show_battle(battle: BlindBattle) -> None:
    """The prompt over the two answers; every key is made of the battle's id alone."""
    with st.container(border=True, key=f"prompt-{battle.id}", gap="small"):
        for message in battle.prompt:
            _show_message(message)
    left, right = st.columns(2, border=True)
    for column, name, text in ((left, "Left", battle.left), (right, "Right", battle.right)):
        with column:
            st.caption(name)
            with st.container(key=f"answer-{name.lower()}-{battle.id}"):
                st.markdown(to_markdown(text))


def _show_message(message: Message) -> None:
    st.caption(SPEAKERS.get(message.role, message.role))
    st.markdown(to_markdown(message.content))


def show_bar(
    ballot: Ballot, *, cast: Callable[[str, str], None], undo: Callable[[], None], show_help: Callable[[], None]
) -> None:
    """The answers as buttons with their keys; ``cast`` is called with the battle's id and the answer."""
    with st.bottom:
        _show_said()
        if (battle := ballot.battle) is not None:
            token = str(battle.id)
            with st.container(horizontal=True, horizontal_alignment="center", key="votes"):
                for answer, (label, key, _) in ANSWERS.items():
                    is_side = answer in (Answer.LEFT, Answer.RIGHT)
                    st.button(
                        label,
                        key=f"{token}-{answer}",
                        shortcut=key,
                        type="primary" if is_side else "secondary",
                        on_click=cast,
                        args=(token, answer.value),
                    )
            with st.container(key="alias"):
                for answer, (label, _, alias) in ANSWERS.items():
                    st.button(
                        label, key=f"{token}-{answer}-2", shortcut=alias, on_click=cast, args=(token, answer.value)
                    )
        with st.container(horizontal=True, horizontal_alignment="center", key="more"):
            if battle is not None:
                skip = f"{battle.id}-{Answer.SKIP}"
                st.button(
                    "Can't judge",
                    key=skip,
                    shortcut="S",
                    type="tertiary",
                    on_click=cast,
                    args=(token, Answer.SKIP.value),
                )
            st.button("Undo", key="undo", shortcut="U", type="tertiary", on_click=undo, disabled=not ballot.can_undo)
            if st.button("Guidelines", key="help", shortcut="H", type="tertiary"):
                show_help()


def _show_said() -> None:
    message = session.take_flash()
    kind, text = (message.kind, message.text) if message else ("", "")
    role = "alert" if kind == "refused" else "status"
    st.html(f'<div class="bo-said {kind}" role="{role}">{html.escape(text)}</div>')
