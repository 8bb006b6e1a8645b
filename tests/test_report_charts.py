"""The charts of a report: all that the Leaderboard has, each whole, in words too, and readable on white paper."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import BrowserContext

from app.components import chart_data, report, report_charts
from app.services import board_history, experiments, leaderboard, vote_files
from app.services.board_view import View
from app.services.leaderboard import Board
from tests.test_report import ROWS, board_of, import_votes

NOW = datetime(2026, 3, 14, 15, 9, tzinfo=UTC)
TITLES = [chart_data.RATINGS, chart_data.MATRIX, chart_data.BATTLES, chart_data.OVER_TIME, chart_data.PER_DAY]
pytestmark = pytest.mark.usefixtures("data_folder")


def timed_board(view: View | None = None, *, n_models: int = 3, n_votes: int = 600) -> Board:
    """A study over three days, in which a model wins four of five battles with the next one."""
    votes = [
        {
            "model_a": f"Model {i % n_models}",
            "model_b": f"Model {(i + 1) % n_models}",
            "winner": "model_a" if (i % n_models < n_models - 1) == (i % 5 > 0) else "model_b",
            "rater": f"r{i % 15}",
            "voted_at": f"2026-03-0{1 + 3 * i // n_votes}T12:{i % 60:02}:00Z",
        }
        for i in range(n_votes)
    ]
    stream = io.BytesIO("\n".join(map(json.dumps, votes)).encode())
    key = vote_files.import_votes(None, stream, title="Timed").key
    return leaderboard.get_leaderboard(None, experiments.find_experiment(None, key), view)


def sections(found: Board) -> dict[str, tuple[ElementTree.Element | None, str]]:
    """The charts of a report by title, each with its caption."""
    said = report.write_report(found, made_at=NOW)
    parts = re.findall(
        r"<section><h2>([^<]+)</h2><figure>(<svg.*?</svg>)?<figcaption>(.*?)</figcaption>", said, re.DOTALL
    )
    return {title: (ElementTree.fromstring(svg) if svg else None, unescape(words)) for title, svg, words in parts}


def test_it_has_all_charts_of_the_page_and_each_says_what_it_shows() -> None:
    found = sections(timed_board())
    assert list(found) == TITLES
    words = {
        chart_data.RATINGS: "Model 0 has the highest rating",
        chart_data.MATRIX: "The pair with the most votes: Model 0 won 80 % of 200 votes against Model 1",
        chart_data.BATTLES: "3 of 3 pairs met; of those, from 200 to 200 votes",
        chart_data.OVER_TIME: "The ratings after each of 20 stretches of the votes",
        chart_data.PER_DAY: "Votes on 3 days (UTC), 200 a day on average; most on 2026-03-01, 200.",
    }
    for title, (svg, caption) in found.items():
        assert svg is not None, title
        assert svg.attrib["role"] == "img"
        for said in (caption, svg.attrib["aria-label"]):
            assert words[title] in said


def test_every_model_stands_in_every_chart_with_its_numbers() -> None:
    found = sections(timed_board())
    texts = {title: list(svg.itertext()) for title, (svg, _) in found.items() if svg is not None}
    for name in ("Model 0", "Model 1", "Model 2"):
        assert name in texts[chart_data.RATINGS] and name in texts[chart_data.OVER_TIME]
        assert any(text.endswith(name) for text in texts[chart_data.MATRIX])
    assert {"80 %", "20 %"} <= set(texts[chart_data.MATRIX])
    assert texts[chart_data.BATTLES].count("200") == 6


def test_where_the_file_does_not_say_when_nothing_is_said_of_days() -> None:
    found = sections(board_of(import_votes(ROWS)))
    svg, said = found[chart_data.PER_DAY]
    assert svg is None and "doesn't say when they were cast" in said
    svg, said = found[chart_data.OVER_TIME]
    assert svg is not None and "so the order is the file's" in said
    assert "doesn't say" not in "".join(words for _, words in sections(timed_board()).values())


def test_with_few_votes_or_no_ratings_there_are_words_in_place_of_a_chart() -> None:
    few = sections(timed_board(n_votes=30))
    assert few[chart_data.OVER_TIME] == (None, chart_data.NO_COURSE)
    shares = sections(board_of("timed", View(method="win_rate")))
    assert shares[chart_data.RATINGS] == (None, chart_data.NO_RATINGS)
    assert shares[chart_data.OVER_TIME] == (None, chart_data.NO_COURSE)


def test_methods_without_intervals_have_none_in_words_either() -> None:
    _, said = sections(timed_board(View(method="elo")))[chart_data.RATINGS]
    assert "gives no intervals" in said and "interval " not in said.partition("highest")[2]


def test_of_many_models_the_first_eight_have_a_line_and_this_is_said() -> None:
    board = timed_board(n_models=12)
    svg, said = sections(board)[chart_data.OVER_TIME]
    assert svg is not None and said.startswith("The first 8 of 12 models.")
    drawn = {text for text in svg.itertext() if text.startswith("Model ")}
    assert drawn == {row.model for row in board.ranking.models[:8]}


def test_the_course_is_computed_once_for_page_and_report(monkeypatch: pytest.MonkeyPatch) -> None:
    board = timed_board()
    assert board.study is not None and board.sliced is not None
    known = board_history.get_history(board.study, board.sliced, board.view)
    monkeypatch.setattr(board_history, "_rank_stretches", None)
    assert board_history.get_history(board.study, board.sliced, board.view) is known
    assert sections(board)[chart_data.OVER_TIME][0] is not None


def contrast(colour: str) -> float:
    """With white, as WCAG 2 has it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)


