"""The Streamlit script: who is signed in, and the pages that their role reaches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path

import streamlit as st

from app.components import account, chrome, page_file, session
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


def _hidden(draw: Callable[[], None], *, title: str, names: Iterable[str]) -> list[st.Page]:
    return [st.Page(draw, title=title, url_path=name, visibility="hidden") for name in names]


def _navigation(who: Identity | None) -> dict[str, list[st.Page]]:
    """The pages that ``who`` reaches, grouped; the others stay hidden and say so at their address.

    The page at the root is nobody's only address: links to a page by its name work for everybody whose page it is.
    """
    if who is None:
        root = st.Page(_signed_out, title="Sign in", url_path="home", default=True)
        return {"": [root, *_hidden(_signed_out, title="Sign in", names=_pages())]}
    yours = {name: (page, file) for name, (page, file) in _pages().items() if who.role.reaches(page.role)}
    others = _hidden(_not_yours, title="Not yours", names=(name for name in _pages() if name not in yours))
    entries = {name: st.Page(file, title=page.title, url_path=name) for name, (page, file) in yours.items()}
    page, file = yours[HOME[who.role]]
    root = st.Page(file, title=page.title, url_path="home", default=True, visibility="hidden")
    menu: dict[str, list[st.Page]] = {"": [root, *others]}
    for name, entry in entries.items():
        menu.setdefault(yours[name][0].section, []).append(entry)
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
        chrome.warm_up_charts()
        account.show(who)
    page_file.begin_page(page.url_path)
    try:
        page.run()
    except SignInError:
        _signed_out()
    except NotAllowedError:
        _not_yours()
    except BakeoffError as error:
        chrome.show_notice("That didn't work", str(error))


main()
