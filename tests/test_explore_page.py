"""The Explore page, run by Streamlit's own tester, and once in a real browser."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect
from streamlit.testing.v1 import AppTest

from app.domain import Role
from app.services import prompt_sets, vote_files
from tests.conftest import ROOT
from tests.drawn import wait_drawn, wait_fits
from tests.server import Server
from tests.studies import jsonl, person, study
from tests.test_leading import vote_on
from tests.test_manage_pages import press
from tests.tester import html_of, open_tester, sign_in_as, start_tester, text_of

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")
PAGE = "explore.py"
PAGE_FILE = str(ROOT / "pages" / PAGE)
TAG = re.compile(r"<[^>]+>")
HOSTILE = "<img src=x onerror=alert(1)> & Co"


def import_study(n: int = 25, **more: Any) -> str:
    """Votes on two prompts by five raters with every other one split; its key."""
    prompts = prompt_sets.import_prompts(
        None,
        jsonl(
            {"id": "rain", "prompt": "Write of rain.", "tags": {"category": "writing"}},
            {"id": "sum", "prompt": f"What is {HOSTILE}?", "tags": {"category": "maths"}},
        ),
        name="Two",
    )
    rows = [
        {
            "left": "Ash",
            "right": HOSTILE,
            "winner": ("left", "right", "left", "tie")[i % 4],
            "prompt_id": ("rain", "sum")[i % 2],
            "rater": f"r{i % 5}",
            "comment": f"Because {HOSTILE} {i}" if i % 5 == 0 else "",
            **more,
        }
        for i in range(n)
    ]
    data = "\n".join(map(json.dumps, rows)).encode()
    return vote_files.import_votes(None, io.BytesIO(data), title="A study", prompt_set_id=prompts.id).key


@pytest.mark.usefixtures("data_folder")
def test_a_rater_finds_it_neither_in_the_menu_nor_at_its_address() -> None:
    import_study()
    through_menu = start_tester(role=Role.RATER)
    with pytest.raises(ValueError, match="Could not find a navigation page"):
        through_menu.switch_page(PAGE_FILE)
    assert "Ash" not in text_of(through_menu)
    alone = AppTest.from_file(PAGE_FILE, default_timeout=30)
    alone.user = {"session": sign_in_as(Role.RATER)}
    alone.run()
    assert alone.exception
    assert "Ash" not in text_of(alone)


@pytest.mark.usefixtures("data_folder")
def test_without_votes_it_says_what_to_do() -> None:
    assert "No study has started yet" in text_of(open_tester(PAGE))
    study()
    assert "Give raters their link" in text_of(open_tester(PAGE))


@pytest.mark.usefixtures("data_folder")
def test_battles_stand_there_whole_and_every_text_is_escaped() -> None:
    import_study()
    at = open_tester(PAGE)
    said = text_of(at)
    assert "25 battles, page 1 of 2." in said
    assert f"Ash beat {HOSTILE}" in " ".join(said.split())
    assert "Write of rain." in said
    assert "This output isn't stored" in said
    assert "<img" not in html_of(at)
    assert said.count("This battle") == 20
    assert text_of(open_tester(PAGE, page="2")).count("This battle") == 5
    assert text_of(open_tester(PAGE, page="999")).count("This battle") == 5


@pytest.mark.usefixtures("data_folder")
def test_a_filter_stands_in_the_address_and_begins_at_the_first_page() -> None:
    import_study()
    at = open_tester(PAGE, page="2")
    at.selectbox[1].select("Ash").run()
    assert not at.exception
    assert at.query_params["model"] == "Ash"
    assert "page" not in at.query_params
    outcomes = next(box for box in at.selectbox if box.label == "Outcome")
    outcomes.select("won").run()
    assert "13 battles" in text_of(at)
    again = open_tester(PAGE, model="Ash", outcome="won")
    assert "13 battles" in text_of(again)
    assert "5 battles." in text_of(open_tester(PAGE, rater="1"))
    assert "6 battles." in text_of(open_tester(PAGE, outcome="tie"))
    assert "13 battles." in text_of(open_tester(PAGE, **{"tag-category": "writing"}))
    assert "5 battles." in text_of(open_tester(PAGE, commented="true"))
    assert "12 battles." in text_of(open_tester(PAGE, find="what is", **{"in": "prompts"}))


@pytest.mark.usefixtures("data_folder")
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ({"study": "gone"}, "The study in this link isn't here"),
        ({"model": "Nobody"}, "What this link says for Model isn't in this study"),
        ({"outcome": "won"}, "What this link says for Outcome isn't in this study"),
        ({"rater": "6"}, "There is no rater 6 in this study"),
        ({"rater": "²"}, "There is no rater ² in this study"),
        ({"since": "soon"}, "The day in this link (From)"),
        ({"prompt": "no-id"}, "There are no votes on the prompt of this link"),
        ({"page": "x"}, "page 1 of 2"),
        ({"page": "999"}, "page 2 of 2"),
        ({"view": "Nothing"}, "25 battles"),
        ({"order": "best"}, "What this link says for Order"),
        ({"battle": "no-id"}, "There is no such battle in this study"),
        ({"battle": "01a20443-b804-711f-b134-45beda5d8c10"}, "There is no such battle in this study"),
        ({"view": "Prompts", "prompt": "no-id"}, "There are no votes on the prompt of this link in this study"),
        ({"find": "zzz"}, "Nothing matches all of these filters"),
        ({"kind": "gold"}, "Nothing matches all of these filters"),
    ],
)
def test_an_address_with_something_unknown_is_told_in_words(address: dict[str, str], said: str) -> None:
    import_study()
    assert said in text_of(open_tester(PAGE, **address))


@pytest.mark.usefixtures("data_folder")
def test_one_battle_has_an_address_of_its_own() -> None:
    import_study()
    battle = re.findall(r"battle=([0-9a-f-]{36})", html_of(open_tester(PAGE)))[3]
    at = open_tester(PAGE, battle=battle)
    assert html_of(at).count("bo-seen-head") == 1
    assert battle in html_of(at)


@pytest.mark.usefixtures("data_folder")
def test_disagreement_comments_and_prompts_have_views_of_their_own() -> None:
    import_study()
    split = open_tester(PAGE, view="Disagreement")
    # Votes 1, 3, 5, .. on "sum" are right and tie in turn; those on "rain" all say left.
    assert "1 case of disagreement." in text_of(split)
    assert "6 of 12" in text_of(split)
    comments = open_tester(PAGE, view="Comments")
    assert "5 comments." in text_of(comments)
    assert f"Because {HOSTILE} 20" in text_of(comments)
    prompts = open_tester(PAGE, view="Prompts")
    assert "2 prompts." in text_of(prompts)
    prompt = re.findall(r"prompt=([0-9a-f]{32})", html_of(prompts))[0]
    one = text_of(open_tester(PAGE, view="Prompts", prompt=prompt))
    assert "Models 1 to 2 of 2" in one
    assert "won here 100 % (77 to 100 %) of 13 votes" in one
    assert "<img" not in html_of(comments) + html_of(split) + html_of(prompts)


@pytest.mark.usefixtures("data_folder")
def test_votes_without_prompts_and_raters_are_told_apart_from_none() -> None:
    rows = [{"left": "Ash", "right": "Birch", "winner": "left"}] * 3
    vote_files.import_votes(None, io.BytesIO("\n".join(map(json.dumps, rows)).encode()), title="Bare")
    said = text_of(open_tester(PAGE))
    assert "3 battles." in said and "The prompt isn't stored" in said and "rater unknown" in said
    assert "don't say on which prompts" in text_of(open_tester(PAGE, view="Prompts"))
    assert "It takes two votes or more" in text_of(open_tester(PAGE, view="Disagreement"))
    assert "No comment matches" in text_of(open_tester(PAGE, view="Comments"))
    assert "this study doesn't tell its raters apart" in text_of(open_tester(PAGE, rater="1"))


@pytest.mark.usefixtures("data_folder")
def test_an_admin_withdraws_an_output_with_a_reason_and_shows_it_again() -> None:
    study(n_models=2, n_prompts=1)
    vote_on(person(), 1)
    address = {
        "view": "Prompts",
        "prompt": re.findall(r"prompt=([0-9a-f]{32})", html_of(open_tester(PAGE, view="Prompts")))[0],
    }
    assert not [button for button in open_tester(PAGE, **address).button if button.label == "Withdraw it"]
    at = open_tester(PAGE, role=Role.ADMIN, **address)
    press(at, "Withdraw it")
    assert "The reason needs 1 to 500 characters." in text_of(at)
    field = next(one for one in at.text_input if one.label == "Reason")
    field.set_value("It has somebody's address.").run()
    press(at, "Withdraw it")
    assert "Withdrawn: no rater is shown it any more." in text_of(at)
    assert "An admin withdrew this output: It has somebody" in text_of(at)
    press(at, "Show it again")
    assert "raters are shown it again" in text_of(at) and "withdrew this output" not in text_of(at)


VOTES = """
import random, sys
from uuid import UUID
from app.domain import Answer, Role
from app.services import remarks, serving, sign_in, voting
study, rng = UUID(sys.argv[1]), random.Random(3)
for _ in range(4):
    link = sign_in.create_invite(None, role=Role.RATER, experiment_id=study)
    rater = sign_in.identify(sign_in.hash_token(sign_in.open_link(link.partition("token=")[2])))
    for place in range(8):
        ballot = serving.next_battle(rater)
        voting.cast_vote(rater, ballot.battle.id, rng.choice([Answer.LEFT, Answer.RIGHT, Answer.TIE]))
        if place == 0:
            remarks.remark(rater, ballot.battle.id, left=("clear",))
            remarks.remark(rater, ballot.battle.id, comment="The left one is short and right.")
