"""Models that stand out on the Leaderboard: by the box, the address and clicks; once in a browser with real clicks."""

from __future__ import annotations

import io
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from app.components import board_charts, chart_data, highlight
from app.services import board_file, board_history, experiments, leaderboard, slices, vote_files, vote_store
from app.services.board_view import View
from tests.test_leaderboard_controls import import_tagged
from tests.test_leaderboard_page import CONNECTED, import_votes
from tests.tester import html_of, start_tester, text_of

pytestmark = [
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    pytest.mark.usefixtures("data_folder"),
]
MS = 30_000


def open_page(*chosen: str, **address: str) -> AppTest:
    """The Leaderboard with these models in its address."""
    at = start_tester(**address, **({"highlight": list(chosen)} if chosen else {}))  # type: ignore[arg-type]
    assert not at.exception
    return at


def table_of(at: AppTest) -> dict[str, list[Any]]:
    """The data of the chart."""
    proto = at.get("vega_lite_chart")[0].proto
    found: dict[str, list[Any]] = pa.ipc.open_stream(proto.data.data).read_all().to_pydict()
    return found


def strengths(at: AppTest) -> dict[str, float]:
    table = table_of(at)
    return dict(zip(table["model"], table["strength"], strict=True))


def links_of(at: AppTest) -> dict[str, str]:
    return {element.proto.label: element.proto.url for element in at.get("link_button")}


def named(addresses: dict[str, str], label: str) -> dict[str, list[str]]:
    """What the address of this link says."""
    return parse_qs(urlsplit(addresses[label]).query)


@pytest.mark.parametrize(
    ("chosen", "clicked", "then"),
    [
        ((), ("A",), ("A",)),
        (("A",), ("A",), ()),
        (("A",), ("B",), ("A", "B")),
        (("A", "B"), ("C",), ("B", "C")),
        (("A", "B"), ("A",), ("B",)),
        ((), ("A", "B"), ("A", "B")),
        (("C",), ("A", "B"), ("A", "B")),
        (("A", "B"), ("B", "A"), ()),
        (("A",), (), ("A",)),
    ],
)
def test_a_click_chooses_and_a_second_one_takes_it_back(
    chosen: tuple[str, ...], clicked: tuple[str, ...], then: tuple[str, ...]
) -> None:
    assert highlight.after_click(chosen, clicked) == then


@pytest.mark.parametrize(
    "clicked",
    [
        {"model": "Nobody"},
        {"model": ["Ash"]},
        {"row": 0, "column": 1},
        {"row": 1, "column": 1},
        {"row": 1, "column": 99},
        {"row": "1", "column": None},
        {},
    ],
)
def test_what_no_mark_says_chooses_nobody(clicked: dict[str, Any]) -> None:
    assert highlight._models_of(clicked, ("Ash", "Birch")) == ()


def test_chosen_models_stand_out_in_the_table_and_in_every_chart() -> None:
    key = import_votes(CONNECTED)
    plain = open_page(study=key, chart="Ratings")
    assert set(strengths(plain).values()) == {1.0} and '"lead mark"' not in html_of(plain)
    assert "Compare" not in " ".join(links_of(plain))
    at = open_page("Ash", "Birch", study=key, chart="Ratings")
    assert strengths(at) == {"Ash": 1.0, "Birch": 1.0, "Cedar": highlight.FADED}
    assert html_of(at).count("<mark>") == 2 and "<mark>Cedar" not in html_of(at)
    course = strengths(open_page("Cedar", study=key, chart="Over time"))
    assert course == {"Ash": highlight.FADED, "Birch": highlight.FADED, "Cedar": 1.0}
    for chart in ("Who beats whom", "Battles"):
        table = table_of(open_page("Ash", study=key, chart=chart))
        cells = zip(table["row"], table["column"], table["strength"], strict=True)
        assert {(i, j): how for i, j, how in cells} == {
            (i, j): 1.0 if 1 in (i, j) else highlight.FADED for i in (1, 2, 3) for j in (1, 2, 3) if i != j
        }
    pair = table_of(open_page("Ash", "Birch", study=key))
    assert {
        (i, j) for i, j, how in zip(pair["row"], pair["column"], pair["strength"], strict=True) if how == highlight.PAIR
    } == {(1, 2), (2, 1)}


@pytest.mark.parametrize(
    ("chart", "of_two", "of_one"),
    [
        (
            "Who beats whom",
            "Ash won 83 % of 72 votes against Birch",
            "Ash won 89 % of 133 votes against 2 other models",
        ),
        ("Ratings", "Ash: 1", "Ash: 1"),
        ("Battles", "72 votes between Ash and Birch.", "133 votes on Ash, which met 2 of 2 other models."),
        ("Over time", "Ash: 1", "Ash: 1"),
        ("Votes per day", "195 votes on Ash or Birch.", "133 votes on Ash."),
    ],
)
def test_each_chart_says_in_words_what_it_shows_of_the_chosen(chart: str, of_two: str, of_one: str) -> None:
    key = import_votes(CONNECTED)
    both, one = open_page("Ash", "Birch", study=key, chart=chart), open_page("Ash", study=key, chart=chart)
    assert of_two in text_of(both) and of_one in text_of(one)


