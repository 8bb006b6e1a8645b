"""What the votes say of two models: tiles with the numbers, how they ended, and the parts of the votes one by one."""

from __future__ import annotations

import math
from html import escape

import streamlit as st
from scipy.special import expit

from app.components.axis import ELO, SHARE, Axis, make_axis
from app.components.board import counted
from app.domain import Effect
from app.services.decision_card import Card
from app.services.estimates import Estimate
from app.services.head_to_head import HeadToHead, Part, Setting, Tally
from app.services.style_control import StyleControl
from app.stats.clustered_share import Share
from app.stats.sign_test import SignTest

_GAP = 400 / math.log(10)  # Elo points of a logit
_DRAWN_HEAD = '<th scope="col" class="draw" aria-hidden="true"></th>'


def share(logit: float) -> float:
    """The win probability in per cent of a gap in logits."""
    return 100 * float(expit(logit))


def show_head(setting: Setting, result: HeadToHead, card: Card | None, label: str) -> None:
    """The study, the answer as the page's title, and the sentence under it."""
    parts = [escape(setting.title), *([escape(label)] if label else [])]
    by = f" by {counted(result.votes_by, 'rater')}" if result.votes_by else ", raters unknown"
    n = 0 if result.estimate is None else result.estimate.n_votes
    parts.append(f"{counted(n, 'vote')}{by}" if n else "no votes")
    badge = '<b class="bo-badge">Simulated votes, not people</b>' if setting.is_simulated else ""
    title = card.headline if card else f"{setting.model} against {setting.against}"
    st.html(
        f'<div class="bo-verdict"><p class="bo-over">{" · ".join(parts)}{badge}</p>'
        f"<h1>{escape(title)}</h1><p>{escape(_sentence(setting, result))}</p></div>"
    )


def _sentence(setting: Setting, result: HeadToHead) -> str:
    estimate = result.estimate
    if estimate is None:
        return f"No votes link {setting.model} with {setting.against} in this choice of votes."
    whom = setting.opponent or "an average model of the field"
    said = f"{setting.model} would win {share(estimate.difference):.1f} % of votes against {whom}"
    if estimate.together is None:
        return f"{said} by what was voted so far; too little stands behind it yet for an interval."
    lower, upper = (share(x) for x in estimate.together)
    how = "At the planned end" if setting.is_at_end else "However often one looks"
    return f"{said}. {how}, between {lower:.1f} and {upper:.1f} % at 95 % confidence for {setting.family}."


def show_numbers(setting: Setting, result: HeadToHead) -> None:
    """Tiles: win probability, rating gap, p-values at the planned end, and the votes between the two."""
    tiles = []
    estimate = result.estimate
    if estimate is not None:
        errors = "clustered by rater" if math.isfinite(estimate.df) else "per vote"
        tiles += [
            (
                "Win probability",
                f"{share(estimate.difference):.1f} %",
                f"By Bradley-Terry from all votes, ties half. {_interval(estimate, setting, is_share=True)} "
                f"Errors {errors}.",
            ),
            (
                "Rating gap",
                f"{_points(estimate.difference)} Elo",
                f"400 points are odds of 10 to 1. {_interval(estimate, setting, is_share=False)}",
            ),
        ]
        if estimate.p is not None:
            tiles.append(_p_tile(estimate, setting))
            tiles.append(_exact_tile(result.sign, setting))
        elif not setting.is_at_end:
            tiles.append(
                (
                    "p-value",
                    "at the end",
                    "A p-value of one look misleads whoever looks often; until the planned end the intervals here "
                    "hold however often you look.",
                )
            )
    drawn = "".join(
        f"<div><dt>{escape(name)}</dt><dd><b>{escape(value)}</b><span>{escape(text)}</span></dd></div>"
        for name, value, text in tiles
    )
    if drawn:
        st.html(f'<section class="bo-trust"><h2>By how much?</h2><dl>{drawn}</dl></section>')
    show_tally(setting, result.tally)


def _interval(estimate: Estimate, setting: Setting, *, is_share: bool) -> str:
    if estimate.alone is None:
        return "No interval yet."

    def both(bounds: tuple[float, float]) -> str:
        if is_share:
            return f"{share(bounds[0]):.1f} to {share(bounds[1]):.1f} %"
        return f"{_points(bounds[0])} to {_points(bounds[1])}"

    together = (
        ""
        if estimate.together is None or setting.n_family == 1
        else (f"; {both(estimate.together)} corrected for {setting.family}")
    )
    kind = "95 % interval" if setting.is_at_end else "95 % at any time"
    return f"{kind}: {both(estimate.alone)} for this comparison alone{together}."


