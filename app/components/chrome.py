"""What stands around every page: type, spacing, and the few rules that Streamlit's theme has no option for."""

from __future__ import annotations

import functools
from pathlib import Path

import streamlit as st


@functools.cache
def _style() -> str:
    return Path(__file__).with_name("style.css").read_text(encoding="utf-8")


def show() -> None:
    """Put our rules into the page."""
    st.html(_style())


def show_notice(title: str, text: str) -> None:
    """A page that has one thing to say."""
    st.title(title, anchor=False)
    st.markdown(text)
