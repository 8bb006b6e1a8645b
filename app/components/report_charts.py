"""The charts of a report: drawn as SVG without a browser or the network, in colours that hold on paper."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date
from html import escape
from typing import Any

from app.components import chart_data
from app.components.axis import Scale
from app.services.board_history import Point
from app.services.leaderboard import Board

MOST_WITH_NUMBERS = 15
_CELL_PX, _SMALL_CELL_PX = 46, 9
_ROW_PX, _MANY, _LOW_ROW_PX = 18, 40, 13  # with many models, rows so low that a page is as high as all of them
_WIDTH_PX = 460
# Lost, even, won: orange and blue stay apart for colour-blind eyes. Few and many votes; both begin darker than paper.
_SHARES, _COUNTS = ("#C8500A", "#E3E3DC", "#0A5A96"), ("#CDDDEA", "#0A5A96")
_INK, _SOFT, _LINE = "#1B1B18", "#63635C", "#DEDED8"
_FONT = "Inter, Helvetica, Arial, sans-serif"
# The colours of the page's lines, darkened until a name in them is read on white paper (4.5:1). Dashes and signs tell
# the lines apart where a printer has black alone.
LINES = ("#0072B2", "#B34700", "#007A59", "#A8467F", "#8A5F00", "#5F5F5F", "#5B4BB5", "#1B1B18")
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [1, 0], [6, 3], [2, 2], [8, 3, 2, 3])
_SIGNS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "circle", "square")
_FILLED = re.compile(r'(<path d="[^"]*" fill=")rgb\((\d+), (\d+), (\d+)\)')
_CONFIG = {
    "font": _FONT,
    "background": None,
    "view": {"stroke": None},
    "axis": {"ticks": False, "domain": False, "labelColor": _INK, "titleColor": _SOFT, "titleFontWeight": "normal"},
    # The whole chart is one image with words of its own; those of every cell would be a megabyte that nobody reads.
    "mark": {"aria": False},
}


def draw_ratings(board: Board, scale: Scale, said: str) -> str:
    """The rating of each model on its interval as an SVG, the best on top; blank where the method gives no ratings."""
    rows = chart_data.list_ratings(board, scale)
    if not rows:
        return ""
    y = {"field": "model", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 220}}
    axis = {"gridColor": _LINE, "tickCount": 6}
    x = {"type": "quantitative", "title": f"Rating, {scale.label} scale", "scale": {"zero": False}, "axis": axis}
    spec = {
        "data": {"values": rows},
        "width": _WIDTH_PX,
        "height": {"step": _ROW_PX if len(rows) <= _MANY else _LOW_ROW_PX},
        "layer": [
            {
                "transform": [{"filter": "isValid(datum.lower) && isValid(datum.upper)"}],
                "mark": {"type": "rule", "strokeWidth": 2, "color": "#7D95B0"},
                "encoding": {"y": y, "x": {"field": "lower", **x}, "x2": {"field": "upper"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 44, "color": _SHARES[2], "opacity": 1},
                "encoding": {"y": y, "x": {"field": "rating", **x}},
            },
        ],
    }
    return to_svg(spec, f"Ratings of {len(rows)} models, {scale.label} scale. {said}")


def draw_win_matrix(board: Board, said: str) -> str:
    """The share of votes that the model of each row won against that of each column, as an SVG; blank without votes."""
    names, columns = chart_data.list_pairs(board)
    shades = {"domain": [0, 0.5, 1], "range": list(_SHARES), "clamp": True, "interpolate": "rgb"}
    numbers = [chart_data.percent(share) for share in columns["share"]]
    deep = [abs(share - 0.5) > 0.36 for share in columns["share"]]
    spec = _matrix(names, {**columns, "shown": columns["share"], "number": numbers, "deep": deep}, shades)
    return to_svg(spec, f"Share of votes won, row against column. {said}") if numbers else ""


def draw_battle_matrix(board: Board, said: str) -> str:
    """The number of votes between each two models, as an SVG; blank without votes."""
    names, columns = chart_data.list_pairs(board)
    shades = {"domainMin": 0, "range": list(_COUNTS), "interpolate": "rgb"}
    numbers = [f"{n:,.0f}" for n in columns["votes"]]
    deep = [n > 0.6 * max(columns["votes"]) for n in columns["votes"]]
    spec = _matrix(names, {**columns, "shown": columns["votes"], "number": numbers, "deep": deep}, shades)
    return to_svg(spec, f"Votes between each two models. {said}") if numbers else ""


def _matrix(names: Sequence[str], columns: dict[str, list[Any]], shades: dict[str, Any]) -> dict[str, Any]:
    """Cells in the colour of ``shown``, with a ``number`` each where few models leave room, white on what is deep."""
    is_small = len(names) <= MOST_WITH_NUMBERS
    drawn = ("row", "column", "shown", *(("number", "deep") if is_small else ()))
    cells = [dict(zip(drawn, cell, strict=True)) for cell in zip(*(columns[name] for name in drawn), strict=True)]
    label = {"labelExpr": "datum.value + '  ' + names[datum.value - 1]", "labelLimit": 220, "labelOverlap": False}
    places = {"domain": list(range(1, len(names) + 1)), "paddingInner": 0.04, "paddingOuter": 0}
    place = {"type": "ordinal", "title": None, "scale": places}
    size = 11 if is_small else 7
    above = {"orient": "top", "labelAngle": 0, "labelOverlap": True, "labelFontSize": size}
    colour = {"field": "shown", "type": "quantitative", "legend": None, "scale": shades}
    layers: list[dict[str, Any]] = [{"mark": "rect", "encoding": {"color": colour}}]
    if is_small:
        ink = {"condition": {"test": "datum.deep", "value": "#FFFFFF"}, "value": _INK}
        number = {"field": "number", "type": "nominal"}
        layers.append({"mark": {"type": "text", "fontSize": 11}, "encoding": {"text": number, "color": ink}})
    step = _CELL_PX if is_small else _SMALL_CELL_PX
    return {
        "data": {"values": cells},
        "params": [{"name": "names", "value": names}],
        "width": {"step": step},
        "height": {"step": 26 if is_small else step},
        "encoding": {
            "x": {"field": "column", **place, "axis": above},
            "y": {"field": "row", **place, "axis": {**label, "labelFontSize": size}},
        },
        "layer": layers,
    }


def draw_course(board: Board, points: Sequence[Point], scale: Scale, said: str) -> str:
    """The ratings of the first models after each stretch of the votes, as an SVG with a name at each line's end."""
    leaders = chart_data.list_lines(board, points[-1])
    rows = chart_data.list_course(points, leaders, scale)
    for row in rows:
        del row["day"]
    named = chart_data.list_names(points[-1], rows, scale)
    x = {"field": "votes", "type": "quantitative", "title": "Votes so far", "axis": {"format": "~s", "grid": False}}
    axis = {"gridColor": _LINE, "tickCount": 6}
    y = {"type": "quantitative", "title": f"Rating, {scale.label} scale", "scale": {"zero": False}, "axis": axis}
    line = {"x": x, "y": {**y, "field": "rating"}, "color": _by_model(leaders, LINES)}
    name = {**line, "y": {**y, "field": "label"}, "text": {"field": "model", "type": "nominal"}}
    spec = {
        "width": _WIDTH_PX,
        "height": 300,
        "layer": [
            {
                "data": {"values": rows},
                "mark": {"type": "line", "strokeWidth": 1.75},
                "encoding": {**line, "strokeDash": _by_model(leaders, _DASHES)},
            },
            {
                "data": {"values": rows},
                "mark": {"type": "point", "filled": True, "size": 26, "opacity": 1},
                "encoding": {**line, "shape": _by_model(leaders, _SIGNS)},
            },
            {
                "data": {"values": named},
                "mark": {"type": "text", "align": "left", "dx": 20, "fontSize": 11, "limit": 180},
                "encoding": name,
            },
            # Once more left of its name: a name that had to move away from its line is known by the line's sign.
            {
                "data": {"values": named},
                "mark": {"type": "point", "filled": True, "size": 26, "opacity": 1, "xOffset": 13},
                "encoding": {**line, "y": {**y, "field": "label"}, "shape": _by_model(leaders, _SIGNS)},
            },
        ],
    }
    return to_svg(spec, f"Course of the ratings of {len(leaders)} models. {said}")


