"""An export to the Arena's format, ranked by the packages that others rank with, gives our ratings."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pandas as pd
import pytest

from app.services import leaderboard, vote_export, vote_files
from app.services.board_view import View
from app.services.vote_export import Wanted
from app.settings import get_settings
from db.engine import database
from tests.stored import fresh_database

WITHIN = 1e-3  # logits
ELO = math.log(10) / 400


@pytest.fixture(scope="module")
def llmfao(shared, tmp_path_factory):
    """The real votes, exported as the Arena's data set, and our ratings of them."""
    folder = tmp_path_factory.mktemp("llmfao")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAKEOFF_DATA", str(folder))
        with fresh_database(patch, f"sqlite:///{folder / 'bakeoff.db'}"):
            with (shared / "data/llmfao/votes.csv").open("rb") as stream:
                done = vote_files.import_votes(None, stream, title="llmfao")
            out = io.BytesIO()
            manifest = vote_export.export_votes(None, done.experiment_id, out, Wanted("lmarena_140k"))
            assert (manifest.n_rows, dict(manifest.left_out)) == (8931, {})
            ranking = leaderboard.get_leaderboard(None, done.experiment_id, View(interval="votes")).ranking
            out.seek(0)
            yield pd.read_parquet(out), {row.model: row.rating for row in ranking.models}
            database().close()
    get_settings.cache_clear()


def centred(ratings):
    mean = sum(ratings.values()) / len(ratings)
    return {name: rating - mean for name, rating in ratings.items()}


def test_evalica_gives_our_ratings(llmfao):
    import evalica

    table, ours = llmfao
    words = {"model_a": "X", "model_b": "Y", "tie": "Draw", "both_bad": "Draw"}  # both bad counts as a tie, as with us
    winners = [getattr(evalica.Winner, words[outcome]) for outcome in table.winner]
    found = evalica.bradley_terry(table.model_a, table.model_b, winners, tolerance=1e-12, limit=100_000)
    theirs = centred({name: math.log(score) for name, score in found.scores.items()})
    assert theirs == pytest.approx(ours, abs=WITHIN)


def test_the_ratings_that_arena_rank_gave_are_ours(llmfao, shared):
    """arena-rank 0.1.1, whose pinned NumPy does not go with ours: its recorded answer for these votes (oracle 20)."""
    _, ours = llmfao
    oracle = json.loads((shared / "oracles/20_llmfao_peers.json").read_text())["expected"]
    theirs = oracle["arena_rank_ratings"]
    if not isinstance(theirs, dict):
        theirs = dict(zip(oracle["items"], theirs, strict=True))
    assert centred({name: rating * ELO for name, rating in theirs.items()}) == pytest.approx(ours, abs=WITHIN)


def test_arena_rank_gives_our_ratings(llmfao):
    """The package itself, where somebody has it: pip install '.[bench]' in an environment of its own."""
    pairs = pytest.importorskip("arena_rank.utils.data_utils", exc_type=ImportError)
    models = pytest.importorskip("arena_rank.models.bradley_terry", exc_type=ImportError)
    table, ours = llmfao
    dataset = pairs.PairDataset.from_pandas(table[["model_a", "model_b", "winner"]])
    results = models.BradleyTerry(n_competitors=len(dataset.competitors)).compute_ratings_and_cis(dataset)
    rated = zip(results["competitors"], results["ratings"], strict=True)
    theirs = centred({name: float(rating) * ELO for name, rating in rated})
    assert np.allclose([theirs[name] for name in ours], list(ours.values()), atol=WITHIN)
