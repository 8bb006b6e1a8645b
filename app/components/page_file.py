"""A link to a file that is made when it is clicked."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import streamlit as st

from app.components import session
from app.services import page_files


def show(
    label: str, make: Callable[[], str | bytes], name: str, *, key: str, said: str = "", is_quiet: bool = False
) -> None:
    """Offer what ``make`` writes as the file ``name``, whose ending says its type.

    ``make`` may be called in any thread, after the page was drawn; ``said`` appears under a resting pointer. The
    address stays the same from run to run, so that a click while the page is drawn anew finds its file.
    """
    owner = session.token_hash()
    file = session.kept(f"file-{key}", owner, lambda: page_files.offer(owner))
    file.name, file.make = name, make
    kind = "bo-file bo-quiet" if is_quiet else "bo-file"
    title = f' title="{escape(said)}"' if said else ""
    st.html(
        f'<a class="{kind}" href="{page_files.PATH}{file.token}" download{title}>{escape(label)}</a>', width="content"
    )
