"""Who is signed in, and the way out; on every page of staff."""

from __future__ import annotations

import streamlit as st

from app.components import chrome, session
from app.domain import Identity


def show(who: Identity) -> None:
    """The account's name in the page's corner; behind it the role and the button that signs this browser out."""
    with st.container(key="account"), st.popover(who.name, type="tertiary", key="account-menu"):
        st.text(f"You are {who.name}, {who.role}.")
        st.caption("Signing out ends it for this browser. To come back you need a new link.")
        st.button("Sign out", on_click=session.sign_out, key="account-sign-out", width="stretch")


def ask_before_voting() -> None:
    """Who can see results is told what becomes of their votes, and votes only after that."""
    chrome.show_notice(
        "You can see the results, so your vote isn't blind",
        "Votes of researchers and admins are stored, marked as staff votes, and left out of the leaderboard unless "
        "somebody asks for them.",
    )
    st.button("Vote all the same", type="primary", on_click=session.agree_to_vote_as_staff)
