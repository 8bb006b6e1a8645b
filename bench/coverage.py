"""Whether intervals, ranks and any-time claims hold what they promise, ours beside what others do, by simulation.

    python bench/coverage.py            # about two minutes
    python bench/coverage.py --quick    # about ten seconds, rougher

Seeds are fixed. Each share is given with its Monte Carlo error. The last column says what was promised; the command
ends with an error if a row of ours breaks its promise by more than three such errors.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri

from app.stats.bootstrap import bootstrap_votes
from app.stats.cluster import clustered_covariance, pair_scores, two_way_covariance, vote_meat
from app.stats.covariance import model_covariance, sandwich_covariance, score_variance
from app.stats.intervals import normal_quantile
from app.stats.max_t import max_t_tests
from app.stats.newton import fit_bradley_terry, information, win_probabilities
from app.stats.pairwise import pairwise_tests, rank_sets
from app.stats.sequential import anytime_tests, beta_log_evidence

Z = normal_quantile(0.95)


@dataclass
class Row:
    """One line of the table: how often it held (or erred), and the bounds of the promise, if it is ours.

    ``per_run`` results of one run hang together, so the Monte Carlo error counts runs.
    """

    method: str
    hits: list[bool]
    low: float | None = None
    high: float | None = None
    per_run: int = 1

    @property
    def share(self) -> float:
        return float(np.mean(self.hits))

    @property
    def error(self) -> float:
        runs = len(self.hits) / self.per_run
        return float(np.sqrt(max(self.share * (1 - self.share), 0.25 / runs) / runs))

    @property
    def holds(self) -> bool:
        return (self.low is None or self.share >= self.low - 3 * self.error) and (
            self.high is None or self.share <= self.high + 3 * self.error
        )

    @property
    def promise(self) -> str:
        bounds = [f"at least {self.low}"] * (self.low is not None) + [f"at most {self.high}"] * (self.high is not None)
        return " and ".join(bounds) + ("" if self.holds else "  BROKEN")


def played(rng: np.random.Generator, truth: NDArray[np.float64], votes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Wins of row over column when the pairs i < j of ``votes`` (m, m) are decided by Bradley-Terry."""
    n = np.triu(votes, 1).astype(np.int64)
    won = rng.binomial(n, np.triu(win_probabilities(truth), 1))
    return (won + (n - won).T).astype(np.float64)


def sparse_model(runs: int) -> tuple[str, list[Row]]:
    """A new model with 50 votes on a board of 20 models and a million votes; its interval on the board's scale."""
    rng = np.random.default_rng(1)
    ours, ridged = Row("Bakeoff: exact sandwich", [], 0.93, 0.97), Row("arena-rank: ridge 1e-5 N on H", [])
    m = 20
    truth = rng.normal(0, 0.7, m)
    truth -= truth.mean()
    established = np.full((m, m), 1e6 / 171)
    established[-1] = established[:, -1] = 0
    while len(ours.hits) < runs:
        votes = established.copy()
        votes[:-1, -1] = rng.multinomial(50, np.full(m - 1, 1 / (m - 1)))
        wins = played(rng, truth, votes)
        if not wins[-1].any() or not wins[:, -1].any():
            continue  # won or lost everything: no finite fit, and Bakeoff says so
        theta = fit_bradley_terry(wins)
        no_ties = np.zeros((m, m))
        off = abs(theta[-1] - truth[-1])
        ours.hits.append(bool(off < Z * np.sqrt(sandwich_covariance(theta, wins, no_ties)[-1, -1])))
        bread = np.linalg.inv(information(theta, wins + wins.T) + 1e-5 * wins.sum() * np.eye(m))
        shrunk = bread @ score_variance(theta, wins, no_ties) @ bread
        ridged.hits.append(bool(off < Z * np.sqrt(shrunk[-1, -1])))
    return "95 % interval of a new model: 50 votes on a board of 1,000,000", [ours, ridged]


