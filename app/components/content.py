"""What stands on the screen of a battle: the prompt over its two answers, and how to look at them closely.

A battle of two texts, the usual one, is three elements, since each costs time at every vote. The style sheet knows them
by their places before the bar; zoom, overlay, players and the plain text are the work of ``assets/content.js``, in the
browser alone.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from app.components.text import images_markdown, is_too_much, to_markdown
from app.domain import BlindBattle, Part
from app.services.shown import as_chat

_GONE = '<p class="bo-gone">This file is missing. Say “Can\'t judge”, so that it counts for nobody.</p>'
_SWITCH = (
    '<button type="button" class="bo-switch" aria-pressed="false" title="Show all texts as they were written">'
    "Plain<kbd>P</kbd></button>"
)

_TOGETHER = {
    "image": '<button type="button" class="bo-over-button">One over the other</button>',
    "video": '<button type="button" class="bo-both">Play both from the start, without sound</button>',
}


def show_switch() -> None:
    """The switch between rendered and plain text, for the prompt and both sides at once; it works in the browser."""
    st.html(_SWITCH)


def show_battle(battle: BlindBattle) -> None:
    """The prompt over the two answers, right before the bar."""
    show_prompt(battle)
    if battle.sides is None:
        show_text(battle.left)
        show_text(battle.right)
        return
    alone = {side[0].kind if len(side) == 1 else "" for side in battle.sides}
    is_pair = alone in ({"image"}, {"video"})
    for name, side in zip(("Left", "Right"), battle.sides, strict=True):
        if len(side) == 1 and side[0].kind != "text":
            st.html(_media(side, name, must_play=battle.must_play, is_pair=is_pair))
        else:
            with st.container():
                _show_side(battle, side, name)


def show_prompt(battle: BlindBattle) -> None:
    """The prompt alone, with its images."""
    # The images have an element of their own, since a code fence that the text never closes would swallow them.
    images = images_markdown(battle.attachments).strip()
    if len(battle.prompt) == 1 and not images:
        show_text(battle.prompt[0].content)
        return
    with st.container():
        for message in battle.prompt:
            if len(battle.prompt) == 1:
                show_text(message.content)
            else:
                with st.chat_message("user" if message.role == "user" else "assistant"):
                    show_text(message.content)
        if images:
            st.markdown(images)


def show_left(battle: BlindBattle) -> None:
    """The left answer alone; nothing has to be played."""
    if battle.sides is None:
        show_text(battle.left)
    else:
        _show_side(battle, battle.sides[0], "Left")


def show_right(battle: BlindBattle) -> None:
    """The right answer alone."""
    if battle.sides is None:
        show_text(battle.right)
    else:
        _show_side(battle, battle.sides[1], "Right")


def _show_side(battle: BlindBattle, side: Sequence[Part], name: str) -> None:
    """A side of several parts: as a chat where it answered in turns; media that follow each other are one element."""
    chat = as_chat(battle.prompt, side)
    is_chat = any(role == "user" for role, _ in chat)
    waiting: list[Part] = []
    for role, part in [*chat, ("", Part("", ""))]:
        if part.kind in {"image", "audio", "video"}:
            waiting.append(part)
            continue
        if waiting:
            st.html(_media(waiting, name, must_play=battle.must_play))
            waiting = []
        if part.kind == "text" and is_chat:
            with st.chat_message(role):
                show_text(part.content)
        elif part.kind == "text":
            show_text(part.content)


def show_text(text: str) -> None:
    """A text as Markdown, or as it is written where drawing it would keep the rater waiting."""
    if is_too_much(text):
        st.text(text)
    else:
        st.markdown(to_markdown(text))


def _media(parts: Sequence[Part], name: str, *, must_play: bool, is_pair: bool = False) -> str:
    """Images and players; the addresses are our own and name nothing."""
    played = " data-must-play" if must_play else ""
    pair = " data-pair" if is_pair else ""
    shown = []
    for part in parts:
        source, label = html.escape(part.content), f"{name}: {part.kind}"
        if not part.content:
            shown.append(_GONE)
        elif part.kind == "image":
            shown.append(
                f'<button type="button" class="bo-zoom" aria-label="{label}, look closely">'
                f'<img src="{source}" alt="{label}"></button>'
            )
        else:
            more = " playsinline" if part.kind == "video" else ""
            shown.append(f'<{part.kind} src="{source}" controls preload="metadata" aria-label="{label}"{played}{more}>')
            shown.append(f"</{part.kind}>")
    if is_pair:
        shown.append(_TOGETHER[parts[0].kind])
    return f'<div class="bo-media" data-side="{name}"{pair}>{"".join(shown)}</div>'
