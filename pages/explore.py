"""Explore: the battles behind the numbers, where raters disagree, what they said, and one prompt across all models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

import streamlit as st

from app.components import (
    address,
    board,
    explore_battles,
    explore_form,
    explore_prompt,
    explore_tables,
    hidden,
    rows,
    session,
    study_choice,
)
from app.components.explore_form import Asked
from app.components.page import Page
from app.domain import GenerationStatus, Identity, Role
from app.errors import BakeoffError, InvalidInputError, NotFoundError
from app.services import explore, explore_prompts, hidden_results, leaderboard, slices, withdrawing
from app.services import explore_battles as battles
from app.services.experiments import ExperimentSummary
from app.services.vote_store import StudyVotes

PAGE = Page(title="Explore", section="Results", role=Role.RESEARCHER, order=4)
VIEWS = ("Battles", "Disagreement", "Comments", "Prompts")
NOTHING = "Nothing matches all of these filters. Take one away, or choose another study."
NO_STUDY = "The battles of a study appear here as soon as it has votes. An admin starts one under Experiments."


def withdraw(output_id: UUID) -> None:
    """Show an output to no rater any more, for the reason that was typed."""
    field = explore_prompt.reason_key(output_id)
    session.set_mistakes(field, {})
    try:
        withdrawing.withdraw_output(session.require(Role.ADMIN), output_id, session.typed(field) or "")
    except InvalidInputError as error:
        session.set_mistakes(field, {"reason": str(error)})
    except BakeoffError as error:
        session.flash(str(error), "refused")
    else:
        session.flash("Withdrawn: no rater is shown it any more. The votes on it are kept.", "saved")


def put_back(output_id: UUID) -> None:
    """Show a withdrawn output again."""
    try:
        status = withdrawing.put_back_output(session.require(Role.ADMIN), output_id)
    except BakeoffError as error:
        session.flash(str(error), "refused")
        return
    if status == GenerationStatus.OK:
        session.flash("Put back: raters are shown it again where a study has it.", "saved")
    else:
        session.flash("It names its maker: raters aren't shown it until you choose so under Models, Leaks.", "refused")


def render() -> None:
    """Draw the page."""
    who = session.require(PAGE.role)
    if not (studies := study_choice.list_started(who, empty=NO_STUDY)):
        return
    st.title(PAGE.title, anchor=False)
    session.show_flash()
    with st.container(horizontal=True, vertical_alignment="bottom", key="explore-head"):
        forgets = (*explore_form.FORGETS, "prompt")
        found, notes = study_choice.choose(studies, width=360, forgets=forgets)
        view = address.pick("What to look at", VIEWS, name="view", forgets=forgets)
    if (unseen := hidden_results.find_hidden(who, found.id)) is not None:
        hidden.show(unseen, st.container())
        return
    with st.spinner("Reading the votes", show_time=True):
        study = hidden_results.read_votes(who, found.id)
    if not len(study.columns):
        board.show_notes(notes)
        rows.show_empty("This study has no votes yet. Give raters their link (under People), and reload.")
        return
    criteria = leaderboard.list_criteria(who, found.id)
    if (wanted := st.query_params.get("battle")) is not None:
        _show_battle(who, study, wanted, criteria, key=found.key)
        return
    _show_view(who, study, view, found, criteria, notes)


def _show_view(
    who: Identity,
    study: StudyVotes,
    view: str,
    found: ExperimentSummary,
    criteria: Mapping[str, str],
    notes: list[str],
) -> None:
    prompt = st.query_params.get("prompt", "") if view == "Prompts" else ""
    asked = explore_form.show(study, slices.list_choices(study), criteria, view=view)
    board.show_notes([*notes, *asked.notes])
    if view == "Battles":
        _show_battles(who, study, asked, criteria, key=found.key)
    elif view == "Disagreement":
        _show_disagreement(who, study, asked, key=found.key)
    elif view == "Comments":
        _show_comments(who, study, asked, key=found.key)
    elif prompt:
        _show_prompt(who, study, prompt, asked, key=found.key)
    else:
        _show_prompts(who, study, asked, key=found.key)


def _show_battles(who: Identity, study: StudyVotes, asked: Asked, criteria: Mapping[str, str], *, key: str) -> None:
    found = explore.find_battles(who, study, asked.wanted, page=address.page_number())
    if not found.n_found:
        rows.show_empty(NOTHING)
        return
    st.caption(_counted(found.n_found, "battle", found.n_pages))
    explore_battles.show(battles.read_battles(who, study, found.battles), criteria, study=key)
    address.turn(found.n_pages)


def _show_disagreement(who: Identity, study: StudyVotes, asked: Asked, *, key: str) -> None:
    n, cells = explore.list_split_cells(who, study, asked.wanted, page=address.page_number())
    if not n:
        rows.show_empty(
            "No prompt has votes by which raters disagree on the same two models. It takes two votes or more on the "
            "same prompt and pair: see that the filters leave some, or collect more votes per prompt."
        )
        return
    n_pages = -(-n // explore.PER_PAGE)
    st.caption(_counted(n, "case of disagreement", n_pages, "cases of disagreement"))
    texts = explore_prompts.read_texts(who, study, [cell.prompt for cell in cells])
    explore_tables.show_split(cells, study.models, texts, study=key)
    address.turn(n_pages)


def _show_comments(who: Identity, study: StudyVotes, asked: Asked, *, key: str) -> None:
    wanted = replace(asked.wanted, has_comment=True, order="newest")
    reasons = explore.count_reasons(who, study, asked.wanted)
    if reasons.by_model:
        explore_tables.show_reasons(reasons, study=key)
    found = explore.find_battles(who, study, wanted, page=address.page_number())
    if not found.n_found:
        rows.show_empty("No comment matches. Raters write comments where the study asks for them.")
        return
    st.caption(
        _counted(found.n_found, "comment", found.n_pages) + " Those of blocked or withdrawn raters are left out."
    )
    explore_battles.show_comments(battles.read_battles(who, study, found.battles), study=key)
    address.turn(found.n_pages)


def _show_prompts(who: Identity, study: StudyVotes, asked: Asked, *, key: str) -> None:
    n, listed = explore_prompts.list_prompts(who, study, asked.wanted, page=address.page_number())
    if not n:
        rows.show_empty(
            NOTHING if study.prompts else "The votes of this study don't say on which prompts they were cast."
        )
        return
    n_pages = -(-n // explore.PER_PAGE)
    st.caption(_counted(n, "prompt", n_pages) + " Those with most votes come first.")
    explore_tables.show_prompts(listed, study.prompts, study=key)
    address.turn(n_pages)


def _show_prompt(who: Identity, study: StudyVotes, prompt: str, asked: Asked, *, key: str) -> None:
    prompt_id = explore_form.to_id(prompt)
    try:
        if prompt_id is None:
            raise NotFoundError
        found = explore_prompts.get_prompt(who, study, prompt_id, asked.wanted)
    except NotFoundError:
        rows.show_empty("There are no votes on the prompt of this link in this study.")
        st.html(explore_battles.link("All prompts", study=key, view="Prompts"))
        return
    n_pages = explore_prompt.n_pages(found)
    acts = explore_prompt.Acts(withdraw, put_back) if who.role == Role.ADMIN else None
    explore_prompt.show(found, study=key, page=min(address.page_number(), n_pages), acts=acts)
    address.turn(n_pages)


def _show_battle(who: Identity, study: StudyVotes, wanted: str, criteria: Mapping[str, str], *, key: str) -> None:
    st.html(f'<div class="bo-seen-links">{explore_battles.link("All battles", study=key)}</div>')
    battle_id = explore_form.to_id(wanted)
    try:
        if battle_id is None:
            raise NotFoundError
        seen = battles.get_battle(who, study, battle_id)
    except NotFoundError:
        rows.show_empty("There is no such battle in this study, or its rater took the answer back or withdrew.")
        return
    explore_battles.show_one(seen, criteria, study=key)


def _counted(n: int, noun: str, n_pages: int, plural: str = "") -> str:
    page = f", page {min(address.page_number(), n_pages):,} of {n_pages:,}" if n_pages > 1 else ""
    return f"{n:,} {noun if n == 1 else plural or f'{noun}s'}{page}."


if __name__ == "__main__":
    render()
