"""The charts below a leaderboard, one at a time: who beats whom, ratings, battles, over time, votes per day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.components import chart_data, charts, highlight, page_file, progress
from app.components.axis import SCALES, Scale
from app.components.board import counted
from app.components.chart_data import BATTLES, MATRIX, OVER_TIME, PER_DAY, RATINGS
from app.services import board_file, board_history, shared_work
from app.services.board_history import Point
from app.services.leaderboard import Board
from app.services.shared_work import Say

# A mark's own label would be its numbers to twelve digits; the table and the words below say them as they are read.
_CLICKED = {"cursor": "pointer", "aria": False}
# Okabe and Ito's colours (2008), which stay apart for colour-blind eyes; yellow is left out, since it is lost on paper.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#A6761D")


def choose() -> str:
    """The chart that the control and the address name."""
    kinds = (MATRIX, RATINGS, BATTLES, OVER_TIME, PER_DAY)
    chosen = st.segmented_control(
        "Chart", kinds, default=MATRIX, required=True, label_visibility="collapsed", key="chart", bind="query-params"
    )
    return chosen if chosen in kinds else MATRIX


def address_of(kind: str) -> dict[str, str]:
    """What stands in the address for a chart."""
    return {} if kind == MATRIX else {"chart": kind}


def show(board: Board, kind: str, *, scale: str, chosen: Sequence[str] = ()) -> None:
    """One chart with what it says in words, of all models and of the chosen ones."""
    if kind == MATRIX:
        charts.show_win_matrix(board, chosen)
    elif kind == BATTLES:
        charts.show_battle_matrix(board, chosen)
    elif kind == RATINGS:
        _show_ratings(board, SCALES[scale], chosen)
    elif kind == PER_DAY:
        _show_days(board, chosen)
    else:
        _show_history(board, scale, chosen)


def _show_ratings(board: Board, scale: Scale, chosen: Sequence[str]) -> None:
    """Points on intervals, the leader on top."""
    rows = chart_data.list_ratings(board, scale)
    if not rows:
        st.caption(chart_data.NO_RATINGS)
        return
    said = chart_data.say_ratings(board, rows, scale)
    rows = [{name: row["rating"] if value is None else value for name, value in row.items()} for row in rows]
    of_chosen = " ".join(_say_rating(rows, name, scale) for name in chosen)
    _draw(rows, _ratings_spec(scale), (said, of_chosen), key="ratings", chosen=chosen)


def _ratings_spec(scale: Scale) -> dict[str, Any]:
    y = {"field": "model", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 180}}
    x = {"type": "quantitative", "title": f"Rating, {scale.label} scale", "scale": {"zero": False}}
    opacity = {"type": "quantitative", "scale": None, "legend": None}
    return {
        "height": {"step": 20},
        "transform": [{"calculate": "0.45 * datum.strength", "as": "faint"}],
        "layer": [
            # What takes the click: the whole row, since nobody hits a point.
            {"mark": {"type": "rect", "opacity": 0, **_CLICKED}, "encoding": {"y": y}},
            {
                "mark": {"type": "rule", "strokeWidth": 3, "color": COLOURS[0], "aria": False},
                "encoding": {
                    "y": y,
                    "x": {"field": "lower", **x},
                    "x2": {"field": "upper"},
                    "opacity": {"field": "faint", **opacity},
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "color": COLOURS[0], "aria": False},
                "encoding": {
                    "y": y,
                    "x": {"field": "rating", **x},
                    "opacity": {"field": "strength", **opacity},
                },
            },
        ],
        **_quiet(),
    }


def _say_rating(rows: Sequence[Mapping[str, Any]], name: str, scale: Scale) -> str:
    row = next((row for row in rows if row["model"] == name), None)
    if row is None:
        return f"{name} has no rating here."
    lower, upper = scale.write(row["lower"]), scale.write(row["upper"])
    return f"{name}: {scale.write(row['rating'])}, from {lower} to {upper}."


def _show_history(board: Board, scale: str, chosen: Sequence[str]) -> None:
    if board.study is None or board.sliced is None:
        return
    study, sliced, view = board.study, board.sliced, board.view

    def make(say: Say) -> list[Point]:
        return board_history.get_history(study, sliced, view, say=say)

    key = ("history", study.experiment_id, study.version, view, sliced.left_out, len(sliced.votes))
    points = progress.wait_for(shared_work.begin(key, make))
    points = [point for point in points if point.ratings]
    if len(points) < 2:
        st.caption(chart_data.NO_COURSE)
        return
    leaders, said = chart_data.list_lines(board, points[-1], chosen), chart_data.say_course(board, points)
    rows = chart_data.list_course(points, leaders, SCALES[scale])
    names = chart_data.list_names(points[-1], rows, SCALES[scale])
    of_chosen = " ".join(_say_course(points, name, SCALES[scale]) for name in chosen)
    _draw(rows, _history_spec(leaders, scale), (said, of_chosen), key="history", chosen=chosen, names=names)


def _say_course(points: Sequence[Point], name: str, scale: Scale) -> str:
    rated = [(point.n_votes, scale.text(point.ratings[name])) for point in points if name in point.ratings]
    if not rated:
        return f"{name} has no rating here."
    (n_first, first), (n_last, last) = rated[0], rated[-1]
    return f"{name}: {first} after {n_first:,} votes, {last} after {n_last:,}."


def _history_spec(leaders: Sequence[str], scale: str) -> dict[str, Any]:
    colour = {
        "field": "model",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": leaders, "range": list(COLOURS[: len(leaders)])},
    }
    y = {"field": "rating", "type": "quantitative", "title": f"Rating, {scale}", "scale": {"zero": False}}
    x = {"field": "votes", "type": "quantitative", "title": "Votes so far", "axis": {"format": "~s"}}
    opacity = {"type": "quantitative", "scale": None, "legend": None}
    line = {"x": x, "y": y, "color": colour}
    tips = _tips("model", "votes", "rating", "day")
    points = {"transform": [{"filter": "isValid(datum.rating)"}]}
    strong = {"opacity": {"field": "strength", **opacity}}
    return {
        "height": 360,
        "layer": [
            # What takes the click, since nobody hits a thin line.
            {**points, "mark": {"type": "line", "strokeWidth": 16, "opacity": 0, **_CLICKED}, "encoding": line},
            {**points, "mark": {"type": "line", "strokeWidth": 2, "aria": False}, "encoding": {**line, **strong}},
            {
                **points,
                "mark": {"type": "point", "filled": True, "size": 22, **_CLICKED},
                "encoding": {**line, **strong, "tooltip": tips},
            },
            {
                "transform": [
                    {"filter": "isValid(datum.label)"},
                    {"calculate": "datum.strength < 1 ? 0.5 : 1", "as": "ink"},
                ],
                "mark": {"type": "text", "align": "left", "dx": 8, "fontSize": 12, "limit": 160, **_CLICKED},
                "encoding": {
                    **line,
                    "y": {**y, "field": "label"},
                    "text": {"field": "model"},
                    "tooltip": _tips("model"),
                    "opacity": {"field": "ink", **opacity},
                },
            },
        ],
        **_quiet(),
    }


def _show_days(board: Board, chosen: Sequence[str]) -> None:
    days = [] if board.sliced is None else board_history.count_by_day(board.sliced)
    if not days or board.study is None or board.sliced is None:
        return
    rows: list[dict[str, Any]] = [{"day": day.isoformat(), "votes": n} for day, n in days]
    if chosen:
        places = [board.study.models.index(name) for name in chosen]
        on_chosen = board_history.count_by_day(board.sliced, on=places)
        rows = [{**row, "highlighted": n} for row, (_, n) in zip(rows, on_chosen, strict=True)]
    said = chart_data.say_days(board, days)
    n = sum(row.get("highlighted", 0) for row in rows)
    of_chosen = f"In full colour: {counted(n, 'vote')} on {' or '.join(chosen)}." if chosen else ""
    _draw(rows, _days_spec(is_split=bool(chosen)), (said, of_chosen), key="days")


def _days_spec(*, is_split: bool) -> dict[str, Any]:
    def bar(field: str, opacity: float) -> dict[str, Any]:
        return {
            "mark": {"type": "bar", "color": COLOURS[0], "cornerRadius": 1, "opacity": opacity},
            "encoding": {
                "x": {"field": "day", "type": "temporal", "title": None, "timeUnit": "utcyearmonthdate"},
                "y": {"field": field, "type": "quantitative", "title": "Votes"},
                "tooltip": _tips("day", "votes", *(["highlighted"] if is_split else [])),
            },
        }

    bars = [bar("votes", 0.3), bar("highlighted", 1)] if is_split else [bar("votes", 1)]
    return {"height": 220, "layer": bars, **_quiet()}


def _draw(
    rows: Sequence[Mapping[str, Any]],
    spec: dict[str, Any],
    said: tuple[str, str],
    *,
    key: str,
    chosen: Sequence[str] | None = None,
    names: Sequence[Mapping[str, Any]] = (),
) -> None:
    """The chart, its words on all and on the chosen models, and its numbers to take along.

    With ``chosen`` its rows are of models that can be clicked.
    """
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415

    drawn = [*rows, *names]
    columns: dict[str, list[Any]] = {
        name: [row.get(name) for row in drawn] for name in dict.fromkeys(name for row in drawn for name in row)
    }
    if chosen is None:
        st.vega_lite_chart(pa.table(columns), spec, width="stretch", alt=said[0], key=f"chart-{key}")
    else:
        columns["strength"] = [highlight.strength(chosen, name) for name in columns["model"]]
        models = list(dict.fromkeys(columns["model"]))
        highlight.show_chart(columns, spec, key=f"chart-{key}", fields=("model",), names=models, alt=said[0])
    highlight.say(*said)
    page_file.show(
        "Numbers as CSV", lambda: board_file.write_rows(rows), f"{key}.csv", key=f"chart-{key}-csv", is_quiet=True
    )


def _tips(*names: str) -> list[dict[str, Any]]:
    return [
        {
            "field": name,
            "type": "quantitative" if name in {"rating", "votes", "highlighted"} else "nominal",
            "title": name.capitalize(),
        }
        | ({"format": ",.2~f"} if name == "rating" else {})
        for name in names
    ]


def _quiet() -> dict[str, Any]:
    """No chart junk."""
    return {"config": {"view": {"stroke": None}, "axis": {"ticks": False, "domain": False, "gridOpacity": 0.5}}}