def _points(logit: float) -> str:
    shown = ELO.write(_GAP * logit, 0)
    return shown if shown.startswith("−") or shown == "0" else f"+{shown}"


def _p_tile(estimate: Estimate, setting: Setting) -> tuple[str, str, str]:
    assert estimate.p is not None  # noqa: S101 - the caller has looked
    main = estimate.p_max_t if estimate.p_max_t is not None else estimate.p_holm
    known = [("max-T", estimate.p_max_t), ("Holm" if setting.opponent else "Bonferroni", estimate.p_holm)]
    parts = [f"{name} {_p(p)}" for name, p in known if p is not None]
    text = f"Corrected for {setting.family}: {', '.join(parts)}. Uncorrected {_p(estimate.p)}, for a pair named before."
    return "p-value, one look at the end", _p(main if main is not None else estimate.p), text


def _exact_tile(sign: SignTest | None, setting: Setting) -> tuple[str, str, str]:
    """The sign test of the votes between the two, which leans on no model of the votes."""
    name = "Exact p-value, one look at the end"
    if sign is None or not sign.n_for + sign.n_against:
        return name, "no votes", "Nobody has preferred one of the two to the other in a vote between them."
    who, other = setting.model, setting.opponent or "the models it met"
    people = "raters" if sign.is_by_rater else "votes"
    even = f", {sign.n_even:,} each as often" if sign.n_even else ""
    said = f"{sign.n_for:,} {people} preferred {who}, {sign.n_against:,} {other}{even}. "
    said += f"Sign test corrected by Holm for {setting.family}; uncorrected {_p(sign.p)}. "
    said += (
        "Each rater counts once, so it holds however alike a rater’s votes are."
        if sign.is_by_rater
        else "Each vote counts as a rater, since too few raters are known."
    )
    return name, _p(sign.p_holm), said


def _p(p: float) -> str:
    return "below 0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.01 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def show_tally(setting: Setting, tally: Tally) -> None:
    """How the votes between the two ended, as a table with Wilson's intervals."""
    who = "with" if setting.opponent is None else "between the two"
    if not tally.n_votes:
        st.html(f'<p class="bo-legend">No vote {escape(who)} alone: all that is said here comes through others.</p>')
        return
    rows = (
        (f"{setting.model} won", tally.wins),
        (f"{setting.opponent or 'Another model'} won", tally.losses),
        ("Tie", tally.ties),
        ("Both bad", tally.both_bad),
    )
    axis = Axis(0.0, 100.0, (0.0, 25.0, 50.0, 75.0, 100.0), 0)
    drawn = "".join(_tally_row(name, one, axis) for name, one in rows)
    whose = f"on {setting.model}" if setting.opponent is None else "between the two"
    warning = "" if setting.is_at_end else ": a running study isn't stopped by them"
    how = f"{counted(tally.n_raters, 'rater')} taken together with their votes" if tally.is_clustered else "per vote"
    st.html(
        f'<table class="bo-cmp bo-tally"><thead><tr><th scope="col">{counted(tally.n_votes, "vote")} '
        f'{escape(whose)}</th><th scope="col" class="n">Votes</th><th scope="col" class="n">Share</th>'
        f'<th scope="col" class="n">95 % interval</th>{_DRAWN_HEAD}</tr></thead>'
        f"<tbody>{drawn}</tbody></table>"
        f'<p class="bo-legend">Wilson’s intervals, {how}, each for itself and for one look{warning}.</p>'
    )


def _tally_row(name: str, one: Share, axis: Axis) -> str:
    value, lower, upper = (100 * x for x in (one.share, one.lower, one.upper))
    return (
        f'<tr><th scope="row">{escape(name)}</th><td class="n" data-name="votes">{one.hits:,.0f}</td>'
        f'<td class="n">{SHARE.write(value, 1)}</td><td class="n">{lower:.1f} to {SHARE.write(upper, 1)}</td>'
        f'<td class="draw">{_drawn(axis, value, lower, upper)}</td></tr>'
    )


def _drawn(axis: Axis, value: float, lower: float | None, upper: float | None, *, is_clear: bool = False) -> str:
    bar = ""
    if lower is not None and upper is not None:
        low, high = axis.at(lower), axis.at(upper)
        bar = f'<i style="left:{low}%;width:{high - low:.2f}%"></i>'
    middle = f'<u style="left:{axis.at(50.0)}%"></u>'
    return f'<div{" class=clear" if is_clear else ""}>{middle}{bar}<b style="left:{axis.at(value)}%"></b></div>'


