"""The charts of a report: drawn as SVG without a browser or the network, in colours that hold on paper."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from app.components.axis import Scale
from app.services.leaderboard import Board

MOST_WITH_NUMBERS = 15
_CELL_PX, _SMALL_CELL_PX, _ROW_PX = 46, 9, 18
_SHARES = ("#C8500A", "#EFEFEA", "#0A5A96")  # lost, even, won; orange and blue stay apart for colour-blind eyes
_INK, _SOFT, _LINE = "#1B1B18", "#63635C", "#DEDED8"
_FONT = "Inter, Helvetica, Arial, sans-serif"
_CONFIG = {
    "font": _FONT,
    "background": None,
    "view": {"stroke": None},
    "axis": {"ticks": False, "domain": False, "labelColor": _INK, "titleColor": _SOFT, "titleFontWeight": "normal"},
}


def draw_ratings(board: Board, scale: Scale) -> str:
    """The rating of each model on its interval as an SVG, the best on top; blank where the method gives no ratings."""
    rows = [
        {
            "model": row.model,
            "rating": scale.of(row.rating),
            "lower": None if row.lower is None else scale.of(row.lower),
            "upper": None if row.upper is None else scale.of(row.upper),
        }
        for row in board.ranking.models
        if row.n_votes and row.rating is not None
    ]
    if not rows:
        return ""
    y = {"field": "model", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 220}}
    axis = {"gridColor": _LINE, "tickCount": 6}
    x = {"type": "quantitative", "title": f"Rating, {scale.label} scale", "scale": {"zero": False}, "axis": axis}
    spec = {
        "data": {"values": rows},
        "width": 460,
        "height": {"step": _ROW_PX},
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
    percent = f"{board.ranking.confidence * 100:.0f} %"
    return to_svg(spec, f"Ratings of {len(rows)} models with {percent} intervals, on the {scale.label} scale")


def draw_win_matrix(board: Board) -> str:
    """The share of votes that the model of each row won against that of each column, as an SVG; blank without votes."""
    names = [row.model for row in board.ranking.models if row.n_votes]
    met = board.wins + board.wins.T
    cells = [
        {"row": i + 1, "column": j + 1, "share": round(float(board.wins[i, j] / met[i, j]), 4)}
        for i in range(len(names))
        for j in range(len(names))
        if met[i, j] > 0
    ]
    if not cells:
        return ""
    is_small = len(names) <= MOST_WITH_NUMBERS
    label = {"labelExpr": "datum.value + '  ' + names[datum.value - 1]", "labelLimit": 220, "labelOverlap": False}
    places = {"domain": list(range(1, len(names) + 1)), "paddingInner": 0.04, "paddingOuter": 0}
    size = 11 if is_small else 7
    encoding: dict[str, Any] = {
        "x": {
            "field": "column",
            "type": "ordinal",
            "title": None,
            "scale": places,
            "axis": {"orient": "top", "labelAngle": 0, "labelOverlap": True, "labelFontSize": size},
        },
        "y": {
            "field": "row",
            "type": "ordinal",
            "title": None,
            "scale": places,
            "axis": {**label, "labelFontSize": size},
        },
    }
    shades = {"domain": [0, 0.5, 1], "range": list(_SHARES), "clamp": True, "interpolate": "rgb"}
    colour = {"field": "share", "type": "quantitative", "legend": None, "scale": shades}
    layers: list[dict[str, Any]] = [{"mark": "rect", "encoding": {"color": colour}}]
    if is_small:
        ink = {"condition": {"test": "abs(datum.share - 0.5) > 0.36", "value": "#FFFFFF"}, "value": _INK}
        number = {"field": "percent", "type": "nominal"}
        layers.append({"mark": {"type": "text", "fontSize": 11}, "encoding": {"text": number, "color": ink}})
    step = _CELL_PX if is_small else _SMALL_CELL_PX
    spec = {
        "data": {"values": cells},
        "params": [{"name": "names", "value": names}],
        "transform": [{"calculate": "format(100 * datum.share, '.0f') + ' %'", "as": "percent"}],
        "width": {"step": step},
        "height": {"step": 26 if is_small else step},
        "encoding": encoding,
        "layer": layers,
    }
    return to_svg(spec, "Share of votes that the model of each row won against the model of each column")


def to_svg(spec: dict[str, Any], said: str) -> str:
    """A Vega-Lite chart as an SVG that says in words what it shows; nothing is ever fetched for it."""
    import vl_convert  # noqa: PLC0415 - a Vega runtime of 40 MB, which only reports need

    whole = {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "config": _CONFIG, **spec}
    drawn: str = vl_convert.vegalite_to_svg(json.dumps(whole), allowed_base_urls=[])
    start = drawn.index("<svg")
    return f'<svg role="img" aria-label="{escape(said)}" {drawn[start:].removeprefix("<svg").lstrip()}'
