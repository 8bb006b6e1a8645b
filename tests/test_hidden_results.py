"""Results that nobody sees before a study has ended."""

from __future__ import annotations

import io
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from app.domain import Answer, Identity, Role
from app.errors import ConflictError, NotAllowedError, ResultsHiddenError
from app.services import (
    drafts,
    experiments,
    hidden_results,
    judge_board,
    leaderboard,
    measure_board,
    measuring,
    serving,
    sign_in,
    vote_export,
    voting,
)
from app.services.arena_setup import UNLIMITED_VOTES
from app.services.drafts import Draft
from app.study import Shows, shows_of, to_json
from db.engine import Database, database
from tests.conftest import ROOT
from tests.studies import person, study

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")
HIDES = Shows(hides_results=True)


def hidden_study(n_votes: int = 5, **options: object) -> UUID:
    """A running study of 3 pairs with 4 votes each, of which one rater cast some."""
    experiment_id = study(votes_per_pair=4, shows=HIDES, **options)  # type: ignore[arg-type]
    cast(person(Role.RATER, experiment_id), n_votes)
    return experiment_id


def cast(rater: Identity, n_votes: int) -> None:
    for _ in range(n_votes):
        ballot = serving.next_battle(rater)
        assert ballot is not None
        assert ballot.battle is not None
        voting.cast_vote(rater, ballot.battle.id, Answer.LEFT)


def key_of(experiment_id: UUID) -> str:
    return next(row.key for row in experiments.list_experiments(None) if row.id == experiment_id)


def test_what_is_stored_of_it_comes_back() -> None:
    assert shows_of(to_json(HIDES)) == HIDES
    assert not shows_of({}).hides_results


@pytest.mark.parametrize("role", [Role.RESEARCHER, Role.ADMIN])
def test_while_a_study_runs_nobody_gets_a_board_and_all_get_its_progress(store: Database, role: Role) -> None:
    experiment_id = hidden_study()
    who = person(role)
    with pytest.raises(ResultsHiddenError, match="5 of 12 planned votes by 1 rater so far"):
        leaderboard.get_leaderboard(who, experiment_id)
    found = hidden_results.find_hidden(who, experiment_id)
    assert found is not None
    assert (found.n_votes, found.n_wanted, found.n_raters) == (5, 12, 1)
    experiments.pause_experiment(None, experiment_id)
    with pytest.raises(ResultsHiddenError, match="paused"):
        leaderboard.get_leaderboard(who, experiment_id)


def test_the_last_planned_vote_shows_the_results(store: Database) -> None:
    experiment_id = hidden_study(n_votes=0)
    rater = person(Role.RATER, experiment_id)
    cast(rater, 11)
    assert hidden_results.find_hidden(None, experiment_id) is not None
    cast(rater, 1)
    assert hidden_results.find_hidden(None, experiment_id) is None
    assert leaderboard.get_leaderboard(None, experiment_id).n_votes == 12


def test_a_study_that_is_stopped_for_good_shows_its_results(store: Database) -> None:
    experiment_id = hidden_study()
    experiments.stop_experiment(None, experiment_id, reason="No money left.")
    assert leaderboard.get_leaderboard(None, experiment_id).n_votes == 5


def test_other_studies_show_theirs_while_they_run(store: Database) -> None:
    experiment_id = study()
    assert hidden_results.find_hidden(None, experiment_id) is None
    assert leaderboard.get_leaderboard(None, experiment_id).n_votes == 0


def test_measures_and_judges_stand_without_what_people_said(store: Database) -> None:
    experiment_id = hidden_study()
    measures = measure_board.get_measure_board(None, measuring.get_scope(None, experiment_id))
    assert any("Results are hidden" in note for note in measures.notes)
    assert all(column.correlation is None for column in measures.columns)
    assert judge_board.get_judge_reports(None, experiment_id) == []


def test_votes_are_exported_for_admins_only_and_that_is_written_down(store: Database) -> None:
    experiment_id = hidden_study()
    with pytest.raises(NotAllowedError, match="Only an admin can export"):
        vote_export.export_votes(person(Role.RESEARCHER), experiment_id, io.BytesIO())
    written = io.BytesIO()
    assert vote_export.export_votes(person(Role.ADMIN), experiment_id, written).n_rows == 5
    with database().read() as session:
        actions = session.execute(text("SELECT action FROM audit_event")).scalars().all()
    assert actions.count("experiment.export_hidden") == 1


def test_the_command_warns_and_exports(bakeoff: Callable[..., tuple[int, str, str]], store: Database) -> None:
    code, printed, errors = bakeoff("export", "votes", key_of(hidden_study()))
    assert (code, len(printed.splitlines())) == (0, 5)
    assert "should not decide when the study ends" in " ".join(errors.split())


def test_without_a_planned_number_of_votes_there_is_no_end_to_wait_for() -> None:
    draft = Draft("Endless", None, (), votes_per_pair=UNLIMITED_VOTES, shows=HIDES)
    assert "only where a number of votes" in drafts.find_mistakes(draft)["shows"]
    assert "shows" not in drafts.find_mistakes(Draft("A study", None, (), shows=HIDES))


def test_it_can_be_chosen_for_a_draft_and_is_frozen_at_the_start(store: Database) -> None:
    experiment_id = study(is_started=False)
    draft = drafts.get_draft(None, experiment_id)
    drafts.update_draft(None, experiment_id, Draft(**{**values_of(draft), "shows": HIDES}))
    assert drafts.get_draft(None, experiment_id).shows == HIDES
    experiments.start_experiment(None, experiment_id)
    with pytest.raises(ConflictError, match="its design is frozen"):
        drafts.update_draft(None, experiment_id, draft)


def values_of(draft: Draft) -> dict[str, object]:
    return {name: getattr(draft, name) for name in Draft.__dataclass_fields__}


def open_page(page: str, role: Role, **address: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "app" / "ui.py"), default_timeout=30)
    link = sign_in.create_invite(None, role=role)
    at.user = {"session": sign_in.hash_token(sign_in.open_link(link.split("token=")[1]))}
    for name, value in address.items():
        at.query_params[name] = value
    at.run()
    if page != "leaderboard" or role == Role.ADMIN:
        at.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
    assert not at.exception
    return at


@pytest.mark.parametrize("role", [Role.RESEARCHER, Role.ADMIN])
def test_the_leaderboard_shows_how_far_it_is_and_no_result(store: Database, role: Role) -> None:
    at = open_page("leaderboard", role, study=key_of(hidden_study()))
    said = "\n".join(element.proto.body for element in at.get("html"))
    assert "Results are hidden until the study is completed" in said
    assert "5 of 12 planned votes by 1 rater" in said
    assert "Model 0" not in said
    assert "<table" not in said
    assert not at.get("vega_lite_chart")
    assert "/export/page/" not in said


def test_the_form_stores_it_and_the_card_says_it(store: Database) -> None:
    experiment_id = study(is_started=False)
    at = open_page("experiments", Role.ADMIN)
    at.button(key=f"edit-{experiment_id}").click().run()
    next(box for box in at.checkbox if box.label.startswith("Hide results")).check().run()
    at.button(key=f"save-draft-{experiment_id}").click().run()
    assert not at.exception
    assert drafts.get_draft(None, experiment_id).shows == HIDES
    assert "results hidden until its end" in "\n".join(element.proto.body for element in at.get("html"))
