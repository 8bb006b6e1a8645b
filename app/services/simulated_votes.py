"""Votes made up from known strengths, so that people can try an analysis before they have data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pa_parquet  # type: ignore[import-untyped]
from numpy.typing import NDArray
from scipy.special import expit

from app.errors import InvalidInputError
from app.formats import _csv, _jsonl

COLUMNS = ("left", "right", "winner", "rater", "prompt")
WINNERS = np.array(["left", "right", "tie", "both_bad"], dtype=object)
MOST_VOTES = 20_000_000


@dataclass(frozen=True)
class Truth:
    """What votes are made from: ``strengths`` in logits by model, and how people vote.

    ``position`` is the advantage of the left side in logits; ``taste`` the standard deviation, in logits, of what a
    rater thinks of a model beside its strength.
    """

    strengths: dict[str, float]
    tie_rate: float = 0.15
    both_bad_rate: float = 0.05
    position: float = 0.0
    taste: float = 0.0
    n_raters: int = 50
    n_prompts: int = 100


def spaced_strengths(n_models: int, spread: float) -> dict[str, float]:
    """Models m01, m02 ... at equal distances, the first ``spread`` logits above the last; they sum to zero."""
    if not 2 <= n_models <= 10_000:
        raise InvalidInputError("There must be 2 to 10,000 models.")
    if not 0 <= spread <= 50:
        raise InvalidInputError("The spread must lie between 0 and 50 logits.")
    width = max(2, len(str(n_models)))
    values = np.linspace(spread / 2, -spread / 2, n_models)
    return {f"m{number:0{width}d}": float(value) for number, value in enumerate(values, start=1)}


def write_simulated_votes(path: Path, truth: Truth, *, n_votes: int, seed: int) -> None:
    """Write votes as CSV, JSON Lines or Parquet, by the ending of ``path``; the same seed gives the same votes."""
    writers: dict[str, Callable[[Sequence[NDArray[Any]], BinaryIO], object]] = {
        ".csv": _write_csv,
        ".jsonl": _write_jsonl,
        ".parquet": _write_parquet,
    }
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise InvalidInputError(f"The file's name must end in {', '.join(writers)}, not {path.suffix or 'nothing'!r}.")
    columns = simulate_votes(truth, n_votes=n_votes, seed=seed)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as stream:
        writer(columns, stream)
    partial.replace(path)


def simulate_votes(truth: Truth, *, n_votes: int, seed: int) -> list[NDArray[Any]]:
    """The columns ``COLUMNS`` of ``n_votes`` votes.

    Each vote draws a rater, a prompt and two different models, and shows them on sides drawn at random. It is both-bad
    at ``both_bad_rate`` whoever competes; otherwise P(left) : P(right) : P(tie) = exp(d/2) : exp(-d/2) : nu (Davidson
    1970), d the difference of strengths (and tastes) plus ``position``; nu makes ``tie_rate`` of the votes ties.
    """
    _check(truth, n_votes)
    random = np.random.default_rng(seed)
    names = np.array(list(truth.strengths), dtype=object)
    theta = np.array(list(truth.strengths.values()))
    m = len(names)
    left = random.integers(0, m, n_votes)
    right = (left + random.integers(1, m, n_votes)) % m
    rater = random.integers(0, truth.n_raters, n_votes)
    prompt = random.integers(0, truth.n_prompts, n_votes)
    likes = random.normal(0, truth.taste, (truth.n_raters, m)) if truth.taste else np.zeros((truth.n_raters, m))
    d = theta[left] - theta[right] + likes[rater, left] - likes[rater, right] + truth.position
    nu = _tie_parameter(d, truth.tie_rate / (1 - truth.both_bad_rate))
    tied = random.random(n_votes) < _tie_chance(d, nu)
    outcome = np.where(tied, 2, np.where(random.random(n_votes) < expit(d), 0, 1))
    outcome[random.random(n_votes) < truth.both_bad_rate] = 3
    raters, prompts = (
        np.array([f"{kind}{number}" for number in range(1, n + 1)], dtype=object)
        for kind, n in (("rater-", truth.n_raters), ("prompt-", truth.n_prompts))
    )
    return [names[left], names[right], WINNERS[outcome], raters[rater], prompts[prompt]]


def _tie_chance(d: NDArray[np.float64], nu: float) -> NDArray[np.float64]:
    return np.asarray(nu / (nu + 2 * np.cosh(d / 2)), dtype=np.float64)


def _tie_parameter(d: NDArray[np.float64], rate: float) -> float:
    """The nu at which the mean tie chance is ``rate``."""
    from scipy.optimize import brentq  # noqa: PLC0415 - 15 MB, and most pages never come here

    if rate == 0:
        return 0.0
    sample = d[:10_000]
    log_nu = brentq(  # type: ignore[no-untyped-call]
        lambda x: float(_tie_chance(sample, np.exp(x)).mean()) - rate, -60, 60
    )
    return float(np.exp(log_nu))


def _check(truth: Truth, n_votes: int) -> None:
    if not 1 <= n_votes <= MOST_VOTES:
        raise InvalidInputError(f"There must be 1 to {MOST_VOTES:,} votes.")
    if len(truth.strengths) < 2:
        raise InvalidInputError("There must be at least two models.")
    if not all(abs(x) <= 50 for x in (*truth.strengths.values(), truth.position)):
        raise InvalidInputError("Strengths and position must lie between -50 and 50 logits.")
    if not (truth.tie_rate >= 0 and truth.both_bad_rate >= 0 and truth.tie_rate + truth.both_bad_rate < 1):
        raise InvalidInputError("Tie rate and both-bad rate must not be negative, and be less than 1 together.")
    if not 0 <= truth.taste <= 10:
        raise InvalidInputError("The taste must lie between 0 and 10 logits.")
    if not (1 <= truth.n_raters <= 1_000_000 and 1 <= truth.n_prompts <= 1_000_000):
        raise InvalidInputError("There must be 1 to 1,000,000 raters and prompts.")
    if truth.taste and truth.n_raters * len(truth.strengths) > 100_000_000:
        raise InvalidInputError("So many tastes don't fit in memory: take fewer raters or models.")


def _write_csv(columns: Sequence[NDArray[Any]], stream: BinaryIO) -> None:
    _csv.write_table(COLUMNS, zip(*columns, strict=True), stream)


def _write_jsonl(columns: Sequence[NDArray[Any]], stream: BinaryIO) -> None:
    _jsonl.write_objects((dict(zip(COLUMNS, row, strict=True)) for row in zip(*columns, strict=True)), stream)


def _write_parquet(columns: Sequence[NDArray[Any]], stream: BinaryIO) -> None:
    table = {name: pa.array(column, pa.string()) for name, column in zip(COLUMNS, columns, strict=True)}
    pa_parquet.write_table(pa.table(table), stream)
