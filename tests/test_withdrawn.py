"""An output that was withdrawn while a study runs: no rater is shown it any more, and no vote lands on it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select, text

from app.domain import Answer, GenerationStatus, LeakChoice, Role
from app.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError, VoteRefusedError
from app.services import (
    arena,
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
from db.columns import new_id
from db.engine import Database
from db.tables import Generation, tables_of
from tests import arenas
from tests.arenas import StreamingEndpoint, add_model, echoes, of_generations, start_arena, steadily
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


def add_warm(store: Database) -> None:
    """A second, newer output of the first model for each prompt, by another setting."""
    with store.write() as session:
        for row in session.execute(select(generation)).all():
            if row.parts[0]["text"].startswith("answer 0"):
                warm = [{"type": "text", "text": row.parts[0]["text"].replace("answer", "warm")}]
                more = {"id": new_id(), "settings_hash": "warm", "parts": warm}
                session.execute(insert(generation).values({**row._asdict(), **more}))


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
    assert scalar(store, "SELECT count(*) FROM generation WHERE status = 'withdrawn'") == 1


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
    with pytest.raises(VoteRefusedError, match="withdrawn meanwhile"):
        arenas.vote(other, study_id)


@pytest.mark.usefixtures("quick_arena")
def test_explore_offers_the_outputs_of_an_arena_and_its_rater_is_told_why_there_is_nothing_to_vote_on(
    store: Database,
) -> None:
    study_id = echoes()
    rater, other = person(experiment_id=study_id), person(experiment_id=study_id)
    arenas.ask(rater, study_id, "hello")
    arenas.wait_for(rater, Phase.READY)
    arenas.vote(rater, study_id)
    prompt_id = UUID(str(scalar(store, "SELECT prompt_id FROM battle")))
    seen = explore_prompts.get_prompt(None, vote_store.read(study_id), prompt_id, Wanted())
    assert [(one.is_shown, one.is_withdrawn) for one in seen.models] == [(True, False)] * 2
    first = seen.models[0].output_id
    assert first is not None
    withdrawing.withdraw_output(None, first, "It has somebody's address.")
    seen = explore_prompts.get_prompt(None, vote_store.read(study_id), prompt_id, Wanted())
    assert sorted((one.is_shown, one.is_withdrawn) for one in seen.models) == [(False, True), (True, False)]

    arenas.ask(other, study_id, "and me")
    arenas.wait_for(other, Phase.READY)
    shown_to_other = scalar(store, "SELECT generation_a_id FROM battle ORDER BY id DESC LIMIT 1")
    withdrawing.withdraw_output(None, UUID(str(shown_to_other)), "It has somebody's address.")
    open_ = arenas.seen(other).round
    assert open_ is not None and (open_.phase, open_.is_withdrawn) == (Phase.STOPPED, True)


@pytest.mark.usefixtures("quick_arena")
def test_an_answer_that_is_found_to_name_its_maker_while_it_is_judged_leaves_nobody_waiting(store: Database) -> None:
    study_id = echoes()
    rater = person(experiment_id=study_id)
    arenas.ask(rater, study_id, "hello")
    arenas.wait_for(rater, Phase.READY)
    said = of_generations(store)[0].parts[0]["text"]
    assert leak_check.add_phrase(None, said.split()[0].strip(".,")).n_found
    now = arenas.seen(rater).round
    assert now is not None and (now.phase, now.is_withdrawn) == (Phase.STOPPED, True)
    battle_id = arena.ask_again(rater, study_id, now.battle_id)
    assert battle_id != now.battle_id


@pytest.mark.parametrize("role", list(Role))
def test_a_researcher_reads_of_the_same_outputs_as_an_admin(store: Database, role: Role) -> None:
    """One setting of a model is withdrawn; the other study shows the other one, and that is what its page is about."""
    study(n_models=2, n_prompts=1, votes_per_pair=9)
    set_id, prompt_id = (UUID(str(scalar(store, sql))) for sql in (SET, PROMPT))
    add_warm(store)
    models_ = [one.id for one in generations.list_models(None)]
    second = experiments.create_experiment(
        None, title="Second", prompt_set_id=set_id, model_ids=models_, votes_per_pair=9, min_dwell_ms=0
    )
    experiments.start_experiment(None, second)
    vote_on(person(experiment_id=second), 1)
    withdraw(store, "answer 0 0")
    if role == Role.RATER:
        with pytest.raises(NotAllowedError):
            explore_prompts.get_prompt(person(role), vote_store.read(second), prompt_id, Wanted())
        return
    seen = explore_prompts.get_prompt(person(role), vote_store.read(second), prompt_id, Wanted())
    assert not any(one.is_withdrawn for one in seen.models)


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
    design._load.cache_clear()
    seen = explore_prompts.get_prompt(None, vote_store.read(study_id), prompt_id, Wanted())
    assert next(one for one in seen.models if one.model == "Model 0").is_withdrawn


def test_a_running_study_keeps_the_setting_of_a_model_one_of_whose_outputs_was_withdrawn(store: Database) -> None:
    study_id = study(n_models=2, n_prompts=2, votes_per_pair=9, is_started=False)
    add_warm(store)
    experiments.start_experiment(None, study_id)
    withdraw(store, "warm 0 1")
    design._load.cache_clear()
    said = {side for battle in vote_on(person(), 9) for side in (battle.left, battle.right)}
    assert said == {"warm 0 0", "answer 1 0"}


@pytest.mark.usefixtures("quick_arena")
@pytest.mark.parametrize("choice", [LeakChoice.DROP, LeakChoice.ASK])
def test_an_answer_of_an_arena_that_names_its_maker_was_not_withdrawn_by_anybody(
    store: Database, choice: LeakChoice
) -> None:
    with (
        StreamingEndpoint(steadily("I am Quagmire and here to help")) as leaky,
        StreamingEndpoint(steadily("fine words")) as fine,
    ):
        model_id = add_model("Quagmire", leaky)
        study_id = start_arena(model_id, *(add_model(name, fine) for name in "BC"))
        leak_check.choose_for_model(None, model_id, choice)
        found: list[Any] = []
        while not found:
            rater = person(experiment_id=study_id)
            arenas.ask(rater, study_id, "hello")
            arenas.wait_for(rater, Phase.READY)
            found = [row for row in of_generations(store) if row.leaks]
    with pytest.raises(ConflictError, match="wasn't withdrawn"):
        withdrawing.put_back_output(None, found[0].id)
    leak_check.choose_for_output(None, found[0].id, LeakChoice.KEEP)
    (row,) = (row for row in of_generations(store) if row.id == found[0].id)
    assert (row.status, row.error) == (GenerationStatus.OK, "")
