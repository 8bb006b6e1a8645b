"""What a tab remembers between a click and the page that follows it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from app.components import session
from app.domain import Ballot, BlindBattle, ExperimentStatus, Study

BALLOT = Ballot(Study(uuid4(), "Study", "", ExperimentStatus.RUNNING), BlindBattle(uuid4(), (), "a", "b"), 3, None)


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    monkeypatch.setattr(session.st, "session_state", kept)
    return kept


def test_a_ballot_is_handed_over_once() -> None:
    session.hand_over(BALLOT)
    assert session.take_ballot() == BALLOT
    assert session.take_ballot() is None


def test_an_undo_takes_the_ballot_of_the_vote_before_it_away() -> None:
    session.hand_over(BALLOT)
    session.hand_over(None)
    assert session.take_ballot() is None


def test_a_ballot_that_no_run_drew_is_not_drawn_later(monkeypatch: pytest.MonkeyPatch) -> None:
    session.hand_over(BALLOT)
    now = session.time.monotonic()
    monkeypatch.setattr(session.time, "monotonic", lambda: now + 60)
    assert session.take_ballot() is None


def test_a_battle_was_drawn_when_it_was_drawn_first() -> None:
    first = session.drawn_at("one")
    assert session.drawn_at("one") == first
    second = session.drawn_at("two")
    assert second > first
    assert session.drawn_at("two") == second
