"""Leaderboard: which model people prefer, how sure that is, and how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import streamlit as st

from app.components import (
    board,
    board_charts,
    board_controls,
    charts,
    hidden,
    highlight,
    judge_panel,
    measure_table,
    methods,
    page_file,
    progress,
    report,
    session,
    slice_form,
    study_choice,
    trust,
)
from app.components.axis import SCALES
from app.components.board_controls import Asked
from app.components.page import Page
from app.domain import ExperimentStatus, Identity, Ranking, Role, utc_now
from app.errors import RankingError
from app.services import (
    board_file,
    guesses,
    hidden_results,
    judge_board,
    leaderboard,
    measure_board,
    measuring,
    shared_work,
    verdict,
)
from app.services.board_view import View
from app.services.experiments import ExperimentSummary
from app.services.guesses import Guessed
from app.services.leaderboard import Board
from app.services.shared_work import Say
from app.services.vote_store import StudyVotes
from app.study import OVERALL

PAGE = Page(title="Leaderboard", section="Results", role=Role.RESEARCHER, order=1)
FALLBACK = "win_rate"
MEASURES, JUDGES = "Automatic measures", "LLM judges"
_ONE_LOOK = (
    "The confidence holds for one look at its end: stopping at the moment when somebody leads makes wrong claims more "
    "likely."
)
UNENDED = {
    ExperimentStatus.RUNNING: "is still running",
    ExperimentStatus.PAUSED: "is paused before its end",
    ExperimentStatus.STOPPED: "was stopped before its planned end",
}
NO_STUDY = (
    "The board appears here with the first study. An admin starts one under Experiments, or brings in votes that were "
    "cast elsewhere, there under Import votes."
)


def render() -> None:
    """Draw the page."""
    who = session.require(PAGE.role)
    if not (studies := study_choice.list_started(who, empty=NO_STUDY)):
        return
    head = st.container()
    controls = st.container(horizontal=True, vertical_alignment="bottom", key="board-controls")
    with controls:
        study, unknown = study_choice.choose(studies, forgets=("also", "without"))
    if (unseen := hidden_results.find_hidden(who, study.id)) is not None:
        hidden.show(unseen, head)
        return
    with controls:
        also, left_aside = study_choice.choose_also(who, study, studies)
    votes = _wait_for_votes(who, (study, *also))
    with controls:
        asked = board_controls.choose(
            votes,
            leaderboard.list_criteria(who, *votes.experiment_ids) if len(votes.columns) else {OVERALL: "Overall"},
            is_long=len(votes.models) > charts.MOST_WITH_NUMBERS,
        )
    view = asked.view
    found, notes = _get_board(who, votes, view)
    if found.n_votes:
        notes += _watched(found)
    notes = [*unknown, *left_aside, *asked.notes, *notes]
    with head:
        board.show_head(found, _describe(found, view), slice_form.describe(view.slice))
    board.show_notes(notes)
    results, beside = st.container(), st.container()
    with beside:
        chosen = _choose_beside()
    if found.n_votes:
        place = board_controls.address_of(study.key, votes, asked)
        place |= {"beside": chosen} if chosen else {}
        place |= {"also": ",".join(one.key for one in also)} if also else {}
        with results:
            guessed = None if also else guesses.get_guessed(who, study.id, with_staff=view.slice.with_staff)
            _show_results(found, notes, place, asked, guessed)
    if chosen:
        # People's ranking is Bradley-Terry of all votes; where that is on the screen it needn't be made again.
        own = found.ranking if view == View() and not also else None
        with beside:
            if also:
                st.caption(f"Of “{study.title}” alone, with the votes of its own raters.")
            _show_beside(who, study, chosen, own)


def _wait_for_votes(who: Identity, studies: Sequence[ExperimentSummary]) -> StudyVotes:
    """The votes of these studies, pooled where there are several."""
    key = ("votes", *(study.id for study in studies))
    return progress.wait_for(shared_work.begin(key, lambda say: _read(who, studies, say), is_kept=False, goes_on=True))


def _read(who: Identity, studies: Sequence[ExperimentSummary], say: Say) -> StudyVotes:
    n_there = max(1, sum(study.n_votes for study in studies))

    def progress(n: int) -> None:
        say(min(1.0, n / n_there), f"Reading the votes: {n:,} so far")

    first, *others = (study.id for study in studies)
    return hidden_results.read_votes(who, first, also=others, progress=progress)


def _watched(found: Board) -> list[str]:
    """That somebody looks before the planned end, and at which of several studies."""
    if not found.studies:
        unended = UNENDED.get(ExperimentStatus(found.status))
        return [f"The study {unended}. {_ONE_LOOK}"] if unended else []
    each = ((one.title, UNENDED.get(ExperimentStatus(one.status))) for one in found.studies)
    said = [f"“{title}” {unended}." for title, unended in each if unended]
    return [" ".join([*said, _ONE_LOOK])] if said else []


def _choose_beside() -> str | None:
    st.subheader("Beside people's votes", anchor=False)
    chosen = st.segmented_control(
        "Beside people's votes", (MEASURES, JUDGES), label_visibility="collapsed", key="beside", bind="query-params"
    )
    return chosen if chosen in (MEASURES, JUDGES) else None


def _show_beside(who: Identity, study: ExperimentSummary, chosen: str, ranking: Ranking | None) -> None:
    if chosen == JUDGES:
        judge_panel.show(judge_board.get_judge_reports(who, study.id, ranking=ranking), key=study.key)
        return
    scope = measuring.get_scope(who, study.id)
    measure_table.show(who, scope, measure_board.get_measure_board(who, scope, ranking=ranking))


def _get_board(who: Identity, votes: StudyVotes, view: View) -> tuple[Board, list[str]]:
    """The board and what to say about it; the plain tallies when the method can't answer."""

    def get(asked: View) -> Board:
        def make(say: Say) -> Board:
            say(0.5, "Ranking")
            first, *others = votes.experiment_ids
            return leaderboard.get_leaderboard(who, first, asked, also=others, study=votes)

        key = ("board", votes.experiment_id, votes.version, asked)
        return progress.wait_for(shared_work.begin(key, make, is_kept=False))

    try:
        found = get(view)
    except RankingError as error:
        found = get(View(method=FALLBACK, confidence=view.confidence, slice=view.slice))
        label = board_controls.method_labels()[view.method]
        problem = f"{label} has no answer that could be believed: {error} These are the plain win rates."
        return found, [problem, *found.notes, *found.ranking.warnings]
    return found, [*found.notes, *found.ranking.warnings]


