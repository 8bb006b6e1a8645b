"""A leaderboard as one HTML file: the same for the page and the command, alone in the world, and fit for paper."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from app.components import report, tiles, trust
from app.components.axis import ELO, LOGITS
from app.errors import InvalidInputError
from app.services import board_trust, experiments, leaderboard, vote_files
from app.services.board_view import View
from app.services.leaderboard import Board
from app.services.slices import Slice
from db.engine import Database
from tests.studies import study

NOW = datetime(2026, 3, 14, 15, 9, tzinfo=UTC)
ROWS = (
    ("<b>Ash</b> & co", "Birch", "left", 60),
    ("<b>Ash</b> & co", "Birch", "right", 22),
    ("Birch", "Cedar", "left", 40),
    ("Birch", "Cedar", "right", 22),
    ("Cedar", "<b>Ash</b> & co", "right", 45),
    ("Cedar", "<b>Ash</b> & co", "tie", 9),
)


def import_votes(rows: tuple[tuple[str, str, str, int], ...] = ROWS, title: str = "A study") -> str:
    lines = [
        json.dumps({"left": left, "right": right, "winner": winner, "rater": f"r{i % 12}"})
        for left, right, winner, n in rows
        for i in range(n)
    ]
    return vote_files.import_votes(None, io.BytesIO("\n".join(lines).encode()), title=title).key


def board_of(key: str, view: View | None = None) -> Board:
    return leaderboard.get_leaderboard(None, experiments.find_experiment(None, key), view)


class Tags(HTMLParser):
    """All tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_it_has_all_parts_and_the_numbers_of_the_page(store: Database) -> None:
    found = board_of(import_votes())
    said = report.write_report(found, made_at=NOW, notes=["Take care."], chosen=["from 2026-01-01"])
    for part in ("<h1>", "bo-board", "How far can I trust this?"):
        assert part in said
    assert "Methods: A study" in said
    assert "Take care." in said
    assert "from 2026-01-01" in said
    assert "2026-03-14, 15:09 UTC" in said
    ratings = re.findall(r'<td class="rating"[^>]*>(\d+)</td>', said)
    assert ratings == [ELO.text(row.rating or 0.0) for row in found.ranking.models]
    logits = report.write_report(found, made_at=NOW, scale=LOGITS)
    assert "Logits scale" in logits


def test_the_trust_panel_is_that_of_the_page_with_its_slower_checks(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = board_of(import_votes())
    said = report.write_report(found, made_at=NOW)
    checks = board_trust.ask_checks(found)  # which the report has computed by now
    on_page = [*trust.list_tiles(found, with_staff=False), *trust.list_slower(found, checks)]
    assert tiles.draw(trust.HEADING, on_page) in said
    assert {"Left side", "Agreement", "Goodness of fit", "Lead rests on"} <= {name for name, _, _ in on_page}
    monkeypatch.setattr(board_trust, "MOST_VOTES", 10)  # of so many, the page leaves them to the Quality page
    assert board_trust.ask_checks(found) == {}
    assert report.write_report(found, made_at=NOW) == said


def test_names_stay_names_everywhere(store: Database) -> None:
    said = report.write_report(board_of(import_votes(title="<script>alert(1)</script>")), made_at=NOW)
    tags = Tags(said)
    assert "script" not in {tag for tag, _ in tags.seen}
    assert "<b>Ash" not in said
    assert said.count("&lt;b&gt;Ash&lt;/b&gt; &amp; co") >= 9  # table, four charts and their words, warnings or methods


def test_nothing_in_it_can_be_fetched_or_run(store: Database) -> None:
    tags = Tags(report.write_report(board_of(import_votes()), made_at=NOW)).seen
    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object", "base", "form", "a"}
    names = {name for _, attributes in tags for name in attributes}
    assert not {name for name in names if name.startswith("on") or name in {"src", "href", "xlink:href"}}
    policy = next(a["content"] for tag, a in tags if tag == "meta" and a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize("method", ["bradley_terry", "win_rate", "elo", "both_bad"])
def test_every_method_makes_a_report(store: Database, method: str) -> None:
    said = report.write_report(board_of(import_votes(), View(method=method)), made_at=NOW)
    assert ("This method gives no ratings." in said) == (method not in {"bradley_terry", "elo"})
    assert "<h2>Who beats whom</h2><figure><svg" in said


def test_groups_that_never_met_have_tables_of_their_own(store: Database) -> None:
    key = import_votes((*ROWS, ("Dune", "Elm", "left", 20), ("Dune", "Elm", "right", 5)))
    said = report.write_report(board_of(key), made_at=NOW)
    assert said.count("<table") == 2
    assert "Group 2 of 2" in said


def test_without_votes_there_is_nothing_to_report(store: Database) -> None:
    with pytest.raises(InvalidInputError, match="nothing to report"):
        report.write_report(leaderboard.get_leaderboard(None, study()), made_at=NOW)


Bakeoff = Callable[..., tuple[int, str, str]]


def test_the_command_writes_the_view_that_it_is_asked_for(store: Database, bakeoff: Bakeoff, tmp_path: Path) -> None:
    key, to = import_votes(), tmp_path / "report.html"
    code, _, errors = bakeoff(
        "report", key, "--to", to, "--method", "davidson", "--scale", "logits", "--anchor", "Birch"
    )
    assert (code, to.exists()) == (0, True), errors
    said = to.read_text(encoding="utf-8")
    assert "Davidson" in said
    assert "Birch is the zero of the scale" in said
    assert "Logits scale" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--tag", "writing"), "is not like category=writing"),
        (("--since", "yesterday"), "is no day like 2026-01-31"),
        (("--since", "2999-01-01"), "nothing to report"),
        (("--group", "mars"), "No rater of this study came from 'mars'"),
        (("--criterion", "taste"), "asks for no criterion 'taste'"),
        (("--confidence", "2"), "between 0 and 1"),
    ],
)
def test_the_command_says_what_is_wrong_and_writes_no_file(
    store: Database, bakeoff: Bakeoff, tmp_path: Path, arguments: tuple[str, str], words: str
) -> None:
    to = tmp_path / "report.html"
    code, _, errors = bakeoff("report", import_votes(), "--to", to, *arguments)
    assert code == 1
    assert words in " ".join(errors.split())
    assert not to.exists()


def test_a_part_of_the_votes_is_named_in_the_head(store: Database) -> None:
    said = report.write_report(
        board_of(import_votes(), View(slice=Slice(without=(1,)))), made_at=NOW, chosen=["without 1 rater"]
    )
    assert "· without 1 rater ·" in said


def test_in_a_browser_it_asks_no_host_fits_a_phone_and_prints(
    store: Database, new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    to = tmp_path / "report.html"
    to.write_text(report.write_report(board_of(import_votes()), made_at=NOW), encoding="utf-8")
    for width in (1280, 390):
        page = new_context(viewport={"width": width, "height": 900}).new_page()
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("console", lambda message, complaints=complaints: complaints.append(message.text))
        page.goto(to.as_uri())
        assert asked == [to.as_uri()]
        assert complaints == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        # The file doesn't say when the votes were cast, so there are no days.
        expect(page.locator("figure svg")).to_have_count(4)
    paper = page.pdf(prefer_css_page_size=True)
    assert paper.startswith(b"%PDF")
    assert paper.count(b"/Type /Page\n") in range(1, 6)
