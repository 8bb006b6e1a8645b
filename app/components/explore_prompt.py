"""One prompt across all models: the outputs side by side, the highest rating first, each with its votes here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from uuid import UUID

import streamlit as st

from app.components import content, note, session
from app.components.axis import ELO, SHARE
from app.components.board import counted
from app.components.explore_battles import NO_OUTPUT, NO_PROMPT, link
from app.services.explore_prompts import OnPrompt, PromptAcrossModels
from app.services.withdrawing import LONGEST_REASON

PER_ROW = 12
_WARNING = (
    "No rater is shown it any more, from now on, in no study. Who has it on the screen gets another pair. "
    "The votes on it are kept."
)


@dataclass(frozen=True, slots=True)
class Acts:
    """What an admin can do about an output, by its id."""

    withdraw: Callable[[UUID], None]
    put_back: Callable[[UUID], None]


def n_pages(found: PromptAcrossModels) -> int:
    """How many rows of models there are to turn."""
    return max(1, -(-len(found.models) // PER_ROW))


def show(found: PromptAcrossModels, *, study: str, page: int, acts: Acts | None) -> None:
    """The prompt over a row of outputs that scrolls sideways; an admin has ``acts`` on them."""
    tags = "".join(f'<span class="bo-tag">{escape(name)}: {escape(value)}</span>' for name, value in found.tags.items())
    st.html(
        f'<div class="bo-seen-head"><p><b>Prompt {escape(found.name)}</b>{tags}</p><div class="bo-seen-links">'
        f'<span class="bo-row-facts">{counted(found.n_votes, "vote")}</span>'
        f"{link('Its votes', study=study, prompt=found.id.hex)}"
        f"{link('All prompts', study=study, view='Prompts')}</div></div>"
    )
    with st.container(key=f"seen-prompt-{found.id}"):
        if found.screen.prompt:
            content.show_prompt(found.screen)
        else:
            st.html(f'<p class="bo-missing">{NO_PROMPT}</p>')
    if not found.models:
        st.html('<div class="bo-empty">No model has an output or a vote on this prompt.</div>')
        return
    first = (page - 1) * PER_ROW
    shown = found.models[first : first + PER_ROW]
    st.caption(
        f"Models {first + 1} to {first + len(shown)} of {len(found.models)}, the highest rating in the study first. "
        "Won here: wins on this prompt, a tie or both bad counting half, with the 95 % Wilson interval."
    )
    with st.container(horizontal=True, wrap=False, key="across", vertical_alignment="top"):
        for place, one in enumerate(shown):
            with st.container(key=f"across-{place}", width=380, gap="small"):
                st.html(_head(one, first + place + 1))
                if acts is not None and one.output_id is not None:
                    _show_acts(one, one.output_id, acts)
                if one.has_output:
                    content.show_left(one.screen)
                else:
                    st.html(f'<p class="bo-missing">{NO_OUTPUT}</p>')


def reason_key(output_id: UUID) -> str:
    """The key of the field in which the reason of a withdrawal is typed."""
    return f"withdraw-reason-{output_id}"


def _show_acts(one: OnPrompt, output_id: UUID, acts: Acts) -> None:
    if one.is_withdrawn:
        st.button("Show it again", key=f"put-back-{output_id}", on_click=acts.put_back, args=(output_id,))
    elif one.is_shown:
        with st.popover("Withdraw", type="tertiary", key=f"withdraw-{output_id}"):
            st.html(f"<p>{_WARNING}</p>")
            st.text_input("Reason", key=reason_key(output_id), max_chars=LONGEST_REASON)
            note.show_mistake(session.mistakes(reason_key(output_id)).get("reason"))
            st.button("Withdraw it", key=f"really-{output_id}", on_click=acts.withdraw, args=(output_id,))


def _head(one: OnPrompt, place: int) -> str:
    rating = "no rating yet" if one.rating is None else f"rated {ELO.text(one.rating)}"
    if one.win_rate is None:
        won = "no votes on this prompt"
    else:
        bounds = f"{ELO.write(100 * one.lower)} to {SHARE.text(one.upper)}"
        won = f"won here {SHARE.text(one.win_rate)} ({bounds}) of {counted(one.n_votes, 'vote')}"
    note = f'<p class="bo-missing">{escape(one.note)}</p>' if one.note else ""
    return (
        f'<div class="bo-seen-side"><p><i>{place}</i><b>{escape(one.model)}</b></p>'
        f'<div class="bo-row-facts">{rating} · {won}</div>{note}</div>'
    )
