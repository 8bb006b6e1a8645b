"""Which battle a rater sees: the same one until answered, never one twice, balanced over pairs, prompts and sides."""

from __future__ import annotations

import dataclasses

import pytest
from scipy.stats import chisquare
from sqlalchemy import text

from app.domain import Answer, BlindBattle, Identity
from app.services import generations, prompt_sets, serving, voting
from app.services.experiments import create_experiment, start_experiment
from db.engine import Database
from tests.studies import jsonl, person, study


def rate(rater: Identity, n: int, answer: Answer = Answer.LEFT) -> list[BlindBattle]:
    seen = []
    for _ in range(n):
        ballot = serving.next_battle(rater)
        assert ballot is not None
        if ballot.battle is None:
            break
        seen.append(ballot.battle)
        voting.cast_vote(rater, ballot.battle.id, answer)
    return seen


def test_a_blind_battle_has_no_field_for_a_model() -> None:
    assert {field.name for field in dataclasses.fields(BlindBattle)} == {
        *("id", "prompt", "left", "right", "attachments", "sides", "must_play")
    }


def test_the_battle_is_stored_before_it_is_shown_and_shown_again_until_answered(store: Database) -> None:
    study()
    rater = person()
    first, again = serving.next_battle(rater), serving.next_battle(rater)
    assert first is not None
    assert first == again
    with store.read() as session:
        n = session.connection().execute(text("SELECT count(*) FROM battle WHERE status = 'open'")).scalar_one()
    assert n == 1


def test_no_study_running_is_said_and_nothing_is_stored(store: Database) -> None:
    assert serving.next_battle(person()) is None


def test_a_rater_never_meets_the_same_pair_on_the_same_prompt_twice(store: Database) -> None:
    study(n_models=3, n_prompts=4, votes_per_pair=100)
    seen = rate(person(), 100)
    battles = [(battle.prompt[0].content, frozenset((battle.left, battle.right))) for battle in seen]
    assert len(battles) == len(set(battles)) == 12


def count_battles(store: Database, columns: str) -> set[tuple[int, int]]:
    """(battles, those with model a on the left) of each group of ``columns``; open ones count, since they are shown."""
    sql = f"SELECT count(*), sum(CASE WHEN is_a_left THEN 1 ELSE 0 END) FROM battle GROUP BY {columns}"
    with store.read() as session:
        return {(row[0], row[1]) for row in session.connection().execute(text(sql))}


def test_pairs_prompts_and_sides_are_shown_equally_often(store: Database) -> None:
    study(n_models=4, n_prompts=5, votes_per_pair=20)
    for _ in range(12):
        rate(person(), 10)
    assert {n for n, _ in count_battles(store, "pair_id")} == {20}
    assert count_battles(store, "pair_id, prompt_id") == {(4, 2)}


@pytest.mark.usefixtures("seeded_draws")
def test_the_side_of_a_model_follows_chance_where_nothing_has_to_be_balanced(store: Database) -> None:
    """With one vote per pair the first side is a coin; hundreds of draws must look like one."""
    study(n_models=25, n_prompts=1, votes_per_pair=1)
    shown = [battle for _ in range(25) for battle in rate(person(), 10)]
    left = sum(int(battle.left.split()[1]) < int(battle.right.split()[1]) for battle in shown)
    assert len(shown) == 250
    assert chisquare([left, len(shown) - left]).pvalue > 0.001


def test_holes_and_empty_outputs_are_never_shown(store: Database) -> None:
    prompts = prompt_sets.import_prompts(
        None, jsonl({"id": "p0", "prompt": "q0"}, {"id": "p1", "prompt": "q1"}), name="With holes"
    )
    generations.import_generations(
        None,
        jsonl(
            {"prompt_id": "p0", "model": "A", "output": "A on p0"},
            {"prompt_id": "p0", "model": "B", "output": "B on p0"},
            {"prompt_id": "p1", "model": "A", "output": "A on p1"},
            {"prompt_id": "p1", "model": "B", "output": "  "},
            {"prompt_id": "p1", "model": "C", "output": "C on p1"},
        ),
        prompt_set_id=prompts.id,
    )
    experiment_id = create_experiment(
        None,
        title="Holes",
        prompt_set_id=prompts.id,
        model_ids=[row.id for row in generations.list_models(None)],
        votes_per_pair=5,
        min_dwell_ms=0,
    )
    start_experiment(None, experiment_id)
    shown = {frozenset((battle.left, battle.right)) for battle in rate(person(), 20)}
    assert shown == {frozenset(("A on p0", "B on p0")), frozenset(("A on p1", "C on p1"))}


def test_outputs_that_arrive_after_the_start_do_not_join_the_frozen_design(store: Database) -> None:
    prompts = prompt_sets.import_prompts(
        None, jsonl({"id": "p0", "prompt": "q0"}, {"id": "p1", "prompt": "q1"}), name="S"
    )
    first = [{"prompt_id": "p0", "model": name, "output": f"{name} on p0"} for name in "AB"]
    generations.import_generations(None, jsonl(*first), prompt_set_id=prompts.id)
    models = [row.id for row in generations.list_models(None)]
    experiment_id = create_experiment(
        None, title="Frozen", prompt_set_id=prompts.id, model_ids=models, votes_per_pair=9, min_dwell_ms=0
    )
    start_experiment(None, experiment_id)
    later = [{"prompt_id": "p1", "model": name, "output": f"{name} on p1"} for name in "AB"]
    generations.import_generations(None, jsonl(*later), prompt_set_id=prompts.id)
    assert {battle.prompt[0].content for battle in rate(person(), 9)} == {"q0"}


def test_a_personal_quota_ends_the_work_of_one_rater(store: Database) -> None:
    study(votes_per_rater=3)
    rater = person()
    assert len(rate(rater, 10)) == 3
    ballot = serving.next_battle(rater)
    assert ballot is not None
    assert (ballot.n_votes, ballot.quota, ballot.battle) == (3, 3, None)


def test_every_draw_stores_its_propensity(store: Database) -> None:
    study(n_models=3, n_prompts=4)
    serving.next_battle(person())
    with store.read() as session:
        propensity = session.connection().execute(text("SELECT propensity FROM battle")).scalar_one()
    assert abs(propensity - 1 / 12) < 1e-12
