"""The results pages on the votes of llmfao: what they say, counted once more from the file; and in a browser."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from app.services import generations, prompt_sets, vote_files
from tests.ballot_page import KNOWN_COMPLAINTS
from tests.drawn import settle, wait_fits, wait_still
from tests.server import Server
from tests.test_quality_page import open_page as open_quality
from tests.test_zoom_and_motion_page import serious
from tests.tester import html_of, open_tester, text_of

INVITE = (
    "from app.domain import Role; from app.services import sign_in; "
    "print(sign_in.create_invite(None, role=Role.RESEARCHER))"
)
ROW = re.compile(r'<td class="name"[^>]*><span>(.*?)</span>.*?<td class="votes"[^>]*>([\d,]+)</td>', re.S)
Vote = dict[str, str]


@pytest.fixture(scope="module")
def real(shared: Path) -> Path:
    return shared / "data" / "llmfao"


@pytest.fixture(scope="module")
def cast(real: Path) -> list[Vote]:
    with (real / "votes.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


# ------------------------------------------------------------------------------------------------ Streamlit's tester


@pytest.fixture
def study(real: Path, data_folder: None) -> str:
    """The votes on their prompts and outputs; the key of their study."""
    del data_folder
    with (real / "models.jsonl").open("rb") as stream:
        generations.import_models(None, stream)
    with (real / "prompts.jsonl").open("rb") as stream:
        prompt_set = prompt_sets.import_prompts(None, stream, name="LLMFAO").id
    with (real / "generations.jsonl").open("rb") as stream:
        generations.import_generations(None, stream, prompt_set_id=prompt_set)
    with (real / "votes.csv").open("rb") as stream:
        return vote_files.import_votes(None, stream, title="LLMFAO", prompt_set_id=prompt_set).key


def test_each_page_says_what_the_file_has(study: str, cast: list[Vote]) -> None:
    board = html_of(open_tester("leaderboard.py", study=study))
    assert "8,931 votes by 124 raters" in board
    assert {name: int(n.replace(",", "")) for name, n in ROW.findall(board)} == Counter(
        name for row in cast for name in (row["left"], row["right"])
    )

    first, second = "Weaver 12k", "Chronos Hermes (13B)"
    both = [row for row in cast if {row["left"], row["right"]} == {first, second}]
    won = sum(row["winner"] in ("left", "right") and row[row["winner"]] == first for row in both)
    compared = html_of(open_tester("compare.py", study=study, model=first, against=second))
    tally = re.findall(r'<th scope="row">([^<]+)</th><td class="n" data-name="votes">([\d,]+)</td>', compared)
    assert dict(tally)[f"{first} won"] == f"{won}", tally
    assert sum(int(n.replace(",", "")) for _, n in tally) == len(both) == 60

    said = text_of(open_quality(study=study))
    decided = [row for row in cast if row["winner"] != "tie"]
    n_left = sum(row["winner"] == "left" for row in decided)
    assert "8,931 votes by 124 raters" in said
    assert f"{100 * n_left / len(decided):.1f} %" in said
    assert f"of {len(decided):,} decided votes went to the left side" in said

    n_won = sum(row["winner"] in ("left", "right") and row[row["winner"]] == "GPT 4" for row in cast)
    assert f"{n_won} battles" in text_of(open_tester("explore.py", study=study, model="GPT 4", outcome="won"))
    assert "13 prompts" in text_of(open_tester("explore.py", study=study, view="Prompts"))


# ------------------------------------------------------------------------------------------------ Chromium


PAGES = {  # and what stands there when all of it is drawn
    "leaderboard?": "The votes are on only 13 prompts",
    "compare?model=Weaver+12k&against=Chronos+Hermes+(13B)&": "60 votes between the two",
    "quality?": "Pairs of models by the number of votes on them",
    "explore?": "8,931 battles, page 1 of 447",
    "data?": "8,931 votes",
}


# Streamlit's menu of a narrow screen has a list in which items stand in groups.
OF_STREAMLIT = {"list", "listitem"}


def listen(page: Page) -> list[str]:
    """What the browser's console has to say, from now on."""
    complaints: list[str] = []

    def note(text: str) -> None:
        if not any(known in text for known in KNOWN_COMPLAINTS):
            complaints.append(text)

    page.on("pageerror", lambda error: note(str(error)))
    page.on(
        "console",
        lambda said: note(f"{said.text} ({said.location['url']})") if said.type in {"error", "warning"} else None,
    )
    return complaints


@pytest.fixture(scope="module")
def served(new_server: Callable[..., Server], real: Path) -> Server:
    server = new_server()
    server.run("-m", "app.cli", "init")
    in_set = ("--prompt-set", "LLMFAO")
    for kind, file, options in (
        ("models", "models.jsonl", ()),
        ("prompts", "prompts.jsonl", ("--name", "LLMFAO")),
        ("generations", "generations.jsonl", in_set),
        ("votes", "votes.csv", ("--title", "LLMFAO", *in_set)),
    ):
        server.run("-m", "app.cli", "import", kind, str(real / file), *options)
    server.start()
    return server


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_every_results_page_stands_in_a_browser(
    served: Server, new_context: Callable[..., BrowserContext], width: int, scheme: str
) -> None:
    page = new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    complaints = listen(page)
    page.goto(served.base_url + served.run("-c", INVITE).strip())
    expect(page.locator(".bo-board tbody tr")).to_have_count(59)
    for name, said in PAGES.items():
        page.goto(f"{served.base_url}/{name}study=llmfao")
        expect(page.get_by_text(said).first).to_be_visible()
        settle(page)
        wait_still(page)
        wait_fits(page)
        found = serious(page)
        assert not found.keys() - OF_STREAMLIT, (name, found)
        if name == "explore?":
            expect(page.get_by_role("region", name="Left ").first).to_have_attribute("tabindex", "0")
    assert complaints == []
    assert served.warnings() == []