def _describe(found: Board, view: View) -> verdict.Verdict:
    said = verdict.describe(found.ranking, more_votes=found.more_votes)
    if found.n_votes:
        return said
    if not view.slice.is_all:
        return verdict.Verdict("No votes in this choice", "Nobody voted here; choose more below.")
    if found.n_staff_votes:
        return verdict.Verdict("Only staff votes yet", "Include them below, or wait for the first rater.")
    if found.studies:
        return verdict.Verdict(said.title, "None of these studies has votes on this.")
    if found.status == ExperimentStatus.RUNNING:
        return verdict.Verdict(
            said.title,
            "The study is running. Give raters their link (an admin makes it under People), and reload when the first "
            "of them has voted.",
        )
    return verdict.Verdict(said.title, f"The study is {found.status} and has no votes. Choose another one below.")


def _write_report(found: Board, notes: Sequence[str], asked: Asked, guessed: Guessed | None) -> str:
    return report.write_report(
        found,
        made_at=utc_now(),
        chosen=slice_form.describe(found.view.slice),
        notes=notes,
        scale=SCALES[asked.scale],
        sort=asked.sort,
        guessed=guessed,
    )


def _show_results(
    found: Board, notes: Sequence[str], place: Mapping[str, object], asked: Asked, guessed: Guessed | None
) -> None:
    results, below = st.container(), st.container()
    with below:
        st.subheader("Charts", anchor=False)
        kind = board_charts.choose()
        chosen = highlight.choose([row.model for row in found.ranking.models], _address_of_votes(found))
    with results:
        board.show(found, scale=SCALES[asked.scale], sort=asked.sort, find=asked.find, chosen=chosen)
        place = {**place, **board_charts.address_of(kind), highlight.NAME: chosen}
        _show_files(found, notes, place, asked, guessed)
        trust.show(found, with_staff=found.view.slice.with_staff, guessed=guessed)
        methods.show(found)
    with below:
        board_charts.show(found, kind, scale=asked.scale, chosen=chosen)


def _address_of_votes(found: Board) -> dict[str, str]:
    """The votes of this board as the address of another page names them."""
    assert found.study is not None  # noqa: S101 - it was read to make the board
    votes = slice_form.address_of(found.study, found.view.slice, without_flagged=found.view.without_flagged)
    return {"study": found.key, **votes}


def _show_files(
    found: Board, notes: Sequence[str], place: Mapping[str, object], asked: Asked, guessed: Guessed | None
) -> None:
    with st.container(horizontal=True, key="board-files"):
        page_file.show("Board as CSV", lambda: board_file.write_board(found), f"{found.key}-board.csv", key="board-csv")
        page_file.show("Pairs as CSV", lambda: board_file.write_pairs(found), f"{found.key}-pairs.csv", key="pairs-csv")
        page_file.show(
            "Report as HTML",
            lambda: _write_report(found, notes, asked, guessed),
            f"{found.key}-report.html",
            key="report-html",
            said="One file with the board, its charts and the methods; print it for a PDF.",
        )
        st.link_button("Link to this view", f"?{urlencode(place, doseq=True)}")


if __name__ == "__main__":
    render()
