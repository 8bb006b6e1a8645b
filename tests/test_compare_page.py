"""The Compare page: run by Streamlit's own tester on a new SQLite database, and once in a browser."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from app.domain import ExperimentStatus, Role
from app.services import demo, experiments, vote_files
from db.engine import database
from tests.conftest import ROOT
from tests.drawn import wait_fits
from tests.server import Server
from tests.test_head_to_head import votes
from tests.tester import html_of, sign_in_as, start_tester, text_of

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")
PAGE = "pages/compare.py"
PAGE_FILE = str(ROOT / PAGE)


pytestmark = pytest.mark.usefixtures("data_folder")


def open_page(**address: str) -> AppTest:
    """The page as a researcher sees it."""
    at = start_tester(PAGE, **address)
    assert not at.exception
    return at


def stored(n: int = 900, status: ExperimentStatus = ExperimentStatus.COMPLETED, **options: float) -> str:
    """Votes on Ash, Birch and Cedar as a study; its key."""
    lines = io.BytesIO("\n".join(json.dumps(row) for row in votes(n, **options)).encode())  # type: ignore[arg-type]
    key = vote_files.import_votes(None, lines, title="Trees").key
    with database().engine.begin() as connection:
        connection.execute(
            text("UPDATE experiment SET status = :status WHERE key = :key"), {"status": status, "key": key}
        )
    return key


def test_without_a_study_it_says_what_to_do() -> None:
    assert "No study has started yet" in text_of(open_page())


def test_a_study_without_votes_says_so() -> None:
    demo.build_demo()
    key = next(row.key for row in experiments.list_experiments(None) if row.title == demo.TITLE)
    at = open_page(study=key)
    assert "No votes link" in text_of(at)
    assert not at.get("vega_lite_chart")


def test_a_rater_cannot_open_it() -> None:
    stored()
    at = AppTest.from_file(PAGE_FILE, default_timeout=30)
    at.user = {"session": sign_in_as(Role.RATER)}
    at.run()
    assert at.exception and "Ash" not in text_of(at)


def test_the_two_that_win_most_are_compared_unless_somebody_chose() -> None:
    stored()
    at = open_page()
    assert "<h1>Ship Ash</h1>" in html_of(at)
    said = text_of(at)
    assert "900 votes by 60 raters" in said
    assert "for all 3 pairs of models" in said
    assert "p-value, one look at the end" in said and "max-T" in said and "Holm" in said
    assert "Too few" not in said
    assert len(at.get("vega_lite_chart")) == 1


def test_while_a_study_runs_it_may_be_watched_and_no_p_value_is_shown() -> None:
    stored(status=ExperimentStatus.RUNNING)
    said = text_of(open_page(model="Birch", against="Cedar"))
    assert "look as often as you like" in said and "However often one looks" in said
    assert "max-T" not in said and "Holm" not in said and "BH q" not in said and "Exact p" not in said
    assert "at the end" in said
    assert "more votes would decide it" in said


def test_at_the_end_the_exact_test_counts_each_rater_once() -> None:
    stored()
    said = text_of(open_page(model="Ash", against="Birch"))
    assert "Exact p-value, one look at the end" in said
    assert re.search(r"\d+ raters preferred Ash, \d+ Birch", said) and "Sign test corrected by Holm" in said
    field = text_of(open_page(model="Ash", against="*"))
    assert re.search(r"\d+ raters preferred Ash, \d+ the models it met", field)


def test_the_planner_is_there_whatever_the_votes_say() -> None:
    stored()
    at = open_page(model="Ash", against="Birch", gap="3", power="90")
    said, html = text_of(at), html_of(at)
    assert "How many votes would it take?" in said and "with 90 % power" in said
    assert html.count('class="chosen"') == 1 and "53.0 % <em>21 Elo</em>" in html
    assert "design effect" in said and "a day, the pace from the first vote to the last" in said
    field = text_of(open_page(model="Ash", against="*"))
    assert "More votes in this study" in field and "New study of the two" not in field
    running = stored(status=ExperimentStatus.RUNNING)
    assert "No days are told" in text_of(open_page(study=running, gap="-7", power="abc"))


def test_one_against_the_field_has_numbers_and_no_card() -> None:
    stored()
    at = open_page(model="Ash", against="*")
    assert "<h1>Ash against the field</h1>" in html_of(at)
    assert "bo-decision" not in html_of(at) and "Guardrail" not in text_of(at)
    assert "600 votes on Ash" in text_of(at)


def test_the_limits_in_the_address_decide() -> None:
    stored(1500)
    assert "<h1>Keep Ash</h1>" in html_of(open_page(model="Birch", against="Ash"))
    wide = open_page(model="Birch", against="Cedar", rope="20")
    assert "<h1>Keep Cedar</h1>" in html_of(wide) and "within 20 points" in text_of(wide)
    strict = open_page(model="Ash", against="Birch", bothbad="0")
    assert "+0 pts" in text_of(strict) and "<h1>Discuss before deciding</h1>" in html_of(strict)


def test_a_link_with_names_that_are_not_there_is_served_with_a_word() -> None:
    stored()
    said = text_of(open_page(study="gone", model="Elm", against="Oak", criterion="taste", rope="abc", latency="-5"))
    assert "The study in this link isn't here" in said
    assert "The model in this link isn't in this study" in said
    assert "The opponent in this link can't be compared with it" in said
    same = text_of(open_page(model="Ash", against="Ash"))
    assert "The opponent in this link can't be compared with it" in same


def test_one_rater_and_votes_in_pieces_are_told_in_words() -> None:
    stored(60, n_raters=1)
    assert "Only 1 raters" not in text_of(open_page()) and "Only 1 rater voted" in text_of(open_page())
    rows = [row for row in votes(300) if {row["left"], row["right"]} == {"Ash", "Birch"}]
    rows += [row | {"left": "Cedar", "right": "Dogwood"} for row in rows]
    lines = io.BytesIO("\n".join(json.dumps(row) for row in rows).encode())
    key = vote_files.import_votes(None, lines, title="Pieces").key
    said = text_of(open_page(study=key, model="Ash", against="Cedar"))
    assert "No chain of votes links Ash with Cedar" in said


def test_names_are_shown_as_they_were_written() -> None:
    rows = [{**row, "left": f"<b>{row['left']}", "right": f"<b>{row['right']}"} for row in votes(300)]
    lines = io.BytesIO("\n".join(json.dumps(row) for row in rows).encode())
    vote_files.import_votes(None, lines, title="<i>Trees</i>")
    drawn = html_of(open_page())
    assert "<b>Ash" not in drawn and "&lt;b&gt;Ash" in drawn and "<i>Trees" not in drawn


def test_the_page_in_a_browser_on_a_phone(tmp_path: Path, new_context: Callable[..., BrowserContext]) -> None:
    """It answers, follows its controls, keeps them in the address, and nothing reaches over the edge."""
    server = Server(tmp_path)
    try:
        server.start()
        link = server.seed({})[0].researcher
        file = tmp_path / "votes.jsonl"
        file.write_text("\n".join(json.dumps(row) for row in votes(900)), encoding="utf-8")
        server.run("-m", "app.cli", "import", "votes", str(file), "--title", "Trees")
        page = new_context(viewport={"width": 390, "height": 844}).new_page()
        page.goto(server.base_url + link)
        page.goto(f"{server.base_url}/compare?study=trees")
        expect(page.locator(".bo-verdict h1")).to_have_text("Ship Ash", timeout=60_000)
        expect(page.locator("[data-testid=stVegaLiteChart]")).to_be_visible(timeout=30_000)
        wait_fits(page)
        page.get_by_role("combobox", name="Against").click()
        page.get_by_role("option", name="The field (all others)").click()
        expect(page.locator(".bo-verdict h1")).to_have_text("Ash against the field", timeout=30_000)
        expect(page).to_have_url(re.compile(r"against=(%2A|\*)"))
    finally:
        server.stop()
