"""A person of a panel in a real browser, who goes all the way: by keys alone at a desktop, or by taps on a phone.

What they said is noted down by battle, as it stood on their screen, to be held against what is stored.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from playwright.sync_api import Locator, Page, expect
from sqlalchemy import update
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from db.tables import Experiment
from tests.ballot_page import BallotPage
from tests.drawn import IDLE
from tests.test_answers_page import kept, live, row_of

KEYS = {"left": "a", "right": "d", "tie": "t", "both_bad": "x", "skip": "s"}
BUTTONS = dict(zip(KEYS, ("Left is better", "Right is better", "Tie", "Both are bad", "Can't judge"), strict=True))
WORDS = {"left": "Left", "tie": "Tie", "both_bad": "Both bad", "right": "Right"}  # in the order of their digits
TURNS = ("right", "left", "tie", "both_bad")
DWELL_MS = 1_000
QUOTA = 11  # with a check in four and a repeat in two, enough for both of them to come, wherever chance puts them
N_TURNS = QUOTA + 1  # one of them is no vote
OVER = "() => document.querySelector('h1') && !document.querySelector('.st-key-bar')"
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
FITS = """() => [document.documentElement, document.querySelector('[data-testid="stMain"]')].every(
  (box) => box.scrollWidth <= box.clientWidth)"""


class Runs:
    """The runs of the script for one page, as the server tells the browser of them."""

    def __init__(self, page: Page) -> None:
        self.page, self.told = page, list[str]()
        page.on("websocket", lambda new: new.on("framereceived", self._note))

    def _note(self, frame: bytes | str) -> None:
        if isinstance(frame, bytes):
            said = ForwardMsg.FromString(frame)
            kind = said.WhichOneof("type") or ""
            is_early = kind == "script_finished" and said.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN
            self.told.append("early" if is_early else kind)

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Do what makes the script run, and wait until a run that began after it has ended and is drawn.

        A page is idle before its click has come to the server, too, and what is typed into it then may be gone.
        """
        n = len(self.told)
        yield
        deadline = time.monotonic() + 30
        while "script_finished" not in (told := self.told[n:]) or "new_session" not in told[: _last_end(told)]:
            assert time.monotonic() < deadline, f"no run of the script began and ended: {told}"
            self.page.wait_for_timeout(20)
        self.page.evaluate(DRAWN)
        self.page.locator(IDLE).wait_for()


def _last_end(told: list[str]) -> int:
    return len(told) - 1 - told[::-1].index("script_finished")


