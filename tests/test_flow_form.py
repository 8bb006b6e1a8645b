"""How raters are led, as a part of the form of an experiment, and what its card offers."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.domain import Purpose
from app.services import drafts, experiments, gold_files
from app.study import Flow
from tests.stored import fresh_database
from tests.studies import jsonl, study
from tests.test_gold_files import GOOD
from tests.test_leading import led_study
from tests.test_manage_pages import open_page, press, said

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")


@pytest.fixture(autouse=True)
def _stored(tmp_path, monkeypatch):
    with fresh_database(monkeypatch, f"sqlite:///{tmp_path / 'bakeoff.db'}"):
        yield


def field(page: AppTest, kind: str, label: str) -> Any:
    return next(one for one in getattr(page, kind) if one.label == label)


def test_the_form_stores_how_raters_are_led_and_names_a_mistake_by_its_field() -> None:
    study(is_started=False)
    page = press(open_page("experiments"), "Edit")
    field(page, "text_area", "Consent, in Markdown; raters agree to it before they see anything").set_value("Be kind.")
    field(page, "number_input", "Failed checks allowed").set_value(1)
    field(page, "selectbox", "Panel").set_value("Prolific")
    field(page, "text_input", "Code: done").set_value("D1")
    page.run()
    press(page, "Save draft")
    assert "Without attention checks nobody can fail one" in said(page)
    field(page, "number_input", "One attention check in").set_value(10)
    press(page, "Save draft")
    (row,) = experiments.list_experiments(None)
    assert drafts.get_draft(None, row.id).flow == Flow(
        consent="Be kind.", gold_every=10, most_failed_checks=1, panel="PROLIFIC_PID", code_done="D1"
    )
    assert row.panel_link is not None


def test_the_checklist_of_a_draft_names_the_pairs_that_are_missing() -> None:
    id_ = study(flow=Flow(needs_practice=True), is_started=False)
    page = open_page("experiments")
    assert "no pairs for practice" in said(page)
    gold_files.import_gold(None, jsonl(GOOD), experiment_id=id_, purpose=Purpose.PRACTICE)
    page.run()
    assert "no pairs for practice" not in said(page)


def test_the_card_of_a_led_study_shows_its_panel_s_link_and_its_raters() -> None:
    led_study(Flow(panel="PROLIFIC_PID", gold_every=5), n_gold=1)
    page = open_page("experiments")
    assert "PROLIFIC_PID={{%PROLIFIC_PID%}}" in said(page)
    press(page, "Raters")
    assert "Nobody has opened this study yet." in said(page)
