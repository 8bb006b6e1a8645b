"""Models against prompts: which outputs are there, and where the holes are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import streamlit as st

from app.components import rows, session
from app.domain import GenerationStatus
from app.services.coverage import PROMPTS_AT_ONCE, Coverage

if TYPE_CHECKING:  # loaded when a grid is drawn: together they are 90 MB, which a server of raters never needs
    import altair as alt
    import pandas as pd

READY, WAITING, MISSING = "ready", "waiting", "missing"
_STATE_OF = {
    GenerationStatus.OK: READY,
    GenerationStatus.WAITING: WAITING,
    GenerationStatus.ASKING: WAITING,
    **{
        status: status.value
        for status in (
            GenerationStatus.EMPTY,
            GenerationStatus.FLAGGED,
            GenerationStatus.DROPPED,
            GenerationStatus.WITHDRAWN,
            GenerationStatus.TRUNCATED,
            GenerationStatus.REFUSED,
            GenerationStatus.FAILED,
        )
    },
}
STATES = (READY, WAITING, "empty", "flagged", "dropped", "withdrawn", "truncated", "refused", "failed", MISSING)
# What is well stays pale; a hole is the darkest thing on the page. Both palettes hold for colour-blind eyes.
_COLOURS = {
    "light": dict(
        zip(
            (*STATES, "text"),
            (
                *("#DCE3EA", "#F4F4F1", "#F2D9A6", "#5B7FC7", "#A9B8D8", "#8E86A6"),
                *("#D9B44A", "#A98A2C", "#7A2A00", "#B23B00", "#1B1B18"),
            ),
            strict=True,
        )
    ),
    "dark": dict(
        zip(
            (*STATES, "text"),
            (
                *("#2B3138", "#1D2024", "#6B5220", "#7FA6F0", "#3F557F", "#6E6690"),
                *("#8F7428", "#B8982F", "#FFB38A", "#F58048", "#ECECEA"),
            ),
            strict=True,
        )
    ),
}
_MOST_MODELS, _ROW = 200, 18
_MOST_LISTED = 500
PAGE_KEY = "manage-grid-page"


def _states(grid: Coverage) -> dict[tuple[UUID, UUID], str]:
    return {
        (model, prompt): MISSING if (status := grid.cells.get((model, prompt))) is None else _STATE_OF[status]
        for model, _ in grid.models
        for prompt, _ in grid.prompts
    }


def counts(grid: Coverage) -> dict[str, int]:
    """How many outputs of the whole set are in each state that there is."""
    found = Counter({MISSING: grid.n_missing})
    for status, state in _STATE_OF.items():
        found[state] += grid.count(status)
    return {state: found[state] for state in STATES if found[state]}


def describe(grid: Coverage) -> str:
    """The grid in one sentence."""
    words = f"{grid.n_there:,} of {grid.n_cells:,} outputs"
    if grid.n_open:
        words += f"; {grid.n_open:,} are on their way"
    words += f"; {grid.n_missing:,} missing" if grid.n_missing else "" if grid.n_open else "; none is missing"
    hidden = [(state, n) for state, n in counts(grid).items() if state not in {READY, WAITING, MISSING}]
    if hidden:
        are = "is" if sum(n for _, n in hidden) == 1 else "are"
        listed = ", ".join(f"{n:,} {are if i == 0 else ''} {state}" for i, (state, n) in enumerate(hidden))
        words += f"; {' '.join(listed.split())}, which raters are never shown"
    return words + "."


def describe_idle(grid: Coverage, models: Iterable[UUID]) -> str:
    """How many of these models the grid has no row for, as a sentence; empty when each has one."""
    n = len(set(models) - {model for model, _ in grid.models})
    have = "1 model has" if n == 1 else f"{n:,} models have"
    return f"{have} no output for these prompts and no row here; an experiment can't use them." if n else ""


def holes(grid: Coverage, state: str) -> str:
    """The cells in this state, by model: ``Tern (1, 4); Heron (2)``."""
    states = _states(grid)
    found = {
        name: [label for prompt, label in grid.prompts if states[model, prompt] == state] for model, name in grid.models
    }
    return "; ".join(f"{name} ({', '.join(labels)})" for name, labels in found.items() if labels)


def chosen_first() -> int:
    """Where in the set the prompts begin that the grid shows."""
    return ((session.typed(PAGE_KEY) or 1) - 1) * PROMPTS_AT_ONCE


def show(grid: Coverage, texts: dict[UUID, str]) -> None:
    """The grid with its legend in words; ``texts`` are the prompts, for the tooltips."""
    kind = "dark" if st.context.theme.type == "dark" else "light"
    n = counts(grid)
    legend = "".join(
        f'<span><i style="background:{_COLOURS[kind][state]}"></i>{count:,} {state}</span>'
        for state, count in n.items()
    )
    st.html(f'<div class="bo-key">{legend}</div>')
    if grid.n_prompts > PROMPTS_AT_ONCE:
        _show_counts(grid)
        last = grid.first + len(grid.prompts)
        st.caption(f"Prompts {grid.first + 1:,} to {last:,} of {grid.n_prompts:,}:")
    if len(grid.models) <= _MOST_MODELS:
        st.altair_chart(_chart(grid, texts, _COLOURS[kind]), alt=describe(grid), key="coverage-grid")
    else:
        rows.show_empty(f"{len(grid.models):,} models are too many to draw.")
    if grid.n_prompts > PROMPTS_AT_ONCE:
        st.pagination(math.ceil(grid.n_prompts / PROMPTS_AT_ONCE), key=PAGE_KEY)
    found = Counter(_states(grid).values())
    for state in reversed(STATES[1:]):
        if state != WAITING and 0 < found[state] <= _MOST_LISTED:
            with st.expander(f"{state.capitalize()}: {found[state]:,}", expanded=False):
                st.text(holes(grid, state))


def _cells(grid: Coverage, texts: dict[UUID, str]) -> pd.DataFrame:
    """One row per cell. Two models may share a name, so a number that the labels leave out tells rows apart."""
    import pandas as pd  # noqa: PLC0415

    states = _states(grid)
    return pd.DataFrame(
        [
            {
                "model": f"{i:04}{name}",
                "name": name,
                "prompt": label,
                "state": states[model, prompt],
                "text": texts[prompt],
            }
            for i, (model, name) in enumerate(grid.models)
            for prompt, label in grid.prompts
        ]
    )


def _chart(grid: Coverage, texts: dict[UUID, str], colours: dict[str, str]) -> alt.Chart:
    import pandas  # noqa: F401, I001, PLC0415 - Altair fails when it meets one that another thread is still loading
    import altair as alt  # noqa: PLC0415

    axis: dict[str, Any] = {
        "title": None,
        "domain": False,
        "ticks": False,
        "labelColor": colours["text"],
        "labelFontSize": 12,
    }
    names: dict[str, Any] = {
        "labelExpr": "slice(datum.value, 4)",
        "labelLimit": 200,
        "labelOverlap": False,
        "labelBound": False,
    }
    top = alt.Axis(**axis, orient="top", labelAngle=0, labelOverlap=True)
    left = alt.Axis(**axis, **names, labelFlush=False)
    states = STATES
    chart: alt.Chart = (
        alt.Chart(_cells(grid, texts))
        .mark_rect(cornerRadius=2)
        .encode(
            x=alt.X("prompt:N", sort=None, axis=top, scale=alt.Scale(paddingInner=0.12, paddingOuter=0)),
            y=alt.Y("model:N", sort=None, axis=left, scale=alt.Scale(paddingInner=0.16, paddingOuter=0)),
            color=alt.Color(
                "state:N", scale=alt.Scale(domain=states, range=[colours[state] for state in states]), legend=None
            ),
            tooltip=[
                alt.Tooltip("name:N", title="Model"),
                alt.Tooltip("prompt:N", title="Prompt"),
                alt.Tooltip("text:N", title="Text"),
                alt.Tooltip("state:N", title="Output"),
            ],
        )
        .properties(height=len(grid.models) * _ROW + 24, padding={"left": 0, "right": 0, "top": 0, "bottom": 0})
        .configure_view(stroke=None)
    )
    return chart


def _show_counts(grid: Coverage) -> None:
    """The numbers of the whole set, a row per model."""
    shown = [state for state in STATES if state in counts(grid)]
    cells = []
    for model, name in grid.models:
        found = Counter({MISSING: grid.n_prompts - sum(grid.counts.get(model, {}).values())})
        for status, n in grid.counts.get(model, {}).items():
            found[_STATE_OF[status]] += n
        cells.append({"Model": name, **{state.capitalize(): found[state] for state in shown}})
    st.dataframe(cells, hide_index=True, height=min(36 * (len(cells) + 1) + 2, 400), alt=describe(grid))
