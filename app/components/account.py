"""Who is signed in, and the way out; on every page of staff."""

from __future__ import annotations

import streamlit as st

from app.components import session
from app.domain import Identity


def show(who: Identity) -> None:
    """The account's name in the page's corner; behind it the role and the button that signs this browser out."""
    with st.container(key="account"), st.popover(who.name, type="tertiary", key="account-menu"):
        st.text(f"You are {who.name}, {who.role}.")
        st.caption("Signing out ends it for this browser. To come back you need a new link.")
        st.button("Sign out", on_click=session.sign_out, key="account-sign-out", width="stretch")
