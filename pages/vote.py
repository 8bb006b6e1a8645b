"""Vote: one battle at a time, one key or click a whole vote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

import streamlit as st

from app.components import account, ballot, chrome, content, criteria, links, session, steps, strip, turn
from app.components.page import Page
from app.components.text import to_markdown
from app.domain import Answer, ExperimentStatus, Identity, Receipt, Role
from app.errors import BakeoffError, SignInError
from app.services import arena, participation, serving, voting
from app.study import Asks, Criterion

PAGE = Page(title="Vote", section="Rate", role=Role.RATER, order=1)


def cast(token: str, answer: str, drawn_at: datetime, asked: Sequence[Criterion] = ()) -> None:
    """Store a click; it runs before the page is drawn, so "saved" appears only after the commit.

    Nothing touches Streamlit's state before that: there, Streamlit could drop the click for a newer one.
    """
    turn.take()
    try:
        rater = session.require(Role.RATER)
        receipt, following = voting.cast_vote(
            rater, UUID(token), Answer(answer), drawn_at=drawn_at, criteria=criteria.chosen(asked, token)
        )
    except BakeoffError as error:
        session.flash(str(error), "refused")
        return
    session.hand_over(following)
    if receipt == Receipt.SAVED:
        strip.begin(token, Answer(answer))
        session.flash("Skipped" if answer == Answer.SKIP else "Saved", "saved")
    elif not strip.is_about(token):  # a second press in this tab needs no word: what was saved stands there
        session.flash("Already saved in another tab; the first answer to that pair stands")


def undo() -> None:
    """Take the last answer back."""
    turn.take()
    session.hand_over(None)
    try:
        rater = session.require(Role.RATER)
        if (served := serving.next_battle(rater)) is not None:
            voting.undo_vote(rater, served.study.id)
    except BakeoffError as error:
        session.flash(str(error), "refused")
        return
    strip.forget()
    session.flash("Taken back. Here is that pair again.", "info")


def _act(decide: Callable[[Identity, UUID], None]) -> Callable[[UUID], None]:
    def act(experiment_id: UUID) -> None:
        turn.take()
        session.hand_over(None)
        try:
            decide(session.require(Role.RATER), experiment_id)
        except BakeoffError as error:
            session.flash(str(error), "refused")
            return
        strip.forget()  # nothing is asked about practice

    return act


ACTS = steps.Acts(
    agree=_act(participation.agree),
    decline=_act(participation.decline),
    reconsider=_act(participation.reconsider),
    practise=_act(participation.practise),
    begin=_act(participation.begin),
)


def render() -> None:
    """Draw the page; only the fragment is drawn anew for each vote."""
    rater = session.require(PAGE.role)
    if rater.role != Role.RATER and not session.votes_as_staff():
        account.ask_before_voting()
        return
    ballot.show_tools(undo=undo, show_guidelines=_show_guidelines)
    _show_ballot()


@st.dialog("Guidelines")
def _show_guidelines() -> None:
    served = serving.next_battle(session.require(Role.RATER))
    if served is not None and steps.is_before_start(served):
        st.markdown("Read and agree to what the page says first.")
        return
    guidelines = served.study.guidelines if served else ""
    st.markdown(to_markdown(guidelines or "Choose the answer that you would rather have received."))
    asks = served.study.asks if served else Asks()
    more = (f" {criteria.KEYS}" if asks.criteria else "") + (" W say why." if asks.has_more else "")
    st.caption(f"Keys: {ballot.KEYS}{more}")
    if served is not None and served.study.consent:
        steps.show_withdrawal(served.study.consent, partial(_act(participation.withdraw), served.study.id))


@st.fragment
def _show_ballot() -> None:
    try:
        served = session.take_ballot() or serving.next_battle(session.require(Role.RATER))
    except SignInError:
        chrome.show_notice("You are signed out", "Open your link again. Every vote that said “Saved” is saved.")
        return
    except BakeoffError as error:
        chrome.show_notice("Not available right now", f"{error} Your saved votes are safe; reload to try again.")
        return
    if served is None:
        if arena.has_arena(session.require(Role.RATER)):
            links.go_to("arena")
        session.show_flash()  # the study of the last pair may have ended before the answer came
        chrome.show_notice("Nothing to rate right now", "No study is running. Come back with your link later.")
        return
    if served.step is not None:
        steps.show(served, ACTS, cast)
        if steps.is_done(served):
            strip.show(served.study)
        return
    if served.note and not session.has_flash():
        session.flash(served.note)
    ballot.show_head(served)
    strip.show(served.study)
    if served.battle is None:
        _show_end(served.study.status, served.n_votes)
        return
    if not served.n_votes and served.study.guidelines:
        with st.container(border=True, key="first-guidelines"):
            st.markdown(to_markdown(served.study.guidelines))
    content.show_battle(served.battle)
    asked = served.study.asks.criteria
    with criteria.foot(asked):
        criteria.show(asked, str(served.battle.id))
        ballot.show_bar(served.battle, cast=cast, asked=asked)


def _show_end(status: ExperimentStatus, n_votes: int) -> None:
    thanks = f"Your {n_votes:,} votes are saved." if n_votes != 1 else "Your vote is saved."
    if status == ExperimentStatus.PAUSED:
        chrome.show_notice("This study is paused", f"{thanks} The next pair will appear here when it goes on.")
    elif status == ExperimentStatus.RUNNING:
        chrome.show_notice("That was all for you. Thank you!", f"{thanks} You can close this tab.")
    elif status == ExperimentStatus.DRAFT:
        chrome.show_notice("This study has not started", "Your link will work as soon as it does.")
    elif not n_votes:
        chrome.show_notice("This study takes no votes any more", "Thank you for coming.")
    else:
        chrome.show_notice("This study is complete. Thank you!", thanks)


if __name__ == "__main__":
    render()