def _by_model(leaders: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    scale = {"domain": list(leaders), "range": list(values[: len(leaders)])}
    return {"field": "model", "type": "nominal", "legend": None, "scale": scale}


def draw_days(days: Sequence[tuple[date, int]], said: str) -> str:
    """The votes of each day (UTC) as an SVG; blank for a single day, which has nothing to compare it with."""
    if len(days) < 2:
        return ""
    x = {"field": "day", "type": "temporal", "title": None, "timeUnit": "utcyearmonthdate", "axis": {"grid": False}}
    y = {"field": "votes", "type": "quantitative", "title": "Votes", "axis": {"gridColor": _LINE, "tickCount": 5}}
    spec = {
        "data": {"values": [{"day": day.isoformat(), "votes": n} for day, n in days]},
        "width": 640,
        "height": 160,
        "mark": {"type": "bar", "color": LINES[0]},
        "encoding": {"x": x, "y": y},
    }
    return to_svg(spec, f"Votes per day. {said}")


def to_svg(spec: dict[str, Any], said: str) -> str:
    """A Vega-Lite chart as an SVG that says in words what it shows; nothing is ever fetched for it."""
    import vl_convert  # noqa: PLC0415 - a Vega runtime of 40 MB, which only reports need

    whole = {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "config": _CONFIG, **spec}
    drawn: str = vl_convert.vegalite_to_svg(json.dumps(whole), allowed_base_urls=[])
    start = drawn.index("<svg")
    return f'<svg role="img" aria-label="{escape(said)}" {_shorter(drawn[start:]).removeprefix("<svg").lstrip()}'


def _shorter(svg: str) -> str:
    """The same drawing in a third less: of a matrix of 100 models, 10,000 cells say that they are part of an image."""
    svg = svg.replace('<path aria-hidden="true" ', "<path ")
    return _FILLED.sub(lambda found: f"{found[1]}#{''.join(f'{int(part):02X}' for part in found.groups()[1:])}", svg)
