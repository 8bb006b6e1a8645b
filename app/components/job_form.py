"""Which models are asked, and how: what starts a generation job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import streamlit as st

from app.components import note, rows, session
from app.connectors._protocol import Sampling
from app.services.generations import ModelChoice

FORM = "generate"
MODELS_KEY = "manage-generate-models"


def _key(name: str) -> str:
    return f"manage-generate-{name}"


def chosen_models() -> list[UUID]:
    """The models that are chosen in the form."""
    return list(session.typed(MODELS_KEY) or [])


def typed_sampling() -> Sampling:
    """The settings that stand in the form."""
    return Sampling(
        system=(session.typed(_key("system")) or "").strip(),
        temperature=session.typed(_key("temperature")),
        top_p=session.typed(_key("top_p")),
        max_tokens=session.typed(_key("max_tokens")),
        seed=session.typed(_key("seed")),
    )


def typed_samples() -> int:
    """How often each prompt is asked, as it stands in the form."""
    return session.typed(_key("samples")) or 1


def show(
    models: Sequence[ModelChoice],
    count: Callable[[list[UUID], Sampling, int], tuple[int, int]],
    start: Callable[[], None],
) -> None:
    """The form; ``count`` says how many generations are missing and how many failed, ``start`` begins the job."""
    askable = {row.id: f"{row.name} {row.version}".strip() for row in models if row.connector != "file"}
    if not askable:
        rows.show_empty("No model can be asked yet: register one with its endpoint on the Models page.")
        return
    st.multiselect(
        "Models to ask",
        list(askable),
        format_func=askable.__getitem__,
        key=MODELS_KEY,
        default=list(askable),
        persist_state="session",
    )
    _show_settings()
    mistake = session.mistakes(FORM)
    note.show_mistake(mistake.get("form"))
    chosen = chosen_models()
    if not chosen:
        note.show("Choose at least one model.")
        return
    n_new, n_failed = count(chosen, typed_sampling(), typed_samples())
    again = f", {n_failed:,} of them failed before" if n_failed else ""
    n = n_new + n_failed
    note.show(f"{n:,} outputs are missing with these settings{again}." if n else "All are there or being asked for.")
    st.button(
        f"Ask for {n:,} outputs" if n else "Nothing to ask for",
        key="start-generation",
        type="primary",
        on_click=start,
        disabled=not n,
    )


def _show_settings() -> None:
    with st.expander("How they are asked", expanded=False):
        st.caption(
            "What is left empty is left to the endpoint. Other settings give outputs of their own; a study shows each "
            "model at one setting, the one with the most outputs."
        )
        left, middle, right = st.columns(3)
        left.number_input("Outputs of each prompt", 1, 100, 1, key=_key("samples"), persist_state="session")
        middle.number_input("Temperature", 0.0, 5.0, None, 0.1, key=_key("temperature"), persist_state="session")
        right.number_input("Top-p", 0.0, 1.0, None, 0.05, key=_key("top_p"), persist_state="session")
        left.number_input("Most tokens", 1, 1_000_000, None, key=_key("max_tokens"), persist_state="session")
        middle.number_input("Seed", 0, None, None, key=_key("seed"), persist_state="session")
        st.text_area("System prompt", key=_key("system"), height=80, persist_state="session")
