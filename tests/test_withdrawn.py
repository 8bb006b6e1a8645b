"""An output that was withdrawn while a study runs: no rater is shown it any more, and no vote lands on it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select, text

from app.domain import Answer, GenerationStatus, LeakChoice
from app.errors import ConflictError, InvalidInputError, NotFoundError, VoteRefusedError
from app.services import (
    design,
    experiments,
    explore_prompts,
    generations,
    leak_check,
    remarks,
    serving,
    shown,
    vote_store,
    voting,
    withdrawing,
)
from app.services.arena import Phase
from app.services.explore import Wanted
from app.study import Asks, Criterion
from db import models
from db.columns import new_id
from db.engine import Database, Row, Session
from db.tables import Generation, tables_of
from tests import arenas
from tests.arenas import echoes, of_generations
from tests.studies import jsonl, person, study
from tests.test_leading import scalar, screen, vote_on

(generation,) = tables_of(Generation)
SET, PROMPT = "SELECT id FROM prompt_set", "SELECT id FROM prompt WHERE external_id = 'p0'"


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
    with pytest.raises(VoteRefusedError, match="stays as it is"):
        voting.undo_vote(rater, study_id)
    assert scalar(store, "SELECT n_votes FROM pair") == 1


def test_a_criterion_of_it_is_not_answered_unseen(store: Database) -> None:
    study(n_models=2, n_prompts=2, asks=Asks(criteria=(Criterion("clear", "Which is clearer?"),)))
    rater = person()
    (battle, *_) = vote_on(rater, 1)
    remarks.answer_criterion(rater, battle.id, "clear", Answer.LEFT)
    withdraw(store, battle.left)
    with pytest.raises(VoteRefusedError, match="stays as it is"):
        remarks.answer_criterion(rater, battle.id, "clear", Answer.RIGHT)


def test_whoever_comes_back_later_is_not_told_that_they_were_away_too_long(store: Database) -> None:
    study(n_models=2, n_prompts=1, votes_per_pair=3)
    rater = person()
    first = screen(rater).battle
    assert first is not None
    withdraw(store, first.left)
    assert screen(rater).battle is None
    withdrawing.put_back_output(None, find(store, first.left))
    with store.write() as session:
        session.execute(text("UPDATE battle SET lease_until = '2001-01-01' WHERE lease_until IS NOT NULL"))
    assert screen(rater).note == ""


def test_a_design_that_is_being_read_while_one_is_put_back_is_read_anew(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    study_id = study(n_models=2, n_prompts=2)
    list_usable, design_before = models.list_usable, design.get_design(study_id)
    design.forget()

    def forget_meanwhile(session: Session, **wanted: Any) -> list[Row]:
        rows = list_usable(session, **wanted)
        monkeypatch.setattr(models, "list_usable", list_usable)
        design.forget()
        return rows[:-1]

    monkeypatch.setattr(models, "list_usable", forget_meanwhile)
    assert design.get_design(study_id) != design_before
    assert design.get_design(study_id) == design_before


@pytest.mark.usefixtures("quick_arena")
def test_in_an_arena_too_nobody_sees_it_any_more(store: Database) -> None:
    study_id = echoes()
    rater, other = person(experiment_id=study_id), person(experiment_id=study_id)
    for one in (rater, other):
        arenas.ask(one, study_id, "hello")
        arenas.wait_for(one, Phase.READY)
    arenas.vote(rater, study_id)
    for one in of_generations(store):
        withdrawing.withdraw_output(None, one.id, "It has somebody's address.")
    judged, open_ = arenas.seen(rater).round, arenas.seen(other).round
    assert judged is not None and [(turn.left, turn.right) for turn in judged.turns] == [(shown.WITHDRAWN,) * 2]
    assert open_ is not None and open_.phase == Phase.STOPPED
    assert [(turn.left, turn.right) for turn in open_.turns] == [("", "")]
    with pytest.raises(VoteRefusedError):
        arenas.vote(other, study_id)


def test_explore_offers_the_output_that_raters_are_shown_not_a_newer_sample(store: Database) -> None:
    study_id = study(n_models=2, n_prompts=2, votes_per_pair=9)
    second = {"prompt_id": "p0", "model": "Model 0", "output": "second sample", "sample": 1}
    set_id, prompt_id = (UUID(str(scalar(store, sql))) for sql in (SET, PROMPT))
    generations.import_generations(None, jsonl(second), prompt_set_id=set_id)
    vote_on(person(), 2)
    seen = explore_prompts.get_prompt(None, vote_store.read(study_id), prompt_id, Wanted())
    one = next(one for one in seen.models if one.model == "Model 0")
    assert one.is_shown and one.output_id == find(store, "answer 0 0")
    withdrawing.withdraw_output(None, one.output_id, "Reason.")
    assert {battle.prompt[0].content for battle in vote_on(person(), 9)} == {"question 1"}
    design.forget()
    seen = explore_prompts.get_prompt(None, vote_store.read(study_id), prompt_id, Wanted())
    assert next(one for one in seen.models if one.model == "Model 0").is_withdrawn


def test_a_running_study_keeps_the_setting_of_a_model_one_of_whose_outputs_was_withdrawn(store: Database) -> None:
    study_id = study(n_models=2, n_prompts=2, votes_per_pair=9, is_started=False)
    with store.write() as session:
        for row in session.execute(select(generation)).all():
            if row.parts[0]["text"].startswith("answer 0"):
                warm = [{"type": "text", "text": row.parts[0]["text"].replace("answer", "warm")}]
                more = {"id": new_id(), "settings_hash": "warm", "parts": warm}
                session.execute(insert(generation).values({**row._asdict(), **more}))
    experiments.start_experiment(None, study_id)
    withdraw(store, "warm 0 1")
    design.forget()
    said = {side for battle in vote_on(person(), 9) for side in (battle.left, battle.right)}
    assert said == {"warm 0 0", "answer 1 0"}


@pytest.mark.parametrize("choice", [LeakChoice.KEEP, LeakChoice.MASK])
def test_no_choice_about_leaks_brings_it_back_and_a_leak_found_meanwhile_waits_for_one(
    store: Database, choice: LeakChoice
) -> None:
    study(n_models=2, n_prompts=1)
    withdraw(store, "answer 0 0")
    output = find(store, "answer 0 0")
    leak_check.add_phrase(None, "answer 0")
    leak_check.choose_for_model(None, UUID(str(scalar(store, "SELECT id FROM model WHERE name = 'Model 0'"))), choice)
    with pytest.raises(ConflictError, match="put it back first"):
        leak_check.choose_for_output(None, output, choice)
    assert scalar(store, "SELECT count(*) FROM generation WHERE status = 'dropped' AND error <> ''") == 1
    assert withdrawing.put_back_output(None, output) == GenerationStatus.FLAGGED
    assert screen(person()).battle is None
