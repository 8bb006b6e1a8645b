"""The Manage pages, run by Streamlit's own tester on a new SQLite database."""

from __future__ import annotations

import io
import json
import re
from html import unescape

import pytest
from streamlit.testing.v1 import AppTest

from app.components import coverage, experiment_form, experiment_list, upload
from app.domain import ExperimentStatus, Role
from app.services import experiments, generations, prompt_sets, sign_in
from app.services.coverage import Candidate, get_coverage, list_candidates
from app.services.drafts import Draft
from tests.conftest import ROOT
from tests.stored import fresh_database, n_rows
from tests.studies import jsonl, study

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")
PAGES = ("experiments", "prompts", "models", "people")
NASTY = "<img src=x onerror=alert(1)> :red[x] $x$ **b**"
TAG = re.compile(r"<[^>]+>")


@pytest.fixture(autouse=True)
def _stored(tmp_path, monkeypatch):
    with fresh_database(monkeypatch, f"sqlite:///{tmp_path / 'bakeoff.db'}"):
        yield


def cookie_of(role: Role) -> str:
    path = sign_in.create_invite(None, role=role)
    return sign_in.hash_token(sign_in.open_link(path.partition("token=")[2]))


def open_page(page: str, role: Role = Role.ADMIN) -> AppTest:
    """The page as somebody of this role sees it."""
    at = AppTest.from_file(str(ROOT / "app" / "ui.py"), default_timeout=30)
    at.user = {"session": cookie_of(role)}
    at.run()
    at.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
    assert not at.exception
    return at


def said(at: AppTest) -> str:
    """All that the page says, as a person reads it."""
    raw = "\n".join(element.proto.body for element in at.get("html"))
    own = [e.value for kind in (at.title, at.markdown, at.caption, at.subheader, at.text, at.code) for e in kind]
    return unescape(TAG.sub(" ", raw)) + "\n" + "\n".join(own)


def drop(at: AppTest, content: bytes, name: str = "file.csv", place: int = 0) -> AppTest:
    at.file_uploader[place].set_value((name, content, "text/csv")).run()
    assert not at.exception
    return at


def press(at: AppTest, label: str) -> AppTest:
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception
    return at


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("experiments", "From two files to a running blind study in three steps."),
        ("prompts", "No prompts yet. Drop a file above"),
        ("models", "there are no prompts yet. Upload those first."),
        ("people", "No link is open."),
    ],
)
def test_an_empty_page_says_what_to_do_next(page, words) -> None:
    assert words in said(open_page(page))


@pytest.mark.parametrize("role", [Role.RATER, Role.RESEARCHER])
@pytest.mark.parametrize("page", PAGES)
def test_below_admin_a_page_shows_nothing_of_its_data(page, role) -> None:
    study()
    at = AppTest.from_file(str(ROOT / "app" / "ui.py"), default_timeout=30)
    at.user = {"session": cookie_of(role)}
    at.run()
    with pytest.raises(ValueError, match="Could not find a navigation page"):
        at.switch_page(str(ROOT / "pages" / f"{page}.py"))
    alone = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=30)
    alone.user = {"session": cookie_of(role)}
    alone.run()
    assert len(alone.exception) == 1
    assert said(alone).strip() == ""
    assert not alone.button
    assert not alone.selectbox


BAD = {
    "empty": (b"", "file", "The file is empty"),
    "no table": (b"Dear reader", "file", "begins with 'Dear reader'"),
    "invalid UTF-8": (b"id,prompt\n1,Why?\n2,\xff\n", "3", "this is not valid UTF-8"),
    "NUL": (b"id,prompt\n1,a\x00b\n", "2", "there is a NUL character here"),
    "duplicate id": (b"id,prompt\n1,Why?\n1,How?\n", "3", "was already on line 2"),
}


@pytest.mark.parametrize(("content", "line", "reason"), BAD.values(), ids=BAD)
def test_a_bad_file_of_prompts_is_shown_by_line_and_nothing_can_be_stored(content, line, reason) -> None:
    at = open_page("prompts")
    before = n_rows()
    drop(at, content)
    text = said(at)
    assert "Nothing was imported: the file has 1 problem" in text
    assert reason in text
    assert re.search(rf"\b{line}\b\s+.*{re.escape(reason)}", text)
    assert not [label for label in labels(at) if label.startswith("Store")]
    assert n_rows() == before


