"""The vote page in a real browser, as a rater uses it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from playwright.sync_api import BrowserContext, Locator, Page, expect
from playwright.sync_api import TimeoutError as TooLong

from tests.drawn import IDLE, close_dialog, wait_drawn
from tests.server import Server

_BATTLE = """() => {
  const answer = document.querySelector('.st-key-bar [class*="st-key-left-"]');
  return answer && [...answer.classList].find((c) => c.startsWith("st-key-left-")).slice("st-key-left-".length);
}"""
_FOOT = ":is(.st-key-bar, .st-key-foot)"  # the bar, or what holds it with the criteria above it
BLOCK = f".stVerticalBlock:not(.st-key-foot):has(> * > {_FOOT})"
_PARTS = [f"{BLOCK} > :has({'+ *' * n} > {_FOOT})" for n in (3, 2, 1)]  # prompt, left and right, before the foot
# Another battle is there, it is drawn and can be voted on, and nothing is left of the one before it. What draws
# Markdown, and code in it, comes to the browser a moment later than the rest, and so do our own scripts.
_READY = f"""([old, hasLetters]) => {{
  const battle = ({_BATTLE})();
  return battle && battle !== old && (window.bakeoff || !hasLetters) && document.querySelector('{IDLE}')
    && window.bakeoffContent && window.bakeoffConnection
    && document.querySelector("{_PARTS[0]}")?.innerText.trim()
    && !document.querySelector('{BLOCK} [data-testid="stSkeleton"]')
    && document.querySelectorAll(".st-key-bar button:enabled").length === 5 && battle;
}}"""
# Streamlit's page has one inline script, which only speaks to crawlers; our policy rightly refuses it. And at an
# address like /leaderboard it first asks whether the server lives below that.
KNOWN_COMPLAINTS = ("Executing inline script violates", "/_stcore/health", "/_stcore/host-config")


class BallotPage:
    """One tab of one rater; ``complaints`` collects what the browser's console has to say."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page, self.server = page, server
        self.has_letters = True  # False for a test that keeps assets/bakeoff.js from the page
        self.complaints: list[str] = []
        self.known = [*KNOWN_COMPLAINTS]  # a test that breaks something on purpose adds what will be said
        page.on("console", lambda said: self._note(said.type, f"{said.text} ({said.location['url']})"))
        page.on("pageerror", lambda error: self._note("error", str(error)))

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and not any(known in text for known in self.known):
            self.complaints.append(f"{kind}: {text}")

    def follow(self, link: str) -> None:
        """Open a path, such as a sign-in link, and wait for a battle."""
        self.page.goto(self.server.base_url + link)
        self.wait_for_battle()

    def wait_for_battle(self, *, other_than: str | None = None) -> str:
        """Wait until a battle can be voted on, another one where asked; returns its id as 32 hex digits."""
        old = str(UUID(other_than)) if other_than else None
        try:
            found = self.page.wait_for_function(_READY, arg=[old, self.has_letters]).json_value()
        except TooLong as too_long:
            too_long.add_note(self.page.locator("body").inner_text())
            raise
        return UUID(found).hex

    @property
    def battle(self) -> str:
        """The id of the battle on the screen, as 32 hex digits."""
        return UUID(self.page.evaluate(_BATTLE)).hex

    @property
    def shown(self) -> tuple[str, ...]:
        """The battle on the screen: its id, and what the prompt, the left and the right side say."""
        return self.battle, *(" ".join(part.inner_text().split()) for part in self.parts)

    @property
    def parts(self) -> list[Locator]:
        """The prompt, the left and the right side."""
        return [self.page.locator(part) for part in _PARTS]

    def answer(self, label: str) -> Locator:
        """A button of the bar."""
        return self.page.locator(".st-key-bar button", has_text=label)

    def press(self, key: str) -> str:
        """Press a key that answers the battle on the screen; returns the next battle."""
        old = self.battle
        self.page.keyboard.press(key)
        return self.wait_for_battle(other_than=old)

    def read_guidelines(self) -> None:
        """Open the guidelines by their key, and close them."""
        self.page.keyboard.press("?")
        close_dialog(self.page)

    def open_comment(self) -> Locator:
        """Open by its key what can be said of the last vote; the field for a comment, which can be typed in."""
        self.page.keyboard.press("w")
        box = self.page.get_by_role("textbox", name="Comment")
        box.wait_for()
        wait_drawn(self.page)  # a field forgets what was typed before it was quite there
        return box

    def type_comment(self, text: str) -> Locator:
        """Open the field for a comment and type into it, without leaving it."""
        box = self.open_comment()
        box.press_sequentially(text)
        expect(box).to_have_value(text)
        return box

    def wait_out(self, dwell_ms: int) -> None:
        """Look at the battle for as long as the dwell time demands."""
        self.page.wait_for_timeout(dwell_ms + 100)

    def hold(self, key: str, *, milliseconds: int = 2000) -> None:
        """Keep a key down; the browser repeats it about thirty times a second."""
        for _ in range(milliseconds // 33):
            self.page.keyboard.down(key)  # with the key down already, this is a repetition
            self.page.wait_for_timeout(33)
        self.page.keyboard.up(key)


def open_ballot(context: BrowserContext, server: Server, link: str) -> BallotPage:
    """A new tab of this browser that follows ``link``."""
    ballot = BallotPage(context.new_page(), server)
    ballot.follow(link)
    return ballot


def acts(server: Server, *battles: str) -> list[tuple[str, str, str | None]]:
    """(battle, act, side or outcome) of all votes of the raters of these battles, in the order of their storing."""
    rows = server.rows(
        "SELECT v.battle_id, v.act, v.outcome, b.is_a_left, b.rater_id FROM vote v JOIN battle b ON b.id = v.battle_id "
        "ORDER BY v.voted_at, v.id"
    )
    raters = {row.rater_id for row in rows if row.battle_id in battles}
    return [(row.battle_id, row.act, _side(row)) for row in rows if row.rater_id in raters]


def _side(row: Any) -> str | None:
    if row.outcome in {"model_a", "model_b"}:
        return "left" if (row.outcome == "model_a") == bool(row.is_a_left) else "right"
    side: str | None = row.outcome
    return side
