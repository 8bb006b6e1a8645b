"""The design of an arena as a form: which models are asked live, how many votes, and what bounds the cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from app.components import ask_form, experiment_form, note, session, shows_form
from app.domain import Kind
from app.services.arena_setup import UNLIMITED_VOTES, LiveModel
from app.services.drafts import Draft
from app.study import Arena

_BLANK = Draft(title="", prompt_set_id=None, model_ids=(), kind=Kind.ARENA, votes_per_pair=UNLIMITED_VOTES)
_KINDS = {Kind.PROMPTS: "Stored outputs", Kind.ARENA: "Arena: raters' own prompts, answered live"}
# By field of ``Arena``: label, least, most, what an empty field means, help.
_LIMITS = (
    ("most_characters", "Characters of a message, at most", 1, 100_000, None, None),
    ("most_turns", "Messages in a conversation, at most", 1, 50, None, None),
    ("per_minute", "Messages a minute and rater", 1, 1_000, None, None),
    ("per_hour", "Messages an hour and rater", 1, 10_000, None, None),
    (
        "most_tokens",
        "Tokens of an answer, at most",
        1,
        1_000_000,
        "As the endpoint has it",
        "An answer that was cut short is never shown; raters get another pair.",
    ),
)


def _key(form: str, field: str) -> str:
    return f"manage-{form}-arena-{field}-{session.form_number(form)}"


def chosen_kind(form: str, initial: Draft | None = None) -> Kind:
    """The choice between a study of stored outputs and an arena; a draft stays what it is."""
    if initial is not None:
        return initial.kind
    kinds = list(_KINDS)
    chosen: Kind = st.radio(
        "What raters compare",
        kinds,
        format_func=_KINDS.__getitem__,
        key=_key(form, "kind"),
        horizontal=True,
        persist_state="session",
    )
    return chosen


def is_arena(form: str, initial: Kind | None = None) -> bool:
    """Whether the form is about an arena, for callbacks."""
    return (initial or session.typed(_key(form, "kind"))) == Kind.ARENA


def typed(form: str) -> Draft:
    """What stands in the form."""
    return Draft(
        title=session.typed(_key(form, "title")) or "",
        prompt_set_id=None,
        model_ids=tuple(session.typed(_key(form, "models")) or ()),
        guidelines=session.typed(experiment_form.guidelines_key(form)) or "",
        votes_per_pair=session.typed(_key(form, "per-pair")) or UNLIMITED_VOTES,
        votes_per_rater=session.typed(_key(form, "per-rater")),
        kind=Kind.ARENA,
        arena=Arena(
            most_cost=session.typed(_key(form, "most_cost")),
            **{name: session.typed(_key(form, name)) for name, *_ in _LIMITS},
        ),
        asks=ask_form.typed(partial(_key, form)),
        shows=shows_form.typed(partial(_key, form)),
    )


def show(form: str, live: Sequence[LiveModel], n_files: int, initial: Draft | None = None) -> None:
    """The whole form; mistakes of the last try stand by their fields."""
    start, mistakes = initial or _BLANK, session.mistakes(form)
    experiment_form.show_title(_key(form, "title"), start, mistakes)
    names = {row.id: row.name for row in live}
    with st.container(key=f"models-{form}"):
        st.multiselect(
            "Models, which are asked live",
            list(names),
            [id_ for id_ in start.model_ids if id_ in names],
            format_func=names.__getitem__,
            key=_key(form, "models"),
            persist_state="session",
            placeholder="Choose at least two",
        )
    note.show_mistake(mistakes.get("model_ids"))
    if n_files:
        note.show(f"Not offered: {n_files:,} models whose outputs come as files, since nobody can ask them.")
    left, right = st.columns(2)
    with left:
        most = None if start.votes_per_pair == UNLIMITED_VOTES else start.votes_per_pair
        _number("Votes per pair", 1, 100_000, most, _key(form, "per-pair"), empty="Until it is stopped")
        note.show_mistake(mistakes.get("votes_per_pair"))
    with right:
        per_rater = start.votes_per_rater
        _number("Votes per rater, at most", 1, 1_000_000, per_rater, _key(form, "per-rater"), empty="No limit")
        note.show_mistake(mistakes.get("votes_per_rater"))
    _show_limits(form, start.arena, mistakes)
    experiment_form.show_guidelines(form, start, mistakes)
    ask_form.show(partial(_key, form), start.asks, mistakes, is_arena=True)
    shows_form.show(partial(_key, form), start.shows)


def _number(
    label: str,
    least: int,
    most: int,
    value: int | None,
    key: str,
    *,
    empty: str | None = None,
    explained: str | None = None,
) -> None:
    st.number_input(label, least, most, value, key=key, persist_state="session", placeholder=empty, help=explained)


def _show_limits(form: str, start: Arena, mistakes: Mapping[str, str]) -> None:
    note.show("Every message asks two models, which costs what their endpoints charge. These limits hold that.")
    columns = st.columns(2)
    for place, (name, label, least, most, empty, explained) in enumerate(_LIMITS):
        with columns[place % 2]:
            _number(label, least, most, getattr(start, name), _key(form, name), empty=empty, explained=explained)
            note.show_mistake(mistakes.get(name))
    with columns[len(_LIMITS) % 2]:
        st.number_input(
            "Budget in $, for all raters",
            0.0,
            1e9,
            start.most_cost,
            key=_key(form, "most_cost"),
            persist_state="session",
            placeholder="None",
            help="Nothing more is asked when the answers so far cost that much; those on their way still come in.",
        )
        note.show_mistake(mistakes.get("most_cost"))
