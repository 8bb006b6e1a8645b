"""Quality: which raters vote unlike the others, which biases there are, and what the board is without some raters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from app.components import (
    address,
    board_change,
    hidden,
    note,
    page_file,
    quality_charts,
    quality_tiles,
    rater_list,
    session,
    slice_form,
    study_choice,
    tiles,
)
from app.components.board import counted
from app.components.page import Page
from app.domain import Identity, Role
from app.services import (
    guesses,
    hidden_results,
    leaderboard,
    quality,
    quality_balance,
    rater_board,
    rater_exclusion,
    slices,
    steady_votes,
)
from app.services.experiments import ExperimentSummary
from app.services.rater_board import SORTS, RaterTable
from app.services.slices import Slice, Sliced
from app.services.vote_store import StudyVotes

PAGE = Page(title="Quality", section="Results", role=Role.RESEARCHER, order=3)
POLL_S = 0.5
NO_STUDY = "What votes can be trusted for is told here with the first study that has some. An admin starts one."
_PARTS = {
    "raters": "raters",
    "boards": "the board without them",
    "bias": "biases",
    "agreement": "agreement",
    "balance": "balance",
    "influence": "leaving out each rater",
    "fit": "goodness of fit",
}


def render() -> None:
    """Draw the page."""
    who = session.require(PAGE.role)
    if not (studies := study_choice.list_started(who, empty=NO_STUDY)):
        return
    st.title(PAGE.title, anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", key="quality-controls"):
        summary, unknown = study_choice.choose(studies)
        if (unseen := hidden_results.find_hidden(who, summary.id)) is not None:
            hidden.show(unseen, st.container())
            return
        with st.spinner("Reading the votes ..."):
            study = hidden_results.read_votes(who, summary.id, is_steady=True)
        chosen, notes = _choose_votes(who, study)
    for said in [*unknown, *notes]:
        note.show(said)
    slice_form.show_chosen(chosen)
    sliced = slices.take(study, chosen)
    if not sliced.n_votes:
        note.show(f"No vote of this study is in this choice. {slice_form.NOBODY}")
        return
    _show(who, summary, study, chosen, sliced)


def _choose_votes(who: Identity, study: StudyVotes) -> tuple[Slice, list[str]]:
    """The votes to look at, and what of the address isn't there."""
    criteria = leaderboard.list_criteria(who, study.experiment_id)
    notes = slice_form.list_unknown(criteria)
    criterion = slice_form.choose_criterion(criteria)
    asked = slice_form.choose_in_popover(study, criterion=criterion, can_leave_out=False)
    return asked.slice, [*notes, *asked.notes]


def _show(who: Identity, summary: ExperimentSummary, study: StudyVotes, chosen: Slice, sliced: Sliced) -> None:
    out, problem = rater_list.wanted_out()
    if problem:
        note.show(problem)
    raters = rater_board.ask_raters(study, chosen, sliced)
    found: dict[str, Any] = {"raters": raters}
    st.subheader("Raters", anchor=False)
    st.caption(_about(sliced, raters))
    codes: tuple[int, ...] = ()
    if raters is not None:
        codes = _show_raters(who, summary, study, raters, out)
        st.subheader("The board without raters", anchor=False)
        if codes:
            found["boards"] = rater_exclusion.ask_exclusion(study, replace(chosen, without=codes), sliced)
            _show_boards(found["boards"], len(codes))
        else:
            note.show("Tick raters above, and the first of the board is shown with and without them.")
    found |= {part: quality.ask_part(study, chosen, sliced, part) for part in quality.PARTS}
    _show_parts(found, raters, guesses.get_guessed(who, study.experiment_id, with_staff=chosen.with_staff))
    if found["balance"] is not None and not isinstance(found["balance"], str):
        quality_charts.show_pairs(found["balance"])
        page_file.show(
            "Pairs and sides as CSV",
            lambda: quality_balance.write_pairs_shown(found["balance"]),
            f"{summary.key}-shown.csv",
            key="shown-csv",
        )
    waiting = tuple(part for part, one in found.items() if one is None)
    if waiting:
        asks = {part: partial(quality.ask_part, study, chosen, sliced, part) for part in quality.PARTS}
        asks["raters"] = partial(rater_board.ask_raters, study, chosen, sliced)
        asks["boards"] = partial(rater_exclusion.ask_exclusion, study, replace(chosen, without=codes), sliced)
        st.fragment(_wait, run_every=POLL_S)(study, {part: asks[part] for part in waiting}, len(found))


