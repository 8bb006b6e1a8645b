"""One draw: the strategy's own choice, mixed with exploration, after the floor of models with few votes.

The probability of each pair is known before the draw, so what is stored with a battle is the true propensity.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from app.sampling._protocol import Moment, Strategy


def draw(strategy: Strategy, moment: Moment, *, exploration: float, floor_votes: int, rng: Random) -> tuple[int, float]:
    """The position of the pair to show and its propensity, the probability in (0, 1] with which it was drawn.

    Raises ValueError when no pair can be shown.
    """
    if not moment.able.size:
        raise ValueError("no pair has room")
    if not strategy.IS_EVEN:
        moment = _floor_first(moment, floor_votes)
    chances = mixed_chances(strategy, moment, exploration)
    ends = chances.cumsum()
    place = int(np.searchsorted(ends, rng.random() * ends[-1], side="right"))
    place = min(place, int(np.flatnonzero(chances)[-1]))  # where rounding carried the product to the very end
    return int(moment.able[place]), float(chances[place])


def mixed_chances(strategy: Strategy, moment: Moment, exploration: float) -> NDArray[np.float64]:
    """The mixture e / n + (1 - e) s over the n able pairs, s the strategy's own chances, e the share of exploration.

    With e > 0 every pair that can be shown has a chance, which is what weighting the votes again later asks for. A
    strategy that treats all pairs alike has nothing to explore, so its chances stand as they are.
    """
    own = strategy.chances(moment)
    if strategy.IS_EVEN:
        return own
    return exploration / len(own) + (1 - exploration) * own


def _floor_first(moment: Moment, floor_votes: int) -> Moment:
    """Only pairs with a model that has fewer votes than the floor, as long as any of these can be shown."""
    board, n = moment.board, moment.n_taken
    has = np.bincount(board.model_a, n, board.n_models) + np.bincount(board.model_b, n, board.n_models)
    is_new = has < floor_votes
    able = moment.able[is_new[board.model_a[moment.able]] | is_new[board.model_b[moment.able]]]
    return replace(moment, able=able) if able.size else moment
