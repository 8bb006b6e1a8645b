"""The arena in a real browser, as a rater uses it."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.ballot_page import KNOWN_COMPLAINTS
from tests.drawn import IS_DRAWN, wait_drawn
from tests.server import Server

TURN = '[class*="st-key-arena-turn-"]'
LEFT = '.st-key-arena-bar [class*="st-key-left-"] button'
_LAST = f"""[...document.querySelectorAll('{TURN}')].at(-1)?.className.match(/st-key-arena-turn-\\S+/)[0]"""
_SIDES = f"""[...document.querySelectorAll('{TURN} .stColumn')]"""
_HAVE_TEXT = """every((one) => one.querySelector(".stMarkdown, .stText")?.innerText.trim())"""
# The bar of the turn before can be pressed until the run that asks has begun, and a page that is drawn anew has no
# sides for a moment.
_READY = f"""(old) => {IS_DRAWN} && window.bakeoff && window.bakeoffContent && ({_LAST} ?? old) !== old
  && document.querySelector('{LEFT}:enabled') && {_SIDES}.{_HAVE_TEXT}"""
_SHOWN = f"""(n) => {IS_DRAWN} && {_SIDES}.length === n && {_SIDES}.{_HAVE_TEXT}
  && {_SIDES}.map((one) => one.innerText)"""


def sides(page: Page, n: int = 2) -> list[str]:
    """What the ``n`` sides of all turns say, left and right in turn, once all of it is drawn."""
    shown = page.wait_for_function(_SHOWN, arg=n).json_value()
    return [" ".join(one.split()) for one in shown]


def wait_ready(page: Page, *, after: str | None = None) -> None:
    """Wait until both sides have answered and can be voted on; in another turn than ``after``, where there was one."""
    page.wait_for_function(_READY, arg=after, timeout=60_000)


class Rater:
    """One rater's tab."""

    def __init__(self, page: Page, server: Server, link: str) -> None:
        self.page, self.server = page, server
        self.asked_after: str | None = None  # the turn that stood there when a message was sent
        self.complaints: list[str] = []
        page.on("console", lambda m: self._note(m.type, f"{m.text} ({m.location['url']})"))
        page.on("pageerror", lambda error: self._note("error", str(error)))
        page.goto(server.base_url + link)
        self.box.wait_for()

    def _note(self, kind: str, text: str) -> None:
        known = (*KNOWN_COMPLAINTS, "ERR_CONNECTION", "WebSocket", "server is not responding")
        if kind in {"error", "warning"} and not any(one in text for one in known):
            self.complaints.append(text)

    @property
    def box(self) -> Locator:
        """The field for a message."""
        return self.page.get_by_role("textbox")

    def type(self, text: str) -> None:
        """Write a message, without sending it."""
        wait_drawn(self.page)  # a field forgets what was typed before it was quite there
        self.box.fill(text)
        expect(self.box).to_have_value(text)

    def send(self, text: str, button: str = "Ask both") -> None:
        self.type(text)
        self.asked_after = self.page.evaluate(_LAST)
        self.page.get_by_role("button", name=button).click()

    def until_ready(self) -> None:
        wait_ready(self.page, after=self.asked_after)

    def sides(self, n: int = 2) -> list[str]:
        return sides(self.page, n)

    def vote(self, key: str) -> None:
        self.page.evaluate("document.activeElement?.blur()")
        self.page.keyboard.press(key)
        self.page.locator(".bo-reveal").wait_for()
