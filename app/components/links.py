"""Ways from one page to another, and addresses to pass on."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st

from app.settings import get_settings

_PAGES = Path(__file__).resolve().parents[2] / "pages"


def show_page(name: str, label: str, *, query: dict[str, str] | None = None) -> None:
    """A link to the page in ``pages/<name>.py``."""
    file = _PAGES / f"{name}.py"
    if file.exists():
        st.page_link(str(file), label=label, query_params=query)


def go_to(name: str) -> None:
    """Leave for the page in ``pages/<name>.py`` at once."""
    st.switch_page(str(_PAGES / f"{name}.py"))


def full(path: str) -> str:
    """The whole address of a path of this app, as somebody else opens it."""
    if public := get_settings().public_url:
        return public + path
    here = urlsplit(st.context.url or "")
    return f"{here.scheme or 'http'}://{here.netloc or 'localhost:8501'}{path}"
