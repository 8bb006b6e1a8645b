"""The arena as raters and admins meet it: in Streamlit's tester, and in Chromium with two raters at once."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect
from sqlalchemy import text
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.testing.v1 import AppTest

from app.domain import Answer, Kind, Role
from app.jobs.arena import stop_streams
from app.services import arena_setup, drafts, experiments, models, sign_in
from app.services.model_drafts import ModelDraft
from app.study import Asks, Criterion, Shows
from db.engine import database
from tests.arena_page import Rater, sides, wait_ready
from tests.arenas import Manner, StreamingEndpoint, add_echo, seed, start_arena, steadily
from tests.conftest import ROOT
from tests.drawn import connected_anew, wait_fits
from tests.server import Server
from tests.stored import fresh_database
from tests.test_manage_pages import open_page, press, said
from tests.wire import Wire, find_leaks, read_identities, read_wire, shown_texts

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")
NAMES = ("Quickling", "Slowpoke")


# ------------------------------------------------------------------------------------------------ Streamlit's tester


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("app.jobs.pacer.FASTEST", 5000.0)
    with fresh_database(monkeypatch, f"sqlite:///{tmp_path / 'bakeoff.db'}"):
        yield
        stop_streams()


def as_rater(study: object, page: str = "arena") -> AppTest:
    path = sign_in.create_invite(None, role=Role.RATER, experiment_id=study)  # type: ignore[arg-type]
    at = AppTest.from_file(str(ROOT / "app" / "ui.py"), default_timeout=30)
    at.user = {"session": sign_in.hash_token(sign_in.open_link(path.partition("token=")[2]))}
    at.run()
    if page:
        at.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
    assert not at.exception
    return at


def until(at: AppTest, label: str) -> AppTest:
    """Draw the page again until an enabled button says this."""
    deadline = time.monotonic() + 20
    while not any(button.label == label and not button.disabled for button in at.button):
        assert time.monotonic() < deadline, said(at)
        time.sleep(0.1)
        at.run()
        assert not at.exception
    return at


@pytest.mark.usefixtures("stored")
class TestPages:
    def test_a_prompt_is_answered_judged_and_told(self) -> None:
        study = start_arena(add_echo("Alpha"), add_echo("Beta"))
        at = as_rater(study)
        assert "Read the prompt, then both answers." in said(at)
        at.text_area[0].set_value("Why :red[rain]?")
        press(at, "Ask both")
        until(at, "Left is better")
        assert not any(name in said(at) for name in ("Alpha", "Beta"))
        press(at, "Right is better")
        assert "You found the right side better." in said(at)
        assert all(name in said(at) for name in ("Alpha", "Beta"))
        assert "1 vote" in said(at)
        assert at.text_area[0].value == ""

    def test_what_a_browser_would_draw_for_seconds_is_shown_as_it_was_written(self) -> None:
        at = as_rater(start_arena(add_echo("Alpha"), add_echo("Beta")))
        at.text_area[0].set_value("|" * 2_100)
        press(at, "Ask both")
        until(at, "Left is better")
        assert [text.value.count("|") for text in at.text] == [2_100, 6_300, 6_300]  # an echo says it thrice

    def test_criteria_are_asked_before_the_names_and_remarks_after_them(self) -> None:
        asks = Asks((Criterion("depth", "Depth", is_required=True),), strength=True, comment=True)
        at = as_rater(start_arena(add_echo("Alpha"), add_echo("Beta"), asks=asks))
        at.text_area[0].set_value("Why rain?")
        press(at, "Ask both")
        until(at, "Left is better")
        assert not any(button.label == "Say why" for button in at.button)
        press(at, "Left is better")
        assert "answer Depth first" in said(at) and "Alpha" not in said(at)
        at.segmented_control[0].set_value(Answer.RIGHT)
        press(at, "Left is better")
        assert "You found the left side better." in said(at) and re.search(r"You said\s+Left is better", said(at))
        press(at, "Say why")
        assert not any("Who made" in box.label for box in at.selectbox)
        next(area for area in at.text_area if area.label == "Comment").set_value("so deep").run()
        assert "Kept" in said(at)
        (study,) = experiments.list_experiments(None)
        with database().read() as session:
            stored = session.connection().execute(
                text("SELECT criterion, comment FROM vote WHERE superseded_by IS NULL")
            )
            assert sorted(map(tuple, stored)) == [("depth", ""), ("overall", "so deep")]
        assert study.n_votes == 1

    def test_what_was_typed_stays_when_it_cannot_be_asked(self) -> None:
        study = start_arena(add_echo("Alpha"), add_echo("Beta"))
        at = as_rater(study)
        experiments.pause_experiment(None, study)
        at.text_area[0].set_value("Do not lose me")
        press(at, "Ask both")
        assert "This arena is paused, so nothing was asked." in said(at)
        experiments.resume_experiment(None, study)
        at.run()
        assert at.text_area[0].value == "Do not lose me"

    def test_staff_is_told_that_their_vote_is_not_blind(self) -> None:
        start_arena(add_echo("Alpha"), add_echo("Beta"))
        assert "so your vote isn't blind" in said(open_page("arena"))

    def test_without_an_arena_the_page_says_so(self) -> None:
        assert "No arena is open" in said(as_rater(None))

    def test_an_admin_drafts_starts_and_watches_an_arena(self) -> None:
        models.create_model(None, ModelDraft("From a file"))
        ids = [add_echo("Alpha"), add_echo("Beta")]
        at = open_page("experiments")
        at.radio[0].set_value(Kind.ARENA).run()
        assert "Not offered: 1 models whose outputs come as files" in said(at)
        press(at, "Save draft")
        assert "The title needs 1 to 200 characters." in said(at)
        offered = {one.label for kind in (at.toggle, at.checkbox, at.text_area) for one in kind}
        assert {"Comment", "Reasons", "Show all outputs in one flavour of Markdown"} <= offered
        assert not any(word in label for label in offered for word in ("Who made it", "Practice", "Consent", "played"))
        next(one for one in at.toggle if one.label == "Comment").set_value(True).run()
        at.checkbox[0].set_value(True).run()
        at.text_input[0].set_value("Live").run()
        at.multiselect[0].set_value(ids).run()
        next(one for one in at.number_input if one.label.startswith("Messages a minute")).set_value(2).run()
        press(at, "Save draft")
        assert "raters' own prompts" in said(at)
        press(at, "Edit")
        assert at.text_input[0].value == "Live"
        press(at, "Save draft")
        press(at, "Start")
        (study,) = experiments.list_experiments(None)
        design = drafts.get_draft(None, study.id)
        assert (design.asks, design.shows) == (Asks(comment=True), Shows(is_normalised=True))
        assert study.kind == Kind.ARENA and study.votes_per_pair == arena_setup.UNLIMITED_VOTES
        assert "0 votes" in said(at)

    def test_prompts_of_an_arena_stand_in_no_list(self) -> None:
        start_arena(add_echo("Alpha"), add_echo("Beta"))
        assert "No prompts yet." in said(open_page("prompts"))


# ------------------------------------------------------------------------------------------------ in a browser


@dataclass
class Arena:
    server: Server
    endpoints: dict[str, StreamingEndpoint]
    rater: str
    admin: str
    wire: Wire
    may_end: threading.Event  # cleared, no answer gets beyond its first word


def held(manner: Manner, may_end: threading.Event) -> Manner:
    """An answer in this manner, whose end is held back as long as a test wants to look at what is written."""

    def answer(question: str) -> Iterator[tuple[float, str]]:
        for wait, words in manner(question):
            yield wait, words
            may_end.wait(60)

    return answer


@pytest.fixture(scope="module")
def arena_(new_server: Callable[..., Server], browser: Browser) -> Iterator[Arena]:
    """An arena of a quick and a slow model, and a rater's whole session in it up to the reveal, byte by byte."""
    quick = StreamingEndpoint(steadily("An answer to {} that comes at once. " * 12))
    may_end = threading.Event()
    may_end.set()
    slowly = steadily("What to say of {} that takes a while. " * 9, words_per_s=45, first_s=0.5)
    slow = StreamingEndpoint(held(slowly, may_end))
    with quick, slow:
        endpoints = dict(zip(NAMES, (quick, slow), strict=True))
        server = new_server()
        _, rater, admin = seed(server, endpoints, title="Ask away", arena={"per_minute": 100, "per_hour": 1000})
        server.start()
        har = server.folder / "wire.har"
        context = browser.new_context(record_har_path=har, record_har_content="embed")
        one = Rater(context.new_page(), server, rater)
        one.send("rain")
        one.until_ready()
        one.send("hail", "Send to both")
        one.until_ready()
        context.close()
        assert one.complaints == []
        yield Arena(server, endpoints, rater, admin, read_wire(har), may_end)


