"""Clustered covariances against R's sandwich, statsmodels, single sums, and simulation."""

from __future__ import annotations

import csv
import json
import time

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from statsmodels.stats.sandwich_covariance import cov_cluster, cov_cluster_2groups

from app.errors import InvalidInputError
from app.stats import cluster
from app.stats.cluster import cluster_meat, clustered_covariance, pair_scores, two_way_covariance, vote_meat
from app.stats.covariance import model_covariance, pseudo_inverse, sandwich_covariance
from app.stats.newton import fit_bradley_terry, win_probabilities
from tests.machine import patience


def half_wins(m, a, b, share):
    wins = np.zeros((m, m))
    np.add.at(wins, (a, b), share)
    np.add.at(wins, (b, a), 1 - share)
    return wins


def fitted(m, a, b, share):
    """theta, G and the residual of each vote."""
    wins = half_wins(m, a, b, share)
    theta = fit_bradley_terry(wins)
    return theta, model_covariance(theta, wins), share - win_probabilities(theta)[a, b]


def made_up(seed=0, n=600, m=5, raters=12, prompts=9):
    rng = np.random.default_rng(seed)
    a = rng.integers(0, m, n)
    b = (a + rng.integers(1, m, n)) % m
    rater, prompt = rng.integers(0, raters, n), rng.integers(0, prompts, n)
    taste = rng.normal(0, 0.7, (raters, m)) + np.linspace(-0.6, 0.6, m)
    share = (rng.random(n) < expit(taste[rater, a] - taste[rater, b])).astype(float)
    return m, a, b, share, rater, prompt


def difference_se(covariance, i):
    """Of model i minus model 0."""
    return np.sqrt(covariance[i, i] + covariance[0, 0] - 2 * covariance[i, 0])


