"""The strip about the vote just cast: how much better, why, a comment, who made it. It never holds up the next battle.

It is one line until somebody asks for more, and one line again after a vote about which nothing was said. What is said
is stored at once as a revision of the vote, and only the strip is drawn anew for it. Its keys are made of the battle's
id alone.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import UUID

import streamlit as st

from app.components import session, turn
from app.domain import Answer, Role, Study
from app.errors import BakeoffError
from app.services import guesses, remarks
from app.services.remarks import Given
from app.study import BAD_REASONS, DONT_KNOW, GOOD_REASONS, LONGEST_COMMENT, Asks, Remarks, SkipReason, Strength

_STATE, _OPEN, _OWN = "bakeoff_strip", "bakeoff_strip_open", "bakeoff_strip_own"
_TOLD = "bakeoff_strip_told"
SAID = {
    Answer.LEFT: "Left is better",
    Answer.RIGHT: "Right is better",
    Answer.TIE: "Tie",
    Answer.BOTH_BAD: "Both are bad",
    Answer.SKIP: "Can't judge",
}
_STRENGTHS = {Strength.SLIGHTLY: "Slightly", Strength.CLEARLY: "Clearly"}
SKIPS = {
    SkipReason.NOT_MY_FIELD: "Not my field",
    SkipReason.WRONG_LANGUAGE: "Wrong language",
    SkipReason.BROKEN: "Broken",
    SkipReason.UNSAFE: "Unsafe",
}


@dataclass(frozen=True, slots=True)
class _Strip:
    """What the strip is about, kept in the state under ``place``.

    ``is_known``: ``remarks`` are what the database holds, not merely what a new vote has.
    """

    token: str
    answer: Answer
    remarks: Remarks = field(default_factory=Remarks)
    is_known: bool = False
    is_used: bool = False
    message: str = ""
    is_refused: bool = False
    place: str = _STATE


def begin(token: str, answer: Answer) -> None:
    """Turn to the vote that was just cast; a strip about which nothing was said closes."""
    before: _Strip | None = session.typed(_STATE)
    if before is not None and not before.is_used:
        session.choose(_OPEN, False)
    session.choose(_STATE, _Strip(token, answer))


def is_about(token: str) -> bool:
    """Whether the last vote of this page is the one on this battle."""
    strip: _Strip | None = session.typed(_STATE)
    return strip is not None and strip.token == token


def forget() -> None:
    """Be about no vote, since the last one was taken back."""
    session.choose(_STATE, None)


def load_again() -> None:
    """Read anew what the last vote says, since it may have been changed elsewhere."""
    session.drop(_STATE)


def show(study: Study) -> None:
    """The strip, where the study asks for any of it and this rater has voted in it."""
    if not study.asks.is_anything:
        return
    if not session.has(_STATE):  # a new page: the vote before it was loaded is still the last one
        last = remarks.find_last(session.require(Role.RATER), study.id)
        session.choose(_STATE, None if last is None else _known(last))
    if session.typed(_STATE) is not None:
        _show_strip(study.asks, study.id)


def show_told(study: Study, battle_id: UUID) -> None:
    """The same about a vote after which the names were shown, so that nobody is asked who made it."""
    asks = replace(study.asks, guess=False)
    if not asks.is_anything:
        return
    before: _Strip | None = session.typed(_TOLD)
    if before is None or before.token != str(battle_id):
        session.choose(_OPEN, False)
        session.choose(_TOLD, _known(remarks.get_given(session.require(Role.RATER), battle_id), place=_TOLD))
    _show_strip(asks, study.id, _TOLD)


def _known(given: Given, **more: Any) -> _Strip:
    return _Strip(str(given.battle_id), given.answer, given.remarks, is_known=True, **more)


def show_own(given: Given) -> None:
    """The same about an earlier vote, all of it open; drawn below the pair on My votes."""
    if given.asks.is_anything and given.can_change:
        before: _Strip | None = session.typed(_OWN)
        now = str(given.battle_id), given.answer, given.remarks
        if before is None or (before.token, before.answer, before.remarks) != now:
            session.choose(_OWN, _known(given, place=_OWN))
        _show_own(given.asks, given.experiment_id)


@st.fragment
def _show_own(asks: Asks, experiment_id: UUID) -> None:
    strip: _Strip = session.typed(_OWN)
    with st.container(key="strip-own"):
        st.html(f'<div class="bo-strip">{_message(strip)}</div>')
        if strip.answer == Answer.SKIP and asks.skip_reason:
            _show_skip_reason(strip)
        if strip.answer in (Answer.LEFT, Answer.RIGHT) and asks.strength:
            _show_strength(strip)
        show_fields(strip, asks, experiment_id)


@st.fragment
def _show_strip(asks: Asks, experiment_id: UUID, place: str = _STATE) -> None:
    if session.is_behind():  # a vote and the comment before it came together, and only the strip was asked for
        st.rerun()
    strip: _Strip = session.typed(place)
    is_open = bool(session.typed(_OPEN)) and asks.has_more
    if is_open and not strip.is_known:
        strip = _loaded(strip)
    with st.container(horizontal=True, vertical_alignment="center", key="strip", gap="small"):
        st.html(_line(strip))
        if strip.answer == Answer.SKIP:
            if asks.skip_reason:
                _show_skip_reason(strip)
            has_more = asks.comment
        else:
            if asks.strength and strip.answer in (Answer.LEFT, Answer.RIGHT):
                _show_strength(strip)
            has_more = asks.reasons or asks.comment or asks.guess
        if has_more:
            label = "Close" if is_open else "Say why" if asks.reasons or asks.comment else "Who made it?"
            st.button(label, key="say-why", shortcut="W", type="tertiary", on_click=_toggle, args=(not is_open,))
    if is_open and has_more:
        show_fields(strip, asks, experiment_id)


def _loaded(strip: _Strip) -> _Strip:
    """What the database says of it: a battle that comes back after an undo brings its comment along."""
    try:
        given = remarks.get_given(session.require(Role.RATER), UUID(strip.token))
    except BakeoffError:
        return strip
    strip = _known(given, is_used=strip.is_used)
    session.choose(_STATE, strip)
    return strip


def _line(strip: _Strip) -> str:
    said = f"You said <b>{SAID[strip.answer]}</b>" if strip.answer != Answer.SKIP else "You skipped that pair"
    return f'<div class="bo-strip bo-of-{strip.token}"><span>{said}</span>{_message(strip)}</div>'


def _message(strip: _Strip) -> str:
    kind = "alert" if strip.is_refused else "status"
    return f'<em class="bo-kept" role="{kind}">{html.escape(strip.message)}</em>' if strip.message else ""


def _toggle(is_open: bool) -> None:
    session.choose(_OPEN, is_open)


def _show_skip_reason(strip: _Strip) -> None:
    _show_choice(partial(st.pills, wrap=True), "Why can't you judge it?", SKIPS, strip, "skip_reason", "why-not")


def _show_strength(strip: _Strip) -> None:
    _show_choice(st.segmented_control, "How much better?", _STRENGTHS, strip, "strength", "strength")


def _show_choice(
    widget: Callable[..., Any], label: str, options: Mapping[Any, str], strip: _Strip, name: str, prefix: str
) -> None:
    """One of a few words, stored as the remark of this ``name`` at once."""
    key = f"{prefix}-{strip.token}"
    widget(
        label,
        list(options),
        default=getattr(strip.remarks, name),
        format_func=options.__getitem__,
        key=key,
        label_visibility="collapsed",
        on_change=keep,
        args=(strip.place, strip.token, name, key),
    )


def show_fields(strip: _Strip, asks: Asks, experiment_id: UUID) -> None:
    """What takes more than one click: reasons and guesses for each side, and the comment."""
    is_skip = strip.answer == Answer.SKIP
    with st.container(key="strip-more"):
        for side in ("left", "right"):
            if asks.reasons and not is_skip:
                _show_reasons(strip, side)
        for side in ("left", "right"):
            if asks.guess and not is_skip:
                _show_guess(strip, side, experiment_id)
        if asks.comment:
            key = f"comment-{strip.token}"
            st.text_area(
                "Comment",
                strip.remarks.comment,
                height=96,
                max_chars=LONGEST_COMMENT,
                key=key,
                placeholder="Anything that the study should know about this pair",
                on_change=keep,
                args=(strip.place, strip.token, "comment", key),
            )


def _show_reasons(strip: _Strip, side: str) -> None:
    key = f"reasons-{side}-{strip.token}"
    st.pills(
        f"The {side} one was",
        (*GOOD_REASONS, *BAD_REASONS),
        selection_mode="multi",
        default=getattr(strip.remarks, side),
        format_func=str.capitalize,
        key=key,
        on_change=keep,
        args=(strip.place, strip.token, side, key),
    )


def _show_guess(strip: _Strip, side: str, experiment_id: UUID) -> None:
    """A guess from all models of the study, in the same order for every side, battle and rater."""
    options = {**dict(guesses.guess_options(experiment_id)), DONT_KNOW: "I don't know"}
    said = getattr(strip.remarks, f"guess_{side}")
    key = f"guess-{side}-{strip.token}"
    keys = list(options)
    st.selectbox(
        f"Who made the {side} one?",
        keys,
        keys.index(said) if said in options else None,
        format_func=options.__getitem__,
        key=key,
        placeholder="Your guess",
        on_change=keep,
        args=(strip.place, strip.token, f"guess_{side}", key),
    )


def keep(place: str, token: str, name: str, key: str) -> None:
    """Store what was just said; nothing touches Streamlit's state before that, see ``pages/vote.py``."""
    turn.take()
    said = session.peek(key)
    value = tuple(said or ()) if name in ("left", "right") else (said or "") if name == "comment" else said
    try:
        given = remarks.remark(session.require(Role.RATER), UUID(token), **{name: value})
    except BakeoffError as error:
        strip: _Strip | None = session.typed(place)
        if strip is not None and strip.token == token:
            session.choose(place, replace(strip, message=str(error), is_refused=True, is_used=True))
        else:
            session.flash(str(error), "refused")
        return
    now: _Strip | None = session.typed(place)
    if now is not None and now.token == token:
        session.choose(place, _known(given, place=place, is_used=True, message="Kept"))
