"""Voting in a real browser: one act is one vote, on the pair that was on the screen, and the page says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from app.discovery import find_plugins
from app.domain import Role
from tests.ballot_page import BallotPage, acts, open_ballot
from tests.drawn import drawn_anew, until, wait_drawn, wait_fits
from tests.server import Server, Study

# Where a test votes in the strict study it waits first; a busy machine stalls for less than that.
RULES = {"quick": 0, "strict": 4_000, "long": 60_000}


def write_plain_texts(folder: Path) -> Path:
    """Four models and twelve prompts whose texts are drawn at once, unlike formulas and code."""
    names, prompts = [f"Plain {i}" for i in range(4)], [str(i) for i in range(12)]
    files = {
        "models": [{"name": name} for name in names],
        "prompts": [{"id": i, "prompt": f"Question {i}. " + "Please say why. " * 40} for i in prompts],
        "generations": [
            {"prompt_id": i, "model": name, "output": f"{name[-1]} says to {i}: " + "many a word " * 150}
            for name in names
            for i in prompts
        ],
    }
    return write_study(folder, files)


def write_study(folder: Path, files: dict[str, list[dict[str, object]]]) -> Path:
    """The files of a study that ``Server.seed`` reads."""
    for name, rows in files.items():
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def write_conversation(folder: Path) -> Path:
    """Two models and one prompt of three turns, with a table wider than a phone."""
    table = "|".join(f" a wide column {i} " for i in range(12))
    turns = [("user", "What is a heap?"), ("assistant", f"|{table}|\n|{'---|' * 12}\n|{table}|"), ("user", "Shorter!")]
    outputs = [{"prompt_id": "talk", "model": name, "output": f"{name} is short."} for name in ("Talker", "Chatter")]
    return write_study(
        folder,
        {
            "models": [{"name": "Talker"}, {"name": "Chatter"}],
            "prompts": [{"id": "talk", "messages": [{"role": role, "content": text} for role, text in turns]}],
            "generations": outputs,
        },
    )


@pytest.fixture(scope="module")
def served(
    new_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Server, dict[str, Study]]:
    server = new_server()
    plain = write_plain_texts(tmp_path_factory.mktemp("plain"))
    studies = [{"folder": plain, "min_dwell_ms": dwell, "votes_per_pair": 1000} for dwell in RULES.values()]
    talk = {"folder": write_conversation(tmp_path_factory.mktemp("talk")), "min_dwell_ms": 0}
    made = server.seed(*studies, {"min_dwell_ms": 0}, talk)
    server.start()
    return server, dict(zip([*RULES, "samples", "talk"], made, strict=True))


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    """One browser window for all tests, which so load Streamlit's own files once."""
    return browser.new_context()


@pytest.fixture
def ballot(
    served: tuple[Server, dict[str, Study]], context: BrowserContext, request: pytest.FixtureRequest
) -> Iterator[BallotPage]:
    """A new rater; the study is "quick" (no dwell time) unless the test names another. The console stays silent."""
    server, studies = served
    context.clear_cookies()
    opened = open_ballot(context, server, studies[getattr(request, "param", "quick")].rater)
    yield opened
    for page in context.pages:
        page.close()
    assert opened.complaints == []


strict = pytest.mark.parametrize("ballot", ["strict"], indirect=True, ids=[""])
long = pytest.mark.parametrize("ballot", ["long"], indirect=True, ids=[""])

# What has the focus by its name, and whether that can be seen.
FOCUSED = """() => {
  const at = document.activeElement, style = getComputedStyle(at);
  const words = [...at.childNodes].length ? at.innerText : "";
  const name = at.getAttribute("aria-label") ?? words.split("\\n")[0];
  return [at.tagName === "MAIN" ? "" : name.trim(), style.outlineStyle !== "none" || style.boxShadow !== "none"];
}"""
ANSWERS = [
    ("Left is better", "left", "ArrowLeft", "a"),
    ("Right is better", "right", "ArrowRight", "D"),
    ("Tie", "tie", "ArrowUp", "t"),
    ("Both are bad", "both_bad", "ArrowDown", "x"),
]


