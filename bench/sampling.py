"""What each way to choose the next battle buys, in simulation, and how long a choice takes after a million votes.

OPENBLAS_NUM_THREADS=1 python bench/sampling.py              # both; some minutes
OPENBLAS_NUM_THREADS=1 python bench/sampling.py --runs 60    # the tables alone, means of 60 runs
OPENBLAS_NUM_THREADS=1 python bench/sampling.py --time       # the time alone
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import kendalltau

from app.sampling._draw import draw
from app.sampling._protocol import Board, Evidence, LearningStrategy, Moment, Plan
from app.sampling._registry import get_strategies
from app.stats.connectivity import is_strongly_connected
from app.stats.covariance import model_covariance, sandwich_covariance
from app.stats.firth import fit_firth
from app.stats.max_t import max_t_tests
from app.stats.newton import fit_bradley_terry

M, CHECKS = 16, (300, 1000)
VOTES_PER_PLAN = 15  # in the app a plan is a second old or more: so many votes a second are a busy study
DRAWS = 2_000  # of the max-T critical value


@dataclass(frozen=True)
class Setting:
    """Strengths N(0, ``spread``^2) in logits, or equally spaced with that standard deviation; the share of ties."""

    spread: float
    ties: float
    is_spaced: bool = False

    def __str__(self) -> str:
        return f"{'equally spaced' if self.is_spaced else 'normal'}, sd {self.spread}, {self.ties:.0%} ties"

    def strengths(self, rng: np.random.Generator) -> NDArray[np.float64]:
        if not self.is_spaced:
            return rng.normal(0, self.spread, M)
        steps = np.linspace(-1.0, 1.0, M)
        return steps / steps.std() * self.spread


SETTINGS = (Setting(0.6, 0.15), Setting(0.6, 0.0), Setting(0.6, 0.15, is_spaced=True), Setting(1.0, 0.15))


@dataclass(frozen=True)
class Found:
    """Of all pairs the shares told apart (max-T, 5 %) and told apart the wrong way; tau; was the best first."""

    separated: float
    wrong: float
    tau: float
    is_best_first: float


def simulate(
    name: str,
    setting: Setting,
    seed: int,
    *,
    checks: Sequence[int] = CHECKS,
    exploration: float = 0.1,
    floor_votes: int = 50,
) -> Iterator[Found]:
    """One study by a strategy, drawn as the app draws; what is known after so many votes as ``checks`` name."""
    rng, coin = np.random.default_rng(seed), Random(seed)
    truth = setting.strengths(rng)
    a, b = np.triu_indices(M, 1)
    board, strategy = Board(a, b, np.ones(M)), get_strategies()[name]
    n_taken, nothing, able = np.zeros(len(a), np.int64), np.zeros(len(a), np.int64), np.arange(len(a))
    wins, tied = np.zeros((M, M)), np.zeros((M, M))
    plan: Plan | None = None
    for n in range(max(checks)):
        if strategy.LEARNS and n % VOTES_PER_PLAN == 0:
            learning = cast("LearningStrategy", strategy)
            plan = Plan(learning.plan(Evidence(board, wins + tied / 2, nothing), rng), n_taken.copy())
        moment = Moment(board, n_taken, nothing, able, lambda plan=plan: plan)  # type: ignore[misc]
        position, _ = draw(strategy, moment, exploration=exploration, floor_votes=floor_votes, rng=coin)
        i, j = a[position], b[position]
        n_taken[position] += 1
        if rng.random() < setting.ties:
            tied[i, j] += 1
            tied[j, i] += 1
        elif rng.random() < expit(truth[i] - truth[j]):
            wins[i, j] += 1
        else:
            wins[j, i] += 1
        if n + 1 in checks:
            yield judge(wins, tied, truth)


def judge(wins: NDArray[np.float64], tied: NDArray[np.float64], truth: NDArray[np.float64]) -> Found:
    """What the board would claim: pairs told apart by step-down max-T on the per-vote sandwich."""
    halves = wins + tied / 2
    is_finite = is_strongly_connected(halves)
    theta = fit_bradley_terry(halves) if is_finite else fit_firth(halves)
    covariance = sandwich_covariance(theta, wins, tied) if is_finite else model_covariance(theta, halves)
    tests = max_t_tests(theta, covariance, n_draws=DRAWS).tests
    is_clear = tests.p_adjusted <= 0.05
    is_right = np.sign(truth[tests.i] - truth[tests.j]) == np.sign(tests.difference)
    tau = float(kendalltau(theta, truth).statistic)
    return Found(
        float(is_clear.mean()), float((is_clear & ~is_right).mean()), tau, float(theta.argmax() == truth.argmax())
    )


def mean(found: Sequence[Found]) -> Found:
    return Found(*np.mean([(one.separated, one.wrong, one.tau, one.is_best_first) for one in found], axis=0))


def print_tables(n_runs: int) -> None:
    print(f"{M} models, means of {n_runs} runs; exploration 10 %, floor 50 votes, a plan every {VOTES_PER_PLAN} votes")
    for setting in SETTINGS:
        runs = {name: [list(simulate(name, setting, seed)) for seed in range(n_runs)] for name in get_strategies()}
        print(f"\nstrengths {setting}", flush=True)
        print(" votes  strategy   told apart to uniform   wrong    tau best first")
        for place, n_votes in enumerate(CHECKS):
            of = {name: mean([run[place] for run in several]) for name, several in runs.items()}
            for name, it in of.items():
                gain = it.separated / of["uniform"].separated - 1 if of["uniform"].separated else float("nan")
                print(
                    f"{n_votes:6,}  {name:10} {it.separated:10.1%} {gain:+10.0%} {it.wrong:7.2%} {it.tau:6.3f} "
                    f"{it.is_best_first:10.0%}"
                )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int)
    options.add_argument("--time", action="store_true")
    chosen = options.parse_args()
    if chosen.runs or not chosen.time:
        begin = time.perf_counter()
        print_tables(chosen.runs or 60)
        print(f"({time.perf_counter() - begin:.0f} s)\n")
    if chosen.time or not chosen.runs:
        import drawing

        drawing.main()


if __name__ == "__main__":
    main()
