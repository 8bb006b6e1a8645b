"""A file of votes ranked: the shape of the result, scales and anchors, and what is refused or warned of."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from app.discovery import find_plugins
from app.errors import BadFileError, InvalidInputError
from app.services.board_claims import find_tiers
from app.services.ranking_file import ELO_PER_LOGIT, rank_file, to_result
from app.services.ranking_options import RankOptions
from app.services.simulated_votes import Truth, spaced_strengths, write_simulated_votes

KEYS = ["method", "n_votes", "n_models", "connected", "components", "confidence", "log_likelihood", "models"]
KEYS += ["position", "ties", "covariates", "pairs", "fit", "warnings"]
MODEL = ["model", "rating", "se", "lower", "upper", "rank", "rank_lower", "rank_upper", "tier", "n_votes", "wins"]
MODEL += ["losses", "ties", "both_bad", "bounded"]
PAIR = ["model_a", "model_b", "difference", "se", "p", "p_adjusted", "p_anytime", "lower", "upper"]


@pytest.fixture(scope="module")
def votes(tmp_path_factory):
    path = tmp_path_factory.mktemp("votes") / "votes.csv"
    write_simulated_votes(path, Truth(spaced_strengths(5, 2.0)), n_votes=2000, seed=3)
    return path


def ranked(path, **options):
    return to_result(rank_file(path, RankOptions(**options)))


def written(folder, text):
    path = folder / "votes.csv"
    path.write_text(text)
    return path


def test_the_result_has_the_keys_that_are_promised_and_is_json(votes):
    result = json.loads(json.dumps(ranked(votes), allow_nan=False))
    assert list(result) == KEYS
    assert all(list(row) == MODEL for row in result["models"])
    assert all(list(pair) == PAIR for pair in result["pairs"]) and len(result["pairs"]) == 10
    assert result["n_votes"] == 2000 and result["n_models"] == 5 and result["connected"]
    assert result["components"] == [[row["model"] for row in result["models"]]]


@pytest.mark.parametrize("method", find_plugins("app.ranking"))
def test_every_method_gives_the_same_shape(votes, method):
    result = json.loads(json.dumps(ranked(votes, method=method), allow_nan=False))
    assert list(result) == KEYS and [row["rank"] for row in result["models"]] == [1, 2, 3, 4, 5]


STAFFED = "model_a,model_b,winner,rater_group\nx,y,x,rater\nx,y,y,staff\nx,y,y,staff\nx,y,tie,\n"


def test_votes_of_staff_are_left_out_and_told_unless_they_are_asked_for(tmp_path):
    file = written(tmp_path, STAFFED)
    usual = ranked(file)
    assert usual["n_votes"] == 2 and usual["models"][0]["model"] == "x"
    assert any("2 votes of staff" in warning and "--with-staff" in warning for warning in usual["warnings"])
    both = ranked(file, with_staff=True)
    assert both["n_votes"] == 4 and both["models"][0]["model"] == "y"
    assert not any("staff" in warning for warning in both["warnings"])


def test_a_file_of_staff_alone_says_how_to_rank_it(tmp_path):
    file = written(tmp_path, "model_a,model_b,winner,rater_group\nx,y,x,staff\n")
    with pytest.raises(InvalidInputError, match="--with-staff"):
        rank_file(file, RankOptions())


def test_without_pairs_the_list_is_empty(votes):
    assert to_result(rank_file(votes, RankOptions()), with_pairs=False)["pairs"] == []


def test_ratings_sum_to_zero_on_the_logit_scale_in_each_component(tmp_path):
    rows = "left,right,winner\n" + "x,y,left\nx,y,left\nx,y,right\np,q,left\np,q,right\nq,r,left\nr,q,left\n"
    result = ranked(written(tmp_path, rows))
    rating = {row["model"]: row["rating"] for row in result["models"]}
    assert not result["connected"] and len(result["components"]) == 2
    assert rating["x"] - rating["y"] == pytest.approx(math.log(2))
    for group in result["components"]:
        assert sum(rating[name] for name in group) == pytest.approx(0, abs=1e-9)
    assert any("2 groups" in warning for warning in result["warnings"])


def test_elo_points_are_1000_plus_400_by_ln_10_logits(votes):
    logit, elo = ranked(votes)["models"], ranked(votes, scale="elo")["models"]
    for one, two in zip(logit, elo, strict=True):
        assert two["rating"] == pytest.approx(1000 + 173.7178 * one["rating"], abs=1e-3)
        assert two["se"] == pytest.approx(ELO_PER_LOGIT * one["se"])
        assert two["upper"] - two["lower"] == pytest.approx(ELO_PER_LOGIT * (one["upper"] - one["lower"]))


def test_an_anchor_is_zero_and_the_others_are_differences_to_it_with_their_errors(votes):
    free, anchored = ranked(votes), ranked(votes, anchor="m02")
    rating = {row["model"]: row["rating"] for row in free["models"]}
    rows = {row["model"]: row for row in anchored["models"]}
    assert (rows["m02"]["rating"], rows["m02"]["se"]) == (0, 0)
    for pair in free["pairs"]:
        if "m02" in (pair["model_a"], pair["model_b"]):
            other = pair["model_b"] if pair["model_a"] == "m02" else pair["model_a"]
            assert rows[other]["se"] == pytest.approx(pair["se"])
            assert rows[other]["rating"] == pytest.approx(rating[other] - rating["m02"])
            half = (rows[other]["upper"] - rows[other]["lower"]) / 2
            assert half == pytest.approx(1.959964 * pair["se"], rel=1e-6)


def test_the_anchor_of_one_component_leaves_the_other_and_says_so(tmp_path):
    result = ranked(written(tmp_path, "left,right,winner\nx,y,tie\nx,y,left\nx,y,right\np,q,tie\n"), anchor="x")
    rating = {row["model"]: row["rating"] for row in result["models"]}
    assert rating["x"] == 0 and rating["p"] + rating["q"] == pytest.approx(0)
    assert any("anchor moves only" in warning for warning in result["warnings"])


def test_a_weight_is_a_count(tmp_path):
    counted = ranked(written(tmp_path, "left,right,winner,weight\nx,y,left,30\nx,y,right,10\nx,y,tie,0\n"))
    single = ranked(written(tmp_path, "left,right,winner\n" + "x,y,left\n" * 30 + "y,x,left\n" * 10))
    for one, two in zip(counted["models"], single["models"], strict=True):
        assert one["rating"] == pytest.approx(two["rating"]) and one["se"] == pytest.approx(two["se"])
    assert counted["n_votes"] == 40 and counted["models"][0]["rating"] == pytest.approx(math.log(3) / 2)


def test_tiers_separate_what_is_significantly_different_and_nothing_else_breaks_them(votes):
    found = rank_file(votes, RankOptions())
    tiers = find_tiers(found.ranking)
    significant = [pair for pair in found.ranking.pairs if pair.p_adjusted <= 0.05]
    assert significant and all(tiers[pair.model_a] < tiers[pair.model_b] for pair in significant)
    assert tiers[found.ranking.models[0].model] == 1
    for name, tier in tiers.items():
        above = [pair.model_a for pair in significant if pair.model_b == name]
        assert tier == 1 + max((tiers[other] for other in above), default=0)


def test_all_models_equal_are_one_tier(tmp_path):
    result = ranked(written(tmp_path, "left,right,winner\nx,y,left\ny,x,left\ny,z,tie\nx,z,tie\n"))
    assert {row["tier"] for row in result["models"]} == {1}


def test_fractions_as_weights_are_warned_of(tmp_path):
    result = ranked(written(tmp_path, "left,right,winner,weight\nx,y,left,1.5\nx,y,right,1\n"))
    assert any("not whole" in warning for warning in result["warnings"])


def test_elo_takes_the_order_of_the_rows_and_says_so(votes):
    result = ranked(votes, method="elo")
    assert any("order of the rows" in warning for warning in result["warnings"])
    assert all(row["lower"] is None for row in result["models"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "glicko"}, "--method must be one of"),
        ({"ties": "thirds"}, "--ties must be one of half, drop"),
        ({"both_bad": "x"}, "--both-bad must be one of"),
        ({"interval": "x"}, "--interval must be one of"),
        ({"bias_reduction": "x"}, "--bias-reduction must be one of"),
        ({"scale": "x"}, "--scale must be one of"),
        ({"cluster": ("judge",)}, "--cluster must be one of rater, prompt"),
        ({"cluster": ("rater", "rater")}, "--cluster names something twice"),
        ({"covariates": ("n", "n")}, "--covariate names something twice"),
        ({"cluster": ("rater",), "interval": "model"}, "takes all votes as independent"),
        ({"confidence": 1.0}, "confidence must lie between 0 and 1"),
        ({"confidence": math.nan}, "confidence must lie between 0 and 1"),
        ({"anchor": "nobody"}, "is no model of this file"),
        ({"anchor": "m01", "method": "win_rate"}, "has no rating by win_rate"),
        ({"method": "win_rate", "position": True}, "win_rate cannot do --position"),
        ({"method": "elo", "covariates": ("n",)}, "elo cannot do --covariate"),
        ({"method": "elo", "interval": "model"}, "elo cannot do --interval model"),
        ({"method": "win_rate", "bias_reduction": "firth"}, "win_rate cannot do --bias-reduction"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(votes, options, words):
    with pytest.raises(InvalidInputError, match=words):
        ranked(votes, **options)


def test_bad_rows_are_refused_in_words_of_ranking(tmp_path):
    with pytest.raises(BadFileError) as caught:
        ranked(written(tmp_path, "left,right,winner\nx,x,tie\n"))
    assert str(caught.value).startswith("Nothing was ranked. line 2: left and right are the same model, 'x'")


def test_a_file_whose_votes_all_have_weight_zero_is_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="No vote in this file counts"):
        ranked(written(tmp_path, "left,right,winner,weight\nx,y,tie,0\n"))


def test_only_ties_dropped_leave_no_rating_and_no_false_number(tmp_path):
    result = ranked(written(tmp_path, "left,right,winner\nx,y,tie\n"), ties="drop")
    assert [row["rating"] for row in result["models"]] == [None, None]


def test_a_swept_model_is_marked_unbounded(tmp_path):
    rows = "left,right,winner\n" + "x,y,left\n" * 5 + "y,z,left\nz,y,left\n"
    result = ranked(written(tmp_path, rows))
    assert {row["model"]: row["bounded"] for row in result["models"]} == {"x": False, "y": True, "z": True}
    assert any("Firth" in warning for warning in result["warnings"])


def test_one_rater_cannot_be_a_cluster_and_votes_without_a_prompt_are_their_own(tmp_path):
    rows = "left,right,winner,rater,prompt\nx,y,left,ann,1\ny,x,left,ann,2\nx,y,tie,ann,\n"
    file = written(tmp_path, rows)
    both = ranked(file, cluster=("rater", "prompt"))
    assert any("only one rater" in warning for warning in both["warnings"])
    assert any(warning.startswith("1 votes have no prompt") for warning in both["warnings"])
    alone = ranked(file, cluster=("prompt",))
    assert [row["se"] for row in both["models"]] == [row["se"] for row in alone["models"]]


def test_the_ratings_of_a_simulation_are_near_the_truth(tmp_path):
    """Dropping ties, Davidson's model is Bradley-Terry, so the known strengths must lie within five standard errors."""
    truth = Truth(spaced_strengths(6, 2.0))
    write_simulated_votes(tmp_path / "votes.parquet", truth, n_votes=20_000, seed=11)
    result = ranked(tmp_path / "votes.parquet", ties="drop", both_bad="drop")
    for row in result["models"]:
        assert row["rating"] == pytest.approx(truth.strengths[row["model"]], abs=5 * row["se"])
        assert row["se"] < 0.04