def test_every_button_stores_what_it_says_and_the_page_says_saved(ballot: BallotPage) -> None:
    expected = []
    for label, answer, *_ in ANSWERS:
        battle = ballot.battle
        ballot.answer(label).click()
        ballot.wait_for_battle(other_than=battle)
        expected.append((battle, "vote", answer))
        expect(ballot.page.get_by_role("status")).to_have_text(
            f"Saved · {len(expected)} vote{'s'[: len(expected) - 1]}"
        )
    battle = ballot.battle
    ballot.answer("Can't judge").click()
    ballot.wait_for_battle(other_than=battle)
    expect(ballot.page.get_by_role("status")).to_have_text("Skipped · 4 votes")
    assert acts(ballot.server, battle) == [*expected, (battle, "skip", None)]


def test_every_key_answers_the_battle_on_the_screen(ballot: BallotPage) -> None:
    expected = []
    for _, answer, *keys in ANSWERS:
        for key in keys:
            expected.append((ballot.battle, "vote", answer))
            ballot.press(key)
    expected.append((ballot.battle, "skip", None))
    ballot.press("s")
    assert acts(ballot.server, expected[0][0]) == expected


PRESS_AT_ONCE = """() => {
  const bar = () => document.querySelector(`.st-key-bar [class*="st-key-tie-"]`)?.className.match(/st-key-tie-\\S+/)[0];
  const first = bar(), observer = new MutationObserver(() => {
    if (!bar() || bar() === first || !document.querySelector(".st-key-bar button:enabled")) return;
    observer.disconnect();
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowUp", keyCode: 38, bubbles: true }));
    document.body.dispatchEvent(new KeyboardEvent("keyup", { key: "ArrowUp", keyCode: 38, bubbles: true }));
  });
  observer.observe(document.body, { subtree: true, childList: true, attributes: true });
}"""


def test_a_key_pressed_the_moment_the_bar_is_there_is_not_lost(ballot: BallotPage) -> None:
    """Streamlit takes up the shortcuts of new buttons only after it has painted them."""
    first = ballot.battle
    ballot.page.evaluate(PRESS_AT_ONCE)
    ballot.page.keyboard.press("ArrowLeft")
    until(ballot.page, lambda: len(acts(ballot.server, first)) == 2)
    assert [answer for *_, answer in acts(ballot.server, first)] == ["left", "tie"]


def test_the_next_battle_stands_at_its_top(ballot: BallotPage) -> None:
    ballot.page.set_viewport_size({"width": 500, "height": 500})
    main = ballot.page.get_by_test_id("stMain")
    for _ in range(3):
        main.evaluate("element => element.scrollTo(0, 1e6)")
        assert main.evaluate("element => element.scrollTop") > 0
        ballot.press("ArrowLeft")
        ballot.page.wait_for_function("""() => !document.querySelector('[data-testid="stMain"]').scrollTop""")


@strict
@pytest.mark.parametrize("delay_ms", [0, 40, 200])
def test_a_double_click_is_one_vote(ballot: BallotPage, delay_ms: int) -> None:
    """However fast it is: the second click falls on the same pair, or too early on the next."""
    ballot.wait_out(RULES["strict"])
    first = ballot.battle
    box = ballot.answer("Left is better").bounding_box()
    assert box is not None
    for delay in (delay_ms, 0):
        ballot.page.mouse.click(box["x"] + 20, box["y"] + 15)
        ballot.page.wait_for_timeout(delay)
    assert_one_vote(ballot, first, "left")


def test_a_double_click_is_one_vote_where_answers_count_at_once(ballot: BallotPage) -> None:
    """No dwell holds the second press back, which would fall on the next pair."""
    first = ballot.battle
    box = ballot.answer("Left is better").bounding_box()
    assert box is not None
    ballot.page.mouse.dblclick(box["x"] + 20, box["y"] + 15, delay=150)
    following = ballot.wait_for_battle(other_than=first)
    ballot.page.wait_for_timeout(500)
    assert ballot.battle == following
    assert acts(ballot.server, first) == [(first, "vote", "left")]


def test_enter_held_down_is_one_vote_where_answers_count_at_once(ballot: BallotPage) -> None:
    first = ballot.battle
    ballot.answer("Left is better").focus()
    ballot.hold("Enter", milliseconds=1500)
    assert_one_vote(ballot, first, "left")