def _wait(study: StudyVotes, waiting: dict[str, Callable[[], Any]], n: int) -> None:
    """What is still being computed; draws the page again when some of it is there."""
    session.require(PAGE.role)
    steady_votes.keep_waiting(study)
    still = [part for part, ask in waiting.items() if ask() is None]
    if len(still) < len(waiting):
        st.rerun()
    names = ", ".join(_PARTS[part] for part in still)
    st.progress((n - len(still)) / n, text=f"Computing: {names} ...")


def _about(sliced: Sliced, raters: RaterTable | None) -> str:
    who = ""
    if raters is not None and len(raters):
        who = f" by {counted(len(raters), 'rater')}, {int(raters.is_flagged.sum()):,} of them flagged"
    said = f"{counted(sliced.n_votes, 'vote')}{who}. A flag says: look at these votes. It is no proof of anything."
    if sliced.left_out[1]:
        gone = f"{counted(sliced.left_out[1], 'rater')} with {counted(sliced.left_out[0], 'vote')}"
        said += f" {gone} failed attention checks or withdrew and are not in the table."
    return said


def _show_raters(
    who: Identity, summary: ExperimentSummary, study: StudyVotes, raters: RaterTable, out: list[int]
) -> tuple[int, ...]:
    """The table with its controls; the codes of the raters to leave out."""
    if raters.problem:
        note.show(f"Raters can't be compared: {raters.problem}.")
    if not len(raters):
        note.show("The votes came from a file that doesn't name who cast them.")
        return ()
    n_flagged = int(raters.is_flagged.sum())
    with st.container(horizontal=True, vertical_alignment="bottom", key="rater-controls"):
        sort = address.choose("Sorted by", SORTS, name="sort", width=170)
        search = st.text_input("Find", placeholder="Number or flag", key="find", bind="query-params", width=170)
        only = bool(n_flagged) and st.toggle("Only flagged", key="flagged", bind="query-params")
    places = rater_board.in_order(raters, sort=sort, search=search or "", flagged_only=only)
    if len(places):
        page = rater_list.choose_page(len(places))
        shown = places[page * rater_list.ROWS : (page + 1) * rater_list.ROWS].tolist()
        names = rater_board.names_of(study, raters.code[shown].tolist()) if who.role.reaches(Role.ADMIN) else {}
        rater_list.show(raters, shown, names, out)
    else:
        shown = []
        note.show("No rater matches. Clear the search to see all.")
    page_file.show(
        "Raters as CSV", lambda: rater_board.write_raters(raters), f"{summary.key}-raters.csv", key="raters-csv"
    )
    rater_list.choose_out(raters.number[shown].tolist(), out, len(study.raters))
    if n_flagged:
        st.toggle(f"Leave out all flagged raters ({n_flagged:,})", key="drop", bind="query-params")
    return _codes_out(study, raters, out)


def _codes_out(study: StudyVotes, raters: RaterTable, out: list[int]) -> tuple[int, ...]:
    codes = set(rater_board.codes_of_numbers(study, out))
    if st.session_state.get("drop"):
        codes |= set(raters.code[raters.is_flagged].tolist())
    return tuple(sorted(codes))


def _show_boards(found: rater_exclusion.Exclusion | str | None, n_raters: int) -> None:
    if isinstance(found, str):
        note.show(found)
    elif found is not None:
        board_change.show(found, n_raters)


def _show_parts(found: dict[str, Any], raters: RaterTable | None, guessed: guesses.Guessed | None) -> None:
    """Each part as soon as it is there."""
    first: list[tiles.Tile] = []
    if found["bias"] is not None:
        first += quality_tiles.bias(found["bias"])
    if found["agreement"] is not None:
        first += quality_tiles.agreement(found["agreement"], raters)
    tiles.show("Biases, agreement and blinding", first + quality_tiles.blinding(guessed))
    if isinstance(found["agreement"], list) and len(found["agreement"]) > 1:
        st.subheader("Agreement by prompts", anchor=False)
        quality_tiles.show_agreement(found["agreement"][1:])
    second: list[tiles.Tile] = []
    if found["influence"] is not None:
        second += quality_tiles.influence(found["influence"])
    if found["fit"] is not None:
        second += quality_tiles.fit(found["fit"])
    if second:
        tiles.show("Does the board rest on all of it?", second)
    if found["influence"] is not None and not isinstance(found["influence"], str):
        st.subheader("Leaving out one rater", anchor=False)
        quality_tiles.show_influence(found["influence"])
    if found["balance"] is not None:
        tiles.show("What was shown", quality_tiles.balance(found["balance"]))


if __name__ == "__main__":
    render()
