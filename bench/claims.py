"""How long clusters, simultaneous claims and bootstraps take on 1,000,000 votes of 100 models.

OPENBLAS_NUM_THREADS=1 python bench/claims.py     # medians of 5; 20,000 raters, 5,000 prompts
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable

import numpy as np

from app.ranking import bradley_terry
from app.stats.bootstrap import bootstrap_votes
from app.stats.cluster import pair_scores, two_way_covariance
from app.stats.comparisons import Comparisons
from app.stats.counts import outcome_counts, wins_and_ties
from app.stats.covariance import model_covariance, sandwich_covariance
from app.stats.max_t import max_t_tests
from app.stats.newton import fit_bradley_terry
from app.stats.rank_sets import simultaneous_rank_sets
from app.stats.uncertainty import clustered

N_VOTES, M, N_RATERS, N_PROMPTS = 1_000_000, 100, 20_000, 5_000


def votes() -> Comparisons:
    """Seeded votes with known strengths; 15 % ties."""
    rng = np.random.default_rng(1)
    a = rng.integers(0, M, N_VOTES)
    b = (a + rng.integers(1, M, N_VOTES)) % M
    strength = np.linspace(1, -1, M)
    loses = rng.random(N_VOTES) > 1 / (1 + np.exp(strength[b] - strength[a]))
    outcome = np.where(rng.random(N_VOTES) < 0.15, 2, loses.astype(np.int64))
    raters, prompts = rng.integers(0, N_RATERS, N_VOTES), rng.integers(0, N_PROMPTS, N_VOTES)
    names = tuple(f"Model {i}" for i in range(M))
    return Comparisons(names, a, b, outcome, np.ones(N_VOTES), np.ones(N_VOTES, np.int64), rater=raters, prompt=prompts)


def median_of_5(work: Callable[[], object]) -> float:
    """Seconds, after one run that is not counted."""
    work()
    took = []
    for _ in range(5):
        begin = time.perf_counter()
        work()
        took.append(time.perf_counter() - begin)
    return statistics.median(took)


def main() -> None:
    given = votes()
    assert given.rater is not None
    assert given.prompt is not None
    rater, prompt = given.rater, given.prompt
    wins, ties = wins_and_ties(outcome_counts(given))
    theta = fit_bradley_terry(wins + ties / 2)
    bread, covariance = model_covariance(theta, wins + ties / 2), sandwich_covariance(theta, wins, ties)
    gap = theta[given.model_a] - theta[given.model_b]
    residual = np.where(given.outcome == 2, 0.5, 1.0 - given.outcome) - 1 / (1 + np.exp(-gap))
    scores = pair_scores(M, given.model_a, given.model_b, residual)
    rows: tuple[tuple[str, Callable[[], object]], ...] = (
        ("two-way clustered covariance, from scores", lambda: two_way_covariance(bread, scores, rater, prompt)),
        (
            "the whole board with two-way clustered intervals",
            lambda: bradley_terry.rank(given, covariance=clustered(given, ("rater", "prompt"))),
        ),
        ("max-T of all 4,950 pairs", lambda: max_t_tests(theta, covariance)),
        ("simultaneous rank sets", lambda: simultaneous_rank_sets(theta, covariance)),
        ("1,000 Poisson bootstraps of votes", lambda: bootstrap_votes(theta, wins, ties)),
    )
    print(f"Python {platform.python_version()}, numpy {np.__version__}; {N_VOTES:,} votes, {M} models, median of 5")
    for name, work in rows:
        print(f"{name:52} {median_of_5(work):.2f} s")


if __name__ == "__main__":
    main()
