"""Files of votes that name prompts without telling them: the votes on one prompt still belong together."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.services import leaderboard, prompt_sets, vote_export, vote_files, vote_prompts, vote_store
from app.services.vote_export import Wanted
from db.engine import Database
from tests.studies import jsonl
from tests.tester import html_of, open_tester, text_of

N, N_PROMPTS = 240, 40


def import_bare(names: list[str], **more: Any) -> UUID:
    """A CSV of votes on prompts of these names in turn, as anybody's spreadsheet has it; the id of their study."""
    file = io.StringIO()
    rows = csv.writer(file)
    rows.writerow(["model_a", "model_b", "winner", "prompt_id", "rater"])
    for i in range(N):
        a, b = ("Ash", "Birch", "Cedar")[i % 3], ("Birch", "Cedar", "Ash")[i % 3]
        rows.writerow([a, b, ("model_a", "tie", "model_b")[i // 3 % 3], names[i % len(names)], f"r{i % 24}"])
    return vote_files.import_votes(None, io.BytesIO(file.getvalue().encode()), title="Bare", **more).experiment_id


def own_export(study: UUID) -> list[dict[str, Any]]:
    stream = io.BytesIO()
    vote_export.export_votes(None, study, stream, Wanted("jsonl"))
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def said(rows: list[dict[str, Any]]) -> Counter[str]:
    """All rows without the ids that another study gives anew."""
    return Counter(
        json.dumps({k: v for k, v in row.items() if k not in ("vote_id", "battle_id", "experiment")}) for row in rows
    )


@pytest.mark.usefixtures("store")
def test_votes_on_one_prompt_are_no_independent_ones_and_its_name_goes_out_again() -> None:
    names = [f"question {i}" for i in range(N_PROMPTS)]
    study = import_bare(names)
    votes = vote_store.read(study).columns
    assert votes.n_clusters == {"rater": 24, "prompt": N_PROMPTS}
    assert leaderboard.get_leaderboard(None, study).clusters == ("rater", "prompt")
    rows = own_export(study)
    assert sorted(row["prompt_id"] for row in rows) == sorted(names[i % N_PROMPTS] for i in range(N))
    assert {(row["prompt_set"], row["prompt_set_version"]) for row in rows} == {(None, None)}


@pytest.mark.usefixtures("store")
def test_what_went_out_comes_in_again_with_its_prompts() -> None:
    rows = own_export(import_bare(["one", "two", "three"]))
    again = vote_files.import_votes(None, jsonl(*rows), title="Again").experiment_id
    assert said(own_export(again)) == said(rows)


def test_no_list_of_prompt_sets_shows_them_and_no_name_is_taken(store: Database) -> None:
    import_bare(["one", "two"])
    with store.read() as session:
        hidden = session.execute(text("SELECT name FROM prompt_set")).scalar_one()
    name = hidden.split(",")[0]
    assert name == "Names of the prompts of bare"
    kept = prompt_sets.import_prompts(None, jsonl({"id": "one", "prompt": "Why?"}), name=name)
    assert [row.id for row in prompt_sets.list_prompt_sets(None, with_archived=True)] == [kept.id]
    assert kept.version == 1


@pytest.mark.usefixtures("store")
def test_a_prompt_set_that_has_their_name_already_is_not_in_their_way() -> None:
    for key in ("bare", "bare-2"):
        name = f"Names of the prompts of {key}"
        prompt_sets.import_prompts(None, jsonl({"id": "one", "prompt": "Why?"}), name=name)
    for _ in range(2):
        assert vote_store.read(import_bare(["one", "two"])).columns.n_clusters["prompt"] == 2


@pytest.mark.usefixtures("store")
def test_a_whole_text_and_what_it_went_out_as_are_one_prompt() -> None:
    long = "why " * 100 + "now?"
    [shortened] = {row["prompt_id"] for row in own_export(import_bare([long]))}
    study = import_bare([long, shortened, "another"])
    assert vote_store.read(study).columns.n_clusters["prompt"] == 2
    assert {row["prompt_id"] for row in own_export(study)} == {shortened, "another"}


@pytest.mark.usefixtures("store")
def test_whole_texts_in_place_of_names_are_shortened_and_stay_apart() -> None:
    long = ["why " * 100 + "now?", "why " * 100 + "then?"]
    study = import_bare(long)
    assert vote_store.read(study).columns.n_clusters["prompt"] == 2
    names = {row["prompt_id"] for row in own_export(study)}
    assert len(names) == 2
    assert all(len(name) <= 200 and name.startswith("why why") for name in names)


@pytest.mark.usefixtures("store")
def test_of_too_many_prompts_none_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vote_prompts, "MOST_NAMES", 2)
    assert vote_store.read(import_bare(["one", "two"])).columns.n_clusters["prompt"] == 2
    assert vote_store.read(import_bare(["one", "two", "three"])).columns.n_clusters["prompt"] == 0


@pytest.mark.usefixtures("data_folder")
def test_explore_names_the_prompts_and_says_that_their_texts_are_not_there() -> None:
    import_bare(["one", "<b>two</b>"])
    listed = html_of(open_tester("explore.py", study="bare", view="Prompts"))
    assert "Prompt one" in listed and "Prompt &lt;b&gt;two&lt;/b&gt;" in listed
    prompt = re.findall(r"prompt=([0-9a-f]{32})", listed)[0]
    across = text_of(open_tester("explore.py", study="bare", view="Prompts", prompt=prompt))
    assert "The prompt isn't stored" in across and "120 votes" in across
    assert "The prompt isn't stored" in text_of(open_tester("explore.py", study="bare"))
    assert "question" not in text_of(open_tester("explore.py", study="bare", view="Disagreement"))
