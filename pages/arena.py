"""Arena: a rater's own prompt, two unnamed models side by side, one vote, and only then their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

import streamlit as st

from app.components import account, arena_view, chrome, criteria, session, strip
from app.components.page import Page
from app.components.text import to_markdown
from app.domain import Answer, ExperimentStatus, Role
from app.errors import BakeoffError
from app.jobs.arena import streams
from app.services import arena
from app.services.arena import ArenaScreen, BlindRound, Phase, turn_of
from app.study import Criterion

PAGE = Page(title="Arena", section="Rate", role=Role.RATER, order=2)
LOOK_EVERY_S = 0.4
_BROKEN_OFF = "The answers were broken off before both were done"
_WITHDRAWN = "One of the two answers was withdrawn"


def _act(act: Callable[[], UUID | None]) -> bool:
    """Do something to the conversation and have its answers written, or say why not."""
    try:
        battle_id = act()
    except BakeoffError as error:
        session.flash(str(error), "refused")
        return False
    if battle_id is not None:
        streams().begin(battle_id)
    return True


def ask(experiment_id: UUID, battle_id: UUID | None) -> None:
    """Ask what was typed, as a new prompt or in the conversation of ``battle_id``; it stays typed if it can't be."""
    text = session.typed(arena_view.text_key()) or ""

    def asked() -> UUID:
        who = session.require(Role.RATER)
        if battle_id is None:
            return arena.ask_prompt(who, experiment_id, text)
        return arena.ask_follow_up(who, experiment_id, battle_id, text)

    if _act(asked):
        session.next_form(arena_view.FORM)


def ask_again(experiment_id: UUID, battle_id: UUID) -> None:
    """Have two models answer what was broken off."""
    _act(lambda: arena.ask_again(session.require(Role.RATER), experiment_id, battle_id))


def cast(
    experiment_id: UUID, token: str, answer: str, n_turns: int, drawn_at: datetime, asked: Sequence[Criterion] = ()
) -> None:
    """Store a vote on what is on the screen; the names are shown by the run that follows."""

    def voted() -> None:
        who = session.require(Role.RATER)
        if streams().look(UUID(token)) is not None:
            raise BakeoffError("Not saved: both sides are still writing.")
        beside = criteria.chosen(asked, token)
        arena.cast(who, experiment_id, UUID(token), Answer(answer), n_turns=n_turns, drawn_at=drawn_at, criteria=beside)

    if _act(voted):
        session.flash("Skipped" if answer == Answer.SKIP else "Saved", "saved")


def render() -> None:
    """Draw the page."""
    rater = session.require(PAGE.role)
    if rater.role != Role.RATER and not session.votes_as_staff():
        account.ask_before_voting()
        return
    screen = arena.find_screen(rater)
    if screen is None:
        chrome.show_notice("No arena is open", "Come back with your link later.")
        return
    arena_view.show_tools(_show_guidelines)
    arena_view.show_head(screen)
    round_ = screen.round
    if round_ is not None and (round_.phase == Phase.WRITING or streams().look(round_.battle_id) is not None):
        _show_live(round_, is_normalised=screen.is_normalised)
        arena_view.show_bar(round_, is_open=False, cast=partial(cast, screen.study.id))
        return
    if screen.reveal is not None:
        arena_view.show_reveal(screen.reveal)
        if round_ is not None:
            strip.show_told(screen.study, round_.battle_id)
        _show_prompt_form(screen)
    if round_ is not None:
        _show_round(screen, round_)
    if round_ is None or round_.phase == Phase.STOPPED:
        _show_prompt_form(screen)


@st.dialog("Guidelines")
def _show_guidelines() -> None:
    screen = arena.find_screen(session.require(Role.RATER))
    st.markdown(to_markdown(screen.study.guidelines if screen else ""))


@st.fragment(run_every=LOOK_EVERY_S)
def _show_live(round_: BlindRound, *, is_normalised: bool) -> None:
    """What is written so far; the same elements each time, so that nothing but the texts grows."""
    session.require(Role.RATER)
    token, shown = str(round_.battle_id), streams().look(round_.battle_id)
    if shown is None:
        screen = arena.find_screen(session.require(Role.RATER))
        now = screen.round if screen else None
        if now is None or now.battle_id != round_.battle_id or now.phase != Phase.WRITING:
            st.rerun()
    turns = (
        [turn_of(*texts, is_normalised=is_normalised) for texts in shown.turns]
        if shown and shown.turns
        else round_.turns
    )
    arena_view.show_turns(token, turns, is_replaced=round_.is_replaced)
    arena_view.show_writing()


def _show_round(screen: ArenaScreen, round_: BlindRound) -> None:
    token, study = str(round_.battle_id), screen.study
    arena_view.show_turns(token, round_.turns, is_replaced=round_.is_replaced, reveal=screen.reveal)
    if round_.phase == Phase.STOPPED:
        why = _WITHDRAWN if round_.is_withdrawn else _BROKEN_OFF
        st.markdown(f"{why}, so there is nothing to vote on.")
        if study.status == ExperimentStatus.RUNNING:
            st.button("Ask again", key=f"again-{token}", on_click=ask_again, args=(study.id, round_.battle_id))
    if round_.phase == Phase.READY:
        if study.status == ExperimentStatus.RUNNING and len(round_.turns) < screen.rules.most_turns:
            arena_view.show_form(
                "Go on with both, or vote below",
                "Send to both",
                most=screen.rules.most_characters,
                ask=lambda: ask(study.id, round_.battle_id),
            )
        criteria.show(study.asks.criteria, token)
        arena_view.show_bar(round_, is_open=True, cast=partial(cast, study.id), asked=study.asks.criteria)


def _show_prompt_form(screen: ArenaScreen) -> None:
    study = screen.study
    if study.status == ExperimentStatus.PAUSED:
        chrome.show_notice("This arena is paused", "Your votes are saved. Come back with your link later.")
    elif study.status != ExperimentStatus.RUNNING:
        chrome.show_notice("This arena has ended. Thank you!", f"Your votes are saved: {screen.n_votes:,}.")
    elif screen.is_done:
        chrome.show_notice("That was all for you. Thank you!", "Your votes are saved. You can close this tab.")
    else:
        if screen.round is None and study.guidelines:
            with st.container(border=True, key="first-guidelines"):
                st.markdown(to_markdown(study.guidelines))
        arena_view.show_form(
            "Your prompt" if screen.round is None else "Your next prompt",
            "Ask both",
            most=screen.rules.most_characters,
            ask=lambda: ask(study.id, None),
            is_first=True,
        )


if __name__ == "__main__":
    render()
