"""An output that was withdrawn and is put back: as its raters knew it where it may be shown, and drawn again."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.domain import Answer, BlindBattle, GenerationStatus, LeakChoice, utc_now
from app.errors import NotFoundError
from app.services import design, experiments, history, leak_check, pair_counts, prompt_room, voting, withdrawing
from db import battles
from db.engine import Database, database
from tests.arenas import add_echo, of_generations, start_arena
from tests.conftest import ROOT
from tests.studies import person, study
from tests.test_arena_page import as_rater, stored, until  # noqa: F401 - a fixture
from tests.test_leading import scalar, screen, vote_on
from tests.test_manage_pages import press, said
from tests.test_withdrawn import add_warm, find, generation, withdraw

MODEL = "SELECT id FROM model WHERE name = 'Model 0'"


def one(store: Database, query: str) -> UUID:
    return UUID(str(scalar(store, query)))


def restarted() -> None:
    """What a server forgets when it ends."""
    design._load.cache_clear()
    for kept in (history._kept, prompt_room._known, pair_counts._boards):
        kept.clear()


def started(store: Database, choice: LeakChoice, *, phrase: str, said: str = "answer 0 0") -> None:
    """A study of one prompt whose first output has a phrase that gives its maker away, and the choice made of that."""
    study_id = study(n_models=2, n_prompts=1, votes_per_pair=9, is_started=False)
    with store.write() as session:
        parts: Any = [{"type": "text", "text": said}]
        session.execute(generation.update().where(generation.c.id == find(store, "answer 0 0")).values(parts=parts))
    leak_check.add_phrase(None, phrase)
    leak_check.choose_for_model(None, one(store, MODEL), choice)
    experiments.start_experiment(None, study_id)


def shown_to_one_more() -> BlindBattle:
    battle = screen(person()).battle
    assert battle is not None
    return battle


@pytest.mark.parametrize(
    ("choice", "becomes", "shown"),
    [
        (LeakChoice.KEEP, GenerationStatus.OK, "answer 0 0"),
        (LeakChoice.MASK, GenerationStatus.OK, "▇▇▇ 0"),
        (LeakChoice.ASK, GenerationStatus.FLAGGED, None),
        (LeakChoice.DROP, GenerationStatus.FLAGGED, None),
    ],
)
def test_one_that_is_found_to_name_its_maker_becomes_what_is_chosen_for_its_model(
    store: Database, choice: LeakChoice, becomes: GenerationStatus, shown: str | None
) -> None:
    study(n_models=2, n_prompts=1)
    withdraw(store, "answer 0 0")
    output = find(store, "answer 0 0")
    leak_check.add_phrase(None, "answer 0")
    leak_check.choose_for_model(None, one(store, MODEL), choice)
    with pytest.raises(NotFoundError):  # what is withdrawn is no longer among those that wait for a choice
        leak_check.choose_for_output(None, output, LeakChoice.KEEP)
    assert scalar(store, "SELECT count(*) FROM generation WHERE status = 'withdrawn' AND error <> ''") == 1
    assert withdrawing.put_back_output(None, output) == becomes
    if shown is None:
        assert screen(person()).battle is None
        leak_check.choose_for_output(None, output, LeakChoice.KEEP)
        shown = "answer 0 0"
    battle = shown_to_one_more()
    assert any(side.endswith(shown) for side in (battle.left, battle.right))


def test_every_server_of_a_database_draws_it_again(store: Database) -> None:
    """The other one was started while the output was withdrawn, and knows of it by the database alone."""
    study(n_models=2, n_prompts=1, votes_per_pair=9)
    withdraw(store, "answer 0 0")
    restarted()
    rater = person()
    assert screen(rater).battle is None
    code = (
        "import sys, uuid; from app.services import withdrawing as w; w.put_back_output(None, uuid.UUID(sys.argv[1]))"
    )
    environment = {**os.environ, "BAKEOFF_DATABASE_URL": store.url, "PYTHONPATH": str(ROOT)}
    output = str(find(store, "answer 0 0"))
    subprocess.run([sys.executable, "-c", code, output], env=environment, check=True, timeout=60)
    assert screen(rater).battle is not None


def test_a_mask_is_made_anew_where_more_is_known_by_now(store: Database) -> None:
    started(store, LeakChoice.MASK, phrase="Foozle", said="The word Foozle. The word Barkola, too.")
    before = shown_to_one_more()
    assert "Foozle" not in before.left + before.right and "Barkola" in before.left + before.right
    output = one(store, "SELECT id FROM generation WHERE CAST(parts AS TEXT) LIKE '%Barkola%'")
    withdrawing.withdraw_output(None, output, "It names Barkola.")
    leak_check.add_phrase(None, "Barkola")
    assert withdrawing.put_back_output(None, output) == GenerationStatus.OK
    after = shown_to_one_more()
    assert not {"Foozle", "Barkola"} & set((after.left + after.right).replace(".", " ").replace(",", " ").split())


def test_a_mask_that_covers_all_stays_as_it_was(store: Database) -> None:
    started(store, LeakChoice.MASK, phrase="Foozle", said="The word Foozle.")
    before = shown_to_one_more()
    output = one(store, "SELECT id FROM generation WHERE CAST(original_parts AS TEXT) LIKE '%Foozle%'")
    withdrawing.withdraw_output(None, output, "It is wrong.")
    assert withdrawing.put_back_output(None, output) == GenerationStatus.OK
    after = shown_to_one_more()
    assert {before.left, before.right} == {after.left, after.right}


def test_one_that_waits_for_a_choice_does_not_change_the_setting_that_a_study_shows(store: Database) -> None:
    study_id = study(n_models=2, n_prompts=2, votes_per_pair=9, is_started=False)
    add_warm(store)
    experiments.start_experiment(None, study_id)
    before = {side for battle in vote_on(person(), 9) for side in (battle.left, battle.right)}
    withdraw(store, "warm 0 1")
    output = find(store, "warm 0 1")
    leak_check.add_phrase(None, "warm 0 1")
    assert withdrawing.put_back_output(None, output) == GenerationStatus.FLAGGED
    assert {side for battle in vote_on(person(), 9) for side in (battle.left, battle.right)} < before
    leak_check.choose_for_output(None, output, LeakChoice.DROP)
    restarted()
    assert {side for battle in vote_on(person(), 9) for side in (battle.left, battle.right)} < before


def test_a_vote_is_stored_while_the_prompts_that_a_pair_has_change(store: Database) -> None:
    study(n_models=2, n_prompts=3, votes_per_pair=9)
    rater = person()
    first = shown = screen(rater).battle
    assert first is not None and shown is not None
    voting.cast_vote(rater, first.id, Answer.LEFT)
    second = screen(rater).battle
    assert second is not None
    met = [battle.prompt[0].content[-1] for battle in (first, second)]
    (left,) = {"0", "1", "2"} - set(met)
    withdraw(store, f"answer 0 {left}")
    withdraw(store, f"answer 1 {met[0]}")
    withdrawing.put_back_output(None, find(store, f"answer 1 {met[0]}"))
    voting.cast_vote(rater, second.id, Answer.LEFT)
    assert scalar(store, "SELECT count(*) FROM vote") == 2
    assert screen(rater).battle is None


def test_after_a_restart_a_withdrawn_prompt_takes_nothing_from_a_rater(store: Database) -> None:
    study(n_models=2, n_prompts=2, votes_per_pair=9)
    rater = person()
    first = screen(rater).battle
    assert first is not None
    withdraw(store, f"answer 0 {first.prompt[0].content[-1]}")
    restarted()
    following = screen(rater).battle
    assert following is not None and following.prompt != first.prompt


def test_a_withdrawn_prompt_that_has_all_its_votes_takes_no_room_from_another(store: Database) -> None:
    study_id = study(n_models=2, n_prompts=2, votes_per_pair=2, votes_per_prompt=1)
    rater = person()
    first = screen(rater).battle
    assert first is not None
    voting.cast_vote(rater, first.id, Answer.LEFT)
    with store.write() as session:  # the next pair of this rater goes back
        session.execute(text("UPDATE battle SET lease_until = '2001-01-01' WHERE status = 'open'"))
        battles.release_expired(session, experiment_id=study_id, now=utc_now())
    withdraw(store, f"answer 0 {first.prompt[0].content[-1]}")
    restarted()
    assert shown_to_one_more().prompt != first.prompt


@pytest.mark.usefixtures("stored")
def test_whose_answer_of_an_arena_was_withdrawn_reads_why_and_may_ask_again() -> None:
    at = as_rater(start_arena(add_echo("Alpha"), add_echo("Beta")))
    at.text_area[0].set_value("Why rain?")
    press(at, "Ask both")
    until(at, "Left is better")
    withdrawing.withdraw_output(None, of_generations(database())[0].id, "It has somebody's address.")
    at.run()
    assert "One of the two answers was withdrawn, so there is nothing to vote on." in said(at)
    assert not any(button.label == "Left is better" and not button.disabled for button in at.button)
    press(at, "Ask again")
    until(at, "Left is better")
    assert "withdrawn" not in said(at)
