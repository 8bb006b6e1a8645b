"""In a real browser: a researcher reads how a board was computed, takes the report along, and sees no hidden result."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from tests.drawn import wait_drawn
from tests.server import Server

INVITE = (
    "from app.domain import Role; from app.services import sign_in; print(sign_in.create_invite(None, role=Role.{}))"
)
HIDDEN = "from tests.test_hidden_results import hidden_study, key_of; print(key_of(hidden_study()))"


def test_methods_report_and_hidden_results(
    new_server: Callable[..., Server], new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    server = new_server()
    server.run("-m", "app.cli", "init")
    file = tmp_path / "votes.jsonl"
    winners = ["left"] * 54 + ["right"] * 46
    rows = [{"left": "Ash", "right": "Birch", "winner": winner, "rater": f"r{i}"} for i, winner in enumerate(winners)]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    server.run("-m", "app.cli", "import", "votes", str(file), "--title", "Trees")
    key = server.run("-c", HIDDEN).strip()
    server.start()
    page = new_context(accept_downloads=True).new_page()
    page.goto(server.base_url + server.run("-c", INVITE.format("RESEARCHER")).strip())
    expect(page.locator(".bo-verdict h1")).to_be_visible()
    page.goto(f"{server.base_url}/leaderboard?study=trees")
    expect(page.locator(".bo-verdict")).to_contain_text("more votes, spread as so far, would decide")
    page.get_by_text("How was this computed?").click()
    expect(page.locator(".bo-methods")).to_contain_text("has 100 votes by 100 raters on 2 models")
    with page.expect_download() as taken:
        page.get_by_role("link", name="Report as HTML").click()
    assert taken.value.suggested_filename == "trees-report.html"
    taken.value.save_as(tmp_path / "report.html")
    report = new_context().new_page()
    report.goto((tmp_path / "report.html").as_uri())
    expect(report.locator(".bo-board")).to_contain_text("Birch")
    expect(report.locator("figure svg")).to_have_count(4)
    for role in ("RESEARCHER", "ADMIN"):
        who = new_context().new_page()
        who.goto(server.base_url + server.run("-c", INVITE.format(role)).strip())
        expect(who.locator("h1").first).to_be_visible()
        who.goto(f"{server.base_url}/leaderboard?study={key}")
        expect(who.locator(".bo-verdict h1")).to_have_text("Results are hidden until the study is completed")
        expect(who.locator(".bo-progress")).to_contain_text("5 of 12 planned votes by 1 rater")
        wait_drawn(who)
        assert "Model 0" not in who.content()
