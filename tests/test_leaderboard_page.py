"""The Leaderboard page, run by Streamlit's own tester on a new SQLite database."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from app.components import axis, board
from app.domain import Role
from app.errors import NotAllowedError, NotConvergedError
from app.services import board_file, demo, experiments, leaderboard, sign_in, vote_files
from db.engine import database
from tests.conftest import ROOT
from tests.tester import html_of, sign_in_as, start_tester, text_of

pytestmark = [
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    pytest.mark.usefixtures("data_folder"),
]
PAGE_FILE = str(ROOT / "pages" / "leaderboard.py")
TAG = re.compile(r"<[^>]+>")


def open_page(**address: str) -> AppTest:
    """The page as a researcher sees it, whose first page it is."""
    at = start_tester(**address)
    assert not at.exception
    return at


def column(at: AppTest, name: str) -> list[str]:
    """The cells of one column of the tables, as text."""
    return [TAG.sub("", cell) for cell in re.findall(rf'<td class="{name}"[^>]*>(.*?)</td>', html_of(at))]


def import_votes(rows: Iterable[tuple[str, str, str, int]], title: str = "A study", **options: Any) -> str:
    """Store (left, right, winner, how often) as a study; its key."""
    lines = [
        json.dumps({"left": left, "right": right, "winner": winner, "rater": f"r{i % 5}"})
        for left, right, winner, n in rows
        for i in range(n)
    ]
    return vote_files.import_votes(None, io.BytesIO("\n".join(lines).encode()), title=title, **options).key


CLEAR = (("Ash", "Birch", "left", 60), ("Ash", "Birch", "right", 12), ("Birch", "Cedar", "left", 50))
CONNECTED = (*CLEAR, ("Birch", "Cedar", "right", 12), ("Cedar", "Ash", "right", 55), ("Cedar", "Ash", "both_bad", 6))


def test_a_rater_cannot_open_it() -> None:
    """The menu has no such page for a rater, and the page itself and the service refuse too."""
    study = experiments.find_experiment(None, import_votes(CONNECTED))
    cookie = sign_in_as(Role.RATER)
    through_menu = AppTest.from_file(str(ROOT / "app" / "ui.py"), default_timeout=30)
    through_menu.user = {"session": cookie}
    through_menu.run()
    with pytest.raises(ValueError, match="Could not find a navigation page"):
        through_menu.switch_page(PAGE_FILE)
    assert "Ash" not in text_of(through_menu)
    alone = AppTest.from_file(PAGE_FILE, default_timeout=30)
    alone.user = {"session": cookie}
    alone.run()
    assert alone.exception
    assert "Ash" not in text_of(alone)
    with pytest.raises(NotAllowedError):
        leaderboard.get_leaderboard(sign_in.identify(cookie), study)


def test_without_a_study_it_says_what_to_do() -> None:
    said = text_of(open_page())
    assert "No study has started yet" in said
    assert "Import votes" in said


def test_a_study_without_votes_says_what_to_do() -> None:
    demo.build_demo()
    key = next(row.key for row in experiments.list_experiments(None) if row.title == demo.TITLE)
    at = open_page(study=key)
    assert "No votes yet" in text_of(at)
    assert "Give raters their link" in text_of(at)
    assert not at.get("vega_lite_chart")


def test_the_verdict_is_the_title_over_the_ranking() -> None:
    import_votes(CONNECTED)
    at = open_page()
    assert "<h1>Ash leads</h1>" in html_of(at)
    assert "195 votes by 5 raters" in text_of(at)
    assert column(at, "name") == ["Ash", "Birch", "Cedar"]
    assert column(at, "rank") == ["1", "2", "3"]
    assert column(at, "votes") == ["133", "134", "123"]
    assert "Simulated" not in text_of(at)


def test_the_time_of_the_last_vote_is_told_only_where_the_file_told_it() -> None:
    import_votes(CONNECTED)
    assert "last vote" not in text_of(open_page())
    timed = b"left,right,winner,voted_at\nAsh,Birch,left,2024-01-30T10:00:00Z\nAsh,Birch,left,2024-01-31T10:00:00Z\n"
    key = vote_files.import_votes(None, io.BytesIO(timed), title="Timed").key
    assert "last vote" in text_of(open_page(study=key))


def test_simulated_votes_are_marked() -> None:
    import_votes(CONNECTED, is_simulated=True)
    assert "Simulated votes, not people" in text_of(open_page())


def test_the_newest_study_comes_first_and_the_address_names_another() -> None:
    older = import_votes(CONNECTED, title="Older")
    import_votes((("Dune", "Elm", "left", 9),), title="Newer")
    assert open_page().selectbox[0].options == ["Newer", "Older"]
    assert "Newer ·" in text_of(open_page())
    assert "Older ·" in text_of(open_page(study=older))


def test_choosing_a_study_puts_its_key_into_the_address() -> None:
    older = import_votes(CONNECTED, title="Older")
    import_votes((("Dune", "Elm", "left", 9),), title="Newer")
    at = open_page()
    at.selectbox[0].select(older).run()
    assert at.query_params["study"] == older
    assert "Older ·" in text_of(at)


def test_an_address_with_an_unknown_study_is_told() -> None:
    import_votes(CONNECTED)
    assert "The study in this link isn't here" in text_of(open_page(study="gone"))


def test_the_method_can_be_switched() -> None:
    import_votes(CONNECTED)
    at = open_page()
    at.selectbox(key="method").select("win_rate").run()
    assert not at.exception
    assert "Ash is on top" in text_of(at)
    assert column(at, "rating") == ["89 %", "46 %", "12 %"]
    assert column(at, "win") == []  # it is the rating now


def test_an_address_reproduces_method_and_scale() -> None:
    import_votes(CONNECTED)
    at = open_page(method="Elo", scale="Logits")
    assert at.selectbox(key="method").value == "elo"
    assert "Logits scale" in text_of(at)
    assert all(re.fullmatch(r"−?\d\.\d\d", rating) for rating in column(at, "rating"))
    assert column(at, "rank") == ["1", "2", "3"]


def test_groups_that_never_met_stand_apart() -> None:
    import_votes((*CONNECTED, ("Dune", "Elm", "left", 20), ("Dune", "Elm", "right", 5)))
    at = open_page()
    assert "fall into groups that never met" in text_of(at)
    assert [element.value for element in at.subheader][:2] == ["Group 1 of 2", "Group 2 of 2"]
    assert html_of(at).count("<table") == 2
    assert "2 groups" in text_of(at)


def test_a_model_without_a_bound_is_marked_and_the_warning_stands_above() -> None:
    import_votes((("Ash", "Birch", "left", 20), ("Birch", "Cedar", "left", 9), ("Birch", "Cedar", "right", 9)))
    said = text_of(open_page())
    assert "no upper bound yet" in said
    assert "Firth" in said
    assert "Fewer than 30 votes" in said


def test_names_are_shown_as_written() -> None:
    import_votes(
        (("<b>Ash</b> & *co*", "Birch :smile:", "left", 30), ("Birch :smile:", "<b>Ash</b> & *co*", "left", 9))
    )
    at = open_page()
    assert "&lt;b&gt;Ash&lt;/b&gt; &amp; *co*" in html_of(at)
    assert "<b>Ash</b>" not in html_of(at)


def test_the_chart_ships_no_other_columns_than_it_draws() -> None:
    import_votes(CONNECTED)
    import pyarrow as pa

    proto = open_page().get("vega_lite_chart")[0].proto
    table = pa.ipc.open_stream(proto.data.data).read_all()
    assert table.column_names == ["row", "column", "share", "won", "votes", "strength", "turn"]
    assert table.num_rows == 6


def test_a_method_that_does_not_converge_leaves_the_tallies(monkeypatch: pytest.MonkeyPatch) -> None:
    import_votes(CONNECTED)

    def rank(*_: object, **__: object) -> None:
        raise NotConvergedError("The fit did not converge.")

    monkeypatch.setattr("app.ranking.bradley_terry.rank", rank)
    at = open_page()
    assert "The fit did not converge." in text_of(at)
    assert column(at, "name") == ["Ash", "Birch", "Cedar"]


def test_staff_votes_are_left_out_until_asked_for() -> None:
    key = import_votes(CONNECTED)
    study = experiments.find_experiment(None, key)
    with database().write() as session:
        session.execute(text("UPDATE vote SET is_staff = 1 WHERE id IN (SELECT id FROM vote LIMIT 15)"))
    assert leaderboard.get_leaderboard(None, study).n_votes == 180
    at = open_page()
    assert "180 votes" in text_of(at)
    assert "15 left out" in text_of(at)
    at.toggle(key="staff").set_value(True).run()
    assert "195 votes" in text_of(at)
    assert "15 counted" in text_of(at)


def test_real_votes_of_59_models_make_a_board(shared: Path) -> None:
    with (shared / "data" / "llmfao" / "votes.csv").open("rb") as stream:
        vote_files.import_votes(None, stream, title="LLMFAO")
    at = open_page()
    assert "8,931 votes by 124 raters" in text_of(at)
    assert "GPT 4" in column(at, "name")[0]
    assert len(column(at, "name")) == 59
    at.selectbox(key="sort").select("Votes").run()
    assert column(at, "name")[0] == "Weaver 12k"


def test_how_it_was_computed_is_one_click_away() -> None:
    import_votes(CONNECTED)
    at = open_page()
    assert "Methods: A study" not in text_of(at)  # made when it is opened
    at.session_state["methods"] = True
    at.run()
    assert not at.exception
    assert "Methods: A study" in text_of(at)
    assert "195 votes by 5 raters on 3 models" in text_of(at)
    for file in ("Methods as Markdown", "Report as HTML"):
        assert re.search(rf'href="/export/page/[^"]+" download[^>]*>{file}<', html_of(at))


def test_the_verdict_says_how_many_votes_would_decide() -> None:
    import_votes((("Ash", "Birch", "left", 54), ("Ash", "Birch", "right", 46)))
    assert re.search(r"About \d,\d00 more votes, spread as so far, would decide", text_of(open_page()))


def test_the_file_has_a_row_for_each_model_and_disarms_formulas() -> None:
    key = import_votes((("=cmd()", "Birch", "left", 30), ("=cmd()", "Birch", "right", 9)))
    found = leaderboard.get_leaderboard(None, experiments.find_experiment(None, key))
    lines = board_file.write_board(found).splitlines()
    assert lines[0].startswith("group,rank,rank_lower,rank_upper,tier,model,")
    assert [line.split(",")[:5] for line in lines[1:]] == [["1", "1", "1", "1", "1"], ["1", "2", "2", "2", "2"]]
    assert ",'=cmd()," in lines[1]
    assert board_file.write_pairs(found).splitlines()[1:] == [
        "'=cmd(),Birch,39,30,0.769231",
        "Birch,'=cmd(),39,9,0.230769",
    ]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(5, "just now"), (60, "1 minute ago"), (7200, "2 hours ago"), (3 * 86400, "3 days ago"), (40 * 86400, "on 2 ")],
)
def test_time_passed_is_said_in_one_unit(seconds: int, said: str) -> None:
    now = datetime(2026, 3, 14, tzinfo=UTC)
    assert board.ago(now - timedelta(seconds=seconds), now).startswith(said)


def test_an_axis_has_round_ticks_within_it_and_room_for_all_values() -> None:
    found = axis.make_axis([846.0, 1227.5])
    assert found.ticks == (900.0, 1000.0, 1100.0, 1200.0) or found.ticks[1] - found.ticks[0] == 100
    assert found.low < 846 and found.high > 1227.5
    assert 0 < found.at(846) < found.at(1227.5) < 100


@pytest.mark.parametrize("values", [[], [3.0], [0.0, 0.0], [-0.02, 0.01], [1e-9, 2e-9]])
def test_an_axis_exists_for_any_values(values: list[float]) -> None:
    found = axis.make_axis(values)
    assert found.low < found.high
    assert 1 <= len(found.ticks) <= 8
    assert [axis.LOGITS.write(tick, found.digits) for tick in found.ticks]


def test_a_scale_writes_true_minus_signs_and_no_negative_zero() -> None:
    assert axis.LOGITS.text(-0.154) == "−0.15"
    assert axis.LOGITS.text(-0.001) == "0.00"
    assert axis.ELO.text(1.0) == "1174"
