"""Who made it? What raters guess, counted by who truly stood there, on both databases."""

from __future__ import annotations

import pytest

from app.domain import Answer
from app.errors import BakeoffError
from app.services import guesses, remarks, serving, voting
from app.study import Asks
from db.engine import Database
from tests.test_remarks import asked
from tests.test_voting import battle_of


def test_guesses_are_counted_by_who_truly_stood_there(store: Database) -> None:
    rater, experiment_id = asked(Asks(guess=True), n_models=3, n_prompts=8)
    options = guesses.guess_options(experiment_id)
    assert [name for _, name in options] == ["Model 0", "Model 1", "Model 2"]
    ids = [key for key, _ in options]
    for i in range(12):
        ballot = serving.next_battle(rater)
        assert ballot is not None and ballot.battle is not None
        voting.cast_vote(rater, ballot.battle.id, Answer.TIE)
        true = int(ballot.battle.left[7])
        remarks.remark(rater, ballot.battle.id, guess_left=ids[true if i < 8 else (true + 1) % 3])
        if i < 3:
            remarks.remark(rater, ballot.battle.id, guess_right="dont_know")
    found = guesses.get_guessed(None, experiment_id)
    assert found is not None
    assert (found.right, found.wrong, found.dont_know, found.n_raters) == (8, 4, 3, 1)
    assert found.overall.index == pytest.approx((8 - 4 / 2) / 15)
    assert sum(index.n for index in found.by_model.values()) == 15
    with pytest.raises(BakeoffError):
        guesses.get_guessed(rater, experiment_id)


def test_there_is_no_blinding_index_before_the_first_guess(store: Database) -> None:
    rater, experiment_id = asked(Asks(guess=True))
    voting.cast_vote(rater, battle_of(rater), Answer.TIE)
    assert guesses.get_guessed(None, experiment_id) is None