def test_a_file_of_prompts_is_shown_first_and_stored_on_the_button() -> None:
    at = open_page("prompts")
    before = n_rows()
    drop(at, f"id,prompt,topic\n1,{NASTY},a\n2,How?,b\n".encode(), '../../my "prompts"_v2.csv')
    assert n_rows() == before
    assert at.text_input[0].value == "my prompts v2"
    assert at.dataframe[0].value["Prompt"].tolist() == [NASTY, "How?"]
    press(at, "Store 2 prompts")
    (stored,) = prompt_sets.list_prompt_sets(None)
    assert (stored.name, stored.n_prompts) == ("my prompts v2", 2)
    assert "my prompts v2 v1: 2 prompts stored." in said(at)
    assert at.dataframe[0].value["Tags"].tolist() == ["topic: a", "topic: b"]
    assert not [label for label in labels(at) if label.startswith("Store")]


def test_a_name_that_cannot_be_stored_is_said_by_the_field_and_stays_there() -> None:
    at = drop(open_page("prompts"), b"prompt\nWhy?\n")
    at.text_input[0].set_value(" ").run()
    press(at, "Store 1 prompts")
    assert "The name needs 1 to 200 characters." in said(at)
    assert at.text_input[0].value == " "
    assert prompt_sets.list_prompt_sets(None) == []


def test_search_in_a_prompt_set() -> None:
    rows = jsonl(*({"id": str(i), "prompt": f"Question {i}?"} for i in range(1, 4)))
    prompt_sets.import_prompts(None, rows, name=NASTY)
    at = press(open_page("prompts"), "Open")
    assert NASTY in said(at)
    at.text_input[0].set_value("question 2").run()
    assert at.dataframe[0].value["Id"].tolist() == ["2"]


def two_prompts() -> None:
    rows = jsonl({"id": "1", "prompt": "Why?"}, {"id": "2", "prompt": "How?"})
    prompt_sets.import_prompts(None, rows, name="Questions")


def test_an_output_for_an_unknown_prompt_is_refused_by_line() -> None:
    two_prompts()
    at = open_page("models")
    before = n_rows()
    drop(at, b"prompt_id,model,output\n1,Tern,x\n99,Tern,y\n")
    assert re.search(r"\b3\b\s+.*'99' is not in this set", said(at))
    assert n_rows() == before


def test_outputs_come_in_and_the_grid_shows_the_holes() -> None:
    two_prompts()
    at = drop(open_page("models"), b"prompt_id,model,output\n1,Tern,x\n2,Tern,y\n1,Heron,z\n")
    assert "3 outputs, none of them bad." in said(at)
    assert "New models: Tern, Heron." in said(at)
    press(at, "Store 3 outputs")
    assert [header.value for header in at.subheader] == ["3 of 4 outputs; 1 missing."]
    assert "Heron (2)" in said(at)
    drop(at, b"prompt_id,model,output\n1,Tern,x\n")
    assert "Nothing new to store" in labels(at)


def test_models_come_in_and_are_listed() -> None:
    at = drop(open_page("models"), f'name,organisation\nTern,Birds\n"{NASTY}",\n'.encode())
    press(at, "Store 2 models")
    assert {row.name for row in generations.list_models(None)} == {"Tern", NASTY}
    assert "2 models stored, 0 known already." in said(at)
    assert "Uploaded outputs · Birds · 0 outputs" in said(at)
    assert NASTY in said(at)
    assert not at.dataframe


def test_a_grid_of_many_prompts_shows_some_of_them_and_counts_all() -> None:
    prompt_rows = ({"id": str(n), "prompt": f"Question {n}"} for n in range(100))
    questions = prompt_sets.import_prompts(None, jsonl(*prompt_rows), name="Many")
    rows = [{"prompt_id": str(n), "model": f"Model {m}", "output": "x"} for m in range(3) for n in range(100)]
    rows[104]["output"] = " "
    del rows[205]
    generations.import_generations(None, jsonl(*rows), prompt_set_id=questions.id)
    grid = get_coverage(None, questions.id)
    assert coverage.describe(grid) == "299 of 300 outputs; 1 missing; 1 is empty, which raters are never shown."
    assert len(grid.prompts) == 60
    assert len(grid.cells) == 3 * 60 - 1
    assert coverage.holes(grid, coverage.MISSING) == "Model 2 (5)"
    assert coverage.holes(grid, "empty") == "Model 1 (4)"
    rest = get_coverage(None, questions.id, first=60)
    assert [label for _, label in rest.prompts] == [str(n) for n in range(60, 100)]
    assert coverage.holes(rest, coverage.MISSING) == ""
    assert coverage.counts(rest) == coverage.counts(grid) == {"ready": 298, "empty": 1, "missing": 1}
    at = open_page("models")
    assert any("Prompts 1 to 60 of 100" in caption.value for caption in at.caption)


