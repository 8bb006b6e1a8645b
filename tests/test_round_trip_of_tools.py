"""A study exported for another tool and imported into an empty database has the same board as before."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from app.domain import Answer
from app.services import leaderboard, vote_files
from db.engine import Database
from tests.conftest import Elsewhere
from tests.studies import person, study
from tests.test_exports import cast, export, lines

LEFT, RIGHT, TIE, BAD = Answer.LEFT, Answer.RIGHT, Answer.TIE, Answer.BOTH_BAD
WINS = (LEFT, RIGHT, LEFT, LEFT, RIGHT, LEFT, RIGHT, RIGHT)
TIES = (LEFT, TIE, LEFT, RIGHT, TIE, LEFT, RIGHT, RIGHT)
ALL = (LEFT, TIE, BAD, RIGHT, TIE, LEFT, RIGHT, BAD)
Read = Callable[[bytes, bytes], bytes]


def as_it_is(data: bytes, _: bytes) -> bytes:
    return data


def with_models(data: bytes, own: bytes) -> bytes:
    """OpenAI's rows with the models that a person put beside them, who knows the votes."""
    rows: list[dict[str, Any]] = []
    for row, vote in zip(lines(data), lines(own), strict=True):
        winner, loser = ("model_a", "model_b") if vote["outcome"] == "model_a" else ("model_b", "model_a")
        rows.append({**row, "preferred_model": vote[winner], "non_preferred_model": vote[loser]})
    return "\n".join(map(json.dumps, rows)).encode()


def board(experiment_id: UUID) -> dict[str, tuple[float, int, int]]:
    found = leaderboard.get_leaderboard(None, experiment_id).ranking
    return {row.model: (row.rating, row.wins, row.losses) for row in found.models}


@pytest.mark.parametrize(
    ("key", "answers", "prepared"),
    [
        ("argilla", ALL, as_it_is),
        ("labelstudio", WINS, as_it_is),
        ("trl_preference", WINS, as_it_is),
        ("trl_preference_chat", WINS, as_it_is),
        ("helpsteer3", TIES, as_it_is),
        ("openai_dpo", WINS, with_models),
    ],
)
def test_a_study_comes_back_from_each_tool_with_its_board(
    store: Database, empty: Elsewhere, key: str, answers: tuple[Answer, ...], prepared: Read
) -> None:
    id_ = study(n_prompts=8, votes_per_pair=20)
    for turned in (answers, answers[::-1], answers[3:] + answers[:3]):
        cast(id_, person(experiment_id=id_), turned)
    before, told = board(id_), export(id_)[1]
    manifest, file = export(id_, key)
    assert not any(manifest.left_out.values())
    data = prepared(file, told)
    for with_texts in (False, True):
        with empty():
            done = vote_files.import_votes(None, io.BytesIO(data), title="Back", with_texts=with_texts)
            assert done.n_votes == manifest.n_votes and done.n_told == (done.n_votes if with_texts else 0)
            after = board(done.experiment_id)
            assert after.keys() == before.keys()
            for model, (rating, *counts) in before.items():
                assert after[model][0] == pytest.approx(rating, abs=1e-6)
                assert list(after[model][1:]) == counts
