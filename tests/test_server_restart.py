"""F14: the server dies and comes back while a rater is in the middle of a comment."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import BrowserContext, expect

from tests.ballot_page import open_ballot
from tests.drawn import connected_anew, drawn_anew
from tests.server import Server


def test_f14_a_restart_keeps_the_sign_in_the_pair_and_the_comment_being_typed(
    new_server: Callable[..., Server], new_context: Callable[..., BrowserContext]
) -> None:
    """Killed, not stopped; same port, same data. What was typed is stored when the field is left, and voting goes on.

    What was chosen in the criteria of the next pair is there, too, and goes with its vote.
    """
    server = new_server()
    asks = {"comment": True, "reasons": True, "criteria": [{"key": "tone", "label": "Tone", "is_required": False}]}
    [study] = server.seed({"min_dwell_ms": 0, "votes_per_pair": 100, "asks": asks})
    server.start()
    ballot = open_ballot(new_context(), server, study.rater)
    page, first = ballot.page, ballot.battle
    ballot.known += ["ERR_CONNECTION", "WebSocket", "server is not responding", "when disconnected from server"]
    ballot.press("ArrowLeft")
    before = ballot.shown
    tie = page.locator(".st-key-criteria").get_by_role("radiogroup", name="Tone").get_by_role("radio", name="Tie")
    tie.click()
    expect(tie).to_be_checked()
    box = ballot.type_comment("half a thought")
    with drawn_anew(page):
        server.restart()
    ballot.wait_for_battle()
    assert ballot.shown == before
    expect(page.locator(".bo-strip")).to_contain_text("You said Left is better")
    expect(box).to_have_value("half a thought")
    box.focus()
    page.keyboard.press("Escape")
    expect(page.locator(".bo-kept")).to_have_text("Kept")
    comment = "SELECT comment FROM vote WHERE battle_id = :id AND superseded_by IS NULL"
    assert [row.comment for row in server.rows(comment, id=first)] == ["half a thought"]
    expect(tie).to_be_checked()
    ballot.press("ArrowRight")
    said = server.rows("SELECT criterion, outcome FROM vote WHERE battle_id = :id", id=before[0])
    assert {row.criterion for row in said} == {"overall", "tone"} and "tie" in {row.outcome for row in said}
    assert {row.n for row in server.rows("SELECT count(*) AS n FROM account")} == {1}  # nobody signed in anew
    assert ballot.complaints == []


def test_f14_an_answer_after_a_restart_is_not_waited_for_in_vain_where_nothing_was_pressed_before(
    new_server: Callable[..., Server], new_context: Callable[..., BrowserContext]
) -> None:
    """The new server never hears of what the page was asked by the old one; the rater gives the answer once more."""
    server = new_server()
    [study] = server.seed({"min_dwell_ms": 0, "votes_per_pair": 100, "asks": {"comment": True}})
    server.start()
    ballot = open_ballot(new_context(), server, study.rater)
    ballot.known += ["ERR_CON", "WebSocket", "server is not responding", "when disconnected from server"]
    page, first = ballot.page, ballot.battle
    with connected_anew(page):
        server.restart()
    page.keyboard.press("ArrowLeft")
    said = page.locator(".bo-connection")
    expect(said).to_contain_text("please give it once more", timeout=60_000)
    ballot.wait_for_battle()
    assert ballot.battle == first
    ballot.press("ArrowLeft")
    assert [row.act for row in server.rows("SELECT act FROM vote WHERE battle_id = :id", id=first)] == ["vote"]
    assert ballot.complaints == []
