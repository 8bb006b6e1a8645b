"""The part of the experiment form that says which battle comes next, run by Streamlit's own tester."""

from __future__ import annotations

import pytest

from app.services import drafts, experiments, generations
from tests.stored import fresh_database
from tests.test_manage_pages import open_page, outputs_of, press, said, title_of

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")


@pytest.fixture(autouse=True)
def _stored(tmp_path, monkeypatch):
    with fresh_database(monkeypatch, f"sqlite:///{tmp_path / 'bakeoff.db'}"):
        yield


def test_which_battle_comes_next_is_chosen_in_the_form_and_stands_in_the_list() -> None:
    outputs_of("Tern", "Heron", "Plover")
    at = open_page("experiments")
    assert not [field for field in at.number_input if field.label.startswith("Exploration")]
    choice = next(field for field in at.selectbox if field.label == "Which battle comes next")
    assert choice.options == ["Uniform", "Weighted", "Active", "Thompson"]
    choice.set_value("weighted").run()
    assert "product of its two" in said(at)
    assert "It is not enough for the floor of 50 votes per model." in said(at)
    numbers = {field.label: field for field in at.number_input}
    numbers["Weight of Heron"].set_value(3.0)
    numbers["Exploration, in % of draws"].set_value(25)
    numbers["Votes of each model that come first"].set_value(4)
    numbers["Votes per prompt and pair, at most"].set_value(12)
    at.run()
    title_of(at).set_value("Birds").run()
    press(at, "Save draft")
    (row,) = experiments.list_experiments(None)
    stored = drafts.get_draft(None, row.id)
    heron = next(one.id for one in generations.list_models(None) if one.name == "Heron")
    assert (stored.allocation, stored.exploration, stored.floor_votes) == ("weighted", 0.25, 4)
    assert (stored.votes_per_prompt, stored.weights) == (12, {heron: 3.0})
    assert "weighted" in said(at)
    press(at, "Edit")
    assert next(field for field in at.number_input if field.label == "Weight of Heron").value == 3.0
    assert next(field for field in at.number_input if field.label.startswith("Exploration")).value == 25
