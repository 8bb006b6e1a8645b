"""Compare: two models of a study, or one against the field, and whether to put one in the other's place."""

from __future__ import annotations

import streamlit as st

from app.components import (
    address,
    board,
    chrome,
    decision_card,
    gap_over_time,
    head_to_head,
    hidden,
    note,
    page_file,
    planner,
    progress,
    session,
    slice_form,
    study_choice,
)
from app.components.page import Page
from app.domain import ExperimentStatus, Identity, Role, utc_now
from app.errors import InvalidInputError, RankingError
from app.services import (
    chosen_votes,
    compare_file,
    guardrails,
    hidden_results,
    leaderboard,
    rater_flags,
    shared_work,
    style_control,
)
from app.services import decision_card as cards
from app.services import head_to_head as comparing
from app.services.experiments import ExperimentSummary
from app.services.head_to_head import HeadToHead, Setting
from app.services.slices import Slice, take
from app.services.vote_store import StudyVotes
from app.study import OVERALL

PAGE = Page(title="Compare", section="Results", role=Role.RESEARCHER, order=2)
FIELD = "*"
ROPE_HELP = "Points of win share around 50 % that are too little to change a model for."
STYLE_HELP = "Fits the length, headings, list items and bold words of the outputs together with the models' strengths."
NO_STUDY = (
    "Two models can be compared here as soon as a study has started. An admin starts one under Experiments, or brings "
    "in votes that were cast elsewhere, there under Import votes."
)
WATCHED = {
    ExperimentStatus.RUNNING: "The study is running: what stands here holds at any time, so look as often as you like.",
    ExperimentStatus.PAUSED: "The study is paused before its planned end: what stands here holds at any time.",
    ExperimentStatus.STOPPED: "The study was stopped before its planned end, so only what holds at any time is told.",
}


def render() -> None:
    """Draw the page."""
    who = session.require(PAGE.role)
    if not (studies := study_choice.list_started(who, empty=NO_STUDY)):
        return
    head = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom", key="compare-controls"):
        summary, unknown = study_choice.choose(studies)
        if (unseen := hidden_results.find_hidden(who, summary.id)) is not None:
            hidden.show(unseen, head)
            return
        with st.spinner("Reading the votes"):
            study = hidden_results.read_votes(who, summary.id)
        if len(study.models) < 2:
            note.show("This study has fewer than two models, so there is nothing to compare.")
            return
        setting, unknown_models = _choose_models(who, summary, study)
        chosen, label, unknown_votes = _choose_votes(who, summary, study)
    notes = [*unknown, *unknown_models, *unknown_votes]
    if chosen != Slice() and not take(study, chosen).n_votes:
        with head:
            chrome.show_notice("No votes in this choice", slice_form.NOBODY)
            board.show_notes(notes)
        return
    _show(head, setting, study, chosen, label, notes)


def _choose_votes(who: Identity, summary: ExperimentSummary, study: StudyVotes) -> tuple[Slice, str, list[str]]:
    """Which votes, what the title says of that, and what the address names that isn't there."""
    criteria = leaderboard.list_criteria(who, summary.id)
    notes = slice_form.list_unknown(criteria)
    criterion = slice_form.choose_criterion(criteria)
    asked = slice_form.choose_in_popover(study, criterion=criterion)
    chosen = asked.slice
    if asked.without_flagged:
        work = shared_work.begin(
            ("without flagged", study.experiment_id, study.version, chosen),
            lambda _say: rater_flags.without_flagged(study, chosen),
            is_kept=False,  # who doesn't count any more may change without a vote
        )
        chosen = progress.wait_for(work)
    words = [criteria[criterion]] if criterion != OVERALL else []
    return chosen, " · ".join([*words, *slice_form.describe(chosen)]), [*notes, *asked.notes]


