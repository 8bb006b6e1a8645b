"""Clicks into the charts of the Leaderboard in a real Chromium: who stands out, what the address says, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import combinations
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.drawn import IDLE, wait_drawn, wait_fits
from tests.server import Server
from tests.test_head_to_head import votes

_LINK = "from app.domain import Role; from app.services import sign_in; print(sign_in.create_invite(None, role={}))"
MS = 60_000
FADED = '[opacity="0.3"]'


@pytest.fixture
def server(new_server: Callable[..., Server]) -> Server:
    """A server with a study of three models and one of fifty."""
    found = new_server()
    many = (
        {"left": f"Model {i:02}", "right": f"Model {j:02}", "winner": won, "rater": f"r{(i + j) % 20}"}
        for i, j in combinations(range(50), 2)
        for won in ("left", "left", "right")
    )
    for title, rows in (("Trees", votes(900)), ("Forest", many)):
        file = found.folder / f"{title}.jsonl"
        file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        found.run("-m", "app.cli", "import", "votes", str(file), "--title", title)
    found.start()
    return found


def sign_in(server: Server, context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto(server.base_url + server.run("-c", _LINK.format("Role.RESEARCHER")).strip())
    expect(page.locator(".bo-verdict h1")).to_be_visible(timeout=MS)
    return page


# For a moment the chart before stands beside a new one.
ALONE = """() => {
  const charts = document.querySelectorAll("[data-testid=stVegaLiteChart]");
  const is = charts.length === 1 && charts[0].querySelector("svg, canvas") && document.querySelector('IDLE');
  window.aloneSince = is ? window.aloneSince ?? Date.now() : undefined;
  return is && Date.now() - window.aloneSince > 300;
}""".replace("IDLE", IDLE)


def chart_of(page: Page) -> Locator:
    page.evaluate("window.aloneSince = undefined")
    page.wait_for_function(ALONE, timeout=MS)
    chart = page.locator("[data-testid=stVegaLiteChart]")
    expect(chart).to_be_visible(timeout=MS)
    return chart


def stand_out(page: Page, *names: str) -> None:
    """These models, in this order, in the box, the table and the address."""
    box = page.locator(".st-key-highlight")
    expect(page.locator("table.bo-board mark")).to_have_count(len(names), timeout=MS)
    for name in names:
        expect(page.locator("table.bo-board mark", has_text=name)).to_have_count(1)
        expect(box.get_by_text(name, exact=True)).to_have_count(1)
    page.wait_for_url(lambda url: parse_qs(urlsplit(url).query).get("highlight", []) == list(names), timeout=MS)


def test_a_click_into_a_chart_is_a_choice_that_every_chart_and_the_address_keep(
    server: Server, new_context: Callable[..., BrowserContext]
) -> None:
    page = sign_in(server, new_context())
    page.goto(f"{server.base_url}/leaderboard?study=trees&chart=Ratings")
    chart = chart_of(page)
    rows = chart.locator(".mark-rect path")
    rows.nth(1).click()
    stand_out(page, "Birch")
    chart.locator("svg").evaluate("svg => svg.dataset.drawn = 'once'")
    expect(chart.locator(f".mark-symbol path{FADED}")).to_have_count(2)
    rows.nth(0).click()
    stand_out(page, "Birch", "Ash")
    rows.nth(2).click()
    stand_out(page, "Ash", "Cedar")
    rows.nth(0).click()
    stand_out(page, "Cedar")
    rows.nth(0).click()
    stand_out(page, "Cedar", "Ash")
    expect(page.locator(".bo-highlighted")).to_contain_text(re.compile("Cedar: 9.*Ash: 10"))
    assert chart.locator("svg").get_attribute("data-drawn") == "once", "the chart was drawn anew for a click"

    page.go_back()
    stand_out(page, "Cedar")
    page.get_by_role("radio", name="Who beats whom").click()
    cells = chart.locator(".mark-rect path")
    expect(cells).to_have_count(6)
    chart_of(page)
    expect(chart.locator(f".mark-rect path{FADED}")).to_have_count(2)
    cells.nth(0).click(force=True)  # the first row's model against the second's; its number lies on top
    stand_out(page, "Ash", "Birch")
    expect(page.locator(".bo-highlighted")).to_contain_text("of 300 votes against Birch")
    page.reload()
    stand_out(page, "Ash", "Birch")
    chart_of(page)
    cells.nth(0).click(force=True)
    stand_out(page)

    page.get_by_role("radio", name="Over time").click()
    expect(chart.locator(".mark-line path")).to_have_count(6, timeout=MS)  # each line, and what takes its click
    chart_of(page).get_by_text("Cedar", exact=True).click()
    stand_out(page, "Cedar")
    page.get_by_role("radio", name="Ratings", exact=True).click()
    expect(chart_of(page).locator(f".mark-symbol path{FADED}")).to_have_count(2)
    rows.nth(2).click()
    stand_out(page)
    assert not server.warnings()


def test_whoever_has_a_keyboard_chooses_two_in_the_box_and_compares_them(
    server: Server, new_context: Callable[..., BrowserContext]
) -> None:
    context = new_context()
    page = sign_in(server, context)
    page.goto(f"{server.base_url}/leaderboard?study=trees&since=2026-03-02")
    chart_of(page)
    page.get_by_role("combobox", name="Highlight").focus()
    for name in ("Cedar", "Ash"):  # the focus is still in the box for the second one
        page.keyboard.type(name)
        expect(page.get_by_role("option")).to_have_text([name])
        page.keyboard.press("Enter")
        expect(page.locator("table.bo-board mark", has_text=name)).to_have_count(1, timeout=MS)
        wait_drawn(page)
    stand_out(page, "Cedar", "Ash")
    page.keyboard.press("Escape")
    with context.expect_page() as opened:
        page.get_by_role("link", name="Compare these two").click()
    compared = opened.value
    expect(compared.locator(".bo-verdict h1")).to_have_text("Keep Ash", timeout=MS)
    expect(compared.locator(".bo-over")).to_contain_text("from 2026-03-02")
    expect(compared.get_by_role("combobox", name="Model")).to_have_value("Cedar")
    wait_drawn(compared)
    compared.get_by_role("button", name="Which votes").click()
    expect(compared.get_by_test_id("stPopoverBody").get_by_text("From", exact=True)).to_be_visible()


def test_a_cell_among_thousands_is_tapped_on_a_phone(
    server: Server, new_context: Callable[..., BrowserContext]
) -> None:
    context = new_context(viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True)
    page = sign_in(server, context)
    page.goto(f"{server.base_url}/leaderboard?study=forest")
    canvas = chart_of(page).locator("canvas")  # so many cells would be slow as elements of the page
    expect(canvas).to_be_visible(timeout=MS)
    place = canvas.bounding_box()
    assert place is not None
    canvas.tap(position={"x": place["width"] * 0.8, "y": place["height"] * 0.3})
    expect(page.locator("table.bo-board mark")).to_have_count(2, timeout=MS)
    expect(page.locator(".bo-highlighted")).to_contain_text("of 3 votes against Model")
    page.wait_for_url(lambda url: url.count("highlight=Model") == 2, timeout=MS)
    wait_fits(page)
