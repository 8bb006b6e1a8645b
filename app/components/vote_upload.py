"""Votes that were cast elsewhere: a file becomes a completed study with a leaderboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO
from uuid import UUID

import streamlit as st

from app.components import note, session, upload
from app.services.prompt_sets import PromptSetSummary
from app.services.vote_rows import VotesPreview

FORM = "votes"
_COLUMNS = (
    "CSV, JSON or Parquet, one vote per row: left, right (or model_a, model_b) and winner (left, right, tie, "
    "both_bad); perhaps prompt, rater, voted_at. Files of LMArena, MT-bench, Kaggle and "
    "AlpacaEval, Label Studio, Argilla, and what this app exports, too."
)


def _key(field: str) -> str:
    return f"manage-votes-{field}-{session.form_number(FORM)}"


def typed() -> tuple[str, UUID | None, bool]:
    """The title and the prompt set that stand in the form, and whether the texts of the file are wanted, too."""
    file, prompt_set_id = upload.dropped(FORM), session.chosen(_key("prompts"))
    if file is None:
        return "", prompt_set_id, False
    with_texts = prompt_set_id is None and bool(session.typed(_key(f"texts-{file.file_id}")))
    return session.typed(_key(f"title-{file.file_id}")) or "", prompt_set_id, with_texts


def show(
    sets: Sequence[PromptSetSummary],
    read: Callable[[BinaryIO, UUID | None], VotesPreview],
    store: Callable[[], None],
) -> None:
    """The form; ``store`` is called by its button."""
    names = {row.id: f"{row.name} v{row.version}" for row in sets}
    prompt_set_id = st.selectbox(
        "Prompt set that the rows refer to",
        [None, *names],
        format_func=lambda id_: names[id_] if id_ else "None: of the file's prompts only the names are kept",
        key=_key("prompts"),
    )
    found = upload.show(
        FORM,
        "File of votes",
        read=lambda stream: _shortened(read(stream, prompt_set_id)),
        version=prompt_set_id,
        help_=_COLUMNS,
    )
    file = upload.dropped(FORM)
    if found is None or file is None:
        return
    preview = found.found
    st.text_input("Title of the study", upload.plain_name(found.name), key=_key(f"title-{file.file_id}"))
    note.show_mistake(session.mistakes(FORM).get("title"))
    if preview.has_texts and prompt_set_id is None:
        st.checkbox(
            "Take in the file's prompts and outputs, too",
            value=True,
            key=_key(f"texts-{file.file_id}"),
            help="They become a prompt set of their own, so that Explore and exports show what was judged.",
        )
    new = f" {len(preview.new_models):,} of them are new." if preview.new_models else ""
    raters = f" by {preview.n_raters:,} raters" if preview.n_raters else ""
    note.show(f"{preview.n_votes:,} votes{raters} on {len(preview.models):,} models.{new}")
    st.dataframe(
        [
            {
                "Model a": row.model_a,
                "Model b": row.model_b,
                "Outcome": row.outcome or "can't judge",
                "Prompt": row.prompt_id,
            }
            for row in preview.rows
        ],
        hide_index=True,
        alt="The first votes of the file",
    )
    st.button(f"Store {preview.n_votes:,} votes", key=_key("store"), type="primary", on_click=store)


def _shortened(preview: VotesPreview) -> VotesPreview:
    """What the page shows; the rows themselves are read again when they are stored."""
    rows = preview.rows[: upload.MOST_PREVIEWED]
    return VotesPreview(rows, preview.n_votes, preview.n_raters, preview.models, preview.new_models, preview.has_texts)
