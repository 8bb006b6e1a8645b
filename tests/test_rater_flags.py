"""Flagged raters of stored votes, and numbers that are computed once for all who ask."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest

from app.services import rater_flags, vote_store
from app.services.computed import Computed
from app.services.slices import Slice
from app.stats.raters import rater_diagnostics
from app.stats.vote_columns import to_comparisons
from db.engine import Database
from tests.studies import contrary_votes


def imported(n_raters: int = 12, each: int = 40) -> UUID:
    return contrary_votes(n_raters, each, contrary=3, agree=0.85)


def test_the_contrary_rater_is_flagged_by_code_and_unknown_raters_are_not(store: Database) -> None:
    study = vote_store.read(imported())
    flagged = rater_flags.flagged_raters(study)
    assert len(flagged) == len(study.raters) + 1
    assert not flagged[-1]
    votes = study.columns
    against = [
        code
        for code in range(len(study.raters))
        if (((votes.model_a < votes.model_b) == (votes.outcome == 0))[votes.rater == code]).mean() < 0.5
    ]
    assert np.flatnonzero(flagged).tolist() == against
    assert len(against) == 1


def test_it_says_what_the_mathematics_says_of_the_same_votes(store: Database) -> None:
    study = vote_store.read(imported())
    found = rater_flags.diagnose(study, Slice())
    assert not isinstance(found, str)
    comparisons = to_comparisons(study.columns, study.models, single=True)
    assert comparisons.rater is not None
    expected = rater_diagnostics(comparisons, comparisons.rater)
    assert found.run is None, "the file doesn't say in which order they voted"
    assert found.agreement.z == pytest.approx(expected.agreement.z)
    assert rater_flags.diagnose(study, Slice()) is found, "the same votes are examined once"


def test_where_raters_cannot_be_compared_nobody_is_flagged(store: Database) -> None:
    study = vote_store.read(imported(n_raters=1))
    assert not rater_flags.flagged_raters(study).any()
    assert "single rater" in str(rater_flags.diagnose(study, Slice()))


def test_a_number_is_computed_once_and_anew_for_new_votes(store: Database) -> None:
    study, done = vote_store.read(imported(each=4)), []
    numbers: Computed[int] = Computed()

    def work() -> int:
        done.append(1)
        return len(done)

    assert [numbers.get(study, "a", work) for _ in range(3)] == [1, 1, 1]
    assert numbers.get(study, "b", work) == 2
    assert numbers.get(replace(study), "a", work) == 3


def test_work_elsewhere_is_shared_and_its_error_is_told_and_tried_again(store: Database) -> None:
    study, go, numbers = vote_store.read(imported(each=4)), threading.Event(), Computed[int]()
    tries: list[int] = []

    def work() -> int:
        assert go.wait(20)
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("the first try fails")
        return 7

    def asked() -> int:
        deadline = time.monotonic() + 20
        while (found := numbers.ask(study, "a", work)) is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return found

    assert numbers.ask(study, "a", work) is None
    assert numbers.ask(study, "a", work) is None, "a second viewer waits for the same work"
    go.set()
    with pytest.raises(ValueError, match="first try"):
        asked()
    assert asked() == asked() == 7
    assert len(tries) == 2
