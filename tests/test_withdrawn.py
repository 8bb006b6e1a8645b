"""An output that was withdrawn while a study runs: no rater is shown it any more, and no vote lands on it."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text

from app.domain import Answer
from app.errors import ConflictError, InvalidInputError, NotFoundError, VoteRefusedError
from app.services import leak_check, remarks, serving, voting, withdrawing
from db.engine import Database
from tests.studies import person, study
from tests.test_leading import scalar, screen, vote_on


def find(store: Database, output: str) -> UUID:
    with store.read() as session:
        row = session.execute(
            text("SELECT id FROM generation WHERE CAST(parts AS TEXT) LIKE :text"), {"text": f'%"{output}"%'}
        )
        return UUID(str(row.scalar_one()))


def withdraw(store: Database, output: str) -> None:
    withdrawing.withdraw_output(None, find(store, output), "It has somebody's address.")


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


def test_what_was_withdrawn_can_be_put_back_and_is_drawn_again(store: Database) -> None:
    study(n_models=2, n_prompts=2, votes_per_pair=9)
    withdraw(store, "answer 0 1")
    output = find(store, "answer 0 1")
    assert {battle.prompt[0].content for battle in vote_on(person(), 9)} == {"question 0"}
    with pytest.raises(ConflictError, match="aren't shown"):
        withdrawing.withdraw_output(None, output, "Once more.")
    withdrawing.put_back_output(None, output)
    with pytest.raises(ConflictError, match="wasn't withdrawn"):
        withdrawing.put_back_output(None, output)
    assert {battle.prompt[0].content for battle in vote_on(person(), 9)} == {"question 0", "question 1"}
    logged = scalar(store, "SELECT count(*) FROM audit_event WHERE action LIKE 'output.%'")
    assert logged == 2


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_a_withdrawal_needs_a_reason_and_an_output(store: Database, reason: str) -> None:
    study(n_models=2, n_prompts=1)
    with pytest.raises(InvalidInputError, match="1 to 500"):
        withdrawing.withdraw_output(None, find(store, "answer 0 0"), reason)
    with pytest.raises(NotFoundError):
        withdrawing.withdraw_output(None, UUID(int=7), "No such thing.")


def test_a_later_look_for_leaks_does_not_bring_it_back(store: Database) -> None:
    study(n_models=2, n_prompts=1)
    withdraw(store, "answer 0 0")
    leak_check.add_phrase(None, "answer 0")
    (phrase,) = leak_check.list_phrases(None)
    leak_check.remove_phrase(None, phrase.id)
    assert scalar(store, "SELECT count(*) FROM generation WHERE status = 'dropped'") == 1


def test_a_vote_on_it_stays_and_is_not_changed_unseen(store: Database) -> None:
    study_id = study(n_models=2, n_prompts=2)
    rater = person()
    (battle, *_) = vote_on(rater, 1)
    withdraw(store, battle.left)
    with pytest.raises(VoteRefusedError, match="stays as it is"):
        remarks.change_vote(rater, battle.id, Answer.BOTH_BAD)
    assert scalar(store, "SELECT count(*) FROM vote") == 1
    voting.undo_vote(rater, study_id)
    shown = screen(rater).battle
    assert shown is not None and shown.id != battle.id