@strict
@pytest.mark.parametrize(("script", "key"), [("ours", "ArrowLeft"), ("blocked", "ArrowLeft"), ("blocked", "s")])
def test_a_key_held_down_is_one_act(ballot: BallotPage, script: str, key: str) -> None:
    """Our script swallows the repetitions; without it, the server refuses them."""
    if script == "blocked":
        ballot.known.append("bakeoff.js")
        ballot.has_letters = False
        ballot.page.route("**/assets/bakeoff.js*", lambda route: route.abort())
        ballot.page.reload()
        ballot.wait_for_battle()
    ballot.wait_out(RULES["strict"])
    first = ballot.battle
    ballot.hold(key)
    assert_one_vote(ballot, first, None if key == "s" else "left")


@strict
def test_left_then_right_at_once_is_one_vote_for_the_left(ballot: BallotPage) -> None:
    ballot.wait_out(RULES["strict"])
    first = ballot.battle
    ballot.page.keyboard.press("ArrowLeft")
    ballot.page.keyboard.press("ArrowRight")
    assert_one_vote(ballot, first, "left")


def assert_one_vote(ballot: BallotPage, first: str, answer: str | None) -> None:
    """``first`` has the only vote; what came after it was handled before the guidelines open, as all is in order."""
    ballot.wait_for_battle(other_than=first)
    ballot.page.get_by_role("button", name="Guidelines").click()
    ballot.page.get_by_role("dialog").wait_for()
    assert acts(ballot.server, first) == [(first, "vote" if answer else "skip", answer)]


@long
def test_an_early_vote_is_refused_in_words_and_the_battle_stays(ballot: BallotPage) -> None:
    before = ballot.shown
    ballot.page.keyboard.press("ArrowLeft")
    expect(ballot.page.get_by_role("alert")).to_contain_text("Not saved: that came")
    ballot.wait_for_battle()
    assert ballot.shown == before
    assert ballot.server.rows("SELECT id FROM vote WHERE battle_id = :id", id=before[0]) == []


def test_reload_second_tab_and_second_window_show_the_same_pair_on_the_same_sides(
    ballot: BallotPage, new_context: Callable[..., BrowserContext]
) -> None:
    ballot.press("ArrowLeft")
    before = ballot.shown
    ballot.page.reload()
    ballot.wait_for_battle()
    assert ballot.shown == before
    assert open_ballot(ballot.page.context, ballot.server, "/").shown == before
    window = new_context(storage_state=ballot.page.context.storage_state())
    assert open_ballot(window, ballot.server, "/vote").shown == before


def test_the_same_battle_in_two_tabs_takes_one_vote_and_both_go_on_together(ballot: BallotPage) -> None:
    other = open_ballot(ballot.page.context, ballot.server, "/")
    first = ballot.battle
    second = ballot.press("ArrowLeft")
    assert other.battle == first
    assert other.press("ArrowRight") == second
    expect(other.page.get_by_role("status")).to_have_text(
        "Already saved in another tab; the first answer to that pair stands · 1 vote"
    )
    assert acts(ballot.server, first) == [(first, "vote", "left")]


def test_the_same_pair_is_there_after_the_server_was_killed_and_started_again(ballot: BallotPage) -> None:
    ballot.press("ArrowLeft")
    before = ballot.shown
    ballot.known += ["ERR_CONNECTION", "WebSocket", "server is not responding"]
    with drawn_anew(ballot.page):
        ballot.server.restart()
    ballot.wait_for_battle()
    assert ballot.shown == before
    ballot.press("ArrowRight")
    assert [side for *_, side in acts(ballot.server, before[0])] == ["left", "right"]


def test_undo_shows_that_pair_again_and_then_the_one_that_waited(ballot: BallotPage) -> None:
    first = ballot.shown
    ballot.press("ArrowLeft")
    waiting = ballot.shown
    ballot.press("u")
    assert ballot.shown == first
    expect(ballot.page.get_by_role("status")).to_contain_text("Taken back")
    ballot.press("ArrowRight")
    assert ballot.shown == waiting
    battle = first[0]
    assert acts(ballot.server, battle) == [(battle, "vote", "left"), (battle, "undo", None), (battle, "vote", "right")]


