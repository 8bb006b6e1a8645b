"""How a study leads its raters, as a part of the form of its design."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app.components import note, session
from app.services.leading import PROLIFIC
from app.study import Flow

_NONE, _PROLIFIC, _OTHER = "None: raters come by invite links", "Prolific", "Another panel"
_CODES = (("code_done", "Code: done"), ("code_screened_out", "Code: screened out"), ("code_over_quota", "Code: full"))

_PLAY_HELP = (
    "The browser holds the answers back until both sides were played, and the server refuses one that comes before the "
    "longest of them can have been. For a film that doesn't say how long it is, and for files that were taken in "
    "before Bakeoff noted it, the browser alone holds the lock."
)


def _key(form: str, field: str) -> str:
    return f"manage-{form}-flow-{field}-{session.form_number(form)}"


def typed(form: str) -> Flow:
    """What stands in the form."""
    panel = session.typed(_key(form, "panel")) or _NONE
    name = (session.typed(_key(form, "parameter")) or "").strip()
    must_play = session.typed(_key(form, "must_play"))
    return Flow(
        consent=(session.typed(_key(form, "consent")) or "").strip(),
        needs_practice=bool(session.typed(_key(form, "needs_practice"))),
        gold_every=session.typed(_key(form, "gold_every")),
        most_failed_checks=session.typed(_key(form, "most_failed_checks")),
        repeat_every=session.typed(_key(form, "repeat_every")),
        must_play=True if must_play is None else bool(must_play),
        shows_agreement=bool(session.typed(_key(form, "shows_agreement"))),
        # A blank name can't be stored, so that a forgotten one is told.
        panel={_NONE: "", _PROLIFIC: PROLIFIC}.get(panel, name or " "),
        **{field: (session.typed(_key(form, field)) or "").strip() for field, _ in _CODES},
    )


def show(form: str, start: Flow, mistakes: Mapping[str, str]) -> None:
    """Everything about how raters are led; closed while it is as usual."""
    is_open = start != Flow() or any(field.startswith("flow.") for field in mistakes)
    with st.expander("How raters are led", expanded=is_open):
        st.text_area(
            "Consent, in Markdown; raters agree to it before they see anything",
            start.consent,
            key=_key(form, "consent"),
            persist_state="session",
            placeholder="No consent is asked for",
        )
        note.show_mistake(mistakes.get("flow.consent"))
        _toggle(form, "needs_practice", "Practice round first, with feedback", start.needs_practice)
        _show_checks(form, start, mistakes)
        _toggle(form, "must_play", "Audio and video must be played before a vote", start.must_play, _PLAY_HELP)
        _toggle(form, "shows_agreement", "At the end, tell raters how often others agreed", start.shows_agreement)
        _show_panel(form, start, mistakes)


def _toggle(form: str, field: str, label: str, value: bool, help_: str | None = None) -> None:
    st.toggle(label, value, key=_key(form, field), persist_state="session", help=help_)


def _number(form: str, field: str, label: str, value: int | None, least: int, hint: str, help_: str) -> None:
    st.number_input(
        label, least, 1000, value, key=_key(form, field), persist_state="session", placeholder=hint, help=help_
    )


def _show_checks(form: str, start: Flow, mistakes: Mapping[str, str]) -> None:
    fields = (
        ("gold_every", "One attention check in", start.gold_every, 2, "Never", "Battles; the pairs come as a file."),
        (
            "most_failed_checks",
            "Failed checks allowed",
            start.most_failed_checks,
            0,
            "Any number",
            "A rater who fails more is thanked and sent away, and their votes are left out of the board.",
        ),
        (
            "repeat_every",
            "One repeat in",
            start.repeat_every,
            2,
            "Never",
            "Battles that a rater answered before, with the sides swapped; they show how consistent each rater is.",
        ),
    )
    for column, (field, label, value, least, hint, help_) in zip(st.columns(3), fields, strict=True):
        with column:
            _number(form, field, label, value, least, hint, help_)
            note.show_mistake(mistakes.get(f"flow.{field}"))


def _show_panel(form: str, start: Flow, mistakes: Mapping[str, str]) -> None:
    kinds = [_NONE, _PROLIFIC, _OTHER]
    at = 0 if not start.panel else 1 if start.panel == PROLIFIC else 2
    chosen = st.selectbox("Panel", kinds, at, key=_key(form, "panel"), persist_state="session")
    if chosen == _OTHER:
        st.text_input(
            "Parameter of the link that carries the participant's id",
            "" if at < 2 else start.panel,
            key=_key(form, "parameter"),
            persist_state="session",
            placeholder="respondent_id",
        )
    note.show_mistake(mistakes.get("flow.panel"))
    for column, (field, label) in zip(st.columns(3), _CODES, strict=True):
        with column:
            st.text_input(label, getattr(start, field), key=_key(form, field), persist_state="session")
            note.show_mistake(mistakes.get(f"flow.{field}"))
