"""Waiting for a result that is computed in another thread, with a bar that says what is being done."""

from __future__ import annotations

from typing import TypeVar

import streamlit as st

from app.services import shared_work
from app.services.shared_work import Work

T = TypeVar("T")
_AT_ONCE_S, _LOOK_EVERY_S = 0.3, 0.15


def wait_for(work: Work[T]) -> T:
    """The result; whoever chooses something else meanwhile is served at once.

    The work then goes on for whoever else waits for it, and ends a few seconds later where nobody does.
    The bar's place is there in every run: else what follows would move in one that takes longer, the browser would
    make it anew, and whoever was typing in it would lose their place.
    """
    place = st.empty()
    try:
        if not work.is_done(within=_AT_ONCE_S):
            while not work.is_done(within=_LOOK_EVERY_S):
                place.progress(work.share, work.doing)  # a click on anything else ends this run of the page here
            place.empty()
        return work.result()
    finally:
        shared_work.leave(work)
