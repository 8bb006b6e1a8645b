"""The trust panel's slower checks: the same whatever is told apart at once, and one after the other for many votes."""

from __future__ import annotations

import time

import numpy as np
import pytest

from app.services import board_trust, leaderboard, quality, slices
from app.services.leaderboard import Board
from app.services.slices import Slice
from db.engine import Database
from tests.test_head_to_head import stored, votes


def board() -> Board:
    """The board of 900 votes, two a rater and prompt and pair among them."""
    rows = votes(900)
    for i, row in enumerate(rows):
        row["prompt"] = f"p{i % 40}"
    return leaderboard.get_leaderboard(None, stored(rows))


def test_agreement_is_the_same_whatever_number_of_votes_is_looked_at_at_once(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    del store
    study = board().study
    assert study is not None
    chosen = slices.take(study, Slice()).votes
    whole = quality._agreements(study, chosen)
    assert not isinstance(whole, str) and whole[0].found.alpha is not None and whole[0].found.n_items > 40
    for at_once in (1, 50, 333):
        monkeypatch.setattr(quality, "MOST_AT_ONCE", at_once)
        assert quality._agreements(study, chosen) == whole
    apart = chosen.select(np.arange(1))
    assert quality._agreements(study, apart) == (
        "No item was judged by two raters, so nothing shows whether they agree."
    )


def test_checks_of_many_votes_come_one_after_the_other_until_all_are_there(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    del store
    monkeypatch.setattr(board_trust, "MANY_VOTES", 10)
    found, seen = board(), []
    until = time.monotonic() + 30
    while not seen or seen[-1] < 4:
        checks = board_trust.ask_checks(found)
        assert list(checks) == [*board_trust.PARTS, board_trust.FEWEST]
        is_done = [value is not None for value in checks.values()]
        assert is_done == sorted(is_done, reverse=True)  # what comes later isn't begun before
        seen.append(sum(is_done))
        assert time.monotonic() < until
        time.sleep(0.01)
    assert seen == sorted(seen)
    now = board_trust.get_checks(found)
    assert {name: str(value) for name, value in checks.items()} == {name: str(value) for name, value in now.items()}


def test_a_choice_that_leaves_nothing_out_copies_nothing(store: Database) -> None:
    del store
    study = board().study
    assert study is not None
    columns = slices.take(study, Slice()).votes
    assert columns.select(columns.weight == 1) is columns
    assert len(columns.select(columns.outcome == 0)) < len(columns)
    assert columns.select(slice(0, len(columns))) is not columns
