"""Weighted allocation: fixed shares, from the weights that an admin gives the models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.sampling._protocol import Moment

LABEL = "Weighted"
DESCRIPTION = (
    "You give each model a weight, and a pair is drawn in proportion to the product of its two: a model with twice the "
    "weight is in about twice as many battles. The shares are fixed, whatever raters say."
)
IS_EVEN, USES_WEIGHTS, LEARNS = False, True, False


def chances(moment: Moment) -> NDArray[np.float64]:
    """p_ij proportional to w_i w_j over the pairs that can be shown.

    The shares don't depend on counts or votes, so a battle's propensity says all there is to know about its draw.
    """
    board = moment.board
    share = board.weight[board.model_a[moment.able]] * board.weight[board.model_b[moment.able]]
    return np.asarray(share / share.sum(), dtype=np.float64)