def test_lines_can_be_read_on_paper_and_told_apart_without_colour() -> None:
    assert len(set(report_charts.LINES)) == len(report_charts.LINES) == chart_data.MOST_LINES
    assert min(map(contrast, report_charts.LINES)) >= 4.5
    kinds = list(zip(map(tuple, report_charts._DASHES), report_charts._SIGNS, strict=True))
    assert len(set(kinds)) == chart_data.MOST_LINES


def test_a_board_of_sixty_models_is_a_small_file(shared: Path) -> None:
    with (shared / "data" / "llmfao" / "votes.csv").open("rb") as stream:
        key = vote_files.import_votes(None, stream, title="llmfao").key
    said = report.write_report(board_of(key), made_at=NOW)
    assert said.count("<svg") == 4
    assert len(said.encode()) < 450_000


def test_on_paper_no_chart_is_cut_by_a_page(new_context: Callable[..., BrowserContext], tmp_path: Path) -> None:
    to = tmp_path / "report.html"
    to.write_text(report.write_report(timed_board(n_models=12), made_at=NOW), encoding="utf-8")
    page = new_context(viewport={"width": 688, "height": 1000}).new_page()  # A4 less its margins
    page.emulate_media(media="print")
    page.goto(to.as_uri())
    figures = page.locator("section:has(> figure)")
    assert figures.count() == len(TITLES)
    for i in range(len(TITLES)):
        box = figures.nth(i).bounding_box()
        assert box is not None and box["height"] < 1000
        assert figures.nth(i).evaluate("it => getComputedStyle(it).breakInside") == "avoid"
    assert page.evaluate("document.documentElement.scrollWidth") <= 688


def test_on_paper_numbers_of_the_table_neither_touch_nor_are_cut(
    shared: Path, new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    with (shared / "data" / "llmfao" / "votes.csv").open("rb") as stream:
        large = vote_files.import_votes(None, stream, title="llmfao").key
    small = import_votes((("Ash", "Birch", "left", 19), ("Ash", "Birch", "right", 11)))
    page = new_context(viewport={"width": 688, "height": 1000}).new_page()
    page.emulate_media(media="print")
    for key in (large, small):
        to = tmp_path / f"{key}.html"
        to.write_text(report.write_report(board_of(key), made_at=NOW), encoding="utf-8")
        page.goto(to.as_uri())
        boxes = [one.bounding_box() for one in page.locator(".bo-board th.iv i:visible").all()]
        places = [(box["x"], box["x"] + box["width"]) for box in boxes if box is not None]
        assert len(places) > 1
        assert all(end < start for (_, end), (start, _) in pairwise(places)), key
        cut = "its => its.filter(it => it.scrollWidth > it.clientWidth).map(it => it.textContent)"
        assert page.locator(".bo-board :is(td.rank, td.rating, td.win, td.bad, td.votes)").evaluate_all(cut) == []
