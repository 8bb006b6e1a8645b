"""A rater's own votes as a list, and one of them opened: the words are about sides, as they were on the screen."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from uuid import UUID

import streamlit as st

from app.components import moment, rows
from app.components.strip import SAID, SKIPS
from app.domain import Answer
from app.services.own_votes import OwnVote
from app.services.remarks import Given
from app.study import DONT_KNOW, Remarks


def show(found: Sequence[OwnVote], open_: Callable[[UUID], None]) -> None:
    """One row for each vote, newest first."""
    for own in found:
        with st.container(
            horizontal=True, vertical_alignment="center", wrap=False, key=f"row-own-{own.battle_id}", gap="small"
        ):
            st.html(_row(own), width="stretch")
            st.button("Open", key=f"open-{own.battle_id}", on_click=open_, args=(own.battle_id,))


def _row(own: OwnVote) -> str:
    said = "".join(f"<span>{html.escape(part)}</span>" for part in _parts(own.remarks))
    comment = f"<q>{html.escape(own.remarks.comment)}</q>" if own.remarks.comment else ""
    facts = rows.facts(moment.minute(own.voted_at), _seconds(own.dwell_ms), own.study)
    sides = "".join(
        f'<div class="bo-own-side{" bo-own-won" if own.answer == side else ""}"><i>{name}</i>{html.escape(text)}</div>'
        for side, name, text in ((Answer.LEFT, "Left", own.left), (Answer.RIGHT, "Right", own.right))
    )
    return (
        f'<div class="bo-own"><div class="bo-own-prompt">{html.escape(own.prompt)}</div>'
        f'<div class="bo-own-sides">{sides}</div>'
        f'<div class="bo-own-said"><b>{SAID[own.answer]}</b>{said}{comment}</div>'
        f'<div class="bo-row-facts">{html.escape(facts)}</div></div>'
    )


def _parts(said: Remarks) -> list[str]:
    """What was said beside the answer, in a few words each; a guess is a name and stays out of the list."""
    parts = [str(said.strength)] if said.strength else []
    parts += [
        f"{name}: {', '.join(reasons)}" for name, reasons in (("left", said.left), ("right", said.right)) if reasons
    ]
    if said.skip_reason:
        parts.append(SKIPS[said.skip_reason].lower())
    if {said.guess_left, said.guess_right} - {None, DONT_KNOW}:
        parts.append("guessed who made it")
    return parts


def _seconds(dwell_ms: int | None) -> str:
    if dwell_ms is None:
        return ""
    seconds = dwell_ms / 1000
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"


def show_given(given: Given) -> None:
    """What was said about the pair below, and when."""
    took = f" · {_seconds(given.dwell_ms)}" if given.dwell_ms is not None else ""
    answer = (
        "You said that you can't judge it" if given.answer == Answer.SKIP else f"You said <b>{SAID[given.answer]}</b>"
    )
    hint = (
        "Press another answer to change it."
        if given.can_change
        else "Its study has ended, or its names were shown, so your answer stands as it is."
    )
    st.html(
        f'<div class="bo-strip bo-given"><span>{answer}</span>'
        f"<span>{html.escape(moment.minute(given.voted_at))}{took}</span><span>{hint}</span></div>"
    )
