"""Files that a page offers and that are made when they are asked for, for the browser that saw the page.

Streamlit's own downloads ask nobody who they are (S9 of the threats), and any other session's run may delete the file
between the click and the download: what a click made belongs to no run (``execute_deferred`` of Streamlit 1.67).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakValueDictionary

from app.domain import Role
from app.errors import NotAllowedError, NotFoundError
from app.services import sign_in


@dataclass(slots=True, weakref_slot=True)
class PageFile:
    """One file of a page, by its name and as the last run of the page would write it; it is offered while it is held.

    The two are set as one: a request may come between any two steps of a run.
    """

    token: str
    owner: str | None  # the hash of the session cookie
    written: tuple[str, Callable[[], str | bytes]] = ("", str)


PATH = "/export/page/"
_offered: WeakValueDictionary[str, PageFile] = WeakValueDictionary()


def offer_file(owner: str | None) -> PageFile:
    """A file under a new address, for whoever has this cookie; what is in it is for the page to fill in."""
    file = PageFile(secrets.token_urlsafe(24), owner)
    _offered[file.token] = file
    return file


def get_file(token_hash: str | None, token: str) -> PageFile:
    """The file at this address.

    Raises NotAllowedError for nobody and for raters, and NotFoundError where nothing is offered to this browser.
    """
    who = sign_in.identify(token_hash)
    if who is None:
        raise NotAllowedError("Sign in first.")
    sign_in.require(who, Role.RESEARCHER)
    file = _offered.get(token)
    if file is None or file.owner != token_hash:
        raise NotFoundError("This file is no longer offered. Reload the page that it was on.")
    return file
