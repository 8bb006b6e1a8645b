"""The only file that touches st.session_state; identity is never read from it.

Who is signed in comes from the cookie's hash, which the middleware put into a trusted header, and is looked up in the
database anew on every rerun and every vote.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.components import note
from app.domain import Ballot, Identity, Role, utc_now
from app.errors import NotAllowedError, SignInError
from app.services import sign_in

PICK = "pick"  # what a chart calls the mark that was clicked
_FLASH = "bakeoff_flash"
_STAFF_VOTES = "bakeoff_votes_as_staff"
_LINK = "bakeoff_link"
_FORM = "bakeoff_form"
_MISTAKES = "bakeoff_mistakes"
_KEPT = "bakeoff_kept"
_BALLOT = "bakeoff_ballot"
_DRAWN = "bakeoff_drawn"
_HANDED_S = 3.0  # a ballot handed over longer ago was left lying by a run that never drew it

T = TypeVar("T")


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


def has_flash() -> bool:
    """Whether the last act has left a message that isn't shown yet."""
    return _FLASH in st.session_state


def show_flash() -> None:
    """Show the message of the last act on a page that is made of forms, as it was written."""
    if (message := take_flash()) is not None:
        note.show(message.text, "refused" if message.kind == "refused" else "done")


def votes_as_staff() -> bool:
    """Whether this researcher or admin said that they want to vote all the same."""
    return bool(st.session_state.get(_STAFF_VOTES))


def agree_to_vote_as_staff() -> None:
    """Remember that this researcher or admin wants to vote all the same."""
    st.session_state[_STAFF_VOTES] = True


def keep_link(place: str, link: str) -> None:
    """Keep a new sign-in link for showing in one place; it exists nowhere else."""
    st.session_state[f"{_LINK}-{place}"] = link


def kept_link(place: str) -> str | None:
    """The sign-in link made last in this place of this tab."""
    found: str | None = st.session_state.get(f"{_LINK}-{place}")
    return found


def forget_link(place: str) -> None:
    """Show the link no more."""
    st.session_state.pop(f"{_LINK}-{place}", None)


def hand_over(ballot: Ballot | None) -> None:
    """Give the run that draws the page what the click before it has already looked up; None gives nothing."""
    st.session_state[_BALLOT] = (time.monotonic(), ballot)


def take_ballot() -> Ballot | None:
    """What the click of this very run has looked up, once."""
    handed_at, ballot = st.session_state.pop(_BALLOT, (0.0, None))
    return ballot if time.monotonic() - handed_at < _HANDED_S else None


def is_behind() -> bool:
    """Whether a click was handled whose page isn't drawn yet: Streamlit drew a fragment in the place of the ballot."""
    return _BALLOT in st.session_state or _FLASH in st.session_state


def drawn_at(token: str) -> datetime:
    """When this tab's page first had this battle drawn: now, unless it was drawn before."""
    drawn: tuple[str, datetime] = st.session_state.get(_DRAWN, ("", utc_now()))
    if drawn[0] != token:
        drawn = st.session_state[_DRAWN] = (token, utc_now())
    return drawn[1]


def choose(key: str, value: object) -> None:
    """Let the widget or choice with this key hold ``value``; only before the widget is drawn."""
    st.session_state[key] = value


def chosen(key: str) -> UUID | None:
    """The id that a select box or choice with this key holds."""
    found: UUID | None = st.session_state.get(key)
    return found


def listed(key: str) -> list[str]:
    """What a box of several choices with this key holds."""
    return list(st.session_state.get(key) or ())


def clicked(key: str) -> list[dict[str, Any]]:
    """What was clicked last in the chart with this key."""
    state = st.session_state.get(key) or {}
    found = (state.get("selection") or {}).get(PICK) or []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def has(key: str) -> bool:
    """Whether anything was ever kept under this key in this tab."""
    return key in st.session_state


def drop(key: str) -> None:
    """Forget a value, as if it had never been there."""
    st.session_state.pop(key, None)


def typed(key: str) -> Any:
    """What the widget with this key holds, for callbacks."""
    return st.session_state.get(key)


def peek(key: str) -> Any:
    """What ``typed`` says, for a callback that has not stored its click yet.

    The ordinary way to the state is where Streamlit can drop the click for a newer one; this way goes around it.
    """
    context = get_script_run_ctx()
    state: Any = context.session_state._state if context else {}
    try:
        return state[key]
    except KeyError:
        return None


def form_number(form: str) -> int:
    """The number to put into the keys of a form's widgets; it grows when the form is done, which empties them."""
    number: int = st.session_state.get(f"{_FORM}-{form}", 0)
    return number


def next_form(form: str) -> None:
    """Empty a form whose content was stored."""
    st.session_state[f"{_FORM}-{form}"] = form_number(form) + 1
    st.session_state.pop(f"{_MISTAKES}-{form}", None)


def set_mistakes(form: str, mistakes: Mapping[str, str]) -> None:
    """Keep what is wrong with a form, by field, until the next try."""
    st.session_state[f"{_MISTAKES}-{form}"] = mistakes


def mistakes(form: str) -> Mapping[str, str]:
    """What was wrong with a form at the last try, by field."""
    found: Mapping[str, str] = st.session_state.get(f"{_MISTAKES}-{form}", {})
    return found


def kept(key: str, version: object, make: Callable[[], T]) -> T:
    """What ``make`` returned for this version of the thing; it is asked again only when the version is another."""
    name = f"{_KEPT}-{key}"
    before = st.session_state.get(name)
    if before is None or before[0] != version:
        before = st.session_state[name] = (version, make())
    found: T = before[1]
    return found
