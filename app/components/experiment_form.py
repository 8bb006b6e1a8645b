"""The design of an experiment as a form; what was typed stays in it until the draft is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from uuid import UUID

import streamlit as st

from app.components import allocation_form, ask_form, flow_form, note, session, shows_form
from app.components.text import to_markdown
from app.services.allocations import describe_spending
from app.services.coverage import Candidate
from app.services.drafts import Draft, count_pairs
from app.services.prompt_sets import PromptSetSummary

_UNDER_MORE = allocation_form.FIELDS | {"min_dwell_ms", "lease_minutes", "shows"}
_BLANK = Draft(title="", prompt_set_id=None, model_ids=())


def _key(form: str, field: str) -> str:
    return f"manage-{form}-{field}-{session.form_number(form)}"


def typed(form: str) -> Draft:
    """What stands in the form."""
    prompt_set_id = session.chosen(_key(form, "prompts"))
    model_ids = tuple(session.typed(_key(form, f"models-{prompt_set_id}")) or ())
    return Draft(
        title=session.typed(_key(form, "title")) or "",
        prompt_set_id=prompt_set_id,
        model_ids=model_ids,
        guidelines=session.typed(_key(form, "guidelines")) or "",
        votes_per_pair=session.typed(_key(form, "per-pair")) or 0,
        votes_per_rater=session.typed(_key(form, "per-rater")),
        min_dwell_ms=session.typed(_key(form, "dwell")) or 0,
        lease_minutes=session.typed(_key(form, "lease")) or 0,
        flow=flow_form.typed(form),
        asks=ask_form.typed(partial(_key, form)),
        **allocation_form.typed(partial(_key, form), model_ids),
        shows=shows_form.typed(partial(_key, form)),
    )


def chosen_prompt_set(form: str, sets: Sequence[PromptSetSummary], initial: Draft | None = None) -> UUID:
    """The select box of prompt sets; it decides which models the rest of the form offers."""
    names = {row.id: f"{row.name} v{row.version} · {row.n_prompts:,} prompts" for row in sets}
    ids = list(names)
    first = ids.index(initial.prompt_set_id) if initial and initial.prompt_set_id in names else 0
    chosen: UUID = st.selectbox(
        "Prompts", ids, first, format_func=names.__getitem__, key=_key(form, "prompts"), persist_state="session"
    )
    return chosen


def show(
    form: str, prompt_set: PromptSetSummary, candidates: Sequence[Candidate], initial: Draft | None = None
) -> None:
    """Everything but the prompt set, which was asked before; mistakes of the last try stand by their fields."""
    start, mistakes = initial or _BLANK, session.mistakes(form)
    show_title(_key(form, "title"), start, mistakes)
    _show_models(form, prompt_set, candidates, initial)
    note.show_mistake(mistakes.get("model_ids"))
    left, right = st.columns(2)
    with left:
        st.number_input(
            "Votes per pair", 1, 100_000, start.votes_per_pair, key=_key(form, "per-pair"), persist_state="session"
        )
        note.show_mistake(mistakes.get("votes_per_pair"))
    with right:
        st.number_input(
            "Votes per rater, at most",
            1,
            1_000_000,
            start.votes_per_rater,
            key=_key(form, "per-rater"),
            persist_state="session",
            placeholder="No limit",
        )
        note.show_mistake(mistakes.get("votes_per_rater"))
    chosen = {row.id: row.name for row in candidates if row.id in set(typed(form).model_ids)}
    allocation_form.show(partial(_key, form), start, mistakes, chosen)
    note.show(describe(typed(form), candidates))
    show_guidelines(form, start, mistakes)
    flow_form.show(form, start.flow, mistakes)
    ask_form.show(partial(_key, form), start.asks, mistakes)
    _show_more(form, start, mistakes)


def show_title(key: str, start: Draft, mistakes: Mapping[str, str]) -> None:
    """The study's title, in every kind of study the same field."""
    st.text_input(
        "Title",
        start.title,
        key=key,
        persist_state="session",
        placeholder="What raters read at the top of their screen",
    )
    note.show_mistake(mistakes.get("title"))


