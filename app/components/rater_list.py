"""The raters of a study in pages of a table: what each did, why some are flagged, and whom to leave out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import streamlit as st

from app.components.axis import SHARE
from app.components.board import counted
from app.services.rater_board import RaterTable

ROWS = 50
MOST_LEFT_OUT = 500  # raters by name in an address, which has to stay short enough for servers on its way
_HEADS = (
    ("who", "Rater", "A number in the order in which accounts were made; nobody's name"),
    ("n", "Votes", "Votes with an outcome"),
    ("n", "Skips", "Battles that the rater could not judge"),
    ("n", "Median time", "Half of the rater's votes took less"),
    ("n", "Agreement", "Share of decided votes for the model that all others together rate higher"),
    ("n", "Same again", "Planned repeats that were answered as the first time"),
    ("n", "Left side", "Share of decided votes for the left side, with its 95 % interval; half is to be expected"),
    ("n", "Checks", "Attention checks passed, of those answered"),
    ("why", "Flags", "What is out of line with the other raters, allowing for how many raters were looked at"),
)


def show(table: RaterTable, places: Sequence[int], names: Mapping[int, str], left_out: Sequence[int]) -> None:
    """These rows of the table; ``names`` by code where the viewer may know them, ``left_out`` numbers."""
    gone = set(left_out)
    rows = "".join(_row(table, place, names, is_out=int(table.number[place]) in gone) for place in places)
    head = "".join(
        f'<th class="{kind}" scope="col" title="{escape(title)}">{escape(label)}</th>' for kind, label, title in _HEADS
    )
    st.html(
        '<div class="bo-wide" tabindex="0" role="region" aria-label="Raters"><table class="bo-raters">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(table: RaterTable, i: int, names: Mapping[int, str], *, is_out: bool) -> str:
    name = names.get(int(table.code[i]), "")
    who = f"Rater {table.number[i]}" + (f" <small>{escape(name)}</small>" if name else "")
    n_checks = int(table.n_passed[i] + table.n_failed[i])
    cells = (
        f"{int(table.n_votes[i]):,}",
        f"{int(table.n_skips[i]):,}",
        seconds(float(table.median_ms[i])),
        share(float(table.agreement[i])),
        f"{table.n_same[i]} of {table.n_repeats[i]}" if table.n_repeats[i] else "–",
        _side(table, i),
        f"{table.n_passed[i]} of {n_checks}" if n_checks else "–",
    )
    numbers = "".join(f'<td class="n">{cell}</td>' for cell in cells)
    flags = escape("; ".join(table.reasons[i]))
    kind = ' class="out"' if is_out else ""
    return f'<tr{kind}><th class="who" scope="row">{who}</th>{numbers}<td class="why">{flags}</td></tr>'


def share(value: float) -> str:
    """A share in per cent, a dash where it isn't known."""
    return SHARE.text(value) if math.isfinite(value) else "–"


def seconds(ms: float) -> str:
    """A time in seconds, with one decimal below a minute."""
    if not math.isfinite(ms):
        return "–"
    return f"{ms / 1000:.1f} s" if ms < 60_000 else f"{ms / 60_000:.0f} min"


def _side(table: RaterTable, i: int) -> str:
    left, low, high = float(table.left[i]), float(table.left_lower[i]), float(table.left_upper[i])
    if not math.isfinite(left):
        return "–"
    style = f"left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"
    said = f"{100 * low:.0f} to {100 * high:.0f} % of {counted(int(table.n_decided[i]), 'decided vote')}"
    kind = "" if low <= 0.5 <= high else ' class="off"'
    return (
        f'<span class="iv" title="{said}"><i{kind} style="{style}"></i></span><span class="v">{SHARE.text(left)}</span>'
    )


def choose_page(n: int) -> int:
    """Which page of n rows is shown, from 0; the address has ``page`` from 1."""
    last = max(0, math.ceil(n / ROWS) - 1)
    said = st.query_params.get("page", "1")
    page = min(max(int(said) - 1 if said.isdecimal() and len(said) < 8 else 0, 0), last)
    if not last:
        return 0
    with st.container(horizontal=True, vertical_alignment="center", key="rater-pages"):
        back = st.button("Previous", key="raters-back", disabled=page == 0)
        on = st.button("Next", key="raters-on", disabled=page == last)
        st.caption(f"{page * ROWS + 1:,} to {min(n, (page + 1) * ROWS):,} of {n:,}")
    if back or on:
        st.query_params["page"] = str(page + (2 if on else 0))
        st.rerun()
    return page


def wanted_out() -> tuple[list[int], str]:
    """The raters that the address leaves out (``without=3,17``), and what couldn't be read of it."""
    said = [part.strip() for part in st.query_params.get("without", "").split(",") if part.strip()]
    read = [int(part) for part in said if part.isdecimal() and len(part) < 9]
    note = ""
    if len(read) < len(said):
        note = "The link names raters to leave out by something that is no number; that was passed over."
    if len(read) > MOST_LEFT_OUT:
        note = f"The link leaves out more than {MOST_LEFT_OUT} raters; the first {MOST_LEFT_OUT} were taken."
    return list(dict.fromkeys(read))[:MOST_LEFT_OUT], note


def choose_out(offered: Sequence[int], out: Sequence[int], n_raters: int) -> None:
    """Tick raters to leave out; the choice goes into the address."""
    chosen = [number for number in out if 1 <= number <= n_raters]
    options = list(dict.fromkeys([*chosen, *offered]))
    # Without a key of its own, the box is a new one for each address, so that Back and Forward set it too.
    ticked = st.multiselect(
        "Leave out raters",
        options,
        default=chosen,
        format_func=lambda number: f"Rater {number}",
        placeholder="Tick raters of the table",
        max_selections=MOST_LEFT_OUT,
        help="The board is computed again without their votes. Nothing is deleted, and the link keeps the choice.",
    )
    if ticked != chosen:
        if ticked:
            st.query_params["without"] = ",".join(str(number) for number in ticked)
        else:
            st.query_params.pop("without", None)
        st.rerun()
