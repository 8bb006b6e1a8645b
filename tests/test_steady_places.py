"""What stands on a page stays where it is from run to run; the browser makes anew what moves, and its focus is lost."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest


def page() -> None:
    import time

    import streamlit as st

    from app.components import board, progress
    from app.services import shared_work

    seconds = st.session_state.get("seconds", 0.0)
    work = shared_work.begin(("steady", seconds), lambda _: time.sleep(seconds))
    progress.wait_for(work)
    board.show_notes(st.session_state.get("notes", ()))
    st.text_input("Find", key="find")


@pytest.mark.parametrize("then", [{"seconds": 0.8}, {"notes": ("Something to know.",)}])
def test_a_bar_or_a_note_moves_nothing_below_it(then: dict[str, object]) -> None:
    at = AppTest.from_function(page, default_timeout=30).run()
    before = [place for place, one in at.main.children.items() if one.type == "text_input"]
    for name, value in then.items():
        at.session_state[name] = value
    at.run()
    assert not at.exception
    assert [place for place, one in at.main.children.items() if one.type == "text_input"] == before == [2]
