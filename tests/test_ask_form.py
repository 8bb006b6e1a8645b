"""What is asked beside the vote, and how outputs are shown, as parts of the form of an experiment."""

from __future__ import annotations

import pytest

from app.services import drafts, experiments
from app.study import Asks, Criterion, Flow, Shows
from tests.stored import fresh_database
from tests.studies import study
from tests.test_flow_form import field
from tests.test_manage_pages import open_page, press, said

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")
CRITERIA, NEEDED = "Criteria beside overall", "Needed with every vote"


@pytest.fixture(autouse=True)
def _stored(tmp_path, monkeypatch):
    with fresh_database(monkeypatch, f"sqlite:///{tmp_path / 'bakeoff.db'}"):
        yield


def stored() -> drafts.Draft:
    (row,) = experiments.list_experiments(None)
    return drafts.get_draft(None, row.id)


def test_the_form_stores_criteria_remarks_and_how_outputs_are_shown() -> None:
    study(is_started=False)
    at = press(open_page("experiments"), "Edit")
    assert not any(one.label == NEEDED for one in at.multiselect)
    field(at, "multiselect", CRITERIA).set_value(["Accuracy", "Coherence"]).run()
    field(at, "multiselect", NEEDED).set_value(["Accuracy"])
    for label in ("How much better", "Comment"):
        field(at, "toggle", label).set_value(True)
    field(at, "toggle", "Audio and video must be played before a vote").set_value(False)
    field(at, "checkbox", "Show all outputs in one flavour of Markdown").set_value(True)
    press(at, "Save draft")
    found = stored()
    asked = (Criterion("accuracy", "Accuracy", is_required=True), Criterion("coherence", "Coherence"))
    assert found.asks == Asks(asked, strength=True, comment=True)
    assert (found.flow, found.shows) == (Flow(must_play=False), Shows(is_normalised=True))


def test_a_draft_that_is_opened_again_stands_in_the_form_as_it_was_stored() -> None:
    asks = Asks((Criterion("wit", "Wit", is_required=True),), reasons=True, skip_reason=True, guess=True)
    study(is_started=False, asks=asks, flow=Flow(must_play=False), shows=Shows(is_normalised=True))
    at = press(open_page("experiments"), "Edit")
    assert field(at, "multiselect", CRITERIA).value == ["Wit"] == field(at, "multiselect", NEEDED).value
    assert {one.label for one in at.toggle if one.value} >= {"Reasons", "Why somebody can't judge"}
    assert field(at, "checkbox", "Show all outputs in one flavour of Markdown").value
    press(at, "Save draft")
    found = stored()
    assert (found.asks, found.flow.must_play, found.shows.is_normalised) == (asks, False, True)


def test_a_criterion_that_cannot_be_is_named_and_nothing_typed_is_lost() -> None:
    study(is_started=False)
    at = press(open_page("experiments"), "Edit")
    field(at, "multiselect", CRITERIA).set_value(["Accuracy"]).run()
    field(at, "toggle", "Comment").set_value(True)
    field(at, "text_input", "Title").set_value(" ")
    press(at, "Save draft")
    assert "The title needs 1 to 200 characters." in said(at)
    assert field(at, "multiselect", CRITERIA).value == ["Accuracy"] and field(at, "toggle", "Comment").value
    assert stored().asks == Asks()


def test_the_lock_on_players_says_what_it_can_not_hold() -> None:
    study(is_started=False)
    at = press(open_page("experiments"), "Edit")
    told = field(at, "toggle", "Audio and video must be played before a vote").help
    assert "the server refuses" in told and "the browser alone holds the lock" in told
