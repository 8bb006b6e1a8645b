"""The Quality page in a real Chromium, on votes like those that labs bring: many models, raters who differ."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from playwright.sync_api import BrowserContext, expect

from tests.drawn import wait_drawn, wait_fits
from tests.server import Server

_LINK = "from app.domain import Role; from app.services import sign_in; print(sign_in.create_invite(None, role={}))"
PARTS_MS = 60_000


def votes(n_models: int = 25, n_raters: int = 70, each: int = 30) -> str:
    """A CSV file of votes; rater r5 votes against all others, r6 always left."""
    rng = np.random.default_rng(3)
    theta, lines = rng.normal(0, 1, n_models), ["left,right,winner,rater"]
    for rater in range(n_raters):
        for _ in range(each):
            i, j = rng.permutation(n_models)[:2].tolist()
            is_left = rng.random() < 1 / (1 + np.exp(theta[j] - theta[i]))
            said = {5: "right" if theta[i] > theta[j] else "left", 6: "left"}.get(rater)
            lines.append(f"Model {i:02},Model {j:02},{said or ('left' if is_left else 'right')},r{rater}")
    return "\n".join(lines)


def test_a_researcher_leaves_a_rater_out_and_goes_back(
    new_server: Callable[..., Server], new_context: Callable[..., BrowserContext]
) -> None:
    server = new_server()
    file = server.log.parent / "votes.csv"
    file.write_text(votes())
    server.run("-m", "app.cli", "import", "votes", str(file), "--title", "Brought along")
    links = {role: server.run("-c", _LINK.format(f"Role.{role}")).strip() for role in ("RESEARCHER", "ADMIN")}
    server.start()
    page = new_context().new_page()
    page.goto(server.base_url + links["RESEARCHER"])
    expect(page.locator(".bo-verdict h1")).to_be_visible(timeout=PARTS_MS)
    page.goto(f"{server.base_url}/quality")
    expect(page.get_by_text("What was shown")).to_be_visible(timeout=PARTS_MS)
    expect(page.locator(".stProgress")).to_have_count(0, timeout=PARTS_MS)
    table = page.locator("table.bo-raters")
    expect(table.locator("tbody tr")).to_have_count(50)
    wait_drawn(page)
    assert "r5" not in table.inner_text().split(), "researchers see numbers"
    flagged = table.locator("tbody tr", has_text="votes against the others")
    expect(flagged).to_have_count(2)
    name = flagged.first.locator("th").inner_text()

    box = page.get_by_role("combobox", name="Leave out raters")
    box.click()
    box.press_sequentially(name)
    page.get_by_role("option", name=name, exact=True).click()  # Enter would take all that begin like it
    said = page.locator(".bo-said-quality")
    expect(said).to_contain_text("Without 1 rater (30 votes)", timeout=PARTS_MS)
    expect(page).to_have_url(re.compile(f"without={name.removeprefix('Rater ')}"))
    expect(page.locator("table.bo-beside").first.locator("tbody tr")).to_have_count(10)
    expect(table.locator("tr.out")).to_have_count(1)
    page.reload()
    expect(said).to_contain_text("Without 1 rater (30 votes)", timeout=PARTS_MS)

    page.get_by_role("button", name="Next", exact=True).click()
    expect(table.locator("tbody tr")).to_have_count(20)
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator(".bo-trust").first).to_be_visible()
    wait_fits(page)

    with page.expect_download() as got:
        page.get_by_role("link", name="Raters as CSV").click()
    rows = got.value.path().read_text().splitlines()
    assert len(rows) == 71
    assert rows[0].startswith("rater,votes,skips,")

    admin = new_context().new_page()
    admin.goto(server.base_url + links["ADMIN"])
    admin.goto(f"{server.base_url}/quality")
    expect(admin.locator("table.bo-raters small").first).to_be_visible(timeout=PARTS_MS)
    assert not server.warnings()
