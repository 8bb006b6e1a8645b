"""F17: at each step of a led rater's way the page is reloaded, left and come back to, closed and opened again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.ballot_page import IDLE, BallotPage
from tests.server import Server
from tests.test_flow_page import FLOW, click, right_answer, seed_flow
from tests.test_vote_page import write_plain_texts

N_VOTES = 3


@pytest.fixture(scope="module")
def led(new_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> tuple[Server, str]:
    server = new_server()
    flow = replace(FLOW, gold_every=None, repeat_every=None, most_failed_checks=None)
    made = seed_flow(server, write_plain_texts(tmp_path_factory.mktemp("plain")), flow, votes_per_rater=N_VOTES)
    server.start()
    return server, f"/join/{made['key']}?PROLIFIC_PID=5f00dd"


class Walk:
    """A rater who trusts no page: ``stays`` does all that a browser can do to one, and looks whether it is the same."""

    def __init__(self, server: Server, context: BrowserContext, link: str) -> None:
        self.server, self.context = server, context
        self.ballot = BallotPage(context.new_page(), server)
        self.page.goto(server.base_url + link)

    @property
    def page(self) -> Page:
        return self.ballot.page

    def stays(self, text: str, *, has_battle: bool = False) -> None:
        """``text`` stands there, and the same battle where there is one, after whatever is done to the page."""
        shown = self._look(text, has_battle)
        self.page.reload()
        assert self._look(text, has_battle) == shown
        self.page.goto(f"{self.server.base_url}/my_votes")
        self.page.locator(IDLE).wait_for()
        self.page.go_back()
        assert self._look(text, has_battle) == shown
        self.page.go_forward()
        self.page.locator(IDLE).wait_for()
        self.page.close()
        self.ballot = BallotPage(self.context.new_page(), self.server)
        self.page.goto(self.server.base_url)
        assert self._look(text, has_battle) == shown

    def _look(self, text: str, has_battle: bool) -> tuple[str, ...]:
        expect(self.page.get_by_text(text).first).to_be_visible()
        if not has_battle:
            self.page.locator(IDLE).wait_for()
            return ()
        self.ballot.wait_for_battle()
        return self.ballot.shown

    def n_votes(self) -> int:
        return int(self.server.rows("SELECT count(*) AS n FROM vote WHERE act = 'vote'")[0].n)


def test_at_each_step_the_same_page_comes_back_and_nothing_counts_twice(
    led: tuple[Server, str], new_context: Callable[..., BrowserContext]
) -> None:
    walk = Walk(led[0], new_context(), led[1])
    walk.stays("You compare answers of machines")
    click(walk.page, "I agree")
    for i in range(2):
        walk.stays(f"Practice {i + 1} of 2, not counted", has_battle=True)
        walk.ballot.answer(right_answer(walk.ballot)).click()
        walk.stays("That is what we expected.")
        click(walk.page, "Start the study" if i else "Next pair")
    for i in range(N_VOTES):
        walk.stays(f"{i} of {N_VOTES}", has_battle=True)
        assert walk.n_votes() == 2 + i
        walk.ballot.answer("Left is better").click()
    walk.stays("That was all. Thank you!")
    expect(walk.page.get_by_text("DONE1234")).to_be_visible()
    assert walk.n_votes() == 2 + N_VOTES
    assert led[0].rows("SELECT count(*) AS n FROM battle WHERE status <> 'voted'")[0].n == 0
    assert walk.ballot.complaints == []
    assert led[0].warnings() == []
