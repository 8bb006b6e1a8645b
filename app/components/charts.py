"""Charts of the results pages. Each ships only the columns that it draws, and says in words what it shows."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import streamlit as st

from app.components import chart_data, highlight
from app.services.leaderboard import Board

MOST_WITH_NUMBERS = 15
_ROW_PX, _NUMBERED_ROW_PX = 14, 34
_NAMES_PX, _CELL_PX = 150, 92  # of the matrix with numbers
# From losing to winning; orange and blue stay apart for colour-blind eyes, and the middle is the page's own neutral.
_SHARES = {"light": ["#C8500A", "#EFEFEA", "#0A5A96"], "dark": ["#E8812F", "#2B2B30", "#5AB0EE"]}
_INK = {"light": ("#1B1B18", "#FFFFFF"), "dark": ("#ECECEA", "#111113")}


def show_win_matrix(board: Board, chosen: Sequence[str] = ()) -> None:
    """The share of votes that each model won against each other one, in the order of the ranking."""
    names, columns = chart_data.list_pairs(board)
    if not columns["share"]:
        return
    said = chart_data.say_wins(names, columns)
    legend = (
        "Each cell: the share of votes that the row's model won against the column's. Blue won more, orange lost more, "
        f"empty never met. Columns carry the numbers of the rows. {said}"
    )
    _show_matrix(names, columns, "share", chosen, f"Share of votes won, row against column. {said}")
    highlight.say(legend, _say_wins(names, columns, chosen))


def show_battle_matrix(board: Board, chosen: Sequence[str] = ()) -> None:
    """The number of votes between each two models, in the order of the ranking."""
    names, columns = chart_data.list_pairs(board)
    if not columns["share"]:
        return
    said = chart_data.say_battles(names, columns)
    legend = f"Each cell: the votes between the row's model and the column's; darker is more, empty never met. {said}"
    _show_matrix(names, columns, "votes", chosen, f"Votes between each two models. {said}")
    highlight.say(legend, _say_battles(names, columns, chosen))


def _say_wins(names: list[str], columns: dict[str, list[Any]], chosen: Sequence[str]) -> str:
    """What the matrix has of the chosen models, in words."""
    met = _cells_of(names, columns, chosen)
    votes, won = (sum(columns[name][k] for k in met) for name in ("votes", "won"))
    if not votes:
        return _say_none(chosen)
    whom = chosen[1] if len(chosen) > 1 else f"{len(met):,} other model{'' if len(met) == 1 else 's'}"
    return (
        f"{chosen[0]} won {chart_data.percent(won / votes)} of {votes:,.0f} votes against {whom}, a tie counting half."
    )


def _say_battles(names: list[str], columns: dict[str, list[Any]], chosen: Sequence[str]) -> str:
    met = _cells_of(names, columns, chosen)
    votes = sum(columns["votes"][k] for k in met)
    if not votes:
        return _say_none(chosen)
    if len(chosen) > 1:
        return f"{votes:,.0f} votes between {chosen[0]} and {chosen[1]}."
    return f"{votes:,.0f} votes on {chosen[0]}, which met {len(met):,} of {len(names) - 1:,} other models."


def _say_none(chosen: Sequence[str]) -> str:
    if not chosen:
        return ""
    return f"No votes between {chosen[0]} and {chosen[1]}." if len(chosen) > 1 else f"No votes on {chosen[0]}."


def _cells_of(names: list[str], columns: dict[str, list[Any]], chosen: Sequence[str]) -> list[int]:
    """The cells in the row of the first chosen model, only that of the second one where there is one."""
    if not chosen or not set(chosen) <= set(names):
        return []
    first, *second = (names.index(name) + 1 for name in chosen)
    cells = enumerate(zip(columns["row"], columns["column"], strict=True))
    return [k for k, (i, j) in cells if i == first and (j in second or (not second and j != i))]


def _show_matrix(names: list[str], columns: dict[str, list[Any]], shown: str, chosen: Sequence[str], alt: str) -> None:
    theme = "dark" if st.context.theme.type == "dark" else "light"
    params = [{"name": "names", "value": names}, {"name": "most", "value": max(columns["votes"])}]
    spec = {**_matrix(len(names), theme, shown), "params": params}
    is_small = len(names) <= MOST_WITH_NUMBERS
    width: Literal["stretch"] | int = _NAMES_PX + len(names) * _CELL_PX if is_small else "stretch"
    columns = {**columns, "strength": _strengths(names, columns, chosen)}
    highlight.show_chart(
        columns, spec, key=f"matrix-{shown}", fields=("row", "column"), names=names, alt=alt, width=width
    )


def _strengths(names: list[str], columns: dict[str, list[Any]], chosen: Sequence[str]) -> list[float]:
    """How strongly each cell is drawn: rows and columns of the chosen models, and most of all where those two meet."""
    places = [place for place, name in enumerate(names, start=1) if name in chosen]
    if not places:
        return [highlight.PLAIN] * len(columns["row"])
    is_row, is_column = (np.isin(columns[name], places) for name in ("row", "column"))
    found = np.where(is_row | is_column, highlight.PLAIN, highlight.FADED)
    strengths: list[float] = np.where(is_row & is_column, highlight.PAIR, found).tolist()
    return strengths


@functools.cache
def _matrix(n: int, theme: str, shown: str) -> dict[str, Any]:
    """The heatmap of n models as Vega-Lite, made once: Altair takes 60 ms for it, which every rerun would pay.

    Names come from the parameter ``names``, so that the data holds numbers alone; ``most`` is that of votes.
    """
    # Altair looks into pandas if it finds it loaded, and fails when another thread is still loading it.
    import altair as alt  # noqa: PLC0415
    import pandas  # noqa: F401, PLC0415 - with Altair, a second that the other pages need not wait for

    is_small = n <= MOST_WITH_NUMBERS
    columns, rows = _axes(is_small)
    is_share = shown == "share"
    colours = (
        alt.Scale(domain=[0, 0.5, 1], range=_SHARES[theme], clamp=True, interpolate="rgb")
        if is_share
        else alt.Scale(domainMin=0, range=_SHARES[theme][1:], interpolate="rgb")
    )
    base = _cells(n, columns, rows)
    cell = base.mark_rect(cornerRadius=1, cursor="pointer", aria=False, stroke=_INK[theme][0]).encode(
        color=alt.Color(f"{shown}:Q", scale=colours, legend=None),
        opacity=alt.Opacity("opacity:Q", scale=None, legend=None),
        strokeWidth=alt.condition(f"datum.strength >= {highlight.PAIR}", alt.value(2), alt.value(0)),
    )
    layers = [cell]
    if is_small:
        layers.append(_numbers(base, theme, is_share=is_share))
    chart = alt.layer(*layers).properties(height=30 + n * (_NUMBERED_ROW_PX if is_small else _ROW_PX))
    chart = chart.configure_view(strokeWidth=0).configure_axis(ticks=False, domain=False, grid=False)
    spec: dict[str, Any] = chart.to_dict()
    # Thousands of cells as elements of the page would be slow to draw, and slower to draw again after a click.
    spec["usermeta"] = {"embedOptions": {"renderer": "svg" if is_small else "canvas"}}
    for part in (spec, *spec["layer"]):  # Altair's stand-in for "no data" would draw a row of its own
        part.pop("data", None)
        part.pop("datasets", None)
    return spec


def _cells(n: int, columns: Any, rows: Any) -> Any:
    """Where each cell stands, what it says under the pointer, and how strongly it is drawn."""
    import altair as alt  # noqa: PLC0415

    cells = alt.Scale(domain=list(range(1, n + 1)), paddingInner=0.04, paddingOuter=0)
    return (
        alt.Chart()
        .transform_calculate(
            model="names[datum.row - 1]",
            opponent="names[datum.column - 1]",
            percent="format(100 * datum.share, '.0f') + ' %'",
            counts="format(datum.won, ',.1~f') + ' of ' + format(datum.votes, ',.0f') + ' votes'",
            opacity="min(1, datum.strength)",
            ink="datum.strength < 1 ? 0.5 : 1",
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


def _numbers(base: Any, theme: str, *, is_share: bool) -> Any:
    """The shares as text, in a colour that reads on the cell; Vega would write black on dark."""
    import altair as alt  # noqa: PLC0415

    ink, on_colour = _INK[theme]
    base = base.encode(opacity=alt.Opacity("ink:Q", scale=None, legend=None))
    text = base.mark_text(fontSize=12, cursor="pointer", aria=False)
    is_deep = "abs(datum.share - 0.5) > 0.36" if is_share else "datum.votes > 0.6 * most"
    colour = alt.condition(is_deep, alt.value(on_colour), alt.value(ink))
    return text.encode(text=alt.Text("percent:N") if is_share else alt.Text("votes:Q", format=",.0f"), color=colour)
