"""Battles with their whole text, the names of the models, and what was said; only researchers are shown this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import urlencode

import streamlit as st

from app.components import content, moment, rows
from app.components.strip import SKIPS
from app.domain import Answer, Purpose
from app.services.explore_battles import SeenBattle, Side
from app.study import OVERALL

NO_PROMPT = "The prompt isn't stored: these votes came from a file that doesn't tell it."
NO_OUTPUT = "This output isn't stored. Votes that come from a file carry none; an admin can add outputs under Models."
_PURPOSES = {Purpose.REPEAT: "planned repeat", Purpose.GOLD: "attention check", Purpose.CALIBRATION: "calibration"}


def show(battles: Sequence[SeenBattle], criteria: Mapping[str, str], *, study: str) -> None:
    """A list of battles, each whole."""
    for seen in battles:
        show_one(seen, criteria, study=study)


def show_one(seen: SeenBattle, criteria: Mapping[str, str], *, study: str) -> None:
    """One battle: who won, the prompt, both outputs, and what was said."""
    with st.container(key=f"seen-{seen.id}", gap="small"):
        st.html(_head(seen))
        with st.container(key=f"seen-prompt-{seen.id}"):
            if seen.has_prompt:
                content.show_prompt(seen.screen)
            else:
                st.html(f'<p class="bo-missing">{NO_PROMPT}</p>')
        answer = seen.answers[0][1]
        with st.container(horizontal=True, key=f"seen-sides-{seen.id}"):
            for place, (side, draw) in enumerate(zip(seen.sides, (content.show_left, content.show_right), strict=True)):
                won = answer == (Answer.LEFT, Answer.RIGHT)[place]
                with st.container(key=f"seen-side-{place}-{seen.id}"):
                    st.html(_side_head(seen, side, place, won=won))
                    if side.has_output:
                        draw(seen.screen)
                    else:
                        st.html(f'<p class="bo-missing">{NO_OUTPUT}</p>')
        st.html(_foot(seen, criteria, study=study))


def name_of(seen: SeenBattle, place: int) -> str:
    """What stands on a side: the model, or which side it is of a pair with a known answer."""
    return seen.sides[place].model or ("Left", "Right")[place]


def said(seen: SeenBattle, answer: Answer) -> str:
    """An answer in words with the models' names, as HTML."""
    left, right = (f"<b>{escape(name_of(seen, place))}</b>" for place in (0, 1))
    if answer == Answer.LEFT:
        return f"{left} beat {right}"
    if answer == Answer.RIGHT:
        return f"{right} beat {left}"
    words = {Answer.TIE: "a tie", Answer.BOTH_BAD: "both bad", Answer.SKIP: "can't judge"}[answer]
    return f"{left} and {right}: {words}"


def facts(seen: SeenBattle) -> str:
    """Who, when, and for how long, in one line."""
    return rows.facts(
        "rater unknown" if seen.rater is None else f"Rater {seen.rater}",
        None if seen.voted_at is None else moment.minute(seen.voted_at),
        None if seen.dwell_ms is None else f"looked at it for {seconds(seen.dwell_ms)}",
        _PURPOSES.get(seen.purpose),
        "staff, not blind" if seen.is_staff else None,
        f"stands for {seen.weight:,} votes" if seen.weight > 1 else None,
    )


def seconds(dwell_ms: int) -> str:
    """A time of looking, with the precision that it is good for."""
    value = dwell_ms / 1000
    if value < 10:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 90 else f"{value / 60:.0f} min"


def _head(seen: SeenBattle) -> str:
    answer = seen.answers[0][1]
    expected = ""
    if seen.expected is not None:
        is_right = "as expected" if answer == seen.expected else "not as expected"
        expected = f'<span class="bo-tag">{is_right}</span>'
    return (
        f'<div class="bo-seen-head"><p>{said(seen, answer)}{expected}</p>'
        f'<div class="bo-row-facts">{escape(facts(seen))}</div></div>'
    )


def _side_head(seen: SeenBattle, side: Side, place: int, *, won: bool) -> str:
    where = ("Left", "Right")[place] if seen.has_sides else "Side unknown"
    name = escape(side.model) if side.model else "Known pair"
    mark = '<span class="bo-tag bo-tag-won">preferred</span>' if won else ""
    note = f'<p class="bo-missing">{escape(side.note)}</p>' if side.note else ""
    reasons = (seen.remarks.left, seen.remarks.right)[place]
    chips = "".join(f'<span class="bo-tag">{escape(reason)}</span>' for reason in reasons)
    return f'<div class="bo-seen-side"><p><i>{where}</i><b>{name}</b>{mark}{chips}</p>{note}</div>'


def _foot(seen: SeenBattle, criteria: Mapping[str, str], *, study: str) -> str:
    lines = [
        f"{escape(criteria.get(name, name))}: {said(seen, answer)}" for name, answer in seen.answers if name != OVERALL
    ]
    if seen.remarks.strength:
        lines.append(f"How much better: {seen.remarks.strength}")
    if seen.remarks.skip_reason:
        lines.append(f"Why it can't be judged: {SKIPS[seen.remarks.skip_reason].lower()}")
    comment = f"<blockquote>{escape(seen.remarks.comment)}</blockquote>" if seen.remarks.comment else ""
    if seen.is_comment_hidden:
        comment = '<p class="bo-missing">There is a comment; its writer is blocked, so it isn\'t shown.</p>'
    prompt = [escape(seen.prompt_name)] if seen.prompt_name else []
    prompt += [f"{escape(name)}: {escape(value)}" for name, value in seen.tags.items()]
    known = f'<span class="bo-row-facts">Prompt {" · ".join(prompt)}</span>' if prompt else ""
    links = [link("This battle", study=study, battle=str(seen.id))]
    if seen.prompt_id is not None:
        links.append(link("This prompt across all models", study=study, view="Prompts", prompt=str(seen.prompt_id)))
    said_more = "".join(f"<p>{line}</p>" for line in lines)
    return (
        f'<div class="bo-seen-foot">{comment}{said_more}<div class="bo-seen-links">{known}{"".join(links)}</div></div>'
    )


def link(label: str, **query: str) -> str:
    """A link to another view of this page."""
    return f'<a href="?{escape(urlencode(query))}" target="_self">{escape(label)}</a>'


def show_comments(battles: Sequence[SeenBattle], *, study: str) -> None:
    """Comments with what they are about, each with its battle one click away."""
    listed = []
    for seen in battles:
        if seen.is_comment_hidden or not seen.remarks.comment:
            continue  # it was taken back while the page was made
        listed.append(
            f'<div class="bo-comment"><blockquote>{escape(seen.remarks.comment)}</blockquote>'
            f"<p>{said(seen, seen.answers[0][1])}</p>"
            f'<div class="bo-seen-links"><span class="bo-row-facts">{escape(facts(seen))}</span>'
            f"{link('This battle', study=study, battle=str(seen.id))}</div></div>"
        )
    st.html(f'<div class="bo-comments">{"".join(listed)}</div>')
