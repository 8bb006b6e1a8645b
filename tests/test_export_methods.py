"""The manifest of an export tells how the votes rank the models, as the study's board says it, and no hidden result."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from app.domain import Role
from app.errors import NotConvergedError
from app.services import experiments, export_methods, leaderboard, vote_export
from app.services.export_methods import HIDDEN, NO_VOTES
from app.services.methods_text import methods_text
from app.services.vote_export import Wanted
from db.engine import Database
from tests.studies import person, study
from tests.test_export_routes import client, path  # noqa: F401 - a fixture
from tests.test_exports import cast, export
from tests.test_hidden_results import hidden_study, key_of


@pytest.mark.parametrize("file_format", ["jsonl", "trl_preference", "dataset"])
def test_it_is_the_text_of_the_usual_board(store: Database, file_format: str) -> None:
    id_ = study(n_prompts=8)
    cast(id_, person(experiment_id=id_))
    manifest, _ = export(id_, file_format)
    assert manifest.ranking_methods == methods_text(leaderboard.get_leaderboard(None, id_))
    said = json.loads(manifest.to_json())
    assert "7 votes by 1 rater on 3 models" in said["ranking_methods"]
    assert "Bradley" in said["ranking_methods"].partition("## Sources")[2]
    assert "drawn by the allocation 'uniform'" in said["methods"]


def test_the_file_is_the_same_with_and_without_it(store: Database) -> None:
    id_ = study(n_prompts=8)
    cast(id_, person(experiment_id=id_))
    told, with_it = export(id_, "jsonl")
    stream = io.BytesIO()
    untold = vote_export.export_votes(None, id_, stream, Wanted("jsonl"), tells_ranking=False)
    assert (untold.ranking_methods, stream.getvalue(), untold.files) == ("", with_it, told.files)


def test_hidden_results_are_not_told_to_an_admin_either(store: Database) -> None:
    id_ = hidden_study()
    manifest = vote_export.export_votes(person(Role.ADMIN), id_, io.BytesIO())
    assert (manifest.n_rows, manifest.ranking_methods) == (5, HIDDEN)
    experiments.stop_experiment(None, id_, reason="No money left.")
    manifest = vote_export.export_votes(person(Role.ADMIN), id_, io.BytesIO())
    assert "5 votes by 1 rater" in manifest.ranking_methods


def test_the_command_tells_no_hidden_result(store: Database, bakeoff: Callable[..., tuple[int, str, str]]) -> None:
    assert bakeoff("export", "votes", key_of(hidden_study()), "--to", "v.jsonl")[0] == 0
    assert json.loads(Path("v.jsonl.manifest.json").read_text())["ranking_methods"] == HIDDEN


def test_a_ranking_that_is_known_is_not_computed_again(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = study(n_prompts=8)
    cast(id_, person(experiment_id=id_))
    board = leaderboard.get_leaderboard(None, id_)
    monkeypatch.setattr(leaderboard, "_rank", None)
    assert export(id_)[0].ranking_methods == methods_text(board)


def test_without_votes_or_without_an_answer_it_says_so(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = study()
    assert export(id_)[0].ranking_methods == NO_VOTES

    def fail(*_: object) -> None:
        raise NotConvergedError("It did not converge.")

    monkeypatch.setattr(leaderboard, "get_leaderboard", fail)
    assert export(id_)[0].ranking_methods.endswith("has no answer that could be believed: It did not converge.")


def test_who_takes_a_file_alone_waits_for_no_ranking(
    path: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    bakeoff: Callable[..., tuple[int, str, str]],
) -> None:
    who = client(Role.RESEARCHER)
    told = who.get(f"{path}/manifest").json()["ranking_methods"]
    assert told.startswith("# Methods: ")
    with zipfile.ZipFile(io.BytesIO(who.get(f"{path}/bundle").content)) as packed:
        [name] = [name for name in packed.namelist() if name.endswith(".manifest.json")]
        assert json.loads(packed.read(name))["ranking_methods"] == told
    monkeypatch.setattr(export_methods, "describe_ranking", None)
    assert who.get(path).status_code == 200
    assert bakeoff("export", "votes", experiments.list_experiments(None)[0].key)[0] == 0
