"""The decision card: ship, keep or discuss, with its reasons, the guardrails and what is still missing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from app.components.axis import Scale
from app.components.board import counted
from app.services.decision_card import Card, Decision, Forecast
from app.services.guardrails import Guardrail, Limits, State
from app.services.head_to_head import Setting

_WORDS = {Decision.SHIP: "Ship", Decision.KEEP: "Keep", Decision.DISCUSS: "Discuss"}
_STATES = {State.HOLDS: "holds", State.BREACHED: "breached", State.OPEN: "not settled", State.UNKNOWN: "not known"}
_SIGNED = Scale("Change", digits=1)


def choose_limits() -> Limits:
    """The limits of the guardrails, which stand in the address once they are changed."""
    usual = Limits()
    fields = (
        ("latency", "Latency, % slower", usual.latency, "Median and slowest 5 %, each against the opponent's."),
        ("failures", "Failures, points", usual.failures, "Share of outputs that failed, were refused or cut short."),
        ("cost", "Cost, % dearer", usual.cost, "The mean cost of an output for the same prompts."),
        ("bothbad", "Both bad, points", usual.both_bad, "Share of votes in which both answers were called bad."),
    )
    with st.container(horizontal=True, key="compare-limits"):
        values = [
            st.number_input(
                label, 0.0, 1000.0, value, 0.5, format="%.1f", help=about, key=key, bind="query-params", width=150
            )
            for key, label, value, about in fields
        ]
    return Limits(*map(float, values))


def show(card: Card, setting: Setting) -> None:
    """The word, the reasons and the forecast."""
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in card.reasons)
    forecast = "" if card.forecast is None else f"<p>{escape(_forecast(card.forecast, setting))}</p>"
    st.html(
        f'<section class="bo-decision bo-decision-{card.decision.value}"><h2><b>{_WORDS[card.decision]}</b>'
        f"<span>{escape(setting.model)} in place of {escape(setting.against)}</span></h2>"
        f"<ul>{reasons}</ul>{forecast}</section>"
    )


def _forecast(forecast: Forecast, setting: Setting) -> str:
    if forecast.n_more is None:
        said = "At the present gap no number of votes that anybody collects would decide it."
    else:
        said = f"If the gap stays as it is, about {counted(rounded(forecast.n_more), 'more vote')} would decide it"
        said += "." if forecast.days is None else f": {say_days(forecast.days)} at the pace of the last seven days."
        if forecast.days is None and setting.status == "running":
            said += " No vote came in the last seven days."
    if forecast.n_pair is not None:
        said += (
            f" A new study of this pair alone would need about {rounded(forecast.n_pair):,} votes to find, with 80 % "
            "power, a difference at the edge of what matters."
        )
    return said


def rounded(n: int) -> int:
    """Two significant digits: a forecast knows no more."""
    return n if n < 100 else round(n, 2 - len(str(n)))


def say_days(days: float) -> str:
    """A time in days or months, as exact as a forecast is."""
    if days < 1:
        return "less than a day"
    return counted(round(days), "day") if days < 60 else f"{days / 30.4:.0f} months"


def show_guardrails(rails: Sequence[Guardrail], setting: Setting) -> None:
    """One row for each: both values, the change with its interval, the limit, and whether it is kept."""
    if not rails:
        return
    names = escape(setting.model), escape(setting.against)
    rows = "".join(_row(rail, names) for rail in rails)
    st.html(
        '<table class="bo-cmp bo-rails"><thead><tr><th scope="col">Guardrail</th>'
        f'<th scope="col" class="n" title="{names[0]}">{names[0]}</th>'
        f'<th scope="col" class="n" title="{names[1]}">{names[1]}</th><th scope="col" class="n">Change</th>'
        '<th scope="col" class="iv">95 % interval</th><th scope="col" class="n">Limit</th><th scope="col">State</th>'
        f"</tr></thead><tbody>{rows}</tbody></table>"
        '<p class="bo-legend">Each interval is its own: whoever ships needs every guardrail to hold, so none is '
        "corrected for their number. A limit is broken only when the whole interval lies beyond it.</p>"
    )


def _row(rail: Guardrail, names: tuple[str, str]) -> str:
    unit = " %" if rail.unit == "%" else " pts"
    change = "–" if rail.change is None else _signed(rail.change, unit)
    interval = escape(rail.missing)
    if rail.lower is not None and rail.upper is not None:
        interval = f"{_signed(rail.lower, '')} to {_signed(rail.upper, unit)}"
    return (
        f'<tr title="{escape(rail.about)}"><th scope="row">{escape(rail.label)}</th>'
        f'<td class="n" data-name="{names[0]}">{escape(rail.values[0])}</td>'
        f'<td class="n" data-name="{names[1]}">{escape(rail.values[1])}</td>'
        f'<td class="n" data-name="change">{change}</td><td class="iv">{interval}</td>'
        f'<td class="n" data-name="limit">+{rail.limit:g}{unit}</td>'
        f'<td class="state state-{rail.state.value}">{_STATES[rail.state]}</td></tr>'
    )


def _signed(x: float, unit: str) -> str:
    shown = "∞" if x == float("inf") else _SIGNED.write(x)
    return ("+" if x > 0.05 else "") + shown + unit
