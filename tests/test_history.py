"""What is kept in memory of a rater's battles is what the database has of them, whoever served them."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest
from sqlalchemy import text

from app.domain import Answer, Identity, Receipt
from app.services import history, serving, voting
from app.services.design import get_design
from db import battles
from db.engine import Database
from tests.studies import person, study


def vote(rater: Identity) -> None:
    ballot = serving.next_battle(rater)
    assert ballot is not None and ballot.battle is not None
    assert voting.cast_vote(rater, ballot.battle.id, Answer.LEFT)[0] == Receipt.SAVED


def remembered(store: Database, rater: Identity, experiment_id: UUID) -> history.History:
    mine = {"rater_id": rater.account_id, "experiment_id": experiment_id}
    with store.read() as session:
        n_served = battles.count_served(session, **mine).n_served
        return history.get_history(session, get_design(experiment_id), **mine, n_served=n_served)


def check(store: Database, rater: Identity, experiment_id: UUID) -> None:
    design, found = get_design(experiment_id), remembered(store, rater, experiment_id)
    with store.read() as session:
        served = battles.list_served(session, rater_id=rater.account_id, experiment_id=experiment_id)
    pairs = Counter(design.position[row.pair_id] for row in served)
    assert found.n_battles == len(served)
    assert found.n_seen.tolist() == [pairs[i] for i in range(len(design.pairs))]
    assert found.is_exhausted.tolist() == [pairs[i] >= len(design.prompts[i]) for i in range(len(design.pairs))]
    assert found.prompts == Counter(row.prompt_id for row in served)
    assert found.had == {i: {r.prompt_id for r in served if design.position[r.pair_id] == i} for i in pairs}


def test_it_grows_with_every_battle(store: Database) -> None:
    experiment_id, rater = study(n_models=3, n_prompts=2), person()
    for _ in range(6):
        vote(rater)
        check(store, rater, experiment_id)
    assert all(remembered(store, rater, experiment_id).is_exhausted)
    ballot = serving.next_battle(rater)
    assert ballot is not None and ballot.battle is None


def test_what_another_process_served_is_found(store: Database) -> None:
    experiment_id, rater = study(n_models=3, n_prompts=3), person()
    vote(rater)
    before, history._kept = history._kept, {}
    vote(rater)  # this process has forgotten everything, as another one never knew it
    history._kept = before
    check(store, rater, experiment_id)


def test_a_draw_that_was_rolled_back_is_forgotten(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment_id, rater = study(n_models=3, n_prompts=3), person()
    vote(rater)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(battles, "add_battle", fail)
        with store.write() as session:  # the open battle is given back, so that a new one is drawn
            session.connection().execute(text("UPDATE battle SET status = 'expired' WHERE status = 'open'"))
        with pytest.raises(RuntimeError, match="disk"):
            serving.next_battle(rater)
    check(store, rater, experiment_id)
    vote(rater)
    check(store, rater, experiment_id)


def test_it_keeps_only_so_many(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "KEPT", 2)
    experiment_id, raters = study(n_models=3, n_prompts=3), [person() for _ in range(4)]
    for rater in raters:
        vote(rater)
    assert len(history._kept) <= 2
    for rater in raters:
        check(store, rater, experiment_id)


def test_the_ballot_after_a_vote_is_the_one_that_a_reload_shows(store: Database) -> None:
    study(n_models=3, n_prompts=3, votes_per_rater=5)
    rater = person()
    ballot = serving.next_battle(rater)
    for _ in range(4):
        assert ballot is not None and ballot.battle is not None
        receipt, ballot = voting.cast_vote(rater, ballot.battle.id, Answer.TIE)
        assert receipt == Receipt.SAVED
        assert ballot == serving.next_battle(rater)
    assert ballot is not None and ballot.battle is not None
    assert ballot.n_votes == 4
    assert voting.cast_vote(rater, ballot.battle.id, Answer.TIE) == (Receipt.SAVED, None)