def test_the_box_chooses_and_its_choice_stands_in_the_address_and_in_the_links() -> None:
    key = import_tagged()
    at = open_page(study=key, chart="Ratings", since="2026-03-02", **{"tag.category": "a"})
    at.multiselect(key="highlight").select("Ash").run()
    assert named(links_of(at), "Compare with the field") == {
        "study": [key],
        "since": ["2026-03-02"],
        "tag.category": ["a"],
        "model": ["Ash"],
        "against": ["*"],
    }
    at.multiselect(key="highlight").select("Birch").run()
    assert named(links_of(at), "Compare these two")["against"] == ["Birch"]
    view = named(links_of(at), "Link to this view")
    assert view["highlight"] == ["Ash", "Birch"] and view["chart"] == ["Ratings"]
    again = open_page("Ash", "Birch", study=key, chart=view["chart"][0])
    assert again.multiselect(key="highlight").value == ["Ash", "Birch"]


def test_the_link_to_compare_leads_to_the_same_votes() -> None:
    key = import_tagged()
    at = open_page("Ash", "Birch", study=key, until="2026-03-01", without="1")
    place = {name: values[0] for name, values in named(links_of(at), "Compare these two").items()}
    assert links_of(at)["Compare these two"].startswith("compare?")
    compared = start_tester("pages/compare.py", **place)
    assert not compared.exception
    of_board, of_pair = (re.search(r"[\d,]+ votes by \d+ raters", text_of(one)) for one in (at, compared))
    assert of_board and of_pair and of_board[0] == of_pair[0] == "96 votes by 4 raters"


def test_models_of_the_address_that_are_not_there_are_named_until_something_else_is_chosen() -> None:
    key = import_votes(CONNECTED)
    at = open_page("Ash", "<b>Nobody", study=key)
    said = "The link highlights a model that isn't in this study: <b>Nobody."
    assert said in text_of(at) and "<b>Nobody" not in html_of(at)
    assert at.multiselect(key="highlight").value == ["Ash"]
    at.run()
    assert said in text_of(at)
    at.multiselect(key="highlight").select("Birch").run()
    assert said not in text_of(at) and not at.exception
    many = open_page("Ash", "Birch", "Cedar", study=key)
    assert "more than 2 models; the first 2 were taken" in text_of(many)
    assert many.multiselect(key="highlight").value == ["Ash", "Birch"]


def test_a_model_without_votes_in_the_choice_is_told_in_words() -> None:
    rows = [{"left": "Ash", "right": "Birch", "winner": "left", "voted_at": "2026-03-01T12:00:00Z"}] * 30
    rows += [{**row, "right": "Cedar", "voted_at": "2026-03-02T12:00:00Z"} for row in rows]
    stream = io.BytesIO("\n".join(json.dumps({**row, "rater": f"r{i % 7}"}) for i, row in enumerate(rows)).encode())
    key = vote_files.import_votes(None, stream, title="Late").key
    day = {"study": key, "until": "2026-03-01"}
    for chart, said in (
        ("Who beats whom", "No votes between Ash and Cedar."),
        ("Battles", "No votes between Ash and Cedar."),
        ("Ratings", "Cedar has no rating here."),
        ("Votes per day", "In full colour: 30 votes on Ash or Cedar."),
    ):
        assert said in text_of(open_page("Ash", "Cedar", chart=chart, **day))
    assert "No votes on Cedar." in text_of(open_page("Cedar", **day))


def test_the_course_of_a_model_below_the_first_eight_is_drawn_when_it_is_chosen() -> None:
    names = [f"Model {i:02}" for i in range(12)]
    rows = [(a, b, "left", 3) for i, a in enumerate(names) for b in names[i + 1 :]]
    key = import_votes([*rows, *((b, a, "left", 1) for a, b, _, _ in rows)])
    at = open_page(study=key, chart="Over time")
    assert set(strengths(at)) == set(names[: chart_data.MOST_LINES])
    chosen = strengths(open_page("Model 11", study=key, chart="Over time"))
    assert set(chosen) == {*names[: chart_data.MOST_LINES - 1], "Model 11"}
    assert chosen["Model 11"] == 1.0


def test_the_numbers_of_a_chart_have_one_column_under_each_name() -> None:
    key = import_tagged()
    study = vote_store.read(experiments.find_experiment(None, key))
    points = board_history.get_history(study, slices.take(study, slices.Slice()), View())
    rows = chart_data.list_course(points, ["Ash", "Birch"], board_charts.SCALES["Logits"])
    lines = board_file.write_rows(rows).splitlines()
    assert lines[0] == "model,votes,rating,day"
    assert len(lines) == 1 + 2 * len(points) and {line.count(",") for line in lines} == {3}


def test_days_count_the_votes_on_any_of_some_models() -> None:
    key = import_votes(CONNECTED)
    board = leaderboard.get_leaderboard(None, experiments.find_experiment(None, key))
    assert board.sliced is not None and board.study is not None
    place = board.study.models.index
    (every,) = board_history.count_by_day(board.sliced)
    (ash,) = board_history.count_by_day(board.sliced, on=[place("Ash")])
    (both,) = board_history.count_by_day(board.sliced, on=[place("Ash"), place("Cedar")])
    assert (every[1], ash[1], both[1]) == (195, 133, 195)
