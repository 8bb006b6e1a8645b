"""The Leaderboard over several studies, in Streamlit's tester and in a real browser: chosen, told, in the address."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect
from streamlit.testing.v1 import AppTest

from app.domain import Role
from app.services import leaderboard, measure_board
from tests.drawn import wait_drawn, wait_fits
from tests.pools import import_rows, listed, two_studies, votes_on
from tests.server import Server
from tests.studies import person, study
from tests.test_hidden_results import cast, hidden_study
from tests.test_leaderboard_page import column, open_page
from tests.tester import html_of, text_of

pytestmark = [
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    pytest.mark.usefixtures("data_folder"),
]
LABEL = "Also count the votes of"
INVITE = (
    "from app.domain import Role; from app.services import sign_in; "
    "print(sign_in.create_invite(None, role=Role.RESEARCHER))"
)


def offered(at: AppTest) -> list[str]:
    """The titles that the control offers; none where it isn't there."""
    return [title for box in at.multiselect if box.label == LABEL for title in box.options]


def test_choosing_another_study_pools_its_votes_and_stands_in_the_address() -> None:
    two_studies()
    import_rows(votes_on(("Elm", "Fir"), seed=3, n=30), "Other models")
    at = open_page(study="trees")
    assert offered(at) == ["Woods"]
    assert "Trees ·" in text_of(at)
    at.multiselect[0].select("woods").run()
    assert not at.exception
    assert at.query_params["also"] in ("woods", ["woods"])
    assert "2 studies pooled: Trees (240 votes), Woods (180 votes) · 420 votes by 12 raters" in text_of(at)
    assert set(column(at, "name")) == {"Ash", "Birch", "Cedar", "Dune"}
    assert "12 raters voted in several of them" in text_of(at)
    link = next(element.proto.url for element in at.get("link_button"))
    assert "study=trees" in link and "also=woods" in link
    at.multiselect[0].unselect("woods").run()
    assert "also" not in at.query_params
    assert "240 votes by 12 raters" in text_of(at)
    assert "pooled" not in text_of(at)


def test_a_link_shows_the_pooled_view_with_its_controls() -> None:
    a, b, _ = two_studies()
    wanted = leaderboard.get_leaderboard(None, b, also=[a])
    at = open_page(study="woods", also="trees")
    assert column(at, "name") == [row.model for row in wanted.ranking.models]
    assert at.multiselect[0].value == ["trees"]
    sliced = open_page(study="woods", also="trees", method="Elo", without="1", **{"tag.category": "a"})
    assert "category: a" in text_of(sliced) and "without 1 rater" in text_of(sliced)
    assert "without=1" in next(element.proto.url for element in sliced.get("link_button"))


def test_what_the_address_names_and_cannot_be_pooled_is_told() -> None:
    two_studies()
    import_rows(votes_on(("Elm", "Fir"), seed=3, n=30), "Other models")
    import_rows(votes_on(("Ash", "Birch"), seed=4, n=30), "Drawn", is_simulated=True)
    at = open_page(study="trees", also="gone,drawn,other-models,woods,woods, trees,")
    said = text_of(at)
    for part in (
        "The study “gone” in this link isn't here",
        "The votes of “Drawn” are simulated",
        "“Other models” shares no model",
        "2 studies pooled: Trees (240 votes), Woods (180 votes)",
    ):
        assert part in said
    alone = open_page(study="trees", also="<b>x</b>")
    assert "240 votes by 12 raters" in text_of(alone)
    assert "&lt;b&gt;x" in html_of(alone)


def test_a_study_that_hides_its_results_is_told_and_counted_nowhere() -> None:
    hidden = listed(hidden_study()).key
    import_rows(votes_on(("Model 0", "Model 1"), seed=1, n=60), "Open")
    at = open_page(study="open", also=hidden)
    assert "The results of “Test study” are hidden until it is completed" in text_of(at)
    assert "60 votes by 12 raters" in text_of(at)
    assert offered(at) == []
    first = open_page(study=hidden, also="open")
    assert "Results are hidden until the study is completed" in text_of(first)
    assert "/export/page/" not in html_of(first)