def test_two_raters_ask_at_once_and_the_board_counts_them(
    arena_: Arena, new_context: Callable[..., BrowserContext]
) -> None:
    raters = [Rater(new_context().new_page(), arena_.server, arena_.rater) for _ in range(2)]
    for number, rater in enumerate(raters):
        rater.send(f"topic {number}")
    for rater in raters:
        rater.until_ready()
    raters[0].send("and more", "Send to both")
    raters[1].vote("ArrowLeft")
    expect(raters[1].page.locator(".bo-reveal")).to_contain_text("You found the left side better.")
    names = raters[1].page.locator(".bo-reveal dd").all_inner_texts()
    assert sorted(names) == sorted(NAMES)
    assert ("at once" in raters[1].sides()[0]) == (names[0] == NAMES[0])
    raters[0].until_ready()
    assert len(raters[0].sides(4)) == 4
    raters[0].vote("t")
    expect(raters[0].page.locator(".bo-reveal")).to_contain_text("You called it a tie.")
    admin = new_context().new_page()
    admin.goto(arena_.server.base_url + arena_.admin)
    admin.get_by_text("models · raters' own prompts").wait_for()
    expect(admin.get_by_text("2 of 1,000 votes")).to_be_visible()
    admin.goto(f"{arena_.server.base_url}/leaderboard")
    expect(admin.locator(".bo-over")).to_contain_text("Ask away · 2 votes by 2 raters")
    assert [rater.complaints for rater in raters] == [[], []]
    assert arena_.server.warnings() == []


