"""The Export page, run by Streamlit's own tester on a new SQLite database."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from app.domain import Answer, Role
from app.services import vote_export
from app.study import Asks, Criterion
from tests.conftest import ROOT
from tests.stored import fresh_database
from tests.studies import person, study
from tests.test_exports import cast
from tests.tester import html_of, open_tester, sign_in_as

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")
PAGE = "data.py"


@pytest.fixture(autouse=True)
def _stored(tmp_path, monkeypatch):
    monkeypatch.setenv("BAKEOFF_DATA", str(tmp_path))
    with fresh_database(monkeypatch, f"sqlite:///{tmp_path / 'bakeoff.db'}"):
        yield


def voted(**options: object):
    id_ = study(n_prompts=8, **options)
    cast(id_, person(experiment_id=id_), [Answer.LEFT, Answer.TIE, Answer.BOTH_BAD])
    return id_


def test_without_a_study_the_page_says_how_to_come_to_one() -> None:
    assert "No study has started yet" in [title.value for title in open_tester(PAGE).title]


def test_a_rater_gets_nothing_of_it() -> None:
    voted()
    at = AppTest.from_file(str(ROOT / "pages" / "data.py"), default_timeout=60)
    at.user = {"session": sign_in_as(Role.RATER)}
    at.run()
    assert [one.message for one in at.exception] and not at.get("html") and not at.selectbox


@pytest.mark.parametrize("key", ["jsonl", "trl_preference", "alpacaeval", "dataset", "lmarena_140k"])
def test_each_format_says_what_it_is_what_it_leaves_out_and_where_it_is(key: str) -> None:
    voted()
    shown = html_of(open_tester(PAGE, format=key))
    one = vote_export.list_formats()[key]
    assert one.about in unescape(shown) and one.not_carried[5:] in unescape(shown)
    n_votes = {"jsonl": 3, "dataset": 3, "lmarena_140k": 3}.get(key, 1)
    assert f"{n_votes} vote{'' if n_votes == 1 else 's'}" in shown
    assert ("<b>1</b> ties, for which the format has no room" in shown) == (n_votes == 1)
    [bundle, file, manifest] = [unescape(found) for found in re.findall(r'href="([^"]+)"', shown) if "/votes" in found]
    assert urlsplit(bundle).path.endswith("/votes/bundle") and urlsplit(manifest).path.endswith("/votes/manifest")
    assert parse_qs(urlsplit(file).query)["format"] == [key]
    assert "bo-lines" in shown


def test_the_controls_are_those_that_format_and_study_leave_open() -> None:
    voted(asks=Asks((Criterion("tone", "Tone"),)))
    assert [box.label for box in open_tester(PAGE).selectbox] == ["Study", "Format", "Criterion"]
    assert [box.label for box in open_tester(PAGE, format="openai_dpo").selectbox] == [
        "Study",
        "Format",
        "Criterion",
        "Rows",
    ]
    at = open_tester(PAGE, format="alpacaeval", criterion="tone", staff="true", reference="Model 2")
    assert [box.label for box in at.selectbox] == ["Study", "Format", "Criterion", "Reference model"]
    assert at.selectbox[3].value == "Model 2" and at.toggle[0].value
    assert "0 votes" in html_of(at) and "bo-take" not in html_of(at)


def test_an_address_that_names_what_is_not_there_is_told() -> None:
    voted()
    shown = html_of(open_tester(PAGE, study="gone", format="xlsx"))
    assert "study in this link" in shown and "format in this link" in shown and "JSON object per vote" in shown