def test_another_study_forgets_what_belonged_to_the_first() -> None:
    two_studies()
    at = open_page(study="trees", also="woods", without="3")
    at.selectbox[0].select("woods").run()
    assert at.query_params["study"] in ("woods", ["woods"])
    assert "also" not in at.query_params and "without" not in at.query_params


def test_studies_that_have_not_ended_are_named() -> None:
    running = study(n_models=2)
    cast(person(Role.RATER, running), 2)
    import_rows(votes_on(("Model 0", "Model 1"), seed=1, n=60), "Ended")
    at = open_page(study="ended", also="test-study")
    assert "“Test study” is still running. The confidence holds for one look" in text_of(at)
    assert "“Ended” is" not in text_of(at)


@pytest.mark.parametrize("chart", ["Who beats whom", "Ratings", "Battles", "Over time", "Votes per day"])
def test_each_chart_is_of_all_the_votes(chart: str) -> None:
    two_studies()
    alone, pooled = (open_page(study="trees", chart=chart, **also) for also in ({}, {"also": "woods"}))
    assert not pooled.exception
    said = [str(at.get("html")[-1].proto.body) for at in (alone, pooled)]
    assert said[0] != said[1], "what the chart says in words"
    assert len(pooled.get("vega_lite_chart")) == 1


def test_what_stands_beside_is_of_the_first_study_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool's ranking is never handed to the measures of one study's outputs."""
    two_studies()
    given: list[object] = []
    real = measure_board.get_measure_board

    def watched(*args: object, **options: object) -> object:
        given.append(options["ranking"])
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(measure_board, "get_measure_board", watched)
    at = open_page(study="trees", also="woods", beside="Automatic measures")
    assert "Of “Trees” alone" in text_of(at)
    alone = open_page(study="trees", beside="Automatic measures")
    assert "Of “Trees” alone" not in text_of(alone)
    assert [ranking is None for ranking in given] == [True, False]


def test_a_choice_without_votes_in_any_of_them_says_so() -> None:
    two_studies()
    at = open_page(study="trees", also="woods", without=",".join(map(str, range(1, 13))))
    assert "No votes in this choice" in text_of(at)
    assert not at.exception


def test_studies_are_pooled_in_a_browser_and_a_link_reproduces_it(
    new_server: Callable[..., Server], new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    server = new_server()
    server.run("-m", "app.cli", "init")
    for title, models, seed in (("Trees", ("Ash", "Birch"), 1), ("Woods", ("Birch", "Cedar"), 2)):
        file = tmp_path / f"{title}.jsonl"
        file.write_text("\n".join(map(json.dumps, votes_on(models, seed=seed, n=120))), encoding="utf-8")
        server.run("-m", "app.cli", "import", "votes", str(file), "--title", title)
    server.start()
    page = new_context(accept_downloads=True).new_page()
    page.goto(server.base_url + server.run("-c", INVITE).strip())
    expect(page.locator(".bo-verdict h1")).to_be_visible()
    page.goto(f"{server.base_url}/leaderboard?study=trees")
    expect(page.locator(".bo-over")).to_contain_text("120 votes by 12 raters")
    box = page.get_by_role("combobox", name=LABEL)
    box.click()
    page.get_by_role("option", name="Woods").click()
    expect(page.locator(".bo-over")).to_contain_text("2 studies pooled: Trees (120 votes), Woods (120 votes)")
    expect(page.locator(".bo-board tbody tr")).to_have_count(3)
    expect(page).to_have_url(re.compile("also=woods"))
    wait_drawn(page)
    with page.expect_download() as taken:
        page.get_by_role("link", name="Board as CSV").click()
    assert taken.value.suggested_filename == "trees-and-1-more-board.csv"
    taken.value.save_as(tmp_path / "board.csv")
    assert (tmp_path / "board.csv").read_text(encoding="utf-8").splitlines()[1].endswith(",trees woods")
    page.get_by_text("How was this computed?").click()
    expect(page.locator(".bo-methods")).to_contain_text("The votes of 2 studies are pooled, 240 votes by 24 raters")
    page.go_back()
    expect(page.locator(".bo-over")).to_contain_text("Trees · 120 votes")
    page.go_forward()
    expect(page.locator(".bo-over")).to_contain_text("2 studies pooled")
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator(".bo-board tbody tr")).to_have_count(3)
    wait_fits(page)
