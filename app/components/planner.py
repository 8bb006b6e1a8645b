"""The power planner of the Compare page: how many votes, and how many days, a difference of a given size takes."""

from __future__ import annotations

import math
from html import escape

import streamlit as st

from app.components.axis import ELO, SHARE
from app.components.board import counted
from app.components.decision_card import rounded, say_days
from app.services.head_to_head import HeadToHead
from app.services.pair_plan import POWERS, PairPlan, PlannedGap, plan_pair

_GAP = 400 / math.log(10)  # Elo points of a logit
_USUAL_GAP = 5.0
_GAP_HELP = "Points of win probability beyond 50 %, ties counted half: 5 is a model that would win 55 % of votes."
_POWER_HELP = "How likely the votes are to find the difference if it is there."


def show(result: HeadToHead) -> None:
    """The gap and the power to plan for, and the votes and days that this and the usual gaps take."""
    with st.container(horizontal=True, key="compare-planner"):
        points = st.number_input(
            "Gap to find, points",
            0.1,
            45.0,
            _USUAL_GAP,
            0.5,
            format="%.1f",
            help=_GAP_HELP,
            key="gap",
            bind="query-params",
            width=180,
        )
        power = st.selectbox(
            "Power, %",
            [round(100 * one) for one in POWERS],
            help=_POWER_HELP,
            key="power",
            bind="query-params",
            width=120,
        )
    plan = plan_pair(result, points=round(float(points), 1), power=int(power) / 100)
    st.html(_table(plan, result) + _legend(plan, result))


def _table(plan: PairPlan, result: HeadToHead) -> str:
    of_pair = (
        '<th scope="col" class="n">New study of the two, one look</th>'
        '<th scope="col" class="n">looking at any time, on average</th>'
        if result.setting.opponent is not None
        else ""
    )
    rows = "".join(_row(one, plan, result) for one in plan.gaps)
    return (
        f'<table class="bo-cmp bo-plan"><thead><tr><th scope="col">True gap</th>{of_pair}'
        f'<th scope="col" class="n">More votes in this study</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _row(one: PlannedGap, plan: PairPlan, result: HeadToHead) -> str:
    cells = []
    if result.setting.opponent is not None:
        n_look = None if one.needed is None else one.needed.n_votes
        cells = [("one look", _votes(n_look, plan)), ("any time, on average", _votes(one.n_sequential, plan))]
    more = "enough already" if one.n_more == 0 else _votes(one.n_more, plan)
    cells.append(("more in this study", more))
    drawn = "".join(f'<td class="n" data-name="{name}">{said}</td>' for name, said in cells)
    mark = ' class="chosen" aria-current="true"' if one is plan.chosen else ""
    name = f"{SHARE.write(50 + one.points, 1)} <em>{ELO.write(_GAP * one.logits, 0)} Elo</em>"
    return f'<tr{mark}><th scope="row">{name}</th>{drawn}</tr>'


def _votes(n: int | None, plan: PairPlan) -> str:
    if n is None:
        return "–"
    shown = rounded(n)
    days = "" if plan.per_day is None else f" <em>{escape(say_days(n / plan.per_day))}</em>"
    return f"{shown:,}{days}"


def _legend(plan: PairPlan, result: HeadToHead) -> str:
    setting, tally = result.setting, result.tally
    said = [f"Votes that find the gap with {100 * plan.power:.0f} % power at a level of 5 %."]
    if setting.opponent is not None:
        ties = plan.tie_rate + plan.both_bad_rate
        whose = "between them" if tally.n_votes else "among all of this choice"
        said.append(f"A new study of the two alone is planned with {100 * ties:.0f} % ties and both bad, as {whose};")
        if plan.design_effect > 1:
            said.append(
                f"votes of one rater are alike, which multiplies the votes by {plan.design_effect:.2f} (design effect)."
            )
        elif result.estimate is not None and math.isfinite(result.estimate.df):
            said.append("votes of one rater are no more alike than others here (design effect 1).")
        else:
            said.append("votes are taken as independent, since too few raters are known to tell how alike theirs are.")
        said.append("The average with looks at any time is that of a gap that is really there.")
    how = "one look at the planned end" if setting.is_at_end else "intervals that hold at any time"
    said.append(f"In this study votes go to all its models as so far, with {how}, corrected for {setting.family}.")
    if plan.per_day is None:
        said.append("No days are told, since these votes have no pace.")
    else:
        when = "of the last seven days" if plan.is_recent else "from the first vote to the last"
        said.append(f"Days are at {counted(max(1, round(plan.per_day)), 'vote')} a day, the pace {when}.")
    return f'<p class="bo-legend">{escape(" ".join(said))}</p>'