def test_german_parties_clustered_by_rater_equal_r(shared):
    """psychotools and sandwich::vcovCL, HC0 without and with G/(G-1), on 192 raters and 15 pairs (oracle 11)."""
    oracle = json.loads((shared / "oracles/11_germanparties_cluster.json").read_text())
    expected, names = oracle["expected"], oracle["expected"]["items"]
    with (shared / "data/germanparties2009.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["winner"] in {"left", "right"}]
    a = np.array([names.index(row["left"]) for row in rows])
    b = np.array([names.index(row["right"]) for row in rows])
    share = np.array([float(row["winner"] == "left") for row in rows])
    rater = np.array([int(row["rater"]) for row in rows])
    theta, bread, residual = fitted(len(names), a, b, share)
    assert theta - theta[0] == pytest.approx(list(expected["ability_ref"].values()), abs=oracle["tol"]["ability"])
    scores = pair_scores(len(names), a, b, residual)
    found = clustered_covariance(bread, scores, rater)
    plain = bread @ cluster_meat(scores, rater)[0] @ bread
    assert found.n_clusters == (192,)
    assert found.df == 191
    per_vote = bread @ vote_meat(scores) @ bread
    for covariance, numbers in (
        (bread, expected["se_naive"]),
        (per_vote, expected["se_HC0"]),
        (plain, expected["se_cluster_rater"]["HC0"]),
        (found.covariance, expected["se_cluster_rater"]["HC0_cadjust"]),
    ):
        for name, value in numbers.items():
            assert difference_se(covariance, names.index(name)) == pytest.approx(value, abs=oracle["tol"]["se"])


def test_real_prompts_widen_intervals_as_found_before_and_both_ways_widen_them_most(shared):
    """LLMFAO: 124 raters and 13 prompts; STATISTICS.md b found a median of 1.54 x by prompt, without g/(g-1)."""
    with (shared / "data/llmfao/votes.csv").open() as file:
        rows = list(csv.DictReader(file))
    columns = {name: [row[name] for row in rows] for name in ("left", "right", "worker", "prompt")}
    names = sorted({*columns["left"], *columns["right"]})
    a, b = (np.array([names.index(name) for name in columns[side]]) for side in ("left", "right"))
    share = np.array([{"left": 1.0, "right": 0.0}.get(row["winner"], 0.5) for row in rows])
    rater, prompt = (np.unique(columns[name], return_inverse=True)[1] for name in ("worker", "prompt"))
    _, bread, residual = fitted(len(names), a, b, share)
    scores = pair_scores(len(names), a, b, residual)
    per_vote = np.diag(bread @ vote_meat(scores) @ bread)

    def widening(covariance):
        return np.median(np.sqrt(np.diag(covariance) / per_vote))

    assert widening(bread @ cluster_meat(scores, prompt)[0] @ bread) == pytest.approx(1.54, abs=0.03)
    by_rater, by_prompt = (clustered_covariance(bread, scores, codes).covariance for codes in (rater, prompt))
    both = two_way_covariance(bread, scores, rater, prompt)
    assert 1 < widening(by_rater) < widening(by_prompt) < widening(both.covariance)
    assert both.n_clusters == (124, 13)
    assert both.df == 12
    assert both.is_clipped  # 13 prompts say little about 59 models
    assert np.linalg.eigvalsh(both.covariance)[0] > -1e-12


def regression(m, a, b, share, extra):
    """The same fit by statsmodels, model 0 as reference."""
    design = np.zeros((len(a), m))
    np.add.at(design, (np.arange(len(a)), a), 1)
    np.add.at(design, (np.arange(len(a)), b), -1)
    return sm.Logit(share, np.column_stack([design[:, 1:], extra])).fit(disp=0, method="newton", tol=1e-12)


def against_first(m, k):
    """The contrasts that turn centred ratings into differences to model 0."""
    contrasts = np.eye(m + k)[1:]
    contrasts[: m - 1, 0] = -1
    return contrasts


@pytest.mark.parametrize("k", [0, 2])
def test_one_way_and_two_way_equal_statsmodels(k):
    """Also with covariates that are estimated jointly; statsmodels sums dense rows of the design, one per vote."""
    m, a, b, share, rater, prompt = made_up(n=3000, raters=30, prompts=25)
    extra = np.random.default_rng(1).normal(size=(len(a), k))
    result = regression(m, a, b, share, extra)
    full = np.zeros((len(a), m + k))
    np.add.at(full, (np.arange(len(a)), a), 1)
    np.add.at(full, (np.arange(len(a)), b), -1)
    full[:, m:] = extra
    p = result.predict()
    bread = pseudo_inverse(full.T @ (full * (p * (1 - p))[:, None]), m)
    scores = pair_scores(m, a, b, share - p, columns=extra)
    contrasts = against_first(m, k)
    one_way = clustered_covariance(bread, scores, rater)
    two_way = two_way_covariance(bread, scores, rater, prompt)
    n, parameters = len(a), m - 1 + k
    # statsmodels also multiplies by (n-1)/(n-k), an adjustment for ordinary least squares
    factor = (n - 1) / (n - parameters)
    assert contrasts @ one_way.covariance @ contrasts.T * factor == pytest.approx(cov_cluster(result, rater), rel=1e-7)
    expected = cov_cluster_2groups(result, rater, prompt)[0]
    assert not two_way.is_clipped
    assert contrasts @ two_way.covariance @ contrasts.T * factor == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert two_way.n_clusters == (30, 25)
    assert two_way.df == 24
    assert not two_way.has_few_clusters
    assert two_way.quantile() == pytest.approx(2.063899, abs=1e-6)  # t table, 24 degrees of freedom


def slow_meat(scores, codes):
    rows = np.zeros((len(codes), scores.n_parameters))
    np.add.at(rows, (np.arange(len(codes)), scores.model_a), scores.score_a)
    np.add.at(rows, (np.arange(len(codes)), scores.model_b), scores.score_b)
    rows[:, scores.n_models :] = scores.extra
    sums = np.array([rows[codes == code].sum(axis=0) for code in np.unique(codes)])
    return sums.T @ sums


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 80),
    m=st.integers(2, 40),
    n_clusters=st.integers(1, 90),
    k=st.integers(0, 2),
    spread=st.sampled_from([1, 7, 10**9]),
    cells=st.sampled_from([1 << 22, 64]),
)
def test_the_meat_is_the_sum_over_clusters_however_it_is_computed(seed, n, m, n_clusters, k, spread, cells):
    """Dense, in blocks, sparse, with lonely votes and gaps between the codes."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, m, n)
    b = (a + rng.integers(1, m, n)) % m
    scores = pair_scores(m, a, b, rng.normal(size=n), rng.random(n), rng.normal(size=(n, k)))
    codes = rng.integers(0, n_clusters, n) * spread
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "BLOCK_CELLS", cells)
        meat, found = cluster_meat(scores, codes)
    assert found == len(np.unique(codes))
    assert meat == pytest.approx(slow_meat(scores, codes), abs=1e-10)


def test_every_vote_its_own_cluster_is_the_sandwich_from_counts():
    m, a, b, share, *_ = made_up(3)
    share[::5] = 0.5
    theta, bread, residual = fitted(m, a, b, share)
    meat, _ = cluster_meat(pair_scores(m, a, b, residual), np.arange(len(a)))
    decided = share != 0.5
    wins = half_wins(m, a[decided], b[decided], share[decided])
    ties = 2 * half_wins(m, a[~decided], b[~decided], share[~decided])
    assert bread @ meat @ bread == pytest.approx(sandwich_covariance(theta, wins, ties), abs=1e-12)


def test_relabelling_models_and_swapping_sides_change_nothing_else():
    m, a, b, share, rater, prompt = made_up(4)
    order = np.random.default_rng(0).permutation(m)
    place = np.argsort(order)  # model i is now called place[i]
    once, again = [], []
    for (first, second, y), kept in (((a, b, share), once), ((place[b], place[a], 1 - share), again)):
        _, bread, residual = fitted(m, first, second, y)
        kept.append(two_way_covariance(bread, pair_scores(m, first, second, residual), rater, prompt).covariance)
    assert again[0] == pytest.approx(once[0][np.ix_(order, order)], abs=1e-10)


def test_duplicated_votes_of_the_same_raters_bring_no_new_information():
    """Each rater voting twice alike leaves the clustered variance as it is, while the per-vote one halves."""
    m, a, b, share, rater, _ = made_up(5)
    covariances = []
    for times in (1, 2):
        columns = [np.tile(column, times) for column in (a, b, share, rater)]
        _, bread, residual = fitted(m, *columns[:3])
        scores = pair_scores(m, *columns[:2], residual)
        covariances.append(
            (clustered_covariance(bread, scores, columns[3]).covariance, bread @ vote_meat(scores) @ bread)
        )
    assert covariances[1][0] == pytest.approx(covariances[0][0], rel=1e-8)
    assert covariances[1][1] == pytest.approx(covariances[0][1] / 2, rel=1e-8)
    weighted = [a, b, fitted(m, a, b, share)[2]]
    heavy = pair_scores(m, *weighted, np.full(len(a), 2.0))
    halved = fitted(m, a, b, share)[1] / 2
    assert clustered_covariance(halved, heavy, rater).covariance == pytest.approx(covariances[0][0], rel=1e-8)


def test_one_rater_is_refused_in_words():
    m, a, b, share, rater, prompt = made_up(6)
    _, bread, residual = fitted(m, a, b, share)
    scores = pair_scores(m, a, b, residual)
    with pytest.raises(InvalidInputError, match="at least two raters; the votes have 1"):
        clustered_covariance(bread, scores, np.zeros_like(rater))
    with pytest.raises(InvalidInputError, match="at least two prompts"):
        two_way_covariance(bread, scores, rater, np.zeros_like(prompt))
    with pytest.raises(InvalidInputError, match="one code per vote"):
        cluster_meat(scores, rater[:-1])
    with pytest.raises(InvalidInputError, match="negative"):
        cluster_meat(scores, rater - 1)
    with pytest.raises(InvalidInputError, match="finite"):
        pair_scores(m, a, b, np.full(len(a), np.nan))


def test_a_two_way_matrix_with_a_negative_eigenvalue_is_clipped_and_said_so():
    """Two raters and two prompts whose votes cancel leave less than the votes of the cells themselves."""
    a, b = np.zeros(4, dtype=int), np.ones(4, dtype=int)
    scores = pair_scores(2, a, b, np.array([1.0, -1.0, -1.0, 1.0]))
    found = two_way_covariance(np.eye(2), scores, np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    assert found.is_clipped
    assert found.covariance == pytest.approx(np.zeros((2, 2)))


def test_intervals_of_12_raters_cover_95_percent_where_per_vote_intervals_do_not():
    """600 boards of 12 raters with tastes of sd 0.7, 60 votes each; 60 % and 94.5 % in STATISTICS.md."""
    rng = np.random.default_rng(7)
    truth, n = np.array([-0.5, -0.2, 0.0, 0.7]), 720
    # the population value: preference averaged over tastes, then the Bradley-Terry fit to it
    tastes = truth + rng.normal(0, 0.7, (100_000, 4))
    target = fit_bradley_terry(1e4 * expit(tastes[:, :, None] - tastes[:, None, :]).mean(axis=0) * (1 - np.eye(4)))
    rater = np.repeat(np.arange(12), 60)
    clustered_hits, naive_hits = [], []
    for _ in range(600):
        taste = truth + rng.normal(0, 0.7, (12, 4))
        a = rng.integers(0, 4, n)
        b = (a + rng.integers(1, 4, n)) % 4
        share = (rng.random(n) < expit(taste[rater, a] - taste[rater, b])).astype(float)
        theta, bread, residual = fitted(4, a, b, share)
        scores = pair_scores(4, a, b, residual)
        found = clustered_covariance(bread, scores, rater)
        off = np.abs(theta - target)
        clustered_hits.append(off < found.quantile() * np.sqrt(np.diag(found.covariance)))
        naive_hits.append(off < 1.96 * np.sqrt(np.diag(bread @ vote_meat(scores) @ bread)))
    assert 0.93 < np.mean(clustered_hits) < 0.97
    assert np.mean(naive_hits) < 0.75


@pytest.mark.timed
def test_a_million_votes_two_way_take_less_than_a_second_of_processor_time():
    """20,000 raters, 5,000 prompts, 100 models; processor time, since the machine may be busy."""
    rng = np.random.default_rng(0)
    n, m = 1_000_000, 100
    a = rng.integers(0, m, n)
    b = (a + rng.integers(1, m, n)) % m
    rater, prompt = rng.integers(0, 20_000, n), rng.integers(0, 5_000, n)
    residual, weight, bread = rng.random(n) - 0.5, np.ones(n), np.eye(m)
    took = []
    for _ in range(3):
        start = time.thread_time()
        found = two_way_covariance(bread, pair_scores(m, a, b, residual, weight), rater, prompt)
        took.append(time.thread_time() - start)
    assert found.n_clusters == (20_000, 5_000)
    assert min(took) < patience()


@pytest.mark.parametrize("way", ["dense at once", "dense in blocks", "pairs", "sparse"])
@pytest.mark.parametrize("has_weights", [True, False])
def test_votes_that_share_a_row_of_scores_give_what_they_give_apart(way, has_weights, monkeypatch):
    rng = np.random.default_rng(7)
    m, n_rows, n = 4, 40, 900
    a = rng.integers(0, m, n_rows)
    score, extra = rng.normal(size=n_rows), rng.normal(size=(n_rows, 2))
    place = rng.integers(0, n_rows, n).astype(np.int32)
    weight = rng.integers(1, 5, n).astype(float) if has_weights else None
    shared = cluster.Scores(m, a, (a + 1) % m, score, -score, extra, place, weight)
    times = np.ones(n) if weight is None else weight
    apart = pair_scores(m, a[place], shared.model_b[place], (score[place] * times))
    apart = cluster.Scores(m, apart.model_a, apart.model_b, apart.score_a, apart.score_b, extra[place] * times[:, None])
    assert (len(shared), shared.n_parameters) == (n, m + 2) == (len(apart), apart.n_parameters)
    if way == "dense in blocks":
        monkeypatch.setattr(cluster, "BLOCK_CELLS", 24)
    if way in ("pairs", "sparse"):
        monkeypatch.setattr(cluster, "DENSE_FROM", 0)
        monkeypatch.setattr(cluster, "MOST_PAIRS", 1000 if way == "pairs" else 0)
    code = rng.integers(0, 60, n)
    for codes in (code, code.astype(np.int32)):
        found, wanted = cluster_meat(shared, codes), cluster_meat(apart, code)
        assert found[1] == wanted[1] == 60
        assert found[0] == pytest.approx(wanted[0], rel=1e-12, abs=1e-9)
        sums = np.array([[0.0] * (m + 2)] * 60)
        np.add.at(sums, (code, apart.model_a), apart.score_a)
        np.add.at(sums, (code, apart.model_b), apart.score_b)
        for column in range(2):
            np.add.at(sums, (code, m + column), apart.extra[:, column])
        assert found[0] == pytest.approx(sums.T @ sums, rel=1e-9, abs=1e-9)
    assert vote_meat(shared) == pytest.approx(vote_meat(apart), rel=1e-12, abs=1e-9)
