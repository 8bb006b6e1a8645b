"""What a strategy is given, and what every module in this folder has.

All arrays over pairs have one entry for each pair of the study, by its position.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Board:
    """The pairs of a study as indices of its models, and the weight that an admin gave each model."""

    model_a: NDArray[np.int64]
    model_b: NDArray[np.int64]
    weight: NDArray[np.float64]

    @property
    def n_models(self) -> int:
        """How many models there are."""
        return len(self.weight)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What raters said so far.

    ``wins`` (m, m) are half-wins of row over column, a tie or both-bad half a win for each; ``n_open`` counts the
    battles of each pair that are on somebody's screen.
    """

    board: Board
    wins: NDArray[np.float64]
    n_open: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Plan:
    """What a strategy made of the evidence: how much it wants each pair, and the counts of pairs at that time."""

    weight: NDArray[np.float64]
    n_taken: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Moment:
    """One draw: what could be shown to this rater now.

    ``n_taken`` counts the votes and open battles of each pair, ``n_seen`` how often this rater met them, ``able`` are
    the positions of the pairs that can be shown. ``get_plan`` gives the strategy's own plan, which may be some seconds
    old, or None while there is none.
    """

    board: Board
    n_taken: NDArray[np.int64]
    n_seen: NDArray[np.int64]
    able: NDArray[np.int64]
    get_plan: Callable[[], Plan | None]


class Strategy(Protocol):
    """What a module in this folder has; a module is found by its name and needs no registration.

    With ``IS_EVEN`` each pair gets exactly the study's votes per pair, and neither exploration nor floor is mixed in.
    Else that number times the pairs is what the study gets in all, and the strategy decides where. ``USES_WEIGHTS``
    says that the weights of models matter. A strategy with ``LEARNS`` has a ``plan`` beside ``chances``.
    """

    LABEL: str
    DESCRIPTION: str
    IS_EVEN: bool
    USES_WEIGHTS: bool
    LEARNS: bool

    def chances(self, moment: Moment) -> NDArray[np.float64]:
        """The probability with which each of ``moment.able`` is chosen, summing to one; ``able`` has one at least."""
        ...


class LearningStrategy(Strategy, Protocol):
    """A strategy that follows the votes."""

    def plan(self, evidence: Evidence, rng: np.random.Generator) -> NDArray[np.float64]:
        """How much it wants each pair, not negative. This may take its time: it runs beside the raters' way."""
        ...
