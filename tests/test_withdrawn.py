"""An output that was withdrawn while a study runs: no rater is shown it any more, and no vote lands on it."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from app.domain import Answer
from app.errors import VoteRefusedError
from app.services import serving, voting
from db.engine import Database
from tests.studies import person, study
from tests.test_leading import scalar, screen, vote_on


def withdraw(store: Database, output: str) -> None:
    with store.write() as session:
        session.execute(
            text("UPDATE generation SET status = 'dropped' WHERE CAST(parts AS TEXT) LIKE :text"),
            {"text": f'%"{output}"%'},
        )


def test_a_battle_whose_output_was_withdrawn_gives_way_to_another_with_a_word(store: Database) -> None:
    study(n_models=2, n_prompts=3, votes_per_pair=3)
    rater = person()
    first = screen(rater).battle
    assert first is not None
    withdraw(store, first.left)
    with pytest.raises(VoteRefusedError, match="withdrawn meanwhile"):
        voting.cast_vote(rater, first.id, Answer.LEFT)
    ballot = screen(rater)
    assert ballot.battle is not None and ballot.battle.id != first.id
    assert ballot.note == serving.WITHDRAWN
    assert screen(rater).note == "", "it is said once"
    assert (scalar(store, "SELECT n_taken FROM pair"), scalar(store, "SELECT n_votes FROM pair")) == (1, 0)


def test_a_withdrawn_output_is_drawn_no_more(store: Database) -> None:
    study(n_models=2, n_prompts=3, votes_per_pair=3)
    withdraw(store, "answer 0 1")
    seen = vote_on(person(), 9)
    assert {battle.prompt[0].content for battle in seen} == {"question 0", "question 2"}
    assert scalar(store, "SELECT n_taken FROM pair") == 2
