"""Work that viewers share: done once, tried again after a failure, ended when nobody waits for it any more."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError

import pytest

from app.errors import InvalidInputError
from app.services import shared_work


def test_one_piece_of_work_is_done_once_and_a_failed_one_again() -> None:
    calls: list[int] = []

    def make(say: shared_work.Say) -> int:
        say(0.5, "halfway")
        calls.append(1)
        if len(calls) == 1:
            raise InvalidInputError("no")
        return 7

    first = shared_work.begin("key", make)
    assert first.is_done(within=5)
    with pytest.raises(InvalidInputError):
        first.result()
    again = shared_work.begin("key", make)
    assert again.is_done(within=5) and again.result() == 7
    assert shared_work.begin("key", make) is again and len(calls) == 2


@pytest.mark.parametrize("comes_back", [True, False])
def test_work_that_nobody_waits_for_any_more_ends_and_one_left_for_a_moment_goes_on(
    monkeypatch: pytest.MonkeyPatch, comes_back: bool
) -> None:
    monkeypatch.setattr(shared_work, "PATIENCE_S", 0.2)
    said, is_begun, may_go_on = [0], threading.Event(), threading.Event()

    def make(say: shared_work.Say) -> int:
        is_begun.set()
        assert may_go_on.wait(5)
        for share in (0.5, 0.9):
            say(share, "on the way")
            said[0] += 1
        return 7

    work = shared_work.begin("key", make)
    assert is_begun.wait(5)
    shared_work.leave(work)
    if comes_back:
        assert shared_work.begin("key", make) is work
    else:
        time.sleep(0.3)
    may_go_on.set()
    assert work.is_done(within=5)
    if comes_back:
        assert (work.result(), said) == (7, [2])
        return
    assert said == [0]
    with pytest.raises(CancelledError):
        work.result()
    again = shared_work.begin("key", make)
    assert again is not work and again.is_done(within=5) and again.result() == 7


def test_what_is_not_kept_and_nobody_waits_for_any_more_is_let_go_when_it_is_done() -> None:
    may_end, before = threading.Event(), len(shared_work._kept)
    work = shared_work.begin("votes", lambda _: may_end.wait(5), is_kept=False, goes_on=True)
    shared_work.leave(work)
    may_end.set()
    assert work.is_done(within=5)
    deadline = time.monotonic() + 5
    while len(shared_work._kept) > before and time.monotonic() < deadline:
        time.sleep(0.01)  # those who wait are told before anybody is called back
    assert len(shared_work._kept) == before


def test_what_is_given_up_before_it_began_is_let_go() -> None:
    may_end = threading.Event()
    busy = [shared_work.begin(f"busy {i}", lambda _: may_end.wait(5)) for i in range(shared_work.N_THREADS)]
    work = shared_work.begin("late", lambda _: 7, is_kept=False)
    shared_work.leave(work)
    assert work not in shared_work._kept.values()
    may_end.set()
    assert all(one.is_done(within=5) for one in busy)