def test_reload_second_tab_and_a_killed_server_show_the_same_conversation(
    arena_: Arena, new_context: Callable[..., BrowserContext]
) -> None:
    context = new_context()
    rater = Rater(context.new_page(), arena_.server, arena_.rater)
    arena_.may_end.clear()
    rater.send("the sea")
    rater.page.get_by_text("Both sides are writing").wait_for()
    rater.page.reload()  # in the middle of the answers: they go on
    rater.page.get_by_text("Both sides are writing").wait_for()
    second = context.new_page()
    second.goto(f"{arena_.server.base_url}/arena")
    second.get_by_text("Both sides are writing").wait_for()
    arena_.may_end.set()
    rater.until_ready()
    wait_ready(second)
    texts = rater.sides()
    assert len(texts) == 2 and all("the sea" in text for text in texts)
    assert sides(second) == texts
    n_asked = sum(len(endpoint.bodies) for endpoint in arena_.endpoints.values())
    rater.type("typed and not sent yet")
    with connected_anew(rater.page):
        arena_.server.restart()
    wait_ready(rater.page)
    rater.page.evaluate("document.activeElement?.blur()")
    rater.page.keyboard.press("ArrowRight")  # the new server has never heard of this button
    expect(rater.page.locator(".bo-connection")).to_contain_text("did not arrive: please give it once more")
    expect(rater.page.get_by_role("textbox")).to_have_value("typed and not sent yet")
    assert rater.sides() == texts
    rater.page.reload()
    wait_ready(rater.page)
    assert rater.sides() == texts
    assert sum(len(endpoint.bodies) for endpoint in arena_.endpoints.values()) == n_asked
    rater.vote("ArrowRight")
    second.reload()
    expect(second.locator(".bo-reveal")).to_contain_text("You found the right side better.")


def test_keys_are_dead_while_the_rater_types(arena_: Arena, new_context: Callable[..., BrowserContext]) -> None:
    rater = Rater(new_context().new_page(), arena_.server, arena_.rater)
    rater.send("keys")
    rater.until_ready()
    rater.page.get_by_role("textbox").click()
    rater.page.keyboard.type("a d t x s")
    for key in ("ArrowLeft", "ArrowUp"):
        rater.page.keyboard.press(key)
    rater.page.wait_for_timeout(300)
    expect(rater.page.locator(".bo-reveal")).to_have_count(0)
    expect(rater.box).to_have_value("a d t x s")


