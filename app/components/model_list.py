"""Models: files of models and of their outputs before they are stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, BinaryIO
from uuid import UUID

import streamlit as st

from app.components import note, session, upload
from app.file_rows import ModelRow
from app.services.generations import GenerationsPreview
from app.services.prompt_sets import PromptSetSummary

MODELS, OUTPUTS = "models", "outputs"
SET_KEY = "manage-outputs-set"
_MODEL_KEY = "manage-outputs-model"
_MODEL_COLUMNS = "JSON Lines or CSV with name, perhaps version, organisation, licence and api_id."
_OUTPUT_COLUMNS = (
    "JSON Lines, CSV or Parquet with prompt_id (or prompt), model and output, perhaps sample, latency_ms, "
    "input_tokens, output_tokens and cost; or MT-bench, AlpacaEval and autoarena files. Models that nobody knows are "
    "made."
)


def typed_model() -> str:
    """Whose outputs a file has that doesn't say so."""
    file = upload.dropped(OUTPUTS)
    return (session.typed(f"{_MODEL_KEY}-{file.file_id}") if file else "") or ""


def choose_prompt_set(sets: Sequence[PromptSetSummary]) -> UUID:
    """The prompt set that outputs are for."""
    names = {row.id: f"{row.name} v{row.version} · {row.n_prompts:,} prompts" for row in sets}
    chosen: UUID = st.selectbox(
        "Prompt set", list(names), format_func=names.__getitem__, key=SET_KEY, persist_state="session"
    )
    return chosen


def show_output_upload(
    prompt_set_id: UUID, read: Callable[[BinaryIO], GenerationsPreview], store: Callable[[], None]
) -> None:
    """The drop zone for outputs, the first rows, and the button that stores them."""
    found = upload.show(OUTPUTS, "File of outputs", read=_shortened(read), version=prompt_set_id, help_=_OUTPUT_COLUMNS)
    if found is None:
        return
    n, n_new, new_models, cells, needs_model = found.found
    file = upload.dropped(OUTPUTS)
    if needs_model and file is not None:
        st.text_input("Whose outputs are these?", upload.plain_name(found.name), key=f"{_MODEL_KEY}-{file.file_id}")
    words = f"{n:,} outputs, none of them bad."
    if n_new < n:
        words += f" {n - n_new:,} are stored already and stay as they are."
    if new_models:
        shown = ", ".join(new_models[:5]) + (f" and {len(new_models) - 5:,} more" if len(new_models) > 5 else "")
        words += f" New models: {shown}."
    note.show(words)
    st.dataframe(cells, hide_index=True, alt="The first outputs of the file")
    st.button(
        f"Store {n_new:,} outputs" if n_new else "Nothing new to store",
        key=f"store-outputs-{session.form_number(OUTPUTS)}",
        type="primary",
        on_click=store,
        disabled=not n_new,
    )


def _shortened(
    read: Callable[[BinaryIO], GenerationsPreview],
) -> Callable[[BinaryIO], tuple[int, int, tuple[str, ...], list[dict[str, Any]], bool]]:
    def first_rows(stream: BinaryIO) -> tuple[int, int, tuple[str, ...], list[dict[str, Any]], bool]:
        preview = read(stream)
        cells = [
            {"Model": row.model, "Prompt": row.prompt_id or row.prompt, "Output": row.output}
            for row in preview.rows[: upload.MOST_PREVIEWED]
        ]
        return len(preview.rows), preview.n_new, preview.new_models, cells, preview.needs_model

    return first_rows


def show_model_upload(read: Callable[[BinaryIO], tuple[list[ModelRow], list[str]]], store: Callable[[], None]) -> None:
    """The drop zone for models; ``read`` returns the rows and the names that are new."""
    found = upload.show(MODELS, "File of models", read=read, help_=_MODEL_COLUMNS, max_mb=20)
    if found is None:
        return
    listed, new = found.found
    n_known = len(listed) - len(new)
    known = f" {n_known:,} are known already and stay as they are." if n_known else ""
    note.show(f"{len(listed):,} models, none of them bad.{known}")
    st.dataframe(
        [_cells(row.name, row.version, row.organisation, row.licence) for row in listed[: upload.MOST_PREVIEWED]],
        hide_index=True,
        alt="The first models of the file",
    )
    st.button(
        f"Store {len(new):,} models" if new else "Nothing new to store",
        key=f"store-models-{session.form_number(MODELS)}",
        type="primary",
        on_click=store,
        disabled=not new,
    )


def _cells(name: str, version: str, organisation: str, licence: str) -> dict[str, str]:
    cells = {"Model": name, "Version": version, "Organisation": organisation, "Licence": licence}
    return {key: value or "–" for key, value in cells.items()}
