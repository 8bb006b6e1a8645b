"""The controls that say which votes a result looks at, the same on each page; every choice stands in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from html import escape

import streamlit as st

from app.components import address, rater_list
from app.services import rater_board, slices
from app.services.slices import Choices, Slice
from app.services.vote_store import StudyVotes
from app.study import OVERALL

ALL, TAG = "", "tag."  # what no choice is called, and what a tag's name in the address begins with
STAFF_HELP = "Votes of people who can see the results. They aren't blind, so results leave them out unless you ask."
FLAGGED_HELP = "Leave out raters whom a check on the Quality page flags: too fast, one-sided, against everybody."
NOBODY = "Nobody voted here. Choose more votes, such as more days or all raters, or another study."


@dataclass(frozen=True)
class Asked:
    """The votes that were asked for, and what the address says of them that isn't there, in words.

    ``without_flagged`` asks to leave out the raters whom a check flags, who are no part of the slice yet: to find them
    takes seconds in a large study.
    """

    slice: Slice
    without_flagged: bool
    notes: tuple[str, ...]


def choose_criterion(criteria: Mapping[str, str]) -> str:
    """The criterion that the control and the address name; there is none to choose where a study asks only one."""
    return address.choose("Criterion", criteria, name="criterion", width=170) if len(criteria) > 1 else OVERALL


def choose_in_popover(study: StudyVotes, *, criterion: str, can_leave_out: bool = True) -> Asked:
    """``choose`` behind a button, for pages that have other controls first."""
    with st.popover("Which votes", icon=":material/tune:", key="which-votes"):
        return choose(study, criterion=criterion, can_leave_out=can_leave_out)


def choose(study: StudyVotes, *, criterion: str, can_leave_out: bool = True) -> Asked:
    """What the controls and the address name; what the address names and isn't there is left aside with a word.

    Without ``can_leave_out`` every rater is in: the page has a control of its own for that.
    """
    choices, notes, tags = slices.list_choices(study, criterion=criterion), list[str](), []
    flagged, without = False, tuple[int, ...]()
    if can_leave_out:
        flagged = st.toggle("Leave out flagged raters", help=FLAGGED_HELP, key="unflagged", bind="query-params")
        without, problem = _without(study)
        notes += [problem] * bool(problem)
    for name, values in choices.tags.items():
        if value := _choose(name.capitalize(), values, f"{TAG}{name}", notes):
            tags.append((name, value))
    others = (name.removeprefix(TAG) for name in st.query_params if name.startswith(TAG))
    notes += [_not_here(name.capitalize()) for name in others if name not in choices.tags]
    group = _choose("Raters", choices.groups, "group", notes)
    since, until = _choose_days(choices, notes)
    n_staff = slices.take(study, Slice(criterion)).n_staff_votes
    staff = f"Include staff votes ({n_staff:,})"
    with_staff = bool(n_staff) and st.toggle(staff, help=STAFF_HELP, key="staff", bind="query-params")
    found = Slice(criterion, tuple(tags), group, since, until, with_staff=with_staff, without=without)
    return Asked(found, flagged, tuple(notes))


def list_unknown(criteria: Mapping[str, str]) -> list[str]:
    """What to say where the address names a criterion that isn't asked."""
    is_unknown = address.is_unknown(criteria, name="criterion")
    return ["The criterion in this link isn't asked in this study; these are the overall votes."] * is_unknown


def _choose(label: str, values: Mapping[str, int], name: str, notes: list[str]) -> str:
    """One of several values with their votes, or all of them; there is no control where nothing can be chosen."""
    options = {ALL: "all"} | {value: f"{value} ({n:,})" for value, n in values.items()}
    notes += [_not_here(label)] * address.is_unknown(options, name=name)
    return address.choose(label, options, name=name, width=170) if values else ALL


def _not_here(label: str) -> str:
    return f"What this link says for {label} can't be chosen in this study, so it is left out."


def _choose_days(choices: Choices, notes: list[str]) -> tuple[date | None, date | None]:
    first, last = choices.first_day, choices.last_day
    if first is None or last is None:
        return None, None
    chosen: list[date | None] = []
    for label, name in (("From", "since"), ("To", "until")):
        if address.is_no_day(first, last, name=name):
            days = f"{first.isoformat()} to {last.isoformat()}"
            notes.append(f"The day in this link ({label}) is left out: this study's votes are of {days}.")
        chosen.append(address.choose_day(label, first, last, name=name) if first != last else None)
    return chosen[0], chosen[1]


def _without(study: StudyVotes) -> tuple[tuple[int, ...], str]:
    """The codes of raters that the Quality page left out, by whose numbers ``without=3,17`` names them."""
    numbers, problem = rater_list.wanted_out()
    return tuple(sorted(rater_board.codes_of_numbers(study, sorted(numbers)))), problem


def address_of(study: StudyVotes, chosen: Slice, *, without_flagged: bool = False) -> dict[str, str]:
    """What stands in the address for these votes, the same on each page."""
    numbers = rater_board.numbers(study) if chosen.without else ()
    every = {
        "criterion": "" if chosen.criterion == OVERALL else chosen.criterion,
        "unflagged": "true" if without_flagged else "",
        **{f"{TAG}{name}": value for name, value in chosen.tags},
        "group": chosen.group,
        "since": chosen.since.isoformat() if chosen.since else "",
        "until": chosen.until.isoformat() if chosen.until else "",
        "staff": "true" if chosen.with_staff else "",
        "without": ",".join(str(numbers[code]) for code in chosen.without),
    }
    return {name: value for name, value in every.items() if value}


def show_chosen(chosen: Slice) -> None:
    """The choice in words, where it isn't all votes."""
    if said := describe(chosen):
        st.html(f'<p class="bo-legend">Only these votes: {escape("; ".join(said))}.</p>')


def describe(chosen: Slice) -> list[str]:
    """The choice in words, a part each; empty where nothing is left out."""
    said = [f"{name}: {value}" for name, value in chosen.tags]
    said += [f"raters: {chosen.group}"] if chosen.group else []
    said += [f"from {chosen.since.isoformat()}"] if chosen.since else []
    said += [f"to {chosen.until.isoformat()}"] if chosen.until else []
    n = len(chosen.without)
    return said + ([f"without {n} rater{'' if n == 1 else 's'}"] if n else [])