def tasteful_votes(
    rng: np.random.Generator, truth: NDArray[np.float64], rater: NDArray[np.int64], prompt: NDArray[np.int64], sd: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Votes whose raters have tastes of this sd; prompts suit models with the same sd (none if all are prompt 0)."""
    m = len(truth)
    taste = truth + rng.normal(0, sd, (int(rater.max()) + 1, m))
    suits = rng.normal(0, sd, (int(prompt.max()) + 1, m)) * bool(prompt.any())
    a = rng.integers(0, m, len(rater))
    b = (a + rng.integers(1, m, len(rater))) % m
    gap = taste[rater, a] - taste[rater, b] + suits[prompt, a] - suits[prompt, b]
    return a, b, (rng.random(len(rater)) < expit(gap)).astype(np.float64)


def population(truth: NDArray[np.float64], sd: float) -> NDArray[np.float64]:
    """Bradley-Terry fitted to preferences averaged over all raters (and prompts), which is what the board estimates.

    The difference of two tastes is normal with sd sqrt(2) ``sd``: Gauss-Hermite quadrature.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    gap = truth[:, None, None] - truth[None, :, None] + np.sqrt(2) * sd * nodes
    share = (expit(gap) * weights).sum(axis=2) / weights.sum()
    return fit_bradley_terry(1e4 * share * (1 - np.eye(len(truth))))


def clustered(runs: int, n_raters: int, n_prompts: int) -> tuple[str, list[Row]]:
    rng = np.random.default_rng(2)
    names = ["Bakeoff: clustered, t", "clustered, normal quantile", "per vote (arena-rank, evalica ...)"]
    truth = np.array([-0.6, -0.2, 0.0, 0.2, 0.6])
    m = len(truth)
    rows = [Row(names[0], [], 0.93, 0.97, m), Row(names[1], [], per_run=m), Row(names[2], [], per_run=m)]
    target = population(truth, 0.7 * (np.sqrt(2) if n_prompts > 1 else 1))
    if n_prompts > 1:
        rater, prompt = (grid.ravel() for grid in np.indices((n_raters, n_prompts)))
    else:
        rater, prompt = np.repeat(np.arange(n_raters), 60), np.zeros(n_raters * 60, dtype=np.int64)
    for _ in range(runs):
        a, b, share = tasteful_votes(rng, truth, rater, prompt, 0.7)
        wins = np.zeros((m, m))
        np.add.at(wins, (a, b), share)
        np.add.at(wins, (b, a), 1 - share)
        theta = fit_bradley_terry(wins)
        bread = model_covariance(theta, wins)
        scores = pair_scores(m, a, b, share - win_probabilities(theta)[a, b])
        if n_prompts > 1:
            found = two_way_covariance(bread, scores, rater, prompt)
        else:
            found = clustered_covariance(bread, scores, rater)
        off = np.abs(theta - target)
        se = np.sqrt(np.diag(found.covariance))
        per_vote = np.sqrt(np.diag(bread @ vote_meat(scores) @ bread))
        for row, width in zip(rows, (found.quantile() * se, Z * se, Z * per_vote), strict=True):
            row.hits += (off < width).tolist()
    by = f"{n_raters} raters x {n_prompts} prompts" if n_prompts > 1 else f"{n_raters} raters, 60 votes each"
    return f"95 % interval of a rating: {by}, tastes of sd 0.7", rows


def ranks(runs: int) -> tuple[str, list[Row]]:
    """Whether all ten rank intervals hold rank 1 to 10, as they must when all models are equal."""
    rng = np.random.default_rng(3)
    rows = {
        "max-T": Row("Bakeoff: step-down max-T", [], 0.94),
        "holm": Row("Holm over pairs", []),
        "overlap": Row("overlap of single intervals (FastChat, LMArena)", []),
        "pairs": Row("uncorrected pairs", []),
        "bootstrap": Row("percentiles of bootstrapped ranks (arenakit)", []),
    }
    m, no_ties = 10, np.zeros((10, 10))
    votes = 60.0 * (1 - np.eye(m))
    for run in range(runs):
        wins = played(rng, np.zeros(m), votes)
        theta = fit_bradley_terry(wins)
        covariance = sandwich_covariance(theta, wins, no_ties)
        tests = pairwise_tests(theta, covariance)
        found = max_t_tests(theta, covariance, n_draws=4000, seed=run).tests
        se = np.sqrt(np.diag(covariance))
        replicates = bootstrap_votes(theta, wins, no_ties, n_replicates=400, seed=run).replicates
        places = 1 + (replicates[:, None, :] > replicates[:, :, None]).sum(axis=2)
        low, high = np.quantile(places, [0.025, 0.975], axis=0)
        rows["max-T"].hits.append(holds_all(*rank_sets(found, m)))
        rows["holm"].hits.append(holds_all(*rank_sets(tests, m)))
        rows["overlap"].hits.append(bool((theta - Z * se).max() < (theta + Z * se).min()))
        rows["pairs"].hits.append(bool((tests.p > 0.05).all()))
        # ties of rank are in the bootstrap's favour: any rank that it leaves possible counts
        rows["bootstrap"].hits.append(holds_all(low, high))
    return "All 95 % rank intervals of 10 equal models right together", list(rows.values())


def holds_all(lower: NDArray[np.generic], upper: NDArray[np.generic]) -> bool:
    """Equal models share all ranks, so an interval is right if it holds 1 to m."""
    return bool((lower == 1).all() and (upper == len(upper)).all())


def every_vote(runs: int) -> tuple[str, list[Row]]:
    rng = np.random.default_rng(4)
    n = np.arange(1, 5001)
    ours, naive = Row("Bakeoff: beta-binomial mixture", [], None, 0.05), Row("z test at every vote", [])
    for _ in range(0, runs, 250):
        won = np.cumsum(rng.random((250, 5000), dtype=np.float32) < 0.5, axis=1)
        ours.hits += (beta_log_evidence(won, n - won).max(axis=1) >= np.log(20)).tolist()
        z = np.abs(2 * won - n) / np.sqrt(n)
        naive.hits += (z[:, 9:] >= Z).any(axis=1).tolist()
    return "A false winner between two equal models, a look after every vote to 5,000", [ours, naive]


def board_looks(runs: int) -> tuple[str, list[Row]]:
    rng = np.random.default_rng(5)
    rows = [
        Row("Bakeoff: mixture SPRT, Holm", [], None, 0.05),
        Row("max-T at each look", []),
        Row("1.96 at each look", []),
    ]
    m, no_ties = 6, np.zeros((6, 6))
    i, j = np.triu_indices(m, 1)
    critical = -ndtri(0.025 / len(i))  # Bonferroni's, larger than max-T's: beyond it there is nothing to simulate
    for run in range(runs):
        wins, p, wrong = np.zeros((m, m)), None, [False] * 3
        for look in range(1, 51):
            pair = rng.integers(0, len(i), 100)
            turned = rng.random(100) < 0.5
            np.add.at(wins, (np.where(turned, i[pair], j[pair]), np.where(turned, j[pair], i[pair])), 1)
            if look < 5:
                continue
            theta = fit_bradley_terry(wins)
            covariance = sandwich_covariance(theta, wins, no_ties)
            found = anytime_tests(theta, covariance, (wins + wins.T).sum(axis=1), previous=p)
            p = found.p
            largest = float((np.abs(found.difference) / found.se).max())
            wrong[0] |= bool((found.p_adjusted <= 0.05).any())
            if not wrong[1] and largest > 2.5:
                wrong[1] = (
                    largest > critical or largest >= max_t_tests(theta, covariance, n_draws=2000, seed=run).critical
                )
            wrong[2] |= largest >= Z
        for row, is_wrong in zip(rows, wrong, strict=True):
            row.hits.append(is_wrong)
    return "Any false claim on a board of 6 equal models, a look each 100 votes to 5,000", rows


def sections(scale: float) -> Iterator[tuple[str, list[Row]]]:
    yield sparse_model(int(4000 * scale))
    yield clustered(int(2000 * scale), 12, 1)
    yield clustered(int(600 * scale), 100, 1)
    yield clustered(int(1000 * scale), 25, 25)
    yield ranks(int(1500 * scale))
    yield every_vote(int(10_000 * scale))
    yield board_looks(int(500 * scale))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs")
    is_quick = parser.parse_args().quick
    start, is_broken = time.perf_counter(), False
    for title, rows in sections(0.1 if is_quick else 1.0):
        print(f"\n{title}")
        for row in rows:
            print(f"  {row.method:<48} {row.share:.3f} +- {row.error:.3f}   {row.promise}", flush=True)
            is_broken |= not row.holds
    print(f"\n{time.perf_counter() - start:.0f} s")
    if is_broken:
        sys.exit("a promise was broken")


if __name__ == "__main__":
    main()