def outputs_of(*names: str) -> None:
    two_prompts()
    (questions,) = prompt_sets.list_prompt_sets(None)
    rows = jsonl(*({"prompt_id": i, "model": name, "output": "x"} for name in names for i in "12"))
    generations.import_generations(None, rows, prompt_set_id=questions.id)


def title_of(at: AppTest):
    return next(field for field in at.text_input if field.label == "Title")


def test_a_study_is_drafted_started_paused_and_stopped() -> None:
    outputs_of("Tern", "Heron", "Plover")
    at = open_page("experiments")
    assert "3 models make 3 pairs; 10 votes each is 30 votes." in said(at)
    title_of(at).set_value(NASTY).run()
    next(field for field in at.number_input if field.label == "Votes per pair").set_value(4).run()
    assert "3 models make 3 pairs; 4 votes each is 12 votes." in said(at)
    press(at, "Save draft")
    (row,) = experiments.list_experiments(None)
    assert (row.title, row.status, row.n_models, row.votes_per_pair) == (NASTY, ExperimentStatus.DRAFT, 3, 4)
    assert NASTY in said(at)
    assert "Saved as a draft." in said(at)
    assert title_of(at).value == ""
    for label, status in (("Start", "running"), ("Pause", "paused"), ("Resume", "running")):
        press(at, label)
        assert experiments.list_experiments(None)[0].status == status
    assert "0 of 12 votes" in said(at)
    press(at, "Stop")
    press(at, "Stop for good")
    assert experiments.list_experiments(None)[0].status == ExperimentStatus.RUNNING
    press(at, "Stop")
    at.text_area(key=experiment_list.reason_key(row.id)).set_value("Pilot is done.")
    press(at, "Stop for good")
    stopped = experiments.list_experiments(None)[0]
    assert (stopped.status, stopped.stop_reason) == (ExperimentStatus.STOPPED, "Pilot is done.")
    assert "Pilot is done." in said(at)


def test_a_mistake_is_said_by_the_field_and_nothing_typed_is_lost() -> None:
    outputs_of("Tern", "Heron")
    at = open_page("experiments")
    next(field for field in at.number_input if field.label == "Votes per pair").set_value(7).run()
    next(field for field in at.text_area if field.label.startswith("Guidelines")).set_value("Be **fair**.").run()
    press(at, "Save draft")
    assert said(at).count("The title needs 1 to 200 characters.") == 2
    assert next(field for field in at.number_input if field.label == "Votes per pair").value == 7
    assert next(field for field in at.text_area if field.label.startswith("Guidelines")).value == "Be **fair**."
    assert experiments.list_experiments(None) == []


def test_a_draft_that_lacks_something_cannot_start_and_can_be_mended() -> None:
    outputs_of("Tern", "Heron")
    at = open_page("experiments")
    title_of(at).set_value("Birds").run()
    at.multiselect[0].set_value(at.multiselect[0].value[:1]).run()
    assert "A comparison needs at least two models." in said(at)
    press(at, "Save draft")
    assert "A comparison needs at least two models; this experiment has 1." in said(at)
    assert next(button for button in at.button if button.label == "Start").disabled
    press(at, "Edit")
    assert title_of(at).value == "Birds"
    at.multiselect[0].set_value([row.id for row in generations.list_models(None)]).run()
    press(at, "Save draft")
    assert "Nothing is missing." in said(at)
    press(at, "Discard")
    assert "three steps" in said(at)


def test_a_model_without_outputs_is_named() -> None:
    outputs_of("Tern", "Heron")
    generations.import_models(None, io.BytesIO(b"name\nDodo\n"))
    listed = list_candidates(None, prompt_sets.list_prompt_sets(None)[0].id)
    every = Draft("Birds", None, tuple(row.id for row in listed))
    words = experiment_form.describe(every, listed)
    assert words.startswith("3 models make 1 pairs that can meet (of 3); 10 votes each is 10 votes.")
    assert "Dodo has no output for these prompts." in words
    assert experiment_form.describe(Draft("x", None, ()), [Candidate("m", "M", frozenset())]).startswith("A comparison")


