"""Which votes: the same controls and the same addresses on the Leaderboard, on Compare and on Quality."""

from __future__ import annotations

import time
from datetime import date
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlmodel import col
from streamlit.testing.v1 import AppTest

from app.components import slice_form
from app.domain import utc_now
from app.services import rater_board, vote_store
from app.services.slices import Slice
from app.services.vote_store import StudyVotes
from app.study import OVERALL
from db.columns import new_id
from db.engine import database
from db.tables import Account
from tests.studies import contrary_votes
from tests.test_leaderboard_controls import import_tagged
from tests.tester import html_of, start_tester, text_of

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")
PAGES = ("leaderboard", "compare", "quality")
ROWS = """
    INSERT INTO participation (id, experiment_id, account_id, panel, external_id, panel_values, created_at)
    SELECT :id, :study, :account, 'prolific', :account, '{}', :now
"""
DAY = {"since": "2026-03-02", "until": "2026-03-02"}


pytestmark = pytest.mark.usefixtures("data_folder")


def open_page(page: str, **address: str) -> AppTest:
    """The page when its numbers are there."""
    at, deadline = start_tester(f"pages/{page}.py", **address), time.monotonic() + 60
    while at.get("progress"):
        assert time.monotonic() < deadline, "the numbers never came"
        time.sleep(0.05)
        at.run()
    assert not at.exception, at.exception
    return at


def read() -> StudyVotes:
    with database().read() as session:
        (id_,) = session.execute(text("SELECT id FROM experiment")).scalars()
    return vote_store.read(UUID(id_))


def from_panel(study: StudyVotes, n: int) -> None:
    """The raters r0 to r(n - 1) of ``import_tagged`` came by a panel."""
    with database().write() as session:
        accounts = session.execute(select(Account.id, Account.name).where(col(Account.id).in_(map(UUID, study.raters))))
        numbers = {row.id.hex: int(row.name.rpartition(".")[2]) for row in accounts}  # from 1, as the file names them
        for rater in (rater for rater, number in numbers.items() if number <= n):
            values = {"id": new_id().hex, "study": study.experiment_id.hex, "account": rater, "now": utc_now()}
            session.execute(text(ROWS), values)


@pytest.mark.parametrize("page", PAGES)
def test_days_and_raters_are_chosen_alike_on_every_page(page: str) -> None:
    key = import_tagged()
    from_panel(read(), 5)
    at = open_page(page, study=key)
    assert "360 votes" in text_of(at) and "panel" not in text_of(at)
    at = open_page(page, study=key, group="prolific")
    assert "120 votes" in text_of(at) and "raters: prolific" in text_of(at)
    assert next(box for box in at.selectbox if box.label == "Raters").value == "prolific"
    at = open_page(page, study=key, **DAY)
    assert "120 votes" in text_of(at) and "from 2026-03-02" in text_of(at) and "to 2026-03-02" in text_of(at)
    both = open_page(page, study=key, group="invited", **DAY, **{"tag.category": "a"})
    n = sum(i % 15 >= 5 and i % 3 == 1 and i % 2 == 0 for i in range(360))
    assert f"{n} votes" in text_of(both) and "category: a" in text_of(both)


@pytest.mark.parametrize("page", PAGES)
def test_what_is_chosen_goes_into_the_address(page: str) -> None:
    key = import_tagged()
    from_panel(read(), 5)
    at = open_page(page, study=key)
    next(box for box in at.selectbox if box.label == "Raters").select("prolific").run()
    assert at.query_params["group"] in ("prolific", ["prolific"])
    next(box for box in at.selectbox if box.label == "Category").select("b").run()
    assert at.query_params["tag.category"] in ("b", ["b"])
    next(box for box in at.date_input if box.label == "To").set_value("2026-03-01").run()
    assert at.query_params["until"] in ("2026-03-01", ["2026-03-01"])
    assert not at.exception


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ({"group": "nobody"}, "What this link says for Raters can't be chosen in this study"),
        ({"tag.category": "no such"}, "What this link says for Category can't be chosen in this study"),
        ({"tag.<b>": "x"}, "What this link says for <b> can't be chosen in this study"),
        ({"since": "yesterday"}, "The day in this link (From) is left out"),
        ({"until": "1999-01-01"}, "this study's votes are of 2026-03-01 to 2026-03-03"),
        ({"criterion": "taste"}, "The criterion in this link isn't asked in this study"),
        ({"without": "x,-3,9999999999"}, "by something that is no number"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_the_address_names_and_is_not_there_is_said_and_left_aside(
    page: str, address: dict[str, str], said: str
) -> None:
    at = open_page(page, study=import_tagged(), **address)
    assert said in text_of(at)
    assert "360 votes" in text_of(at)
    assert "<b> can&#x27;t" not in html_of(at)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("address", [{"since": "2026-03-03", "until": "2026-03-01"}, {"criterion": "late"}])
def test_a_choice_without_votes_is_told_with_what_to_do(page: str, address: dict[str, str]) -> None:
    key = import_tagged()
    asks = '{"criteria": [{"key": "late", "label": "Late"}]}'
    with database().write() as session:
        session.execute(text("UPDATE experiment SET asks = :asks"), {"asks": asks})
    at = open_page(page, study=key, **address)
    assert "No vote" in text_of(at)
    assert not at.get("vega_lite_chart")
    assert at.selectbox, "the controls are still there to choose more"


def test_compare_leaves_out_whom_the_leaderboard_leaves_out() -> None:
    contrary_votes(60, 30, contrary=7, agree=0.8)
    whole, flagged = (open_page("compare", study="planted", **one) for one in ({}, {"unflagged": "true"}))
    assert "by 60 raters" in text_of(whole)
    assert "by 59 raters" in text_of(flagged) and "without 1 rater" in text_of(flagged)
    board = open_page("leaderboard", study="planted", unflagged="true")
    assert "1,770 votes" in text_of(board) and "1,770 votes" in text_of(flagged)
    assert "by 60 raters" in text_of(open_page("quality", study="planted", unflagged="true"))


def test_an_address_made_of_a_slice_says_that_slice() -> None:
    key = import_tagged()
    study = read()
    from_panel(study, 5)
    number = int(rater_board.numbers(study)[study.raters.index(study.raters[-1])])
    address = {"group": "invited", **DAY, "tag.category": "a", "without": str(number), "unflagged": "true"}
    at = start_tester("pages/compare.py", study=key, **address)
    assert not at.exception
    asked = Slice(
        OVERALL,
        (("category", "a"),),
        "invited",
        date(2026, 3, 2),
        date(2026, 3, 2),
        without=(len(study.raters) - 1,),
    )
    assert slice_form.address_of(study, asked, without_flagged=True) == address
    assert "without 1 rater" in text_of(at)
