"""The vote page in a real browser, as a rater uses it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from playwright.sync_api import BrowserContext, Locator, Page

from tests.server import Server

IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'
_BATTLE = """() => {
  const prompt = document.querySelector('[class*="st-key-prompt-"]');
  return prompt && [...prompt.classList].find((c) => c.startsWith("st-key-prompt-")).slice("st-key-prompt-".length);
}"""
# Another battle is there, it can be voted on, and nothing is left of the one before it.
_READY = f"""(old) => {{
  const battle = ({_BATTLE})();
  return battle && battle !== old && document.querySelector('{IDLE}')
    && document.querySelectorAll(".st-key-bar button:enabled").length === 5;
}}"""
# Streamlit's page has one inline script, which only speaks to crawlers; our policy rightly refuses it.
_KNOWN_COMPLAINT = "Executing inline script violates"


class BallotPage:
    """One tab of one rater; ``complaints`` collects what the browser's console has to say."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page, self.server = page, server
        self.complaints: list[str] = []
        # On a page with a path Streamlit first looks for its own routes below that path, and finds them at the root.
        page.on("console", lambda said: "/_stcore/" in said.location["url"] or self._note(said.type, said.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and _KNOWN_COMPLAINT not in text:
            self.complaints.append(f"{kind}: {text}")

    def follow(self, link: str) -> None:
        """Open a path, such as a sign-in link, and wait for a battle."""
        self.page.goto(self.server.base_url + link)
        self.wait_for_battle()

    def wait_for_battle(self, *, other_than: str | None = None) -> str:
        """Wait until a battle can be voted on, another one where asked; returns its id as 32 hex digits."""
        old = str(UUID(other_than)) if other_than else None
        self.page.wait_for_function(_READY, arg=old)
        return self.battle

    @property
    def battle(self) -> str:
        """The id of the battle on the screen, as 32 hex digits."""
        return UUID(self.page.evaluate(_BATTLE)).hex

    @property
    def shown(self) -> tuple[str, ...]:
        """The battle on the screen: its id, and what the prompt, the left and the right side say."""
        parts = ["st-key-prompt-", "st-key-left-answer-", "st-key-right-answer-"]
        return self.battle, *(" ".join(self.page.locator(f'[class*="{part}"]').inner_text().split()) for part in parts)

    def answer(self, label: str) -> Locator:
        """A button of the bar."""
        return self.page.locator(".st-key-bar button", has_text=label)

    def press(self, key: str) -> str:
        """Press a key that answers the battle on the screen; returns the next battle."""
        old = self.battle
        self.page.keyboard.press(key)
        return self.wait_for_battle(other_than=old)

    def let_dwell_pass(self, milliseconds: int) -> None:
        """Read for as long as the study demands; the server's own clock is the condition."""
        self.page.wait_for_timeout(milliseconds + 100)

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