def test_tab_goes_over_the_tools_the_prompt_and_both_sides_to_the_answers(ballot: BallotPage) -> None:
    """The order in which it is read, each place seen and named, and none twice before the last."""
    page, seen = ballot.page, []
    ballot.press("s")  # now there is something to undo
    page.evaluate("() => { document.activeElement?.blur(); document.body.focus(); }")
    for _ in range(25):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUSED))
        if seen[-1][0].startswith("Can't judge"):
            break
    names = [name for name, _ in seen if name and name != "Skip to main content"]
    wanted = ["Guidelines", "Plain", "Undo", "My votes", "Prompt", "Left", "Right"]
    wanted += ["Left is better", "Tie", "Both are bad", "Right is better", "Can't judge"]
    assert names == wanted
    assert [name for name, has_mark in seen if name and not has_mark] == []


def test_no_key_votes_behind_the_open_guidelines(ballot: BallotPage) -> None:
    before = ballot.shown
    ballot.page.keyboard.press("?")
    dialog = ballot.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Choose the answer that you would rather have received")
    for key in ("ArrowLeft", "d", "ArrowUp", "x", "s", "u"):
        ballot.page.keyboard.press(key)
    ballot.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    ballot.press("ArrowDown")
    assert acts(ballot.server, before[0]) == [(before[0], "vote", "both_bad")]


@pytest.mark.parametrize("ballot", ["talk"], indirect=True, ids=[""])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_conversation_stands_in_the_prompts_frame_over_the_two_sides(ballot: BallotPage, width: int) -> None:
    ballot.page.set_viewport_size({"width": width, "height": 844})
    _, prompt, left, right = ballot.shown
    assert "What is a heap?" in prompt
    assert prompt.endswith("Shorter!")
    assert {left, right} == {"Talker is short.", "Chatter is short."}
    boxes = [part.bounding_box() for part in ballot.parts]
    assert all(boxes)
    over, one, other = ([box["x"], box["y"], box["width"]] for box in boxes if box)
    assert over[1] < one[1]
    assert (one[1] == other[1] and one[0] < other[0]) if width == 1280 else one[1] < other[1]
    named = [part.evaluate("part => getComputedStyle(part, '::before').content") for part in ballot.parts]
    assert named == ['"Prompt"', '"Left"', '"Right"']
    wait_fits(ballot.page)


def test_a_rater_has_no_menu_and_reaches_no_other_page(ballot: BallotPage) -> None:
    for name in ("stSidebar", "stMainMenu", "stTopNav", "stTopNavLink", "stAppDeployButton"):
        expect(ballot.page.get_by_test_id(name)).to_have_count(0)
    others = [name for name, module in find_plugins("pages").items() if module.PAGE.role != Role.RATER]
    assert {"leaderboard", "experiments"} <= set(others)
    for name in others:
        ballot.page.goto(f"{ballot.server.base_url}/{name}")
        expect(ballot.page.get_by_role("heading")).to_have_text("This page is not yours")
        expect(ballot.page).to_have_title("Not yours · Bakeoff")


def test_on_a_phone_in_dark_mode_nothing_scrolls_sideways(
    served: tuple[Server, dict[str, Study]], new_context: Callable[..., BrowserContext]
) -> None:
    server, studies = served
    phone = new_context(viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True, is_mobile=True)
    ballot = open_ballot(phone, server, studies["samples"].rater)
    expect(ballot.page.get_by_test_id("stApp")).to_have_css("background-color", "rgb(22, 22, 24)")
    for label in ("Left is better", "Tie", "Both are bad", "Right is better", "Can't judge") * 2:
        wait_fits(ballot.page)
        button = ballot.answer(label)
        box = button.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["height"] >= 44
        battle = ballot.battle
        button.tap()
        ballot.wait_for_battle(other_than=battle)
    assert ballot.complaints == []


def test_every_answer_carries_the_security_headers(ballot: BallotPage) -> None:
    answer = ballot.page.reload()
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe-eval" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    wait_drawn(ballot.page)
