"""Pairs with a known answer for a draft: a file is read at once, shown, and stored for practice or as checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO
from uuid import UUID

import streamlit as st

from app.components import note, session, upload
from app.domain import Purpose
from app.services.gold_files import GoldPreview

FORM = "gold"
_WORDS = {Purpose.PRACTICE: "Practice, with feedback", Purpose.GOLD: "Attention checks"}
_COLUMNS = (
    "JSON Lines, one pair per line: prompt (or messages), left, right, gold (left, right, tie or both_bad), and "
    "reason, which raters read after practice."
)


@dataclass(frozen=True, slots=True)
class Acts:
    """What the dialog needs of its page."""

    count: Callable[[UUID], Mapping[Purpose, int]]
    check: Callable[[BinaryIO], GoldPreview]
    store: Callable[[UUID], None]
    remove: Callable[[UUID, Purpose], None]


def chosen_purpose() -> Purpose:
    """What the file is for."""
    return Purpose(session.typed(_key("purpose")) or Purpose.PRACTICE)


def _key(field: str) -> str:
    return f"manage-gold-{field}-{session.form_number(FORM)}"


@st.dialog("Known answers", width="large")
def show(experiment_id: UUID, acts: Acts) -> None:
    """The dialog of one draft; it closes when there is something to say about what was stored."""
    if session.has_flash():
        st.rerun()
    counts = acts.count(experiment_id)
    for purpose, words in _WORDS.items():
        if n := counts.get(purpose, 0):
            with st.container(horizontal=True, vertical_alignment="center", key=f"row-gold-{purpose}", gap="small"):
                st.markdown(f"{words}: {n:,} pair{'' if n == 1 else 's'}")
                args = (experiment_id, purpose)
                st.button("Remove", key=f"remove-{purpose}", type="tertiary", on_click=acts.remove, args=args)
    st.radio(
        "What the pairs are for", list(_WORDS), format_func=_WORDS.__getitem__, key=_key("purpose"), horizontal=True
    )
    found = upload.show(FORM, "File of pairs", read=acts.check, help_=_COLUMNS, max_mb=20)
    if found is None:
        return
    n, purpose = len(found.found.rows), chosen_purpose()
    note.show(_describe(found.found, purpose, counts.get(purpose, 0)))
    st.dataframe(
        [
            {"Prompt": row.messages[-1].content, "Left": row.left, "Right": row.right, "Answer": row.answer.value}
            for row in found.found.rows[: upload.MOST_PREVIEWED]
        ],
        hide_index=True,
        alt="The first pairs of the file",
    )
    words = f"Store {n:,} pair{'' if n == 1 else 's'}"
    st.button(words, key=_key("store"), type="primary", on_click=acts.store, args=(experiment_id,))


def _describe(preview: GoldPreview, purpose: Purpose, n_before: int) -> str:
    n = len(preview.rows)
    words = f"{n:,} pair{'' if n == 1 else 's'}."
    if purpose == Purpose.PRACTICE and preview.n_without_reason:
        words += f" {preview.n_without_reason:,} without a reason: their feedback says only what was expected."
    if n_before:
        words += f" They take the place of the {n_before:,} stored for this before."
    return words
