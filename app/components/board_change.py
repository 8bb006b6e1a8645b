"""The first models of a board beside what becomes of them without some raters."""

from __future__ import annotations

from html import escape

import streamlit as st

from app.components.axis import ELO, Axis, make_axis
from app.components.board import counted
from app.domain import ModelRating
from app.services.rater_exclusion import Exclusion

SHOWN = 10


def show(found: Exclusion, n_raters: int) -> None:
    """One sentence about what changes, and the table."""
    st.html(f'<p class="bo-said-quality" role="status">{escape(describe(found, n_raters))}</p>')
    if found.without is None:
        return
    rows = found.pairs(SHOWN)
    values = [ELO.of(x) for model in _models(rows) for x in (model.rating, model.lower, model.upper) if x is not None]
    axis = make_axis(values)
    ticks = "".join(f'<i style="left:{axis.at(tick)}%">{ELO.write(tick, axis.digits)}</i>' for tick in axis.ticks)
    body = "".join(_row(model, other, axis) for model, other in rows)
    percent = f"{found.full.confidence * 100:.0f} % intervals, Elo scale"
    st.html(
        '<div class="bo-wide" tabindex="0" role="region" aria-label="Board with and without these raters">'
        '<table class="bo-beside"><thead><tr>'
        '<th class="who" scope="col">Model</th><th class="n" scope="col">Rank with all</th>'
        '<th class="n" scope="col">Without</th><th class="n" scope="col">Change</th>'
        '<th class="n" scope="col">Rating with all</th><th class="n" scope="col">Without</th>'
        f'<th class="iv" scope="col">{percent}<span aria-hidden="true">{ticks}</span></th>'
        f"</tr></thead><tbody>{body}</tbody></table></div>"
    )
    st.html(
        '<div class="bo-legend"><p>Grey: with all raters. Blue: without those left out. Ranks are by Bradley-Terry, a '
        "tie counting half a win for each side.</p></div>"
    )


def describe(found: Exclusion, n_raters: int) -> str:
    """What leaving raters out does to the first of the board."""
    gone = f"Without {counted(n_raters, 'rater')} ({counted(found.n_votes_gone, 'vote')})"
    if found.without is None:
        return f"{gone} there is no board: {found.problem}"
    rows = [(model, other) for model, other in found.pairs(SHOWN) if other is not None]
    first = found.full.models[0].model
    moved = sum(model.rank != other.rank for model, other in rows)
    now = next(model.model for model in found.without.models if model.n_votes)
    leads = f"{first} stays first" if now == first else f"{now} takes the first place of {first}"
    ranks = "no rank changes" if not moved else f"{counted(moved, 'rank')} {'changes' if moved == 1 else 'change'}"
    return f"{gone}, {leads}; of the first {len(rows)}, {ranks}."


def _models(rows: list[tuple[ModelRating, ModelRating | None]]) -> list[ModelRating]:
    return [model for pair in rows for model in pair if model is not None]


def _row(model: ModelRating, other: ModelRating | None, axis: Axis) -> str:
    if other is None:
        change, rank, rating = "no votes left", "–", "–"
    else:
        change, rank, rating = _change(model, other), str(other.rank or "–"), _rating(other)
    bars = _bar(model, axis, "all") + ("" if other is None else _bar(other, axis, "now"))
    return (
        f'<tr><th class="who" scope="row">{escape(model.model)}</th><td class="n">{model.rank or "–"}</td>'
        f'<td class="n">{rank}</td><td class="n">{change}</td><td class="n">{_rating(model)}</td>'
        f'<td class="n">{rating}</td><td class="iv"><div>{bars}</div></td></tr>'
    )


def _change(model: ModelRating, other: ModelRating) -> str:
    if model.rank is None or other.rank is None or model.rank == other.rank:
        return "same"
    steps = model.rank - other.rank
    return f"{'up' if steps > 0 else 'down'} {abs(steps)}"


def _rating(model: ModelRating) -> str:
    return "–" if model.rating is None else ELO.text(model.rating)


def _bar(model: ModelRating, axis: Axis, kind: str) -> str:
    if model.rating is None:
        return ""
    point = f'<b class="{kind}" style="left:{axis.at(ELO.of(model.rating))}%"></b>'
    if model.lower is None or model.upper is None:
        return point
    low, high = axis.at(ELO.of(model.lower)), axis.at(ELO.of(model.upper))
    said = f"{ELO.text(model.lower)} to {ELO.text(model.upper)}"
    return f'<i class="{kind}" title="{said}" style="left:{low}%;width:{high - low:.2f}%"></i>{point}'
