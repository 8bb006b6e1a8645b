"""What stands around every page: our style sheet, our script, and pages that have one thing to say."""

from __future__ import annotations

import functools
import hashlib
import importlib
import threading
from pathlib import Path

import streamlit as st

from app.services import garbage

_FOLDER = Path(__file__).resolve().parents[1] / "assets"
_VERSION = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_FOLDER.glob("*.*")))).hexdigest()[:12]
_ASSETS = (
    f'<div class="bo-assets"><style>@import url("/assets/bakeoff.css?v={_VERSION}");'
    f'@import url("/assets/content.css?v={_VERSION}");</style>'
    f'<script src="/assets/bakeoff.js?v={_VERSION}"></script>'
    f'<script src="/assets/content.js?v={_VERSION}"></script>'
    f'<script src="/assets/connection.js?v={_VERSION}"></script></div>'
)


def show() -> None:
    """Put our style sheet and our script into the page; nothing of a person's is in this text."""
    st.html(_ASSETS, unsafe_allow_javascript=True)


@functools.cache
def warm_up_charts() -> None:
    """Begin to import what charts need, when the first researcher or admin comes; raters never pay for it.

    In this order: Altair breaks when it meets a pandas that another thread has imported by half.
    """

    def load() -> None:
        for name in ("pyarrow", "pandas", "altair"):
            importlib.import_module(name)
        garbage.spare_what_is_there()

    threading.Thread(target=load, name="warm-up", daemon=True).start()


def show_notice(title: str, text: str) -> None:
    """Say one thing."""
    st.title(title, anchor=False)
    st.markdown(text)