"""


def test_a_researcher_reads_battles_in_a_browser_and_a_rater_gets_none_of_it(
    new_server: Callable[..., Server], new_context: Callable[..., BrowserContext]
) -> None:
    server = new_server()
    (study,) = server.seed({"min_dwell_ms": 0, "asks": {"reasons": True, "comment": True}})
    server.run("-c", VOTES, str(study.experiment_id))
    server.start()
    page = new_context(viewport={"width": 390, "height": 844}).new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server.base_url + study.researcher)
    expect(page.get_by_text("Rating", exact=False).first).to_be_visible()
    page.goto(f"{server.base_url}/explore?study={study.key}")
    expect(page.get_by_text("32 battles, page 1 of 2.")).to_be_visible()
    wait_fits(page)
    page.get_by_text("Comments", exact=True).click()
    expect(page.get_by_text("4 comments.")).to_be_visible()
    expect(page.get_by_text("Reasons that raters gave")).to_be_visible()
    page.get_by_role("link", name="This battle").first.click()
    expect(page.locator(".bo-seen-head")).to_have_count(1)
    expect(page.get_by_text("The left one is short and right.")).to_be_visible()
    page.get_by_role("link", name="This prompt across all models").click()
    expect(page.get_by_text("Models 1 to", exact=False)).to_be_visible()
    wait_drawn(page)
    row = page.locator(".st-key-across")
    assert row.evaluate("e => e.scrollWidth > e.clientWidth"), "the row of outputs scrolls by itself"
    wait_fits(page)
    names = [row.name for row in server.rows("SELECT name FROM model")]
    assert any(name in page.content() for name in names)
    assert errors == []
    rater = new_context().new_page()
    frames: list[str] = []
    rater.on("websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(str(data))))
    rater.goto(server.base_url + study.rater)
    rater.goto(f"{server.base_url}/explore?study={study.key}&battle={_battle(server)}")
    expect(rater.get_by_text("This page is not yours")).to_be_visible()
    assert frames
    assert not [name for name in names if any(name in frame for frame in frames)]


def _battle(server: Server) -> str:
    return str(server.rows("SELECT id FROM battle LIMIT 1")[0].id)
