"""What is claimed of a ranking beyond its table, if asked: against a champion, ranks of one model, whether to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.domain import Ranking
from app.errors import BakeoffError, InvalidInputError
from app.stats.pairwise import PairTests
from app.stats.quasi_variance import quasi_variances
from app.stats.rank_sets import compare_with_champion, marginal_rank_sets, tiers
from app.stats.sequential import BURN_IN, anytime_tests
from app.stats.stopping import ROPE, decide

Result: TypeAlias = dict[str, Any]
FEWEST_CLUSTERS = 30  # for p-values that hold at any time, which lean on the normal law


@dataclass(frozen=True)
class Board:
    """The m models of one component that have a rating: ``theta`` (m,) in logits and its covariance (m, m)."""

    models: tuple[str, ...]
    theta: NDArray[np.float64]
    covariance: NDArray[np.float64]
    df: float


def boards_of(ranking: Ranking, wish: str) -> list[Board]:
    """The components of two or more rated models, with the covariance that their errors and pair tests stand for.

    S_ii is the squared error of model i and S_ij = (S_ii + S_jj - v_ij) / 2, v_ij the squared error of the difference.
    Raises ``InvalidInputError`` naming the ``wish`` (an option) if the method has no such errors.
    """
    rows = {row.model: row for row in ranking.models}
    found = []
    for names in ranking.components:
        models = tuple(name for name in names if rows[name].rating is not None and rows[name].se is not None)
        if len(models) > 1:
            theta = np.array([rows[name].rating for name in models], dtype=np.float64)
            se = np.array([rows[name].se for name in models], dtype=np.float64)
            found.append(Board(models, theta, _covariance(ranking, models, se), ranking.df))
    if not found or not len(ranking.pairs):
        raise InvalidInputError(f"The method {ranking.method} has no errors of differences, so it cannot do {wish}.")
    return found


def _covariance(ranking: Ranking, models: tuple[str, ...], se: NDArray[np.float64]) -> NDArray[np.float64]:
    place = {name: i for i, name in enumerate(models)}
    variance = np.zeros((len(models), len(models)))
    for pair in ranking.pairs:
        if pair.model_a in place and pair.model_b in place:
            i, j = place[pair.model_a], place[pair.model_b]
            variance[i, j] = variance[j, i] = pair.se**2
    return (se[:, None] ** 2 + se[None, :] ** 2 - variance) / 2


def parse_rope(text: str) -> float:
    """The range of equivalence in logits: "0.1", or in points of win share: "2.5%" is 52.5 to 47.5.

    Raises ``InvalidInputError`` for anything else.
    """
    is_share = text.strip().endswith("%")
    try:
        number = float(text.strip().removesuffix("%"))
    except ValueError:
        number = math.nan
    if not (0 < number < 50 if is_share else 0 < number <= 50):
        raise InvalidInputError(f"--rope takes logits such as 0.1, or points of win share such as 2.5%, not {text!r}.")
    return math.log((50 + number) / (50 - number)) if is_share else number


def against_champion(ranking: Ranking, champion: str, *, rope: float, scale: float) -> Result:
    """Each other model of the champion's component less the champion, simultaneously; numbers on the printed scale.

    Adjusted p-values are single-step, as Dunnett's are, so that they say what the simultaneous intervals say. A
    challenger is better or worse by its adjusted p, equivalent if its whole simultaneous interval lies within the
    ``rope`` (logits), else open.
    """
    board = _board_with(ranking, champion, "--champion")
    at = board.models.index(champion)
    found = compare_with_champion(board.theta, board.covariance, at, confidence=ranking.confidence, df=board.df)
    tests, rows = found.tests, []
    for k in np.argsort(-tests.difference, kind="stable").tolist():
        is_clear = found.p_single_step[k] <= 1 - ranking.confidence
        if found.lower[k] > -rope and found.upper[k] < rope:
            verdict = "equivalent"
        else:
            verdict = ("better" if tests.difference[k] > 0 else "worse") if is_clear else "open"
        rows.append(
            {
                "model": board.models[tests.i[k]],
                "difference": float(scale * tests.difference[k]),
                "se": float(scale * tests.se[k]),
                "lower": _finite(scale * found.lower[k]),
                "upper": _finite(scale * found.upper[k]),
                "p": float(tests.p[k]),
                "p_adjusted": float(found.p_single_step[k]),
                "verdict": verdict,
            }
        )
    return {"model": champion, "critical": _finite(found.critical), "challengers": rows}


def _finite(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None


def _board_with(ranking: Ranking, model: str, wish: str) -> Board:
    if all(row.model != model for row in ranking.models):
        raise InvalidInputError(f"{wish} {model!r} is no model of this file.")
    board = next((board for board in boards_of(ranking, wish) if model in board.models), None)
    if board is None:
        raise InvalidInputError(f"{wish} {model!r} was never compared with another model that has a rating.")
    return board


def whether_to_stop(ranking: Ranking, champion: str | None, *, rope: float = ROPE, budget: int | None = None) -> Result:
    """The verdict of ``stopping.decide`` on the champion's component, or on all models: it holds at any look.

    With fewer than 30 clusters nothing holds at any time, so that the verdict can only be to keep going, or the budget.
    """
    boards = boards_of(ranking, "--rope or --budget")
    if champion is None and (len(boards) > 1 or not ranking.connected):
        raise InvalidInputError("The models fall into groups that no vote connects: name one of a group by --champion.")
    board = boards[0] if champion is None else _board_with(ranking, champion, "--champion")
    votes = {row.model: row.n_votes for row in ranking.models}
    tests = anytime_tests(
        board.theta,
        board.covariance,
        np.array([votes[name] for name in board.models], dtype=np.float64),
        confidence=ranking.confidence,
        burn_in=BURN_IN if board.df >= FEWEST_CLUSTERS - 1 else np.inf,
        df=board.df,
    )
    found = decide(
        tests,
        board.theta,
        board.models,
        n_votes=ranking.n_votes,
        budget=budget,
        alpha=1 - ranking.confidence,
        rope=rope,
    )
    return {
        "verdict": found.verdict.value,
        "reason": found.reason,
        "leader": board.models[found.leader],
        "contenders": [board.models[place] for place in found.contenders],
        "rope": rope,
        "budget": budget,
    }


def marginal_ranks(ranking: Ranking) -> dict[str, tuple[int, int]]:
    """Best and worst rank of each model, each at the ranking's confidence for that model alone."""
    found: dict[str, tuple[int, int]] = {}
    for board in boards_of(ranking, "--marginal"):
        lower, upper = marginal_rank_sets(board.theta, board.covariance, alpha=1 - ranking.confidence, df=board.df)
        found |= dict(zip(board.models, zip(lower.tolist(), upper.tolist(), strict=True), strict=True))
    return found


