"""What a researcher looks for in a study's battles: every choice stands in the address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import streamlit as st

from app.components import address
from app.services import rater_board
from app.services.explore import PLACES, Wanted
from app.services.slices import Choices
from app.services.vote_store import StudyVotes
from app.study import OVERALL

ORDERS = {
    "newest": "Newest first",
    "split": "Disagreement first",
    "longest": "Longest looked at",
    "shortest": "Shortest looked at",
}
KINDS = {"normal": "Votes", "repeat": "Planned repeats", "gold": "Attention checks"}
_OUTCOMES = {"decided": "One was better", "tie": "Tie", "both_bad": "Both bad", "skip": "Can't judge"}
_PLACES = dict(zip(PLACES, ("Anywhere", "Prompts", "Outputs", "Comments"), strict=True))
_SEARCH_HELP = (
    "All words have to be there, in the prompt, in a model's stored output for that prompt, or in a comment. The "
    "search covers the study's prompt set and its outputs; where a model has several samples, any of them counts."
)
_STAFF_HELP = "Votes of people who can see the results. They aren't blind, so they are left out unless you ask."
_MORE = ("criterion", "kind", "rater", "since", "until", "commented", "staff", "in")
FORGETS = ("page", "battle")  # another filter begins at the first page of a list


@dataclass(frozen=True)
class Asked:
    """What is wanted, and what the address says that isn't there, in words."""

    wanted: Wanted
    notes: tuple[str, ...]


def show(study: StudyVotes, choices: Choices, criteria: Mapping[str, str], *, view: str) -> Asked:
    """The controls of a view; those that mean nothing in it are left out."""
    notes: list[str] = []
    chosen = _Choices(notes)
    values: dict[str, Any] = {}
    with st.container(horizontal=True, vertical_alignment="bottom", key="explore-filters"):
        if view != "Prompts":
            values |= _ask_models(study, chosen)
        if view == "Battles":
            values["order"] = chosen.of("Order", ORDERS, name="order", width=190)
        values["words"] = address.type_in(
            "Search",
            name="find",
            placeholder="Words of prompts" if view == "Prompts" else "Words",
            help_="All words have to be in the prompt." if view == "Prompts" else _SEARCH_HELP,
            forgets=FORGETS,
        )
    is_open = any(name in st.query_params for name in _MORE) or any(name.startswith("tag-") for name in st.query_params)
    with (
        st.expander("More filters", expanded=is_open),
        st.container(horizontal=True, vertical_alignment="bottom", key="explore-more"),
    ):
        values |= _ask_more(study, choices, criteria, chosen, view=view)
    values["prompt"] = _prompt_number(study, notes) if view != "Prompts" else None
    return Asked(Wanted(**values), tuple(notes))


@dataclass(frozen=True)
class _Choices:
    """Select boxes that note a value of the address that they don't know."""

    notes: list[str]

    def of(self, label: str, options: Mapping[str, str], *, name: str, width: int = 170) -> str:
        if address.is_unknown(options, name=name):
            self.notes.append(f"What this link says for {label} isn't in this study, so it is left out.")
        return address.choose(label, options, name=name, width=width, forgets=FORGETS)


def _ask_models(study: StudyVotes, chosen: _Choices) -> dict[str, Any]:
    """The model, its opponent and the outcome."""
    place = {name: i for i, name in enumerate(study.models)}
    names = {name: name for name in study.models}
    model = chosen.of("Model", {"": "All models"} | names, name="model", width=220)
    against = ""
    if model:
        others = {name: name for name in study.models if name != model}
        against = chosen.of("Against", {"": "Any other"} | others, name="against", width=220)
    results = {"": "Any outcome"} | ({"won": "Model won", "lost": "Model lost"} if model else {}) | _OUTCOMES
    outcome = chosen.of("Outcome", results, name="outcome", width=160)
    return {"model": place.get(model), "against": place.get(against), "outcome": outcome}


def _ask_more(
    study: StudyVotes, choices: Choices, criteria: Mapping[str, str], chosen: _Choices, *, view: str
) -> dict[str, Any]:
    """Criterion, tags, rater, days, and what kind of votes."""
    values: dict[str, Any] = {"criterion": OVERALL}
    if len(criteria) > 1:
        values["criterion"] = chosen.of("Criterion", criteria, name="criterion")
    tags = []
    for name, counts in choices.tags.items():
        options = {"": "All"} | {value: f"{value} ({n:,})" for value, n in counts.items()}
        if value := chosen.of(name.capitalize(), options, name=f"tag-{name}"):
            tags.append((name, value))
    values["tags"] = tuple(tags)
    if view in {"Battles", "Comments"}:
        values["kind"] = chosen.of("Kind", KINDS, name="kind")
    values["rater"] = _ask_rater(study, chosen.notes)
    if choices.first_day and choices.last_day:
        days = choices.first_day, choices.last_day
        for name, label in (("since", "From"), ("until", "To")):
            if address.is_no_day(*days, name=name):
                chosen.notes.append(f"The day in this link ({label}) is not one of this study's, so it is left out.")
            values[name] = address.choose_day(label, *days, name=name, forgets=FORGETS)
    if view != "Prompts":
        values["place"] = chosen.of("Search in", _PLACES, name="in")
    if view == "Battles":
        values["has_comment"] = address.switch("With a comment", name="commented", forgets=FORGETS)
    values["with_staff"] = address.switch("Staff votes too", name="staff", help_=_STAFF_HELP, forgets=FORGETS)
    return values


def _ask_rater(study: StudyVotes, notes: list[str]) -> int | None:
    text = address.type_in(
        "Rater", name="rater", placeholder="Number", help_="The number that stands behind Rater.", forgets=FORGETS
    ).removeprefix("Rater ")
    if not text:
        return None
    found = rater_board.codes_of_numbers(study, (int(text),)) if text.isdecimal() else ()
    if not found:
        known = f"1 to {len(study.raters):,}" if study.raters else "none: this study doesn't tell its raters apart"
        notes.append(f"There is no rater {text} in this study, so the filter is left out. Known: {known}.")
        return None
    return found[0]


def _prompt_number(study: StudyVotes, notes: list[str]) -> int | None:
    """The one prompt that a link leads to; there is no control for it, as there may be thousands."""
    wanted = st.query_params.get("prompt", "")
    if not wanted:
        return None
    digits = to_id(wanted)
    if digits is None or digits.hex not in study.prompts:
        notes.append("There are no votes on the prompt of this link, so it is left out.")
        return None
    with st.container(horizontal=True, vertical_alignment="center", key="explore-one-prompt"):
        st.html('<p class="bo-only">Only votes on one prompt.</p>', width="content")
        st.button("Votes on all prompts", type="tertiary", on_click=_forget("prompt"))
    return study.prompts.index(digits.hex)


def _forget(name: str) -> Callable[[], None]:
    def forget() -> None:
        for other in (name, *FORGETS):
            st.query_params.pop(other, None)

    return forget


def to_id(text: str) -> UUID | None:
    """An id of the address; None for anything else."""
    try:
        return UUID(text)
    except ValueError:
        return None
