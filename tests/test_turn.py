"""Clicks are served one after the other, and one that hangs holds nobody for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from app.components import turn


@pytest.fixture(autouse=True)
def fresh_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit's tester ends no turn, so pages that were tested before in this process may hold one."""
    monkeypatch.setattr(turn, "_turns", threading.Semaphore(1))


def run_all(*scripts: Callable[[], None]) -> None:
    """Each in a thread of its own, all at once; returns when all have ended."""
    threads = [threading.Thread(target=script) for script in scripts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_clicks_are_served_one_after_the_other() -> None:
    at_work, most = [], [0]

    def click() -> None:
        turn.take()
        turn.take()  # undo calls what a vote calls; the same thread waits for nobody
        at_work.append(1)
        most[0] = max(most[0], len(at_work))
        time.sleep(0.01)
        at_work.pop()
        turn.give_back()

    run_all(*[click] * 12)
    assert most == [1]
    assert not at_work


def test_a_click_that_hangs_holds_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "PATIENCE_S", 0.05)
    done, released = threading.Event(), threading.Event()

    def hang() -> None:
        turn.take()
        released.wait(20)
        turn.give_back()

    def click() -> None:
        time.sleep(0.02)
        turn.take()
        turn.give_back()  # it had no turn, so this must not end the other's
        turn.take()
        done.set()
        turn.give_back()
        released.set()

    run_all(hang, click)
    assert done.is_set()


def test_who_has_no_turn_gives_none_back() -> None:
    for _ in range(3):
        turn.give_back()
    assert turn._turns._value == 1  # type: ignore[attr-defined]
