"""Charts of the results pages. Each ships only the columns that it draws, and says in words what it shows."""

from __future__ import annotations

import functools
from html import escape
from typing import Any, Literal

import streamlit as st

from app.services.leaderboard import Board

MOST_WITH_NUMBERS = 15
_ROW_PX, _NUMBERED_ROW_PX = 14, 34
_NAMES_PX, _CELL_PX = 150, 92  # of the matrix with numbers
# From losing to winning; orange and blue stay apart for colour-blind eyes, and the middle is the page's own neutral.
_SHARES = {"light": ["#C8500A", "#EFEFEA", "#0A5A96"], "dark": ["#E8812F", "#2B2B30", "#5AB0EE"]}
_INK = {"light": ("#1B1B18", "#FFFFFF"), "dark": ("#ECECEA", "#111113")}


def show_win_matrix(board: Board) -> None:
    """The share of votes that each model won against each other one, in the order of the ranking."""
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415

    names = [model.model for model in board.ranking.models if model.n_votes]
    met = board.wins + board.wins.T
    pairs = [(i, j) for i in range(len(names)) for j in range(len(names)) if met[i, j] > 0]
    if not pairs:
        return
    shares = [float(board.wins[i, j] / met[i, j]) for i, j in pairs]
    columns: dict[str, list[Any]] = {
        "row": [i + 1 for i, _ in pairs],
        "column": [j + 1 for _, j in pairs],
        "share": [round(share, 4) for share in shares],
        "won": [float(board.wins[i, j]) for i, j in pairs],
        "votes": [float(met[i, j]) for i, j in pairs],
    }
    best = max((k for k, (i, j) in enumerate(pairs) if i != j), key=lambda k: (columns["votes"][k], shares[k]))
    i, j = pairs[best]
    said = (
        f"The pair with the most votes: {names[i]} won {shares[best]:.0%} of {columns['votes'][best]:,.0f} votes "
        f"against {names[j]}, a tie counting half."
    ).replace("%", " %")
    theme = "dark" if st.context.theme.type == "dark" else "light"
    spec = {**_matrix(len(names), theme), "params": [{"name": "names", "value": names}]}
    alt = f"Share of votes won, row against column. {said}"
    is_small = len(names) <= MOST_WITH_NUMBERS
    width: Literal["stretch"] | int = _NAMES_PX + len(names) * _CELL_PX if is_small else "stretch"
    st.vega_lite_chart(pa.table(columns), spec, width=width, alt=alt, key="win-matrix")
    st.html(
        "<p class=\"bo-legend\">Each cell: the share of votes that the row's model won against the column's. Blue won "
        "more, orange lost more, empty never met. Columns carry the numbers of the rows. "
        f"{escape(said)}</p>"
    )


@functools.cache
def _matrix(n: int, theme: str) -> dict[str, Any]:
    """The heatmap of n models as Vega-Lite, made once: Altair takes 60 ms for it, which every rerun would pay.

    Names come from the parameter ``names``, so that the data holds numbers alone.
    """
    # Altair looks into pandas if it finds it loaded, and fails when another thread is still loading it.
    import altair as alt  # noqa: PLC0415
    import pandas  # noqa: F401, PLC0415 - with Altair, a second that the other pages need not wait for

    is_small = n <= MOST_WITH_NUMBERS
    columns, rows = _axes(is_small)
    cells = alt.Scale(domain=list(range(1, n + 1)), paddingInner=0.04, paddingOuter=0)
    colours = alt.Scale(domain=[0, 0.5, 1], range=_SHARES[theme], clamp=True, interpolate="rgb")
    base = (
        alt.Chart()
        .transform_calculate(
            model="names[datum.row - 1]",
            opponent="names[datum.column - 1]",
            percent="format(100 * datum.share, '.0f') + ' %'",
            counts="format(datum.won, ',.1~f') + ' of ' + format(datum.votes, ',.0f') + ' votes'",
        )
        .encode(
            x=alt.X("column:O", scale=cells, axis=columns, title=None),
            y=alt.Y("row:O", scale=cells, axis=rows, title=None),
            tooltip=[
                alt.Tooltip("model:N", title="Model"),
                alt.Tooltip("opponent:N", title="Against"),
                alt.Tooltip("percent:N", title="Won"),
                alt.Tooltip("counts:N", title="That is"),
            ],
        )
    )
    layers = [base.mark_rect(cornerRadius=1).encode(color=alt.Color("share:Q", scale=colours, legend=None))]
    if is_small:
        layers.append(_numbers(base, theme))
    chart = alt.layer(*layers).properties(height=30 + n * (_NUMBERED_ROW_PX if is_small else _ROW_PX))
    chart = chart.configure_view(strokeWidth=0).configure_axis(ticks=False, domain=False, grid=False)
    spec: dict[str, Any] = chart.to_dict()
    for part in (spec, *spec["layer"]):  # Altair's stand-in for "no data" would draw a row of its own
        part.pop("data", None)
        part.pop("datasets", None)
    return spec


def _axes(is_small: bool) -> tuple[Any, Any]:
    """Numbers over the columns, numbers and names before the rows."""
    import altair as alt  # noqa: PLC0415

    size = 12 if is_small else 11
    # On a phone the names of many models would leave no room for the cells.
    has_room = "true" if is_small else "containerSize()[0] > 560"
    rows = alt.Axis(
        labelExpr=f"{has_room} ? datum.value + '  ' + names[datum.value - 1] : '' + datum.value",
        labelLimit=130 if is_small else 230,
        labelFontSize=size,
        labelOverlap=False,
        labelBound=False,
        labelFlush=False,
    )
    return alt.Axis(orient="top", labelAngle=0, labelOverlap=True, labelFontSize=size), rows


def _numbers(base: Any, theme: str) -> Any:
    """The shares as text, in a colour that reads on the cell; Vega would write black on dark."""
    import altair as alt  # noqa: PLC0415

    ink, on_colour = _INK[theme]
    colour = alt.condition("abs(datum.share - 0.5) > 0.36", alt.value(on_colour), alt.value(ink))
    return base.mark_text(fontSize=12).encode(text=alt.Text("percent:N"), color=colour)
