"""A link to a file that is made when it is clicked."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import streamlit as st

from app.components import session
from app.services import page_files

_FILES, _PAGE = "bakeoff_files", "bakeoff_files_page"


def begin_page(name: str) -> None:
    """Offer what other pages offered no longer, and let go of what it would be made of."""
    if st.session_state.get(_PAGE) != name:
        st.session_state[_PAGE] = name
        st.session_state.pop(_FILES, None)


def show(
    label: str, make: Callable[[], str | bytes], name: str, *, key: str, said: str = "", is_quiet: bool = False
) -> None:
    """Offer what ``make`` writes as the file ``name``, whose ending says its type.

    ``make`` may be called in any thread, after the page was drawn; ``said`` appears under a resting pointer. The
    address stays the same from run to run, so that a click while the page is drawn anew finds its file.
    """
    owner = session.token_hash()
    files = st.session_state.setdefault(_FILES, {})
    if (file := files.get(key)) is None or file.owner != owner:
        file = files[key] = page_files.offer_file(owner)
    file.written = name, make
    kind = "bo-file bo-quiet" if is_quiet else "bo-file"
    title = f' title="{escape(said)}"' if said else ""
    st.html(
        f'<a class="{kind}" href="{page_files.PATH}{file.token}" download{title}>{escape(label)}</a>', width="content"
    )
