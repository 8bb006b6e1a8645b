"""Every rater page at 200 % zoom, without motion, and before axe: vote with media and criteria, arena, My votes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from tests.arena_page import wait_ready
from tests.arenas import StreamingEndpoint, seed, steadily
from tests.ballot_page import BallotPage, open_ballot
from tests.drawn import wait_drawn, wait_fits, wait_still
from tests.server import Server
from tests.test_answers_page import ALL
from tests.test_content_page import CASES, write_cases

IN_SIGHT = """(button) => {
  const box = button.getBoundingClientRect();
  return button.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2));
}"""
ARENA_ASKS = {"criteria": [{"key": "tone", "label": "Tone", "is_required": False}], "comment": True, "strength": True}
ZOOMED = {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2}  # 1280 x 800 at 200 %
MOVING = """() => [...document.querySelectorAll("*")].flatMap((element) => ["", "::before", "::after"].map((part) => {
  const style = getComputedStyle(element, part || undefined);
  const ms = (time) => parseFloat(time) * (time.includes("ms") ? 1 : 1000);
  const longest = (times) => Math.max(...times.split(",").map(ms));
  const moves = style.animationName !== "none" && longest(style.animationDuration) > 10;
  return moves || longest(style.transitionDuration) > 10 ? `${element.tagName}.${element.className}${part}` : null;
})).filter(Boolean).slice(0, 5)"""


@pytest.fixture(scope="module")
def served(
    new_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, str, str]]:
    """A server with a study of media that asks everything, and an arena that asks criteria and a comment."""
    server = new_server()
    folder = write_cases(tmp_path_factory.mktemp("cases") / "in", CASES)
    rules = {"min_dwell_ms": 0, "votes_per_pair": 1000, "leak_choice": "keep", "asks": ALL}
    [study] = server.seed({"folder": str(folder), **rules})
    with (
        StreamingEndpoint(steadily("An answer to {}. " * 12)) as one,
        StreamingEndpoint(steadily("Another. " * 9)) as two,
    ):
        _, arena, _ = seed(server, {"Quickling": one, "Slowpoke": two}, title="Ask away", asks=ARENA_ASKS)
        server.start()
        yield server, study.rater, arena


def reach(page: Page, bar: str, n: int = 5) -> None:
    """All answers of a bar can be brought into sight and pressed."""
    width = page.viewport_size["width"]  # type: ignore[index]
    buttons = page.locator(f".{bar} button")
    expect(buttons).to_have_count(n)
    for button in buttons.all():
        button.scroll_into_view_if_needed()
        box = button.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width
        assert button.evaluate(IN_SIGHT)


def serious(page: Page) -> dict[str, list[str]]:
    """What axe finds that matters."""
    wait_still(page)
    return {
        one["id"]: [node["html"][:160] for node in one["nodes"]][:3]
        for one in Axe().run(page).response["violations"]
        if one["impact"] in {"serious", "critical"}
    }


def battles(ballot: BallotPage) -> Iterator[str]:
    """Go through all battles by "can't judge", which no lock and no criterion holds up; the name of each."""
    page = ballot.page
    for n in range(1, len(CASES) + 1):
        ballot.wait_for_battle()
        found = re.search(r"case (\w+)", page.get_by_test_id("stMain").inner_text())
        assert found is not None
        yield found[1]
        battle = ballot.battle
        page.keyboard.press("s")
        if n < len(CASES):
            ballot.wait_for_battle(other_than=battle)
    page.get_by_text("That was all for you").wait_for()


def judged(page: Page) -> None:
    """An arena's prompt answered, and judged."""
    box = page.get_by_role("textbox")
    box.wait_for()
    wait_drawn(page)
    box.fill("Why rain?")
    expect(box).to_have_value("Why rain?")
    page.get_by_role("button", name="Ask both").click()
    wait_ready(page)


@pytest.mark.parametrize("options", [ZOOMED, {"reduced_motion": "reduce"}], ids=["at 200 %", "without motion"])
def test_rater_pages_fit_and_keep_still(
    served: tuple[Server, str, str], new_context: Callable[..., BrowserContext], options: dict[str, Any]
) -> None:
    """The vote page with each kind of content, criteria and strip, My votes, one vote opened, the arena to its end."""
    server, rater, arena = served
    is_still = "reduced_motion" in options
    ballot = open_ballot(new_context(**options), server, rater)
    page = ballot.page

    def look(bar: str = "") -> None:
        wait_drawn(page)
        if is_still:
            assert page.evaluate(MOVING) == []
        else:
            wait_fits(page)
            if bar:
                reach(page, bar)

    seen = set()
    for name in battles(ballot):
        seen.add(name)
        look("st-key-bar")
    assert seen == set(CASES)
    page.goto(f"{server.base_url}/my_votes")
    page.locator('[class*="st-key-open-"] button').first.wait_for()
    look()
    page.locator('[class*="st-key-open-"] button').first.click()
    ballot.wait_for_battle()
    look("st-key-bar")
    page.goto(server.base_url + arena)
    judged(page)
    look("st-key-arena-bar")
    page.locator('.st-key-arena-bar [class*="st-key-left-"] button').click()
    page.locator(".bo-reveal").wait_for()
    look()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_my_votes_and_in_the_arena(
    served: tuple[Server, str, str], new_context: Callable[..., BrowserContext], scheme: str
) -> None:
    server, rater, arena = served
    ballot = BallotPage(new_context(color_scheme=scheme).new_page(), server)
    page = ballot.page
    ballot.follow(rater)
    for _ in battles(ballot):
        pass
    found = {}
    page.goto(f"{server.base_url}/my_votes")
    page.locator('[class*="st-key-open-"] button').first.wait_for()
    found["my votes"] = serious(page)
    page.locator('[class*="st-key-open-"] button').first.click()
    ballot.wait_for_battle()
    found["one vote"] = serious(page)
    page.goto(server.base_url + arena)
    page.get_by_role("textbox").wait_for()
    found["arena"] = serious(page)
    judged(page)
    found["answered"] = serious(page)
    page.locator('.st-key-arena-bar [class*="st-key-left-"] button').click()
    expect(page.locator(".bo-reveal")).to_be_visible()
    found["revealed"] = serious(page)
    assert {name: what for name, what in found.items() if what} == {}
