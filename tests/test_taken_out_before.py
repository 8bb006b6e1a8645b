"""Outputs that were withdrawn before a study began: it neither counts nor gets them, whatever becomes of them."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text

from app.domain import Answer, GenerationStatus, LeakChoice
from app.errors import ConflictError
from app.services import design, experiments, leak_check, voting, withdrawing
from db import leaks, models, output_facts, output_lengths
from db.engine import Database
from tests.studies import person, study
from tests.test_leading import scalar, screen, vote_on
from tests.test_withdrawn import add_warm, find, withdraw


def lengths_and_forms(store: Database, study_id: UUID) -> tuple[int, int]:
    with store.read() as session:
        ids = [UUID(str(one)) for one in session.execute(text("SELECT id FROM prompt")).scalars()]
        set_id = UUID(str(session.execute(text("SELECT prompt_set_id FROM experiment")).scalar_one()))
        lengths = list(output_lengths.list_lengths(session, experiment_id=study_id, prompt_ids=ids))
        return len(lengths), len(output_facts.list_forms(session, prompt_set_id=set_id))


@pytest.mark.parametrize("n_withdrawn", [4, 5])
def test_a_study_shows_the_setting_that_its_checklist_counted(store: Database, n_withdrawn: int) -> None:
    study_id = study(n_models=2, n_prompts=5, votes_per_pair=9, is_started=False)
    add_warm(store)
    for number in range(2, 5):
        withdraw(store, f"warm 0 {number}")
    for number in range(n_withdrawn):
        withdraw(store, f"answer 0 {number}")
    set_id = UUID(str(scalar(store, "SELECT prompt_set_id FROM experiment")))
    with store.read() as session:
        counted = models.list_usable(session, experiment_id=study_id, prompt_set_id=set_id, until=None)
    experiments.start_experiment(None, study_id)
    assert set(design.get_design(study_id).generation.values()) == {row.id for row in counted}
    said = {side for battle in vote_on(person(), 9) for side in (battle.left, battle.right)}
    assert said == {"warm 0 0", "warm 0 1", "answer 1 0", "answer 1 1"}


def test_one_that_is_put_back_later_joins_only_the_studies_that_have_shown_it(store: Database) -> None:
    first = study(n_models=2, n_prompts=3, votes_per_pair=9)
    prompt_set, arms = scalar(store, "SELECT prompt_set_id FROM experiment"), "SELECT model_id FROM arm"
    with store.read() as session:
        model_ids = [UUID(str(one)) for one in session.execute(text(arms)).scalars()]
    output = find(store, "answer 0 1")
    withdraw(store, "answer 0 1")
    second = experiments.create_experiment(
        None, title="Later", prompt_set_id=UUID(str(prompt_set)), model_ids=model_ids, votes_per_pair=9
    )
    experiments.start_experiment(None, second)
    assert [design.get_design(id_).n_battles for id_ in (first, second)] == [2, 2]
    assert withdrawing.put_back_output(None, output) == GenerationStatus.OK
    assert [design.get_design(id_, 1).n_battles for id_ in (first, second)] == [3, 2]


def test_one_that_is_put_back_and_in_no_study_can_be_kept_from_raters(store: Database) -> None:
    study(n_models=2, n_prompts=3, votes_per_pair=9, is_started=False)
    outputs = [find(store, f"answer 0 {number}") for number in (0, 1)]
    withdraw(store, "answer 0 1")
    experiments.start_experiment(None, UUID(str(scalar(store, "SELECT id FROM experiment"))))
    assert withdrawing.put_back_output(None, outputs[1]) == GenerationStatus.OK
    for words in ("answer 0 0", "answer 0 1"):
        leak_check.add_phrase(None, words)
    with store.read() as session:
        kept = {row.id: row.status for row in leaks.list_by_ids(session, generation_ids=outputs)}
    assert [kept[one] for one in outputs] == [GenerationStatus.OK, GenerationStatus.FLAGGED]
    leak_check.choose_for_output(None, outputs[1], LeakChoice.DROP)
    with pytest.raises(ConflictError, match="shows this output"):
        leak_check.choose_for_output(None, outputs[0], LeakChoice.DROP)


def test_votes_on_one_that_names_its_maker_when_it_is_put_back_keep_its_length_and_form(store: Database) -> None:
    study_id = study(n_models=2, n_prompts=2, votes_per_pair=9)
    rater = person()
    for _ in range(2):
        ballot = screen(rater)
        assert ballot.battle is not None
        voting.cast_vote(rater, ballot.battle.id, Answer.LEFT)
    output = find(store, "answer 0 0")
    withdraw(store, "answer 0 0")
    leak_check.add_phrase(None, "answer 0")
    assert withdrawing.put_back_output(None, output) == GenerationStatus.FLAGGED
    assert lengths_and_forms(store, study_id) == (4, 4)
    leak_check.choose_for_output(None, output, LeakChoice.DROP)
    assert lengths_and_forms(store, study_id) == (4, 4)
