"""How evenly pairs were shown, as a chart that ships only what it draws."""

from __future__ import annotations

import functools
from html import escape
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.components.board import counted
from app.services.quality import Balance

MOST_BARS = 30
_BAR = {"light": "#0072B2", "dark": "#56B4E9"}  # Okabe and Ito's blues


def show_pairs(found: Balance) -> None:
    """Over how many pairs have how many votes."""
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415

    counts = found.met[np.triu_indices(len(found.models), 1)]
    if not len(counts):
        return
    edges = _edges(counts)
    n, _ = np.histogram(counts, bins=edges)
    labels = [_label(low, high) for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)]
    theme = "dark" if st.context.theme.type == "dark" else "light"
    most = int(np.argmax(n))
    said = f"Most often a pair has {labels[most]} votes: {counted(int(n[most]), 'pair')} of {len(counts):,}."
    columns = {"place": list(range(len(n))), "votes": labels, "pairs": n.tolist()}
    # Without a domain the browser complains of the moment before it has the numbers.
    spec = _histogram(theme, int(n.max()))
    st.vega_lite_chart(pa.table(columns), spec, width="stretch", alt=f"Pairs by number of votes. {said}", key="pairs")
    st.html(f'<p class="bo-legend">Pairs of models by the number of votes on them. {escape(said)}</p>')


def _edges(counts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers of votes, in at most 30 equal steps."""
    low, high = int(counts.min()), int(counts.max())
    step = max(1, -(-(high - low + 1) // MOST_BARS))
    return np.arange(low, high + step + 1, step)


def _label(low: int, high: int) -> str:
    return f"{low:,}" if high - low == 1 else f"{low:,}–{high - 1:,}"


@functools.lru_cache(maxsize=64)
def _histogram(theme: str, most: int) -> dict[str, Any]:
    """Made once, as in ``charts``: Altair takes long for it."""
    import altair as alt  # noqa: PLC0415
    import pandas  # noqa: F401, PLC0415 - Altair fails when another thread is still loading it

    axis = alt.Axis(tickMinStep=1, tickCount=4)
    base = alt.Chart().encode(
        x=alt.X("votes:N", sort=None, title="Votes on the pair", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
        y=alt.Y("pairs:Q", title="Pairs", stack=None, scale=alt.Scale(domain=[0, most]), axis=axis),
        tooltip=[alt.Tooltip("votes:N", title="Votes"), alt.Tooltip("pairs:Q", title="Pairs", format=",")],
    )
    chart = base.mark_bar(color=_BAR[theme]).properties(height=200)
    spec: dict[str, Any] = chart.configure_view(strokeWidth=0).configure_axis(ticks=False, domain=False).to_dict()
    spec.pop("data", None)  # Altair's stand-in for "no data" would draw a row of its own
    spec.pop("datasets", None)
    return spec