@dataclass
class Rater:
    """One person: how they press, and by battle what stood on the screen and what they said about it."""

    ballot: BallotPage
    panel_id: str
    is_phone: bool
    seen: dict[str, tuple[str, ...]] = field(default_factory=dict)
    said: dict[str, dict[str, Any]] = field(default_factory=dict)
    played: set[str] = field(default_factory=set)
    at: str = ""  # the pair on the screen
    read_from: float = 0.0  # its dwell time had begun by then

    def __post_init__(self) -> None:
        self.runs = Runs(self.page)

    @property
    def page(self) -> Page:
        return self.ballot.page

    def use(self, place: Locator) -> None:
        """Press a button, by a finger or by its key once it has the focus."""
        if self.is_phone:
            place.tap()
        else:
            place.press("Enter")

    def act(self, answer: str, *, force: bool = False) -> None:
        """Answer the pair on the screen; a finger that is to press what is locked has to be told so."""
        if self.is_phone:
            self.ballot.answer(BUTTONS[answer]).tap(force=force)
        else:
            self.page.keyboard.press(KEYS[answer])

    def look(self, *, other_than: str | None = None) -> str:
        """Wait for a pair; on a phone, it fits."""
        battle = self.ballot.wait_for_battle(other_than=other_than)
        if battle != self.at:
            self.at, self.read_from = battle, time.monotonic()
        assert not self.is_phone or self.page.evaluate(FITS), self.ballot.shown
        return battle

    def read(self) -> None:
        """Play what must be played, and take the time that the study asks for."""
        page = self.page
        if page.locator(".bo-media [data-must-play]").count():
            self.act("tie", force=True)
            expect(page.locator(".bo-live")).to_contain_text("Play both sides first")
        if (both := page.get_by_role("button", name="Play both from the start").first).is_visible():
            self.use(both)
            self.played.add("video")
        for sound in page.locator(".bo-media audio").all():
            sound.evaluate("player => { player.muted = true; return player.play(); }")
            sound.evaluate("player => new Promise(done => { player.onended = done; if (player.ended) done(); })")
            self.played.add("audio")
        page.wait_for_function("() => !document.documentElement.hasAttribute('data-bo-locked')")
        left_s = self.read_from + DWELL_MS / 1000 - time.monotonic()
        self.ballot.wait_out(max(0, round(1000 * left_s)))

    def right_answer(self) -> str | None:
        """The expected answer to a known pair, wherever its sides stand; None for all others."""
        _, prompt, left, _ = self.ballot.shown
        return None if not prompt.startswith("known") else "left" if "good" in left else "right"

    def choose(self, criterion: str, answer: str) -> None:
        """Answer a criterion, unless that stands there already: by its digit, or by a tap."""
        radio = row_of(self.ballot, criterion.capitalize()).get_by_role("radio", name=WORDS[answer], exact=True)
        if radio.is_checked():
            return
        if self.is_phone:
            radio.tap()
        else:
            self.page.keyboard.press(str(1 + list(WORDS).index(answer)))
        expect(radio).to_be_checked()

    def vote(self, answer: str, **criteria: str) -> str:
        """The whole of one vote, a right one where the pair is a known one, and the wait for what comes after it."""
        battle = self.look()
        answer = (answer != "skip" and self.right_answer()) or answer
        self.read()
        for criterion, chosen in criteria.items():
            self.choose(criterion, chosen)
        self.seen[battle] = self.ballot.shown
        self.said[battle] = {"overall": answer, **criteria}
        self.act(answer)
        if sum("accuracy" in said for said in self.said.values()) < QUOTA:
            self.look(other_than=battle)
        else:
            self.page.wait_for_function(OVER)
        return battle

    def tell(self, battle: str, place: Locator, **said: Any) -> None:
        """Say more about a vote by one press, and wait until the database holds it."""
        with self.keeping(battle, **said):
            self.use(place)

    @contextmanager
    def keeping(self, battle: str, **said: Any) -> Iterator[None]:
        """Wait until what is said about a vote within this is drawn as kept, and see that the database holds it."""
        with self.runs.wait():
            yield
        kept(self.ballot)
        self.said[battle] |= said
        found = plain(live(self.ballot, battle)[0])
        assert said.items() <= found.items(), (said, found)


def plain(row: Any) -> dict[str, Any]:
    """A stored vote with what is JSON in it read, as far as anything was said."""
    found = {name: value for name, value in row._asdict().items() if value}
    return {name: json.loads(value) if name in {"reasons", "guesses"} else value for name, value in found.items()}


def enter(rater: Rater, key: str) -> None:
    """From the panel's link over consent and practice, of which the first pair goes wrong, to the first battle."""
    page = rater.page
    page.goto(f"{rater.ballot.server.base_url}/join/{key}?PROLIFIC_PID={rater.panel_id}&STUDY_ID=s1&SESSION_ID=x1")
    expect(page.get_by_text("You compare answers of machines")).to_be_visible()
    expect(page.locator(".st-key-bar")).to_have_count(0)
    rater.use(page.get_by_role("button", name="I agree"))
    for i, told in enumerate(("We expected another answer.", "That is what we expected.")):
        expect(page.get_by_text(f"Practice {i + 1} of 2, not counted")).to_be_visible()
        battle = rater.look()
        right = rater.right_answer()
        assert right is not None
        answer = right if i else "left" if right == "right" else "right"
        rater.seen[battle], rater.said[battle] = rater.ballot.shown, {"overall": answer}
        rater.read()
        rater.act(answer)
        expect(page.get_by_text(told)).to_be_visible()
        expect(page.get_by_text(f"because {i}")).to_be_visible()
        rater.use(page.get_by_role("button", name="Start the study" if i else "Next pair"))
    refuse_early(rater)


def refuse_early(rater: Rater) -> None:
    """Nobody can read a pair within a moment; however slow the machine is, this comes within the time of reading."""
    page, battle = rater.page, rater.look()
    rater.ballot.server.execute(update(Experiment).values(min_dwell_ms=60_000))
    with rater.runs.wait():
        rater.act("skip")
    expect(page.get_by_role("alert")).to_contain_text("Not saved: that came")
    rater.ballot.server.execute(update(Experiment).values(min_dwell_ms=DWELL_MS))
    rater.at = ""
    assert rater.look() == battle


