"""The models that stand out on a board: chosen in a box or by a click in a chart, and named in the address.

A click is taken once. Each row of a chart's data carries the number of clicks before it, ``turn``, so that a second
click on the same mark is another choice and not the one that the browser has told already. ``strength`` says how
strongly a mark is drawn. Both are data, which the browser changes in the chart that stands there; another
specification would make it draw a new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from typing import Any, Literal
from urllib.parse import urlencode

import streamlit as st

from app.components import note, session

NAME, MOST = "highlight", 2  # the name in the address, and how many may stand out
PLAIN, FADED, PAIR = 1.0, 0.3, 2.0  # strengths; the last is of a cell that both models share
HELP = "Up to two models that stand out in the table and the charts, where a click chooses them, too."
_PICK = {"type": "point", "on": "click", "toggle": False, "clear": False}


def choose(names: Sequence[str], votes: Mapping[str, str]) -> tuple[str, ...]:
    """The models that the box and the address name, with the way to compare them on ``votes`` (an address).

    Keyed by its name and bound to the address, so that whoever uses the keyboard stays in the box between two choices.
    """
    wanted = st.query_params.get_all(NAME)
    with st.container(horizontal=True, vertical_alignment="bottom", key="board-highlight"):
        chosen = st.multiselect(
            "Highlight",
            names,
            max_selections=MOST,
            placeholder="Up to two models",
            help=HELP,
            select_all=False,  # Enter chooses the model in the list, not all that begin alike
            key=NAME,
            bind="query-params",
            width=460,
        )
        if chosen:
            against = chosen[1] if len(chosen) > 1 else "*"
            label = "Compare these two" if len(chosen) > 1 else "Compare with the field"
            # In a tab of its own: Streamlit's way to another page would leave the board without its choices behind.
            place = urlencode({**votes, "model": chosen[0], "against": against})
            st.link_button(label, f"compare?{place}")
    # Streamlit takes out of the address what can't be chosen, so this is said until something else is chosen.
    if problem := session.kept(NAME, (votes["study"], *chosen), lambda: _problem(wanted, names)):
        note.show(problem)
    return tuple(chosen)


def _problem(wanted: Sequence[str], names: Sequence[str]) -> str:
    if gone := [name for name in wanted if name not in names]:
        return f"The link highlights a model that isn't in this study: {', '.join(gone)}."
    many = f"The link highlights more than {MOST} models; the first {MOST} were taken."
    return many if len(set(wanted)) > MOST else ""


def strength(chosen: Sequence[str], model: str) -> float:
    """How strongly the mark of one model is drawn."""
    return PLAIN if not chosen or model in chosen else FADED


def say(of_all: str, of_chosen: str) -> None:
    """What a chart shows of all models and of the chosen ones, in words."""
    more = f'<p class="bo-highlighted" role="status">{escape(of_chosen)}</p>' if of_chosen else ""
    st.html(f'<div class="bo-legend"><p>{escape(of_all)}</p>{more}</div>')


def show_chart(
    columns: Mapping[str, list[Any]],
    spec: Mapping[str, Any],
    *,
    key: str,
    fields: Sequence[str],
    names: Sequence[str],
    alt: str,
    width: Literal["stretch"] | int = "stretch",
) -> None:
    """A chart in layers, on the first of which a click highlights the models of a mark.

    Its ``fields`` are "model", or "row" and "column", which are places in ``names`` from 1.
    """
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415

    turns = (one["turn"] for one in session.clicked(key) if isinstance(one.get("turn"), int))
    turn = (1 + max(turns, default=-1)) % 1_000_000
    n = len(next(iter(columns.values())))
    table = pa.table({**columns, "turn": pa.array([turn] * n, pa.int32())})
    pick = {"name": session.PICK, "select": {**_PICK, "fields": [*fields, "turn"]}}
    # Marks above the first layer take a click only where they have a tooltip; others let it through.
    first, *others = spec["layer"]
    whole = {**spec, "layer": [{**first, "params": [pick]}, *others]}
    take = partial(_take_click, key, tuple(names))
    st.vega_lite_chart(table, whole, width=width, alt=alt, key=key, on_select=take)


def _take_click(key: str, names: Sequence[str]) -> None:
    chosen = tuple(session.listed(NAME))
    for one in session.clicked(key):
        chosen = after_click(chosen, _models_of(one, names))
    session.choose(NAME, list(chosen))


def _models_of(clicked: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    """The models of a mark; none for what no mark of ours says."""
    if "model" in clicked:
        return (clicked["model"],) if clicked["model"] in names else ()
    places = [clicked.get(name) for name in ("row", "column")]
    found = tuple(names[place - 1] for place in places if isinstance(place, int) and 1 <= place <= len(names))
    return found if len(set(found)) == MOST else ()


def after_click(chosen: tuple[str, ...], clicked: tuple[str, ...]) -> tuple[str, ...]:
    """Who stands out after a click: a pair takes the place of all, and goes again; a model comes to one, or goes."""
    if len(clicked) == MOST:
        return () if set(clicked) == set(chosen) else clicked
    rest = tuple(name for name in chosen if name not in clicked)
    return rest if len(rest) < len(chosen) else (*chosen, *clicked)[-MOST:]
