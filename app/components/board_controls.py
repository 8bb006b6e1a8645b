"""The controls of the leaderboard: how it ranks, which votes it looks at, and how it shows them; all in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app.components import address, board, session, slice_form
from app.components.axis import SCALES
from app.services import leaderboard
from app.services.board_view import (
    AUTO,
    BOOTSTRAP,
    BY_BOTH,
    BY_PROMPT,
    BY_RATER,
    DEFAULT,
    PER_VOTE,
    View,
    find_method,
)
from app.services.ranking_options import can_cluster, can_fit_position, can_hold_form
from app.services.vote_store import StudyVotes

ELO = "Elo"
SCALE_HELP = "Elo: the average is 1000, and 400 points more are odds of 10 to 1. Logits: the average is 0."
INTERVALS = {
    AUTO: "clustered (automatic)",
    BY_BOTH: "by rater and prompt",
    BY_RATER: "by rater",
    BY_PROMPT: "by prompt",
    PER_VOTE: "every vote alone",
    BOOTSTRAP: "bootstrap",
}
TIES = {"half": "count", "drop": "left out"}
BOTH_BAD = {"tie": "counts as a tie", "drop": "left out"}
TIES_HELP = "A tie is half a win for each side, or an outcome of its own where the method has one."
POSITION_HELP = "Estimate how much standing on the left helps, and rate the models as if nobody stood there."
STYLE_HELP = (
    "Rate the models as if outputs were of one length with as many headings, lists and bold words: what people prefer "
    "beyond the form."
)
MEAN, _UNKNOWN = "", "bakeoff_unknown_in_link"


@dataclass(frozen=True)
class Asked:
    """What is to be shown and how: ``scale`` is a key of ``SCALES``, ``find`` are words of models.

    ``notes`` say what the address names that isn't there.
    """

    view: View
    scale: str = ELO
    sort: str = "Rank"
    find: str = ""
    notes: tuple[str, ...] = ()


def method_labels() -> dict[str, str]:
    """The methods' names without what stands in parentheses, the default first."""
    labels = {key: label.split(" (")[0] for key, label in leaderboard.list_methods().items()}
    return {DEFAULT: labels[DEFAULT]} | labels


def choose(votes: StudyVotes, criteria: Mapping[str, str], *, is_long: bool) -> Asked:
    """What the controls and the address say."""
    if not len(votes.columns):
        return Asked(View())
    notes = [*slice_form.list_unknown(criteria), *_list_unknown(votes)]
    criterion = slice_form.choose_criterion(criteria)
    method = _choose_method()
    scale = ELO if method == "win_rate" else _choose_scale()
    sort, find = (_choose_sort(), _choose_words()) if is_long else ("Rank", "")
    with st.popover("More", icon=":material/tune:", key="board-more"):
        more = _choose_more(votes, method)
        chosen = slice_form.choose(votes, criterion=criterion)
    view = View(method=method, **more, without_flagged=chosen.without_flagged, slice=chosen.slice)
    return Asked(view, scale, sort, find, (*notes, *chosen.notes))


def address_of(study: str, votes: StudyVotes, asked: Asked) -> dict[str, str]:
    """What stands in the address for this view."""
    view = asked.view
    every = {
        "study": study,
        "method": method_labels()[view.method],
        "scale": asked.scale,
        "sort": asked.sort,
        "find": asked.find,
        "interval": "" if view.interval == AUTO else view.interval,
        "zero": view.anchor,
        "ties": "" if view.ties == "half" else view.ties,
        "both_bad": "" if view.both_bad == "tie" else view.both_bad,
        "position": "true" if view.position else "",
        "style": "true" if view.style else "",
    }
    of_votes = slice_form.address_of(votes, view.slice, without_flagged=view.without_flagged)
    return {name: value for name, value in every.items() if value} | of_votes


def _list_unknown(votes: StudyVotes) -> list[str]:
    """What to say where the address names a method, scale, order or the like that there is none of."""
    known = {
        "method": ("Method", method_labels().values()),
        "scale": ("Scale", SCALES),
        "sort": ("Sorted by", board.SORTS),
        "interval": ("Intervals", INTERVALS),
        "zero": ("Zero of the scale", ("", *votes.models)),
        "ties": ("Ties", TIES),
        "both_bad": ("Both bad", BOTH_BAD),
    }
    now = {name for name, (_, values) in known.items() if address.is_unknown(dict.fromkeys(values, ""), name=name)}
    # Streamlit takes a value that a control of its own doesn't have out of the address when it has drawn it.
    usual = {"method": DEFAULT, "scale": ELO, "sort": "Rank"}
    before = {name for name in session.typed(_UNKNOWN) or () if session.typed(name) == usual.get(name, "")}
    session.choose(_UNKNOWN, now | before)
    return [
        f"What this link says for {label} isn't there, so the usual is shown."
        for name, (label, _) in known.items()
        if name in now | before
    ]


def _choose_method() -> str:
    labels = method_labels()
    about = "\n\n".join(f"**{label}**: {leaderboard.describe_method(key)}" for key, label in labels.items())
    chosen = st.selectbox(
        "Method", labels, format_func=labels.__getitem__, help=about, key="method", bind="query-params", width=170
    )
    return chosen if chosen in labels else DEFAULT


def _choose_scale() -> str:
    chosen = st.segmented_control(
        "Scale", list(SCALES), default=ELO, required=True, help=SCALE_HELP, key="scale", bind="query-params"
    )
    return chosen if chosen in SCALES else ELO


def _choose_sort() -> str:
    chosen = st.selectbox("Sorted by", board.SORTS, key="sort", bind="query-params", width=150)
    return chosen if chosen in board.SORTS else "Rank"


def _choose_words() -> str:
    found = st.text_input(
        "Find", placeholder="Model or maker", key="find", bind="query-params", max_chars=100, width=150
    )
    return (found or "").strip()


def _choose_more(votes: StudyVotes, method: str) -> dict[str, Any]:
    """What a view has beside its method and its slice."""
    plugin = find_method(method)
    found: dict[str, Any] = {}
    if can_cluster(plugin):
        found["interval"] = address.choose("Intervals", INTERVALS, name="interval")
    if method != "win_rate":
        anchors = {MEAN: "the mean of all models"} | {name: name for name in votes.models}
        found["anchor"] = address.choose("Zero of the scale", anchors, name="zero")
    found["ties"] = address.choose("Ties", TIES, name="ties", help_=TIES_HELP)
    if method != "both_bad":
        found["both_bad"] = address.choose("Both bad", BOTH_BAD, name="both_bad")
    if can_fit_position(plugin):
        found["position"] = st.toggle(
            "Without the left side's advantage", help=POSITION_HELP, key="position", bind="query-params"
        )
    if can_hold_form(plugin):
        found["style"] = st.toggle("Length and form held equal", help=STYLE_HELP, key="style", bind="query-params")
    return found
