"""The board: the verdict as a title, and the ranking as a table with an interval drawn in the row of each model.

The table is HTML that follows the page's width and theme through the style sheet. Every text in it is escaped.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

import streamlit as st

from app.components import moment
from app.components.axis import ELO, SHARE, Axis, Scale, make_axis
from app.domain import ModelRating, Ranking, utc_now
from app.services.leaderboard import Board, ModelCard
from app.services.verdict import Verdict, peers_of_first
from app.stats.intervals import wilson_interval

_UNKNOWN = ModelCard("", "", "")
SORTS = ("Rank", "Model", "Organisation", "Win rate", "Both bad", "Votes")


@dataclass(frozen=True, slots=True)
class _Line:
    """One model with what its row draws: a value and, where the method gives one, an interval; on the shown scale."""

    model: ModelRating
    card: ModelCard
    about: str
    value: float | None
    lower: float | None
    upper: float | None
    win_lower: float
    win_upper: float


@dataclass(frozen=True, slots=True)
class DrawnGroup:
    """The table of one group of models, as HTML, under a title that is blank where there is only one."""

    title: str
    text: str
    table: str


def ago(then: datetime, now: datetime) -> str:
    """How long ago something was, in the unit that a person would use; a date beyond a month."""
    seconds = max(0.0, (now - then).total_seconds())
    if seconds < 60:
        return "just now"
    if seconds > timedelta(days=30).total_seconds():
        return f"on {then.day} {then:%B %Y}"
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            n = int(seconds // size)
            return f"{n} {unit}{'' if n == 1 else 's'} ago"
    raise AssertionError  # pragma: no cover - a minute is the smallest unit


def counted(n: int, noun: str) -> str:
    """A number with its noun: "1 vote", "8,931 votes"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def show_head(board: Board, verdict: Verdict, chosen: Sequence[str] = ()) -> None:
    """What the board rests on (``chosen``: which votes), the verdict as the page's title, and its explanation."""
    last = board.last_vote_at
    when = "" if last is None else f'<time title="{moment.minute(last)}">{ago(last, utc_now())}</time>'
    st.html(head_html(board, verdict, chosen, last_vote=when))


def head_html(board: Board, verdict: Verdict, chosen: Sequence[str] = (), *, last_vote: str = "") -> str:
    """The same as HTML; ``last_vote`` says in HTML when that was."""
    parts = [_whose(board), *([escape(board.criterion)] if board.criterion else []), *map(escape, chosen)]
    if board.n_votes:
        raters = f" by {counted(board.n_raters, 'rater')}" if board.n_raters else ", raters unknown"
        parts.append(f"{counted(board.n_votes, 'vote')}{raters}")
    if last_vote:
        parts.append(f"last vote {last_vote}")
    badge = '<b class="bo-badge">Simulated votes, not people</b>' if board.is_simulated else ""
    return (
        f'<div class="bo-verdict"><p class="bo-over">{" · ".join(parts)}{badge}</p>'
        f"<h1>{escape(verdict.title)}</h1><p>{escape(verdict.text)}</p></div>"
    )


def _whose(board: Board) -> str:
    """The study, or those that are pooled with the votes that each brings."""
    if not board.studies:
        return escape(board.title)
    each = ", ".join(f"{escape(one.title)} ({counted(one.n_votes, 'vote')})" for one in board.studies)
    return f"{len(board.studies)} studies pooled: {each}"


def show_notes(notes: Sequence[str]) -> None:
    """What a reader has to know before believing the numbers, in plain words."""
    place = st.container()  # there in every run, so that what follows stays where it is when a note comes or goes
    if notes:
        place.html(notes_html(notes))


def notes_html(notes: Sequence[str]) -> str:
    """The same as HTML, blank without any."""
    said = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return f'<div class="bo-notes" role="note">{said}</div>' if notes else ""


def show(board: Board, *, scale: Scale = ELO, sort: str = "Rank", find: str = "", chosen: Collection[str] = ()) -> None:
    """The ranking: one table for each group of models that votes connect, and the models without votes apart.

    With ``find`` only the rows of models whose name, version, maker or licence has these words in it; the rows of the
    ``chosen`` models stand out.
    """
    groups, legend = draw(board, scale=scale, sort=sort, find=find, chosen=chosen)
    if not groups:
        said = f"No model here has “{find}” in its name, version, maker or licence."
        st.html(f'<p class="bo-legend">{escape(said)}</p>')
    for group in groups:
        if group.title:
            st.subheader(group.title, anchor=False)
            st.caption(group.text)
        st.html(group.table)
    st.html(legend)


