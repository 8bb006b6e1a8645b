"""Outputs that name their maker: what they say, what becomes of them, and the words that are looked for."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import streamlit as st

from app.components import note, rows, session
from app.domain import LeakChoice
from app.services.leak_check import STATES, Phrase
from app.services.leak_lists import Excerpt, LeakRow, ModelLeaks

PER_PAGE = 10
PAGE_KEY, PHRASE_FORM = "manage-leaks-page", "leak-phrase"
_MODEL_KEY, _STATE_KEY = "manage-leaks-model", "manage-leaks-state"
_MOST_MODELS = 4
_BLANK_LINES = re.compile(r"[ \t]*\n\s*")
_WORDS = {"flagged": "waiting", "kept": "kept", "masked": "masked", "dropped": "dropped"}
_LABELS = {LeakChoice.KEEP: "Keep", LeakChoice.MASK: "Mask", LeakChoice.DROP: "Drop"}
_CHOSEN = {"kept": LeakChoice.KEEP, "masked": LeakChoice.MASK, "dropped": LeakChoice.DROP}
_FROM_NOW = {
    LeakChoice.ASK: "new ones wait",
    LeakChoice.KEEP: "new ones are kept",
    LeakChoice.MASK: "new ones are masked",
    LeakChoice.DROP: "new ones are dropped",
}
_HELP = (
    "An output that says “I am ChatGPT” tells raters who wrote it. **Keep** shows it all the same, **Mask** shows it "
    "with ▇▇▇ in the place of the name, **Drop** never shows it. Until you choose, nobody is shown it. The choice "
    "stands beside the results."
)


@dataclass(frozen=True, slots=True)
class View:
    """What the tab shows: ``leaks`` is one page of ``n``."""

    models: Sequence[ModelLeaks]
    leaks: Sequence[LeakRow]
    n: int
    page: int
    phrases: Sequence[Phrase]


@dataclass(frozen=True, slots=True)
class Acts:
    """What the buttons call."""

    choose: Callable[[UUID, LeakChoice], None]
    choose_all: Callable[[UUID, LeakChoice], None]
    add_phrase: Callable[[], None]
    remove_phrase: Callable[[UUID], None]
    recheck: Callable[[], None]


def chosen_filter(model_ids: Sequence[UUID]) -> tuple[UUID | None, str | None]:
    """The model and the state to which the list is narrowed; None for all."""
    model_id, state = session.chosen(_MODEL_KEY), session.typed(_STATE_KEY)
    return model_id if model_id in model_ids else None, state if state in STATES else None


def phrase_key() -> str:
    """The key of the field for new words."""
    return f"manage-phrase-{session.form_number(PHRASE_FORM)}"


def describe_flagged(n: int) -> str:
    """What an import says of outputs that name their maker."""
    if n == 1:
        return "1 output names its maker: choose what becomes of it."
    return f"{n:,} outputs name their maker: choose what becomes of them."


def show(view: View, acts: Acts) -> None:
    """The tab."""
    if view.models:
        note.show(_summary(view.models))
        st.caption(_HELP)
        _show_models(view.models, acts)
        _show_filter(view.models)
        for row in view.leaks:
            _show_leak(row, acts)
        if not view.leaks:
            rows.show_empty("No output is in this state.")
        _show_pages(view)
    else:
        rows.show_empty("No output names its maker or its model. Every output is looked through when it is stored.")
    _show_phrases(view.phrases, acts)


def _summary(models: Sequence[ModelLeaks]) -> str:
    counts = {state: sum(row.counts.get(state, 0) for row in models) for state in STATES}
    n = sum(counts.values())
    name = "1 output names its maker" if n == 1 else f"{n:,} outputs name their maker"
    waiting = counts.pop("flagged")
    said = [f"{waiting:,} {'waits' if waiting == 1 else 'wait'} for your choice"] if waiting else []
    said += [f"{count:,} {_WORDS[state]}" for state, count in counts.items() if count]
    return f"{name}: {', '.join(said)}."


def _show_models(models: Sequence[ModelLeaks], acts: Acts) -> None:
    wanted = session.chosen(_MODEL_KEY)
    listed = [row for row in models if row.id == wanted] or models
    for row in listed[:_MOST_MODELS]:
        known = [f"{row.counts[state]:,} {_WORDS[state]}" for state in STATES if row.counts.get(state)]
        with rows.row(f"leaks-{row.id}", row.name, rows.facts(*known, _FROM_NOW[row.choice])):
            for choice, label in _LABELS.items():
                st.button(
                    f"{label} all",
                    key=f"all-{choice}-{row.id}",
                    on_click=acts.choose_all,
                    args=(row.id, choice),
                    disabled=row.choice == choice and row.counts.get(_state_of(choice), 0) == row.n,
                )
    if len(listed) > _MOST_MODELS:
        st.caption(f"And {len(listed) - _MOST_MODELS:,} more models: choose one below.")


def _state_of(choice: LeakChoice) -> str:
    return next(state for state, found in _CHOSEN.items() if found == choice)


def _show_filter(models: Sequence[ModelLeaks]) -> None:
    names = {row.id: f"{row.name} ({row.n:,})" for row in models}
    model, state = st.columns(2)
    model.selectbox(
        "Model",
        [None, *names],
        format_func=lambda id_: names.get(id_, "All models"),
        key=_MODEL_KEY,
        on_change=_first_page,
    )
    state.selectbox(
        "State",
        [None, *STATES],
        format_func=lambda state: _WORDS.get(state, "All").capitalize(),
        key=_STATE_KEY,
        on_change=_first_page,
    )


def _first_page() -> None:
    session.choose(PAGE_KEY, 0)


def _show_leak(row: LeakRow, acts: Acts) -> None:
    with st.container(border=True, key=f"leak-{row.id}", gap="small"):
        st.html(_leak_html(row))
        with st.container(horizontal=True, vertical_alignment="center", key=f"leak-acts-{row.id}", gap="small"):
            if row.is_in_use:
                st.caption("A started study shows it, so this can't change any more.")
                return
            for choice, label in _LABELS.items():
                st.button(
                    label,
                    key=f"{choice}-{row.id}",
                    on_click=acts.choose,
                    args=(row.id, choice),
                    disabled=_CHOSEN.get(row.state) == choice,
                )


def _leak_html(row: LeakRow) -> str:
    """Who wrote what in answer to what; all of it is other people's text and stays text."""
    tags = [(row.state, _WORDS[row.state])]
    found = dict.fromkeys(excerpt.phrase for excerpt in row.excerpts)
    prompt = row.prompt if len(row.prompt) <= 160 else f"{row.prompt[:160]}…"
    head = rows.head_html(row.model, rows.facts(f"prompt {row.prompt_id}", f"found by: {', '.join(found)}"), tags)
    quotes = "".join(map(_quote, row.excerpts))
    return f'<div class="bo-leak">{head}<div class="bo-row-facts" dir="auto">{html.escape(prompt)}</div>{quotes}</div>'