def test_the_real_votes_are_ranked_as_the_bare_fit_ranks_them(shared):
    path = shared / "data" / "llmfao" / "votes.csv"
    result = ranked(path)
    frame = pd.read_csv(path)
    won = {"left": 1.0, "right": 0.0, "tie": 0.5}
    rating = {row["model"]: row["rating"] for row in result["models"]}
    share = frame["winner"].map(won)
    expected = 1 / (1 + np.exp(-(frame["left"].map(rating) - frame["right"].map(rating))))
    residual = (share - expected).groupby(frame["left"]).sum() - (share - expected).groupby(frame["right"]).sum()
    assert result["n_votes"] == 8931 and np.abs(residual).max() < 1e-7, "the score of each model is zero at the maximum"


def test_an_anytime_p_is_never_below_the_ordinary_one(votes):
    for options in ({}, {"cluster": ("rater",)}):
        pairs = ranked(votes, sequential=True, **options)["pairs"]
        assert all(pair["p_anytime"] >= pair["p"] for pair in pairs)
        assert any(pair["p_anytime"] < 0.05 for pair in pairs)


def test_with_few_clusters_nothing_is_claimed_at_any_time(tmp_path):
    path = tmp_path / "votes.csv"
    write_simulated_votes(path, Truth(spaced_strengths(3, 2.0), n_raters=5), n_votes=2000, seed=3)
    result = ranked(path, sequential=True, cluster=("rater",))
    assert {pair["p_anytime"] for pair in result["pairs"]} == {1.0}
    assert any("at any time" in warning for warning in result["warnings"])


def test_weighted_rows_without_a_rater_count_as_so_many_raters(tmp_path):
    """As one cluster each, these four rows would give an interval on 3 degrees of freedom, many times too wide."""
    rows = "x,y,left,60,\ny,x,left,40,\nx,y,right,45,\ny,x,right,55,\n"
    path = written(tmp_path, "left,right,winner,weight,rater\n" + rows)
    plain, clustered = ranked(path), ranked(path, cluster=("rater",))
    assert clustered["models"][0]["se"] == pytest.approx(plain["models"][0]["se"] * math.sqrt(200 / 199), rel=1e-6)
    assert any(text.startswith("200 votes have no rater") for text in clustered["warnings"])
    path = written(tmp_path, "left,right,winner,weight,rater\nx,y,left,1.5,\ny,x,left,2,\n")
    with pytest.raises(InvalidInputError, match="names no rater"):
        ranked(path, cluster=("rater",))
