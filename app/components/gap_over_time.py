"""The win probability as it stood at each look, with the interval that holds at any time, drawn over time."""

from __future__ import annotations

import functools
from datetime import UTC
from html import escape
from typing import Any

import streamlit as st

from app.components.head_to_head import share
from app.services.head_to_head import HeadToHead, Look

_HEIGHT = 300
_COLUMNS = ("at", "votes", "share", "low", "high", "low_all", "high_all")
_COLOURS = {"light": ("#0072B2", "#63635C"), "dark": ("#56B4E9", "#A2A2A8")}  # Okabe and Ito's blues; words


def show(result: HeadToHead, rope_points: float) -> None:
    """The chart with its text alternative, and a sentence on what may be concluded from it."""
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415

    looks, setting = result.looks, result.setting
    if len(looks) < 2:
        st.html('<p class="bo-legend">Not enough dated votes to draw how the difference developed.</p>')
        return
    theme = "dark" if st.context.theme.type == "dark" else "light"
    has_family = setting.n_family > 1
    params = [{"name": name, "value": value} for name, value in (("rope", rope_points), ("who", setting.model))]
    spec = {**_spec(theme, has_family), "params": params}
    rows = [_row(look) for look in looks]
    columns = {name: [row[i] for row in rows] for i, name in enumerate(_COLUMNS)}
    st.vega_lite_chart(pa.table(columns), spec, alt=describe(result), key="gap-over-time")
    wide = f" The paler band is corrected for {setting.family}." if has_family else ""
    st.html(
        f'<p class="bo-legend">{escape(describe(result))} The band holds at all looks together with 95 % confidence, '
        f"so it may be watched daily and acted upon as soon as it leaves 50 %.{escape(wide)} The grey strip is where "
        "a difference is too small to matter.</p>"
    )


def _row(look: Look) -> tuple[Any, ...]:
    one = look.estimate
    bounds = [None if pair is None else round(share(pair[k]), 3) for pair in (one.alone, one.together) for k in (0, 1)]
    at_ms = int(look.at.replace(tzinfo=UTC).timestamp() * 1000)
    return at_ms, look.n_votes, round(share(one.difference), 3), *bounds


def describe(result: HeadToHead) -> str:
    """The chart in words: where it began, where it stands, and since when 50 % is outside."""
    looks = result.looks
    first, last = looks[0], looks[-1]
    said = (
        f"{len(looks)} looks from {first.at:%-d %B %Y} to {last.at:%-d %B %Y}: the win probability went from "
        f"{share(first.estimate.difference):.1f} to {share(last.estimate.difference):.1f} %."
    )
    ready = [look for look in looks if look.estimate.alone is not None]
    if not ready:
        return f"{said} At no look stood enough votes and raters behind it for an interval."
    outside = [_side(look) for look in ready]
    if not outside[-1]:
        return f"{said} At the last look its interval includes 50 %."
    since = next(i for i in range(len(ready)) if all(side == outside[-1] for side in outside[i:]))
    return (
        f"{said} Its interval has left 50 % out since {ready[since].at:%-d %B %Y}, at {ready[since].n_votes:,} votes."
    )


def _side(look: Look) -> int:
    lower, upper = look.estimate.alone or (0.0, 0.0)
    return 1 if lower > 0 else -1 if upper < 0 else 0


@functools.cache
def _spec(theme: str, has_family: bool) -> dict[str, Any]:
    """Bands, a line and points as Vega-Lite, made once for each theme; the data come with the page."""
    # Altair looks into pandas if it finds it loaded, and fails when another thread is still loading it.
    import altair as alt  # noqa: PLC0415
    import pandas  # noqa: F401, PLC0415

    blue, words = _COLOURS[theme]
    x = alt.X("at:T", title=None, axis=alt.Axis(grid=False, labelOverlap=True, tickCount=6))
    scale = alt.Scale(zero=False, nice=True)
    y_axis = alt.Axis(labelExpr="datum.value + ' %'", tickCount=6)
    base = alt.Chart()
    rope = base.transform_calculate(from_="50 - rope", to_="50 + rope").mark_area(color=words, opacity=0.13)
    layers: list[Any] = [
        rope.encode(x=x, y=alt.Y("from_:Q", scale=scale, axis=y_axis, title=None), y2="to_:Q"),
        base.mark_rule(color=words, strokeDash=[4, 3]).encode(y=alt.datum(50)),
    ]
    if has_family:
        layers.append(
            base.mark_area(color=blue, opacity=0.16).encode(x=x, y=alt.Y("low_all:Q", title=None), y2="high_all:Q")
        )
    layers.append(base.mark_area(color=blue, opacity=0.3).encode(x=x, y=alt.Y("low:Q", title=None), y2="high:Q"))
    tooltip = [
        alt.Tooltip("at:T", title="Until", format="%d %b %Y %H:%M"),
        alt.Tooltip("votes:Q", title="Votes", format=","),
        alt.Tooltip("share:Q", title="Wins, %", format=".1f"),
        alt.Tooltip("low:Q", title="From, %", format=".1f"),
        alt.Tooltip("high:Q", title="To, %", format=".1f"),
    ]
    layers.append(base.mark_line(color=blue, strokeWidth=1.5).encode(x=x, y="share:Q"))
    layers.append(base.mark_point(color=blue, filled=True, size=30).encode(x=x, y="share:Q", tooltip=tooltip))
    end = base.transform_window(rank="rank()", sort=[alt.SortField("at", order="descending")]).transform_filter(
        "datum.rank == 1"
    )
    label = end.transform_calculate(said="who + ' ' + format(datum.share, '.1f') + ' %'")
    layers.append(
        label.mark_text(align="right", dy=-10, color=words, fontSize=12).encode(x=x, y="share:Q", text="said:N")
    )
    chart = (
        alt.layer(*layers)
        .properties(height=_HEIGHT)
        .configure_view(strokeWidth=0)
        .configure_axis(domain=False, ticks=False)
    )
    spec: dict[str, Any] = chart.to_dict()
    for part in (spec, *spec["layer"]):  # Altair's stand-in for "no data" would draw a row of its own
        part.pop("data", None)
        part.pop("datasets", None)
    return spec