def test_a_rater_link_is_shown_once_and_only_in_this_tab() -> None:
    experiment_id = study()
    at = press(open_page("experiments"), "Make a link")
    (code,) = at.code
    assert re.fullmatch(r"http://localhost:8501/auth/join\?token=[\w-]{43}", code.value)
    (invite,) = sign_in.list_invites(None)
    assert (invite.role, invite.experiment, invite.max_uses) == (Role.RATER, "Test study", 20)
    identity = sign_in.identify(sign_in.hash_token(sign_in.open_link(code.value.partition("token=")[2])))
    assert identity.experiment_id == experiment_id
    press(at, "Done")
    assert not at.code
    assert not open_page("experiments").code


def test_people_are_invited_blocked_and_never_oneself() -> None:
    cookie_of(Role.RATER)
    rater = sign_in.identify(cookie_of(Role.RATER))
    at = open_page("people")
    next(field for field in at.text_input if field.label == "Note").set_value(NASTY).run()
    press(at, "Make a link")
    assert at.code[0].value.startswith("http://localhost:8501/auth/join?token=")
    assert NASTY in said(at)
    n_links = labels(at).count("Revoke")
    press(at, "Revoke")
    assert labels(at).count("Revoke") == n_links - 1
    assert labels(at).count("Block") == 1
    press(at, "Block")
    (person,) = [row for row in sign_in.list_people(None) if row.id == rater.account_id]
    assert person.is_blocked
    press(at, "Unblock")
    assert not any(row.is_blocked for row in sign_in.list_people(None))


def test_votes_from_elsewhere_become_a_completed_study() -> None:
    at = drop(
        open_page("experiments"), b"left,right,winner,worker\nTern,Heron,left,a\nHeron,Tern,tie,b\n", "old_study.csv"
    )
    assert "2 votes by 2 raters on 2 models. 2 of them are new." in said(at)
    assert next(field for field in at.text_input if field.label == "Title of the study").value == "old study"
    press(at, "Store 2 votes")
    (row,) = experiments.list_experiments(None)
    assert (row.title, row.status, row.n_votes) == ("old study", ExperimentStatus.COMPLETED, 2)
    assert "stored as a completed study" in said(at)


def test_votes_that_carry_their_texts_bring_them_unless_told_otherwise() -> None:
    row = {"instruction": "Add.", "output_1": "2", "generator_1": "Tern", "output_2": "3", "generator_2": "Heron"}
    at = drop(open_page("experiments"), json.dumps({**row, "preference": 1.0}).encode(), "judged.json")
    [box] = [box for box in at.checkbox if box.label.startswith("Take in the file's prompts")]
    assert box.value
    press(at, "Store 1 votes")
    assert "1 votes on 2 models, 1 of them with prompt and outputs: stored" in said(at)
    assert [row.name for row in prompt_sets.list_prompt_sets(None)] == ["judged"]


def test_a_bad_vote_is_refused_by_line() -> None:
    at = open_page("experiments")
    before = n_rows()
    drop(at, b"left,right,winner\nTern,Heron,left\nTern,Heron,maybe\n")
    assert re.search(r"\b3\b\s+.*'maybe' is not an outcome", said(at))
    assert n_rows() == before


def test_sign_out_ends_it_for_this_browser() -> None:
    at = press(open_page("people"), "Sign out")
    assert "Open the link that you were given to sign in." in said(at)


def test_a_rater_has_no_account_corner() -> None:
    at = AppTest.from_file(str(ROOT / "app" / "ui.py"), default_timeout=30)
    at.user = {"session": cookie_of(Role.RATER)}
    at.run()
    assert "Sign out" not in labels(at)


def test_many_problems_are_cut_with_words() -> None:
    content = b"id,prompt\n" + b"1,\n" * 150
    at = drop(open_page("prompts"), content)
    assert "Here are the first 100." in said(at)
    assert len(re.findall(r"prompt is missing or blank", said(at))) == upload.MOST_PROBLEMS


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("prompts.jsonl", "prompts"),
        ('../../x".csv', "x"),
        ("C:\\Users\\me\\my_questions.v2.tsv", "my questions.v2"),
        ("<img src=x onerror=1>.csv", "img src x onerror 1"),
        (".csv", ""),
        ("x" * 300 + ".csv", "x" * 200),
    ],
)
def test_the_name_for_a_set_comes_from_the_file_without_its_traps(file_name, name) -> None:
    assert upload.plain_name(file_name) == name