def draw(
    board: Board, *, scale: Scale = ELO, sort: str = "Rank", find: str = "", chosen: Collection[str] = ()
) -> tuple[list[DrawnGroup], str]:
    """The tables of the ranking, and what stands below all of them, as HTML; no table without a row to show."""
    ranking = board.ranking
    scale = SHARE if ranking.method == "win_rate" else scale
    rated = [model for model in ranking.models if model.n_votes]
    groups = sorted({model.component for model in rated})
    has_lines, drawn = False, []
    for number, group in enumerate(groups, start=1):
        models = [model for model in rated if model.component == group]
        votes = sum(model.n_votes for model in models) // 2
        title = f"Group {number} of {len(groups)}" if len(groups) > 1 else ""
        text = f"{counted(len(models), 'model')}, {counted(votes, 'vote')} between them."
        starts = tier_starts(models, ranking) if sort == "Rank" else set()
        has_lines = has_lines or bool(starts)
        lines = _sorted(_lines(board, models, scale), sort)
        axis = make_axis([x for line in lines for x in (line.value, line.lower, line.upper) if x is not None])
        if lines := [line for line in lines if find.casefold() in line.about.casefold()]:
            drawn.append(DrawnGroup(title, text, _table(lines, axis, ranking, scale, starts, chosen)))
    idle = [escape(model.model) for model in ranking.models if not model.n_votes]
    legend = _legend(ranking, rated, has_lines=has_lines)
    apart = f"<p><b>Without votes:</b> {', '.join(idle)}.</p>" if idle else ""
    return drawn, f'<div class="bo-legend">{legend}{apart}</div>'


def _legend(ranking: Ranking, rated: Sequence[ModelRating], *, has_lines: bool) -> str:
    if not any(model.rank_lower for model in rated):
        return ""
    leading = len(peers_of_first(ranking))
    said = "In colour: first, or not told apart from the first. " if leading < len(rated) else ""
    if has_lines:
        said += "Below a line, every model is behind the one at the head of the group above it. "
    return f"<p>{said}What is said of ranks holds at {ranking.confidence * 100:.0f} % for the whole board at once.</p>"


def _lines(board: Board, models: Sequence[ModelRating], scale: Scale) -> list[_Line]:
    won = [model.wins + 0.5 * (model.ties + model.both_bad) for model in models]
    bounds = wilson_interval(won, [model.n_votes for model in models], confidence=board.ranking.confidence)
    lines = []
    for model, win_lower, win_upper in zip(models, *(side.tolist() for side in bounds), strict=True):
        if board.ranking.method == "win_rate":
            raw = (model.win_rate, win_lower, win_upper)
        else:
            raw = (model.rating, model.lower, model.upper)
        value, lower, upper = (None if x is None else scale.of(x) for x in raw)
        card = board.cards.get(model.model, _UNKNOWN)
        about = [model.model, card.version, card.organisation, card.licence]
        shown = " · ".join(text for text in about if text)
        lines.append(_Line(model, card, shown, value, lower, upper, win_lower, win_upper))
    return lines


def _sorted(lines: list[_Line], sort: str) -> list[_Line]:
    keys = {
        "Model": lambda line: line.model.model.casefold(),
        "Organisation": lambda line: (line.card.organisation.casefold(), line.model.model.casefold()),
        "Win rate": lambda line: -(line.model.win_rate or 0),
        "Both bad": lambda line: -(line.model.both_bad_rate or 0),
        "Votes": lambda line: -line.model.n_votes,
    }
    return sorted(lines, key=keys[sort]) if sort in keys else lines


def tier_starts(models: Sequence[ModelRating], ranking: Ranking) -> set[str]:
    """The models above which a line is drawn: they and all below them are behind the first model above the line.

    "Behind" is a Holm-adjusted pair test at the ranking's confidence.
    """
    alpha = 1 - ranking.confidence
    behind = {(pair.model_a, pair.model_b) for pair in ranking.pairs if pair.p_adjusted <= alpha}
    starts: set[str] = set()
    names = [model.model for model in models]
    head = 0
    while head < len(names):
        end = len(names)
        while end > head + 1 and (names[head], names[end - 1]) in behind:
            end -= 1
        if end < len(names):
            starts.add(names[end])
        head = end
    return starts


def _table(
    lines: list[_Line], axis: Axis, ranking: Ranking, scale: Scale, starts: set[str], chosen: Collection[str]
) -> str:
    has_intervals = any(line.lower is not None for line in lines)
    peers, method = peers_of_first(ranking), ranking.method
    rows = "".join(
        _row(
            line,
            axis,
            scale,
            kinds={"lead": name in peers, "tier": name in starts, "mark": name in chosen},
            method=method,
        )
        for name, line in ((line.model.model, line) for line in lines)
    )
    classes = "bo-board" + ("" if any(line.card.organisation for line in lines) else " bo-no-org")
    classes += "" if any(line.card.licence for line in lines) else " bo-no-lic"
    is_share = scale is SHARE
    percent = f"{ranking.confidence * 100:.0f} % interval"
    drawn_head = f"{percent if has_intervals else 'Rating'}{'' if is_share else ', ' + scale.label + ' scale'}"
    ticks = "".join(
        f'<i style="left:{axis.at(tick)}%">{scale.write(tick, axis.digits).removesuffix(scale.unit)}</i>'
        for tick in axis.ticks
    )
    head = (
        '<tr role="row">'
        f"{_th('rank', 'Rank', 'The ranks that the model may have, for the whole board at once')}"
        f"{_th('name', 'Model', '')}{_th('org', 'Organisation', '')}"
        f"{_th('lic', 'Licence', '')}"
        f"{_th('rating', scale.label if is_share else 'Rating', 'How strongly people prefer the model')}"
        f'<th class="iv" role="columnheader" scope="col">{drawn_head}<span aria-hidden="true">{ticks}</span></th>'
        f"{'' if is_share else _th('win', 'Win rate', 'Share of its votes won; a tie counts half')}"
        f"{_th('bad', 'Both bad', 'Share of its votes in which both answers were called bad')}"
        f"{_th('votes', 'Votes', 'Votes on pairs with this model')}</tr>"
    )
    return (
        f'<table class="{classes}" role="table" style="--bo-grid:{_grid(axis)}">'
        f'<thead role="rowgroup">{head}</thead><tbody role="rowgroup">{rows}</tbody></table>'
    )