def test_plain_shows_each_turn_as_it_was_written_and_unseen_signs_are_told(
    arena_: Arena, new_context: Callable[..., BrowserContext]
) -> None:
    rater = Rater(new_context(viewport={"width": 390, "height": 844}).new_page(), arena_.server, arena_.rater)
    page, plain = rater.page, rater.page.locator("pre.bo-plain")
    rater.send("*stars*")
    rater.until_ready()
    expect(page.locator("[data-bo-unseen]")).to_have_count(0)
    page.get_by_role("textbox").click()
    page.keyboard.press("p")  # a letter of what is typed
    page.evaluate("document.activeElement?.blur()")
    page.keyboard.press("p")
    expect(plain).to_have_count(3)
    expect(plain).to_contain_text(["*stars*"] * 3)
    expect(plain.first).to_have_text("*stars*")
    arena_.may_end.clear()
    rater.send("a\u200bb", "Send to both")
    expect(plain).to_have_count(0)  # while they write
    arena_.may_end.set()
    rater.until_ready()
    expect(plain).to_have_count(6)
    asked = page.locator('[class*="st-key-arena-asked-"] pre.bo-plain')
    expect(asked).to_have_text(["*stars*", "aU+200Bb"])
    turns = page.locator('[class*="st-key-arena-turn-"]')
    for number, word in enumerate(("*stars*", "aU+200Bb")):
        expect(turns.nth(number).locator("pre.bo-plain")).to_contain_text([word] * 2)
    expect(page.locator("[data-bo-unseen]")).to_have_count(3)
    rater.vote("ArrowLeft")
    expect(plain).to_have_count(6)
    page.get_by_role("button", name="Plain").click()
    expect(plain).to_have_count(0)
    assert rater.complaints == []


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_scrolls_sideways_and_a_phone_has_one_side_below_the_other(
    arena_: Arena, new_context: Callable[..., BrowserContext], width: int
) -> None:
    rater = Rater(new_context(viewport={"width": width, "height": 844}).new_page(), arena_.server, arena_.rater)
    rater.send("width")
    rater.until_ready()
    columns = rater.page.locator(".stColumn")
    expect(columns).to_have_count(2)
    left, right = columns.evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().y)")
    assert (left == right) == (width == 1280)
    wait_fits(rater.page)


# ------------------------------------------------------------------------------------------------ blindness


def test_no_byte_before_the_reveal_names_a_model(arena_: Arena) -> None:
    identities = read_identities(arena_.server)
    assert find_leaks(arena_.wire.records, identities, shown_texts(arena_.server)) == []
    hosts = [endpoint.host.encode() for endpoint in arena_.endpoints.values()]
    assert not [what for what, payload in arena_.wire.records if any(host in payload for host in hosts)]
    assert arena_.wire.unread == set()


def _growth(wire: Wire) -> list[tuple[str, str]]:
    """The two sides of the turn that was written last, as each run of the page drew them."""
    found, texts = [], []
    for frame in wire.frames:
        try:
            message = ForwardMsg.FromString(frame)
        except Exception:
            continue
        kind = message.WhichOneof("type")
        if kind == "new_session":
            texts = []
        elif kind == "delta" and message.delta.new_element.WhichOneof("type") == "markdown":
            texts.append(message.delta.new_element.markdown.body)
        elif kind == "script_finished" and len(texts) >= 3:
            found.append((texts[-2].strip(), texts[-1].strip()))
    return found


def test_both_sides_grow_alike_in_every_frame(arena_: Arena) -> None:
    """A53: at each moment both sides have as many characters, until one of them has all that it ever has."""
    drawn = [(left, right) for left, right in _growth(arena_.wire) if "of" in left + right or not left + right]
    whole = {text for pair in drawn[-3:] for text in pair} | {
        json.loads(row.parts)[i]["text"].strip()
        for row in arena_.server.rows("SELECT parts FROM generation")
        for i in range(len(json.loads(row.parts)))
    }
    partial = [pair for pair in drawn if any(pair)]
    assert len(partial) > 2  # a busy machine draws fewer of them
    for left, right in partial:
        if left not in whole and right not in whole:
            assert abs(len(left) - len(right)) <= 1  # a blank at the end is not seen here
    assert any(left not in whole and right not in whole for left, right in partial)
    assert re.search("An answer to rain", repr(partial)) and re.search("What to say of rain", repr(partial))