def take_turn(rater: Rater, i: int) -> None:
    """One vote, and what goes with this one of them."""
    answer, page = TURNS[i % len(TURNS)], rater.page
    beside = {"accuracy": TURNS[(i + 1) % len(TURNS)]} | ({"wit": TURNS[i // 2 % len(TURNS)]} if i % 2 else {})
    if i == 0:
        cannot_judge(rater)
        return
    if i == 1:
        battle = rater.look()
        rater.read()
        rater.act(rater.right_answer() or answer)
        expect(page.get_by_role("alert")).to_contain_text("answer Accuracy first")
        assert rater.ballot.battle == battle
    if i == 5:
        before = rater.ballot.shown
        page.reload()
        rater.at = ""
        assert rater.look() == before[0]
        assert rater.ballot.shown == before
    battle = rater.vote("left" if i == 2 else answer, **beside)
    if i == 2:
        explain(rater, battle)
    elif i == 3:
        take_back(rater, battle)
        assert rater.vote("right", **beside) == battle
    elif i == 6:
        change(rater)


def cannot_judge(rater: Rater) -> None:
    battle = rater.vote("skip")
    why = rater.page.locator(".st-key-strip").get_by_role("radio", name="Wrong language")
    rater.tell(battle, why, skip_reason="wrong_language")


def explain(rater: Rater, battle: str) -> None:
    """How much better, reasons for both sides, a guess and a comment, while the next pair stands there."""
    page, waiting = rater.page, rater.ballot.battle
    rater.tell(battle, page.locator(".st-key-strip").get_by_role("radio", name="Clearly"), strength="clearly")
    with rater.runs.wait():
        rater.use(page.get_by_role("button", name="Say why"))
    for side, word, said in (
        ("left", "Clear", {"left": ["clear"], "right": []}),
        ("right", "Wrong", {"left": ["clear"], "right": ["wrong"]}),
        ("right", "Shallow", {"left": ["clear"], "right": ["wrong", "shallow"]}),
    ):
        chip = page.get_by_label(f"The {side} one was").get_by_role("button", name=word, exact=True)
        rater.tell(battle, chip, reasons=said)
        expect(chip).to_have_attribute("aria-pressed", "true")
    guess(rater, battle)
    comment, text = page.get_by_role("textbox", name="Comment"), f"Said by {rater.panel_id}: a, d, t, x."
    comment.press_sequentially(text)
    expect(comment).to_have_value(text)
    with rater.keeping(battle, comment=text):
        if rater.is_phone:
            page.locator(".bo-head").tap()
        else:
            comment.press("Escape")
    assert rater.ballot.battle == waiting


def guess(rater: Rater, battle: str) -> None:
    """Say who made the left one, by a part of the name or out of the list."""
    page = rater.page
    box, offered = page.get_by_role("combobox", name="Who made the left one?"), page.get_by_role("option")
    [model, *_] = rater.ballot.server.rows("SELECT id, name FROM model ORDER BY name DESC")
    if rater.is_phone:
        box.tap()
        rater.tell(battle, page.get_by_role("option", name=model.name), guesses={"left": model.id})
        return
    box.press_sequentially(model.name)
    expect(offered).to_have_count(1)
    expect(offered).to_contain_text(model.name)
    with rater.keeping(battle, guesses={"left": model.id}):
        box.press("Enter")


def take_back(rater: Rater, battle: str) -> None:
    """Undo the last vote; its pair is there again with what was chosen beside."""
    waiting = rater.ballot.battle
    if rater.is_phone:
        rater.page.get_by_role("button", name="Undo").tap()
    else:
        rater.page.keyboard.press("u")
    assert rater.look(other_than=waiting) == battle
    expect(rater.page.get_by_role("status").first).to_contain_text("Taken back")
    before = rater.said.pop(battle)
    for criterion in before.keys() - {"overall"}:
        row = row_of(rater.ballot, criterion.capitalize())
        expect(row.get_by_role("radio", name=WORDS[before[criterion]], exact=True)).to_be_checked()


def change(rater: Rater) -> None:
    """Give another answer to an earlier pair on My votes, and go back to the pair that waits."""
    page, waiting = rater.page, rater.ballot.battle
    able = [id_ for id_, said in rater.said.items() if said.keys() <= {"overall", "accuracy", "wit"} and len(said) > 1]
    battle = next(id_ for id_ in able if not rater.seen[id_][1].startswith("known"))
    rater.use(page.get_by_role("link", name="My votes"))
    rater.use(page.locator(f".st-key-open-{UUID(battle)} button"))
    assert rater.look(other_than=waiting) == battle
    now = "both_bad" if rater.said[battle]["overall"] == "tie" else "tie"
    rater.act(now)
    expect(page.get_by_role("status").first).to_have_text(f"Stored: {BUTTONS[now]}")
    rater.said[battle]["overall"] = now
    rater.use(page.get_by_role("link", name="Back to voting"))
    assert rater.look(other_than=battle) == waiting