def quasi_errors(ranking: Ranking, scale: float) -> tuple[dict[str, float | None], list[Result], list[str]]:
    """The root of each model's quasi-variance on the printed scale, the worst errors by group, and what to say of them.

    None where a quasi-variance is negative, which no plot can show.
    """
    found: dict[str, float | None] = {}
    errors: list[Result] = []
    notes: list[str] = []
    for board in boards_of(ranking, "--quasi"):
        try:
            quasi = quasi_variances(board.covariance)
        except BakeoffError as error:
            notes.append(f"No quasi-standard errors for the group of {board.models[0]}: {error}.")
            continue
        for name, variance in zip(board.models, quasi.variance.tolist(), strict=True):
            found[name] = scale * math.sqrt(variance) if variance >= 0 else None
        errors.append({"lowest_error": quasi.lowest_error, "highest_error": quasi.highest_error})
        if (quasi.variance < 0).any():
            notes.append("A quasi-variance is negative, so that model has no quasi-standard error.")
    return found, errors, notes


def find_tiers(ranking: Ranking) -> dict[str, int]:
    """The steps of ``rank_sets.tiers`` in each component, by model; empty where the method gives no tests."""
    found: dict[str, int] = {}
    for names in ranking.components:
        place = {name: i for i, name in enumerate(names)}
        pairs = [pair for pair in ranking.pairs if pair.model_a in place and pair.model_b in place]
        if not pairs:
            continue
        i, j = (np.array([place[name] for name in side], np.int64) for side in list(zip(*pairs, strict=True))[:2])
        numbers = np.array([pair[2:] for pair in pairs], np.float64).T
        steps = tiers(PairTests(i, j, *numbers), len(names), alpha=1 - ranking.confidence)
        found |= {name: int(steps[place[name]]) for pair in pairs for name in pair[:2]}
    return found
