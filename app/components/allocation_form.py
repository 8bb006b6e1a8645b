"""Which battle comes next, as a part of the form of an experiment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import streamlit as st

from app.components import note, session
from app.services.allocations import list_allocations
from app.services.drafts import Draft

Key = Callable[[str], str]  # the widget's key for the name of a field
FIELDS = frozenset({"exploration", "floor_votes", "votes_per_prompt"})  # those that stand under "More"
_COLUMNS = 3


def typed(key: Key, model_ids: Sequence[UUID]) -> dict[str, Any]:
    """What stands in this part, as fields of ``Draft``; what is not shown is as usual."""
    allocation = session.typed(key("allocation")) or "uniform"
    found: dict[str, Any] = {"allocation": allocation, "votes_per_prompt": session.typed(key("per-prompt"))}
    share, floor = session.typed(key("exploration")), session.typed(key("floor"))
    if share is not None:
        found["exploration"] = share / 100
    if floor is not None:
        found["floor_votes"] = floor
    known = list_allocations().get(allocation)
    if known and known.uses_weights:
        given = {id_: session.typed(key(f"weight-{id_}")) for id_ in model_ids}
        found["weights"] = {id_: weight for id_, weight in given.items() if weight not in (None, 1.0)}
    return found


def show(key: Key, start: Draft, mistakes: Mapping[str, str], models: Mapping[UUID, str]) -> None:
    """The choice, what it means, and the weights of the chosen ``models`` where it goes by them."""
    known = list_allocations()
    keys = list(known)
    chosen: str = st.selectbox(
        "Which battle comes next",
        keys,
        keys.index(start.allocation) if start.allocation in known else 0,
        format_func=lambda one: known[one].label,
        key=key("allocation"),
        persist_state="session",
    )
    note.show_mistake(mistakes.get("allocation"))
    note.show(known[chosen].description)
    if not known[chosen].uses_weights:
        return
    columns = st.columns(_COLUMNS)
    for place, (id_, name) in enumerate(models.items()):
        columns[place % _COLUMNS].number_input(
            f"Weight of {name}",
            0.01,
            100.0,
            float(start.weights.get(id_, 1.0)),
            step=0.5,
            key=key(f"weight-{id_}"),
            persist_state="session",
        )
    note.show_mistake(mistakes.get("weights"))


def show_more(key: Key, start: Draft, mistakes: Mapping[str, str]) -> None:
    """What few studies need to change: the limit per prompt and, unless all pairs are treated alike, the two floors."""
    known = list_allocations().get(session.typed(key("allocation")) or start.allocation)
    is_even = known is None or known.is_even
    columns = st.columns(1 if is_even else _COLUMNS)
    columns[-1].number_input(
        "Votes per prompt and pair, at most",
        1,
        100_000,
        start.votes_per_prompt,
        key=key("per-prompt"),
        persist_state="session",
        placeholder="No limit",
        help="How many raters judge the same two outputs. Votes are spread over the prompts of a pair in any case.",
    )
    if not is_even:
        columns[0].number_input(
            "Exploration, in % of draws",
            0,
            100,
            round(start.exploration * 100),
            step=5,
            key=key("exploration"),
            persist_state="session",
            help="This share of battles is drawn from all pairs with equal chance, so that the votes can be weighted "
            "again later.",
        )
        columns[1].number_input(
            "Votes of each model that come first",
            0,
            100_000,
            start.floor_votes,
            key=key("floor"),
            persist_state="session",
            help="Pairs with a model that has fewer votes are drawn before all others.",
        )
    for field in ("votes_per_prompt", "exploration", "floor_votes"):
        note.show_mistake(mistakes.get(field))