def _choose_models(who: Identity, summary: ExperimentSummary, study: StudyVotes) -> tuple[Setting, list[str]]:
    """Who against whom; unless somebody chose, the two that win most, or the best against the study's champion."""
    order = chosen_votes.list_by_strength(study)
    champion = comparing.find_setting(who, summary.id, order[0], None).champion
    models = _first(order, next(name for name in order if name != champion))
    notes = ["The model in this link isn't in this study."] * address.is_unknown(models, name="model")
    model = address.choose("Model", models, name="model", width=240)
    rest = [name for name in order if name != model]
    others = _first(rest, champion if champion in rest else rest[0]) | {FIELD: "The field (all others)"}
    notes += ["The opponent in this link can't be compared with it."] * address.is_unknown(others, name="against")
    against = address.choose("Against", others, name="against", width=240)
    return comparing.find_setting(who, summary.id, model, None if against == FIELD else against), notes


def _first(names: list[str], first: str) -> dict[str, str]:
    """Names as options, one of them first and the others as they stand."""
    return {name: name for name in (first, *(name for name in names if name != first))}


def _show(
    head: st.delta_generator.DeltaGenerator,
    setting: Setting,
    study: StudyVotes,
    chosen: Slice,
    label: str,
    notes: list[str],
) -> None:
    """Compute what was chosen, and draw it."""
    place = (setting, *chosen_votes.place_of(study, chosen))
    results = st.container()
    with results:
        try:
            found = progress.wait_for(
                shared_work.begin(
                    ("head to head", utc_now().date(), *place),  # the pace is that of the last days
                    lambda say: comparing.compare_models(setting, study, chosen, now=utc_now(), say=say),
                )
            )
        except (InvalidInputError, RankingError) as error:
            note.show(f"These votes give no answer that could be believed: {error}", "refused")
            return
        rope, card, rails = _decide(setting, study, chosen, found, place)
    with head:
        head_to_head.show_head(setting, found, card, label)
    if found.estimate is not None and setting.status in WATCHED:
        notes.append(WATCHED[setting.status])
    with results:
        board.show_notes([*notes, *found.notes])
        if card is not None and found.estimate is not None:
            decision_card.show(card, setting)
            decision_card.show_guardrails(rails, setting)
    with st.container():
        _show_rest(setting, study, chosen, found, rope, place)


def _decide(
    setting: Setting, study: StudyVotes, chosen: Slice, found: HeadToHead, place: tuple[object, ...]
) -> tuple[float, cards.Card | None, tuple[guardrails.Guardrail, ...]]:
    """The range that doesn't matter, the card and its guardrails, by the limits in the address."""
    if setting.opponent is None or found.estimate is None:
        return cards.ROPE_POINTS, None, ()
    with st.expander("Limits of the decision", key="compare-decision"):
        rope = st.number_input(
            "Doesn't matter, points of win share",
            0.1,
            45.0,
            cards.ROPE_POINTS,
            0.5,
            format="%.1f",
            help=ROPE_HELP,
            key="rope",
            bind="query-params",
            width=230,
        )
        limits = decision_card.choose_limits()
    work = shared_work.begin(
        ("guardrails", limits, *place),
        lambda _say: guardrails.check_guardrails(setting, study, chosen_votes.choose_votes(study, chosen), limits),
        is_kept=False,  # it reads the outputs, which may change without a vote
    )
    rails = progress.wait_for(work)
    return float(rope), cards.decide(found, rails, rope_points=float(rope)), rails


def _show_rest(
    setting: Setting, study: StudyVotes, chosen: Slice, found: HeadToHead, rope: float, place: tuple[object, ...]
) -> None:
    if found.estimate is None:
        return
    head_to_head.show_numbers(setting, found)
    st.subheader("Over time", anchor=False)
    gap_over_time.show(found, rope)
    st.subheader("How many votes would it take?", anchor=False)
    planner.show(found)
    st.subheader("By category and criterion", anchor=False)
    head_to_head.show_parts(found)
    with st.container(horizontal=True, key="compare-files"):
        name = f"{setting.key}-compare.csv"
        page_file.show("Numbers as CSV", lambda: compare_file.write_comparison(found), name, key="compare-csv")
    st.subheader("Length and form held equal", anchor=False)
    if st.toggle("Control for form", help=STYLE_HELP, key="style", bind="query-params"):
        work = shared_work.begin(
            ("style", *place),
            lambda say: style_control.control_style(setting, study, chosen, say=say),
            is_kept=False,  # it reads the outputs, which may change without a vote
        )
        head_to_head.show_style(setting, progress.wait_for(work))


if __name__ == "__main__":
    render()