def _quote(excerpt: Excerpt) -> str:
    parts = (excerpt.before, excerpt.text, excerpt.after)
    before, text, after = (html.escape(_BLANK_LINES.sub("\n", part)) for part in parts)
    return f'<blockquote dir="auto">{before}<mark>{text}</mark>{after}</blockquote>'


def _show_pages(view: View) -> None:
    last = max(0, (view.n - 1) // PER_PAGE)
    if not last:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="leak-pages", gap="small"):
        turn, page = session.choose, view.page
        st.button("Previous", key="leaks-previous", on_click=turn, args=(PAGE_KEY, page - 1), disabled=page == 0)
        st.button("Next", key="leaks-next", on_click=turn, args=(PAGE_KEY, page + 1), disabled=page == last)
        first = page * PER_PAGE + 1
        st.caption(f"{first:,} to {first + len(view.leaks) - 1:,} of {view.n:,}")


def _show_phrases(phrases: Sequence[Phrase], acts: Acts) -> None:
    st.markdown("##### Words that give a maker away")
    st.caption(
        "Names of makers and models are known, and each model's own name, organisation and provider id. Add what else "
        "tells: a code name, a product, a greeting. All outputs are looked through at once."
    )
    with st.container(horizontal=True, vertical_alignment="bottom", key="leak-phrase-form"):
        st.text_input("Words", key=phrase_key(), max_chars=200, placeholder="Project Kestrel")
        st.button("Add", key="leak-phrase-add", on_click=acts.add_phrase)
        st.button("Look through all outputs again", key="leak-recheck", type="tertiary", on_click=acts.recheck)
    note.show_mistake(session.mistakes(PHRASE_FORM).get("phrase"))
    for phrase in phrases:
        with rows.row(f"phrase-{phrase.id}", phrase.text, ""):
            st.button(
                "Remove", key=f"remove-{phrase.id}", type="tertiary", on_click=acts.remove_phrase, args=(phrase.id,)
            )
