"""Files that pages offer: for the browser that saw the page, whatever else is drawn in that moment."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, expect

from app.domain import Role
from app.errors import NotAllowedError, NotFoundError
from app.services import page_files, sign_in
from db.engine import Database
from tests.pools import votes_on
from tests.server import Server
from tests.tester import sign_in_as

INVITE = (
    "from app.domain import Role; from app.services import sign_in; print(sign_in.create_invite(None, role=Role.{}))"
)


def test_a_file_is_for_one_browser_and_lives_as_long_as_its_session(store: Database) -> None:
    mine, other, rater = sign_in_as(Role.RESEARCHER), sign_in_as(Role.ADMIN), sign_in_as(Role.RATER)
    file, theirs = page_files.offer_file(mine), page_files.offer_file(rater)
    assert page_files.get_file(mine, file.token) is file
    for who in (other, None, "nobody"):
        with pytest.raises((NotFoundError, NotAllowedError)):
            page_files.get_file(who, file.token)
    with pytest.raises(NotAllowedError):
        page_files.get_file(rater, theirs.token)
    sign_in.sign_out(mine)
    with pytest.raises(NotAllowedError):
        page_files.get_file(mine, file.token)
    token = theirs.token
    del theirs
    gc.collect()
    assert token not in page_files._offered


def test_a_file_is_taken_while_pages_are_drawn_and_by_nobody_else(
    new_server: Callable[..., Server], new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    server = new_server()
    server.run("-m", "app.cli", "init")
    votes = tmp_path / "votes.jsonl"
    votes.write_text("\n".join(map(json.dumps, votes_on(("Ash", "=Birch"), seed=1, n=120))), encoding="utf-8")
    server.run("-m", "app.cli", "import", "votes", str(votes), "--title", "Trees")
    server.start()
    people = []
    for _ in range(2):
        people.append(new_context(accept_downloads=True).new_page())
        people[-1].goto(server.base_url + server.run("-c", INVITE.format("RESEARCHER")).strip())
        expect(people[-1].locator(".bo-verdict h1")).to_be_visible()
        people[-1].goto(f"{server.base_url}/leaderboard?study=trees")
        expect(people[-1].locator(".bo-board tbody tr")).to_have_count(2)
    page, other = people
    link = page.get_by_role("link", name="Board as CSV")
    address = link.get_attribute("href")
    for scale in ("Logits", "Elo", "Logits", "Elo"):
        for one in people:
            one.get_by_role("radio", name=scale).click()  # both pages are drawn anew now
        with page.expect_download() as taken:
            link.click()
        assert taken.value.suggested_filename == "trees-board.csv"
        rows = taken.value.path().read_text(encoding="utf-8").splitlines()
        assert rows[0].startswith("group,rank,") and len(rows) == 3
    assert link.get_attribute("href") == address

    answer = page.request.get(server.base_url + str(address))
    assert answer.status == 200 and "attachment" in answer.headers["content-disposition"]
    assert answer.headers["cache-control"] == "no-store" and "'=Birch" in answer.text()
    assert other.request.get(server.base_url + str(address)).status == 404
    assert httpx.get(server.base_url + str(address)).status_code == 403
    for role in ("Pairs as CSV", "Report as HTML"):
        found = page.request.get(server.base_url + str(page.get_by_role("link", name=role).get_attribute("href")))
        assert found.status == 200
    page.get_by_test_id("stTopNavSection").filter(has_text="Results").click()
    page.get_by_test_id("stTopNavDropdownLink").filter(has_text="Quality").click()
    expect(page.get_by_role("heading", name="Quality", level=1)).to_be_visible()
    assert page.request.get(server.base_url + str(address)).status == 404  # another page is looked at now
    page.context.close()
    assert not server.warnings()
