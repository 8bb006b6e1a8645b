"""The Streamlit script: who is signed in, and the pages that their role reaches."""

from __future__ import annotations

import functools
from pathlib import Path

import streamlit as st

from app.components import account, chrome, session
from app.components.page import Page
from app.discovery import find_plugins
from app.domain import Identity, Role
from app.errors import BakeoffError, NotAllowedError, SignInError

_ICON = str(Path(__file__).with_name("static") / "icon.png")
SECTIONS = ("Rate", "Results", "Manage")
HOME = {Role.RATER: "vote", Role.RESEARCHER: "leaderboard", Role.ADMIN: "experiments"}


@functools.cache
def _pages() -> dict[str, tuple[Page, str]]:
    """All pages by name: what each says about itself, and its file."""
    found = {name: (module.PAGE, str(module.__file__)) for name, module in find_plugins("pages").items()}
    return dict(sorted(found.items(), key=lambda item: (SECTIONS.index(item[1][0].section), item[1][0].order)))


def _not_yours() -> None:
    chrome.show_notice("This page is not yours", "Your role does not reach it. Ask an admin if you think it should.")


def _signed_out() -> None:
    chrome.show_notice(
        "Bakeoff",
        "Open the link that you were given to sign in. It signs in this browser and keeps it signed in.",
    )


def _navigation(who: Identity | None) -> dict[str, list[st.Page]]:
    """The pages that ``who`` reaches, grouped; the others stay hidden and say so at their address."""
    if who is None:
        return {"": [st.Page(_signed_out, title="Bakeoff", default=True)]}
    menu: dict[str, list[st.Page]] = {}
    for name, (page, file) in _pages().items():
        if who.role.reaches(page.role):
            entry = st.Page(file, title=page.title, url_path=name, default=name == HOME[who.role])
        else:
            entry = st.Page(_not_yours, title="Not yours", url_path=name, visibility="hidden")
        menu.setdefault(page.section, []).append(entry)
    return menu


def main() -> None:
    """Draw the page that the address names."""
    who = session.identity()
    is_staff = who is not None and who.role != Role.RATER
    page = st.navigation(_navigation(who), position="top" if is_staff else "hidden")
    # After the navigation, whose page icons would otherwise be fetched from another host as the tab's icon.
    st.set_page_config(page_title=f"{page.title} · Bakeoff", page_icon=_ICON, layout="wide")
    chrome.show()
    if who is not None and is_staff:
        account.show(who)
    try:
        page.run()
    except SignInError:
        _signed_out()
    except NotAllowedError:
        _not_yours()
    except BakeoffError as error:
        chrome.show_notice("That didn't work", str(error))


main()
