"""From files to a board, as people do it: an admin sets the study up, two raters vote, a researcher reads the result.

The admin and the researcher work in the pages themselves, so this is also the test that these pages fit together.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.ballot_page import BallotPage, open_ballot
from tests.drawn import settle
from tests.seed import SAMPLES
from tests.server import Server

N_BATTLES = 20
TITLE = "Everyday questions"
KEYS = ("ArrowLeft", "ArrowRight", "t", "ArrowLeft", "x", "d")


@pytest.fixture(scope="module", params=["samples", "llmfao"])
def files(request: pytest.FixtureRequest) -> Path:
    """The folder with prompts.jsonl, models.jsonl and generations.jsonl."""
    return SAMPLES if request.param == "samples" else request.getfixturevalue("shared") / "data/llmfao"


@pytest.fixture(scope="module")
def server(new_server: Callable[..., Server], files: Path) -> Server:
    made = new_server()
    made.start()
    return made


def test_forty_votes_from_files_to_the_board(
    server: Server, files: Path, new_context: Callable[..., BrowserContext]
) -> None:
    """An admin uploads files and starts a study, two raters vote 20 battles each by keyboard, the board shows 40."""
    admin = new_context().new_page()
    link = re.search(r"/auth/join\?token=\S+", server.log.read_text())
    assert link is not None
    admin.goto(server.base_url + link.group())
    upload_files(admin, server, files)
    start_study(admin, server)
    rater_link, researcher_link = invite_rater(admin), invite_researcher(admin, server)
    ballots = [open_ballot(new_context(), server, rater_link) for _ in range(2)]
    vote_in_turns(ballots)
    researcher = new_context().new_page()
    researcher.goto(server.base_url + researcher_link)
    expect(researcher.locator(".bo-over")).to_contain_text(f"{TITLE} · {2 * N_BATTLES} votes by 2 raters")
    stored = server.rows("SELECT b.rater_id, count(*) AS n FROM vote v JOIN battle b ON b.id = v.battle_id GROUP BY 1")
    assert [row.n for row in stored] == [N_BATTLES, N_BATTLES]
    assert [ballot.complaints for ballot in ballots] == [[], []]
    assert server.warnings() == []


def vote_in_turns(ballots: list[BallotPage]) -> None:
    """Both raters vote at the same time, each on battles of their own."""
    for i in range(N_BATTLES):
        for number, ballot in enumerate(ballots):
            ballot.press(KEYS[(i + number) % len(KEYS)])
            expect(ballot.page.get_by_role("status")).to_have_text(re.compile(rf"^Saved · {i + 1} votes?$"))


# ------------------------------------------------------------------------------------------------ the pages of staff


def upload_files(page: Page, server: Server, files: Path) -> None:
    """Prompts, then models, then their outputs; each is stored with one click once the page has read it."""
    page.goto(f"{server.base_url}/prompts")
    store_file(page, files / "prompts.jsonl", r"Store \d+ prompts")
    expect(page.get_by_text(re.compile(r"\d+ prompts stored\."))).to_be_visible()
    page.goto(f"{server.base_url}/models")
    page.get_by_role("tab", name="Models").click()
    store_file(page, files / "models.jsonl", r"Store \d+ models")
    expect(page.get_by_text(re.compile(r"\d+ models stored, 0 known already\."))).to_be_visible()
    page.get_by_role("tab", name="Outputs").click()
    store_file(page, files / "generations.jsonl", r"Store [\d,]+ outputs")
    expect(page.get_by_text(re.compile(r"[\d,]+ outputs stored, 0 known already\."))).to_be_visible()


def store_file(page: Page, file: Path, button: str) -> None:
    page.locator('input[type="file"]').first.wait_for(state="attached")
    settle(page)
    panel = page.get_by_role("tabpanel").filter(visible=True)
    place = panel if panel.count() else page
    place.locator('input[type="file"]').first.set_input_files(file)
    page.get_by_role("button", name=re.compile(button)).click()


def start_study(page: Page, server: Server) -> None:
    """A study of all models on these prompts, without a dwell time."""
    page.goto(f"{server.base_url}/experiments")
    page.get_by_role("tab", name="New experiment").click()
    title = page.get_by_role("textbox", name="Title")
    title.wait_for()
    settle(page)
    title.fill(TITLE)
    title.press("Enter")
    settle(page)
    page.get_by_text("More", exact=True).click()
    dwell = page.get_by_role("spinbutton", name="Shortest time for a vote, in ms")
    dwell.fill("0")
    dwell.press("Enter")
    settle(page)
    expect(title).to_have_value(TITLE)
    expect(dwell).to_have_value("0")
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("Saved as a draft.")).to_be_visible()
    settle(page)
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Started. Its design is frozen")).to_be_visible()
    settle(page)


def invite_rater(page: Page) -> str:
    """The path of a link for raters of the study, read off its card."""
    page.get_by_role("button", name="Rater link").click()
    page.get_by_role("button", name="Make a link").click()
    return read_link(page)


def invite_researcher(page: Page, server: Server) -> str:
    """The path of a link for a researcher, made on the page of people."""
    page.goto(f"{server.base_url}/people")
    page.get_by_role("combobox", name="Role").click()
    page.get_by_role("option", name="Researcher: sees results").click()
    expect(page.get_by_role("spinbutton", name="Uses")).to_be_disabled()
    page.get_by_role("button", name="Make a link").click()
    return read_link(page)


def read_link(page: Page) -> str:
    text = page.get_by_text(re.compile(r"/auth/join\?token=")).first.inner_text()
    return "/auth/join" + text.strip().partition("/auth/join")[2].split()[0]
