"""My votes: all that this rater said, page by page; each can be looked at again and changed while its study runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import streamlit as st

from app.components import ballot, chrome, content, criteria, links, rows, session, strip, turn
from app.components import own_votes as own_list
from app.components.page import Page
from app.domain import Answer, Role
from app.errors import BakeoffError, NotFoundError, VoteRefusedError
from app.services import own_votes, remarks
from app.services.shown import get_shown
from app.study import Criterion

PAGE = Page(title="My votes", section="Rate", role=Role.RATER, order=3)


def open_battle(battle_id: UUID) -> None:
    """Show one battle again; its id stands in the address, so that a reload shows it too."""
    st.query_params["battle"] = str(battle_id)


def close_battle() -> None:
    """Go back to the list."""
    st.query_params.pop("battle", None)


def change(token: str, answer: str, _drawn_at: datetime, asked: Sequence[Criterion] = ()) -> None:
    """Give the open battle another answer, and its criteria what stands in their rows."""
    turn.take()
    try:
        beside = criteria.chosen(asked, token)
        now = remarks.change_vote(session.require(Role.RATER), UUID(token), Answer(answer), criteria=beside)
    except BakeoffError as error:
        session.flash(str(error), "refused")
        return
    strip.load_again()
    session.flash(f"Stored: {strip.SAID[now.answer]}", "saved")


def keep_criterion(token: str, criterion: str, row: str) -> None:
    """Store what was just chosen in the row of a criterion, or that nothing is chosen there any more."""
    turn.take()
    answer = session.peek(row)
    try:
        remarks.answer_criterion(
            session.require(Role.RATER), UUID(token), criterion, Answer(answer) if answer else None
        )
    except BakeoffError as error:
        session.flash(str(error), "refused")
        return
    session.flash("Stored", "saved")


def render() -> None:
    """Draw the page."""
    rater = session.require(PAGE.role)
    if (wanted := st.query_params.get("battle")) is not None:
        _show_battle(wanted)
        return
    n_votes = own_votes.count_own_votes(rater)
    with st.container(horizontal=True, vertical_alignment="center", key="own-head"):
        st.title(PAGE.title, anchor=False)
        links.show_page("vote", "Back to voting")
    session.show_flash()
    if not n_votes:
        rows.show_empty("You have not voted yet. What you say appears here, and you can change it.")
        return
    answers = "1 answer" if n_votes == 1 else f"{n_votes:,} answers, the newest first"
    st.caption(f"{answers}. Open one to see its pair again; it can be changed while its study runs.")
    listed, n_pages = st.container(gap="small"), -(-n_votes // own_votes.PER_PAGE)
    page = 1
    if n_pages > 1:
        page = st.pagination(n_pages, key="page", bind="query-params", persist_state="session")
    with listed:
        own_list.show(own_votes.list_own_votes(rater, page=page), open_battle)


def _show_battle(wanted: str) -> None:
    rater = session.require(PAGE.role)
    with st.container(horizontal=True, key="tools", gap="small"):
        st.button("All my votes", key="close-battle", type="tertiary", on_click=close_battle)
        links.show_page("vote", "Back to voting")
    ballot.show_title(PAGE.title)
    try:
        token = UUID(wanted)
        given, battle = remarks.get_given(rater, token), get_shown(rater, token)
    except (NotFoundError, ValueError):
        chrome.show_notice("Not found", "There is no such vote of yours.")
        return
    except VoteRefusedError as error:
        chrome.show_notice("Not shown any more", str(error))
        return
    own_list.show_given(given)
    content.show_battle(battle)
    if not given.can_change:
        ballot.show_no_bar("This answer stands: its study has ended, or its names were shown.")
        return
    asked = given.asks.criteria
    is_skip = given.answer == Answer.SKIP  # then the rows go with the answer that takes its place
    with criteria.foot(asked):
        criteria.show(asked, str(battle.id), given.criteria, keep=None if is_skip else keep_criterion)
        ballot.show_bar(battle, cast=change, asked=asked)
    strip.show_own(given)


if __name__ == "__main__":
    render()
