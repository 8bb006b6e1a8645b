"""F13: the connection breaks before and after a click; the page says so, and whether the answer was saved."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.ballot_page import BallotPage, acts
from tests.drawn import until
from tests.lossy import LossyLink
from tests.server import Server

BROKEN = ["net::ERR_", "WebSocket", "server is not responding", "when disconnected from server"]
SOON_MS = 20_000


@pytest.fixture
def link(new_server: Callable[..., Server]) -> Iterator[LossyLink]:
    """A way to a new server with a study, with ``server`` and the rater's ``path`` on it."""
    server = new_server()
    [study] = server.seed({"min_dwell_ms": 0, "votes_per_pair": 100, "asks": {"comment": True}})
    server.start()
    with LossyLink(server.port) as found:
        found.server, found.path = server, study.rater  # type: ignore[attr-defined]
        yield found


def open_over(link: LossyLink, context: BrowserContext) -> BallotPage:
    ballot = BallotPage(context.new_page(), link.server)  # type: ignore[attr-defined]
    ballot.known += BROKEN
    ballot.page.goto(f"http://127.0.0.1:{link.port}{link.path}")  # type: ignore[attr-defined]
    ballot.wait_for_battle()
    return ballot


def says(ballot: BallotPage, text: str) -> None:
    expect(ballot.page.locator(".bo-connection")).to_contain_text(text, timeout=SOON_MS)


def test_f13_an_answer_that_never_arrived_is_said_to_be_lost_and_is_given_once_more(
    link: LossyLink, new_context: Callable[..., BrowserContext]
) -> None:
    ballot = open_over(link, new_context())
    first = ballot.battle
    second = ballot.press("ArrowLeft")
    before = ballot.shown
    link.lose_what_is_sent()
    ballot.page.keyboard.press("ArrowRight")
    says(ballot, "The server takes its time. Your answer is on its way.")
    link.cut()
    says(ballot, "The connection is lost. Trying to connect again… What you chose and typed stays here.")
    link.mend()
    says(ballot, "Connected again. Your last answer did not arrive: please give it once more.")
    ballot.wait_for_battle()
    assert ballot.shown == before
    assert acts(ballot.server, first) == [(first, "vote", "left")]
    ballot.press("ArrowRight")
    assert acts(ballot.server, first)[1:] == [(second, "vote", "right")]
    assert ballot.complaints == []


@pytest.mark.parametrize("way", ["key", "click"])
def test_f13_an_answer_whose_receipt_was_lost_is_said_to_be_saved_and_the_next_pair_comes(
    link: LossyLink, new_context: Callable[..., BrowserContext], way: str
) -> None:
    ballot = open_over(link, new_context())
    first = ballot.battle
    link.lose_what_comes()
    if way == "key":
        ballot.page.keyboard.press("ArrowLeft")
    else:
        ballot.answer("Left is better").click()
    until(ballot.page, lambda: acts(ballot.server, first))
    link.cut()
    says(ballot, "The connection is lost.")
    link.mend()
    says(ballot, "Connected again. Your answer was saved.")
    second = ballot.wait_for_battle(other_than=first)
    assert acts(ballot.server, first) == [(first, "vote", "left")]
    ballot.press("ArrowRight")
    assert acts(ballot.server, first)[1:] == [(second, "vote", "right")]
    assert ballot.complaints == []


def test_f13_nothing_is_answered_without_a_connection_and_the_same_pair_and_words_are_there_after_it(
    link: LossyLink, new_context: Callable[..., BrowserContext]
) -> None:
    """Longer than Streamlit keeps the state of a page that has gone: here that is not at all."""
    ballot = open_over(link, new_context(viewport={"width": 390, "height": 844}))
    first = ballot.battle
    ballot.press("ArrowLeft")
    before = ballot.shown
    box = ballot.type_comment("half a thought")
    with ballot.page.expect_console_message(lambda said: "server is not responding" in said.text, timeout=60_000):
        link.cut()
        says(ballot, "The connection is lost. Trying to connect again…")
    expect(ballot.page.get_by_role("dialog")).to_have_count(0)  # Streamlit's own, which speaks of Streamlit
    box.evaluate("field => field.blur()")
    ballot.page.keyboard.press("ArrowRight")
    buttons = ballot.page.locator(".st-key-bar button")
    expect(buttons).to_have_count(5)
    for button in buttons.all():
        expect(button).to_be_disabled()
    place = ballot.page.locator(".bo-connection").bounding_box()
    assert place is not None and place["x"] >= 0 and place["x"] + place["width"] <= 390
    ballot.server.restart()
    link.mend()
    says(ballot, "Connected again.")
    ballot.wait_for_battle()
    assert ballot.shown == before
    expect(box).to_have_value("half a thought", timeout=SOON_MS)
    assert acts(ballot.server, first) == [(first, "vote", "left")]
    expect(ballot.page.locator(".bo-connection")).to_have_text(re.compile("^$"), timeout=SOON_MS)
    assert ballot.complaints == []