def _th(name: str, label: str, title: str) -> str:
    return f'<th class="{name}" role="columnheader" scope="col" title="{title}">{label}</th>'


def _grid(axis: Axis) -> str:
    """Hairlines at the ticks, as one CSS gradient that all rows share."""
    stops = []
    for place in (axis.at(tick) for tick in axis.ticks):
        line = f"calc({place}% - 0.5px)", f"calc({place}% + 0.5px)"
        stops += [f"transparent {line[0]}", f"var(--bo-line) {line[0]} {line[1]}", f"transparent {line[1]}"]
    return f"linear-gradient(to right,{','.join(stops)})"


def _row(line: _Line, axis: Axis, scale: Scale, *, kinds: Mapping[str, bool], method: str) -> str:
    model = line.model
    classes = " ".join(name for name, is_on in kinds.items() if is_on)
    name = "mark" if kinds["mark"] else "span"
    rating = "–" if line.value is None else scale.write(line.value)
    win, bad = SHARE.text(model.win_rate or 0), SHARE.text(model.both_bad_rate or 0)
    won = (
        f"{ELO.write(SHARE.of(line.win_lower))} to {SHARE.text(line.win_upper)} (Wilson): {model.wins:,} won, "
        f"{model.losses:,} lost, {model.ties:,} tied, {model.both_bad:,} both bad"
    )
    version = "" if line.card.version in model.model else f"<small>{escape(line.card.version)}</small>"
    cells = (
        _td("rank", _rank(model), _rank_in_words(model)),
        _td("name", f"<{name}>{escape(model.model)}</{name}>{version}{_tag(model)}", escape(line.about)),
        _td("org", escape(line.card.organisation), escape(line.card.organisation)),
        _td("lic", escape(line.card.licence), escape(line.card.licence)),
        _td("rating", rating, ""),
        _td("iv", _interval(line, axis), _interval_in_words(line, scale, rating)),
        "" if method == "win_rate" else _td("win", win, won),
        _td("bad", bad, f"{model.both_bad:,} of {counted(model.n_votes, 'vote')}"),
        _td("votes", f"{model.n_votes:,}", won),
    )
    return f'<tr role="row" class="{classes}">{"".join(cells)}</tr>'


def _td(name: str, content: str, title: str) -> str:
    hint = f' title="{title}"' if title else ""
    return f'<td class="{name}" role="cell"{hint}>{content}</td>'


def _rank(model: ModelRating) -> str:
    if model.rank_lower is None or model.rank_upper is None:
        return str(model.rank or "–")
    return str(model.rank_lower) if model.rank_lower == model.rank_upper else f"{model.rank_lower}–{model.rank_upper}"


def _rank_in_words(model: ModelRating) -> str:
    if model.rank_lower is None or model.rank is None:
        return "This method gives no rank interval"
    return f"In {model.rank}. place; somewhere between rank {model.rank_lower} and {model.rank_upper}"


def _open_ends(model: ModelRating) -> tuple[bool, bool]:
    """Whether the votes set no lower and no upper bound."""
    if model.bounded:
        return False, False
    drawn = model.ties + model.both_bad
    return bool(not drawn and not model.wins), bool(not drawn and not model.losses)


def _tag(model: ModelRating) -> str:
    if model.bounded:
        return ""
    no_lower, no_upper = _open_ends(model)
    return f"<em>no {'upper bound' if no_upper else 'lower bound' if no_lower else 'firm bounds'} yet</em>"


def _interval(line: _Line, axis: Axis) -> str:
    if line.value is None:
        return ""
    bar = ""
    if line.lower is not None and line.upper is not None:
        no_lower, no_upper = _open_ends(line.model)
        low = 0.0 if no_lower else axis.at(line.lower)
        high = 100.0 if no_upper else axis.at(line.upper)
        kind = ' class="down"' if no_lower else ' class="up"' if no_upper else ""
        bar = f'<i{kind} style="left:{low}%;width:{high - low:.2f}%"></i>'
    return f'<div>{bar}<b style="left:{axis.at(line.value)}%"></b></div>'


def _interval_in_words(line: _Line, scale: Scale, rating: str) -> str:
    if line.lower is None or line.upper is None:
        return ""
    no_lower, no_upper = _open_ends(line.model)
    low = "no lower bound yet" if no_lower else scale.write(line.lower)
    high = "no upper bound yet" if no_upper else scale.write(line.upper)
    return f"{rating}; from {low} to {high}"