def show_parts(result: HeadToHead) -> None:
    """The win probability in each value of each tag and under each other criterion."""
    setting, parts = result.setting, result.parts
    if not parts and not result.n_too_small:
        st.html('<p class="bo-legend">The prompts carry no tags and the study asks no further criterion.</p>')
        return
    values = [share(x) for part in parts for x in (part.estimate.difference, *(part.estimate.alone or ()))]
    axis = make_axis([*values, 50.0])
    rows = "".join(_part_row(part, axis, setting) for part in parts)
    q_head = '<th scope="col" class="n">BH q</th>' if setting.is_at_end else ""
    kind = "95 % interval" if setting.is_at_end else "95 % at any time"
    missing = f" {counted(result.n_too_small, 'part')} with too few votes left out." if result.n_too_small else ""
    st.html(
        '<table class="bo-cmp bo-parts"><thead><tr><th scope="col">Part of the votes</th>'
        f'<th scope="col" class="n">Votes</th><th scope="col" class="n">{escape(setting.model)} wins</th>'
        f'<th scope="col" class="n">{kind}</th>{_DRAWN_HEAD}{q_head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
        '<p class="bo-legend">Intervals are each for itself. In colour: apart from 50 % by Benjamini and Hochberg over '
        f"these {len(parts)} parts, so that at most 5 % of what is coloured is expected to be false. To find out where "
        f"to look, not to decide.{missing}</p>"
    )


def _part_row(part: Part, axis: Axis, setting: Setting) -> str:
    estimate = part.estimate
    value = share(estimate.difference)
    lower, upper = (None, None) if estimate.alone is None else (share(x) for x in estimate.alone)
    shown = "too few yet" if lower is None or upper is None else f"{lower:.1f} to {SHARE.write(upper, 1)}"
    q = (
        f'<td class="n" data-name="q">{_p(part.q)}</td>'
        if part.q is not None
        else "<td></td>"
        if setting.is_at_end
        else ""
    )
    return (
        f'<tr><th scope="row"><em>{escape(part.kind)}</em> {escape(part.name)}</th>'
        f'<td class="n" data-name="votes">{part.n_votes:,}</td>'
        f'<td class="n">{SHARE.write(value, 1)}</td><td class="n">{shown}</td>'
        f'<td class="draw">{_drawn(axis, value, lower, upper, is_clear=part.is_clear)}</td>{q}</tr>'
    )


def show_style(setting: Setting, found: StyleControl) -> None:
    """The raw and the controlled win probability from the same votes, and what form does."""
    if found.raw is None or found.controlled is None:
        st.html(f'<p class="bo-legend">{escape(found.problem)}</p>')
        return
    rows = (("As voted", found.raw), ("Length and marks held equal", found.controlled))
    values = [share(x) for _, one in rows for x in (one.difference, *(one.alone or ()))]
    axis = make_axis([*values, 50.0])
    drawn = ""
    for name, one in rows:
        lower, upper = (None, None) if one.alone is None else (share(x) for x in one.alone)
        shown = "too few yet" if lower is None or upper is None else f"{lower:.1f} to {SHARE.write(upper, 1)}"
        drawn += (
            f'<tr><th scope="row">{name}</th><td class="n" data-name="Elo">{_points(one.difference)}</td>'
            f'<td class="n">{SHARE.write(share(one.difference), 1)}</td><td class="n">{shown}</td>'
            f'<td class="draw">{_drawn(axis, share(one.difference), lower, upper)}</td></tr>'
        )
    effects = "; ".join(_effect(one) for one in found.effects)
    mine, other = (f"{n:,.0f}" for n in found.characters)
    left = f" {counted(found.n_unknown, 'vote')} on outputs that aren't stored are left out." if found.n_unknown else ""
    st.html(
        '<table class="bo-cmp bo-style"><thead><tr><th scope="col">'
        f'{counted(found.n_votes, "vote")}</th><th scope="col" class="n">Gap, Elo</th>'
        f'<th scope="col" class="n">{escape(setting.model)} wins</th><th scope="col" class="n">95 % interval</th>'
        f"{_DRAWN_HEAD}</tr></thead><tbody>{drawn}</tbody></table>"
        f'<p class="bo-legend">{escape(setting.model)} writes {mine} characters on average, {escape(setting.against)} '
        f"{other}. Held equal, a win probability speaks of outputs of the same form: another question, not a better "
        f"answer. What one typical difference in form is worth: {escape(effects)}.{left}</p>"
    )


def _effect(one: Effect) -> str:
    return f"{one.name} {_points(one.estimate)} ± {abs(_GAP * 1.96 * one.se):.0f} Elo"