def _show_models(
    form: str, prompt_set: PromptSetSummary, candidates: Sequence[Candidate], initial: Draft | None
) -> None:
    names = {row.id: f"{row.name} · {len(row.prompts):,} of {prompt_set.n_prompts:,}" for row in candidates}
    if initial is not None and initial.prompt_set_id == prompt_set.id:
        default = [id_ for id_ in initial.model_ids if id_ in names]
    else:
        default = [row.id for row in candidates if row.prompts]
    with st.container(key=f"models-{form}"):
        st.multiselect(
            "Models, with how many of the prompts each can answer",
            list(names),
            default,
            format_func=names.__getitem__,
            key=_key(form, f"models-{prompt_set.id}"),
            persist_state="session",
            placeholder="Choose at least two",
        )


def describe(draft: Draft, candidates: Sequence[Candidate]) -> str:
    """How much work the design is, in words."""
    chosen = [row for row in candidates if row.id in set(draft.model_ids)]
    n, idle = len(chosen), [row.name for row in chosen if not row.prompts]
    if n < 2:
        return "A comparison needs at least two models."
    n_pairs, n_all = count_pairs([row.prompts for row in chosen]), n * (n - 1) // 2
    n_votes = n_pairs * draft.votes_per_pair
    pairs = f"{n_pairs:,} pairs" if n_pairs == n_all else f"{n_pairs:,} pairs that can meet (of {n_all:,})"
    words = f"{n:,} models make {pairs}; {draft.votes_per_pair:,} votes each is {n_votes:,} votes."
    words += describe_spending(draft.allocation, n_models=n, n_votes=n_votes, floor_votes=draft.floor_votes)
    if draft.votes_per_rater:
        words += (
            f" At {draft.votes_per_rater:,} votes each, that takes {-(-n_votes // draft.votes_per_rater):,} raters."
        )
    if idle:
        verb = "has" if len(idle) == 1 else "have"
        words += f" {', '.join(idle[:3])}{' and others' if len(idle) > 3 else ''} {verb} no output for these prompts."
    return words


def guidelines_key(form: str) -> str:
    """The key of the field for the guidelines."""
    return _key(form, "guidelines")


def show_guidelines(form: str, start: Draft, mistakes: Mapping[str, str]) -> None:
    """The guidelines beside how raters read them."""
    left, right = st.columns(2)
    with left:
        st.text_area(
            "Guidelines for raters, in Markdown",
            start.guidelines,
            height=300,
            key=_key(form, "guidelines"),
            persist_state="session",
        )
        note.show_mistake(mistakes.get("guidelines"))
    with right:
        st.html('<div class="bo-label">As raters read them</div>')
        with st.container(border=True, height=300, key=f"preview-{form}"):
            st.markdown(to_markdown(session.typed(_key(form, "guidelines")) or "No guidelines."))


def _show_more(form: str, start: Draft, mistakes: Mapping[str, str]) -> None:
    with st.expander("More", expanded=bool(_UNDER_MORE & mistakes.keys())):
        left, right = st.columns(2)
        left.number_input(
            "Shortest time for a vote, in ms",
            0,
            60_000,
            start.min_dwell_ms,
            step=100,
            key=_key(form, "dwell"),
            persist_state="session",
            help="A vote that comes sooner after its battle was shown is refused: nobody read anything.",
        )
        right.number_input(
            "A battle is reserved for, in minutes",
            1,
            24 * 60,
            start.lease_minutes,
            key=_key(form, "lease"),
            persist_state="session",
            help="After that, a battle that somebody left unanswered goes to somebody else.",
        )
        note.show_mistake(mistakes.get("min_dwell_ms") or mistakes.get("lease_minutes"))
        allocation_form.show_more(partial(_key, form), start, mistakes)
        shows_form.show(partial(_key, form), start.shows)
        note.show_mistake(mistakes.get("shows"))
