"""The only file that touches st.session_state; identity is never read from it.

Who is signed in comes from the cookie's hash, which the middleware put into a trusted header, and is looked up in the
database anew on every rerun and every vote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.domain import Identity, Role
from app.errors import NotAllowedError, SignInError
from app.services import sign_in

_FLASH = "bakeoff_flash"
_STAFF_VOTES = "bakeoff_votes_as_staff"
_PREVIEW = "bakeoff_invite_link"


@dataclass(frozen=True, slots=True)
class Flash:
    """A message about the last act, shown once."""

    text: str
    kind: Literal["saved", "info", "refused"]


def token_hash() -> str | None:
    """The hash of the session cookie of the browser behind this very websocket."""
    # What st.user shows, without the parsing of secrets.toml that st.user does at every access.
    context = get_script_run_ctx()
    value = context.user_info.get("session") if context else None
    return value if isinstance(value, str) else None


def identity() -> Identity | None:
    """Who is signed in at this moment."""
    return sign_in.identify(token_hash())


def require(role: Role) -> Identity:
    """Who is signed in; raises SignInError for nobody and NotAllowedError below ``role``."""
    who = identity()
    if who is None:
        raise SignInError("Your sign-in has ended.")
    if not who.role.reaches(role):
        raise NotAllowedError("Your role does not reach this.")
    return who


def sign_out() -> None:
    """End this browser's sign-in."""
    if (value := token_hash()) is not None:
        sign_in.sign_out(value)


def flash(text: str, kind: Literal["saved", "info", "refused"] = "info") -> None:
    """Keep a message for the run that follows."""
    st.session_state[_FLASH] = Flash(text, kind)


def take_flash() -> Flash | None:
    """The message of the last act, once."""
    found: Flash | None = st.session_state.pop(_FLASH, None)
    return found


def show_flash() -> None:
    """Show the message of the last act on a page that is made of forms."""
    if (message := take_flash()) is not None:
        box = {"saved": st.success, "info": st.info, "refused": st.error}[message.kind]
        box(message.text)


def votes_as_staff() -> bool:
    """Whether this researcher or admin said that they want to vote all the same."""
    return bool(st.session_state.get(_STAFF_VOTES))


def agree_to_vote_as_staff() -> None:
    """Remember that this researcher or admin wants to vote all the same."""
    st.session_state[_STAFF_VOTES] = True


def keep_link(link: str) -> None:
    """Keep a new sign-in link for showing; it exists nowhere else."""
    st.session_state[_PREVIEW] = link


def kept_link() -> str | None:
    """The sign-in link made last in this tab."""
    found: str | None = st.session_state.get(_PREVIEW)
    return found


def chosen(key: str) -> UUID | None:
    """The id that a select box with this key holds."""
    found: UUID | None = st.session_state.get(key)
    return found
