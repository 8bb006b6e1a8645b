"""Active allocation: where the next vote is expected to teach most, in batches that touch every model.

Mikhailiuk et al. 2020 (arXiv 2004.05691): expected information gain of each pair, and a spanning tree of the largest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.sampling._even import equal_chances, even_chances, least
from app.sampling._protocol import Evidence, Moment
from app.stats.information_gain import expected_information_gain, spanning_batch
from app.stats.prior_ratings import ratings_with_prior

LABEL = "Active"
DESCRIPTION = (
    "Asks where the next vote is expected to teach most about the whole ranking: mostly models that are close to each "
    "other. It tells more models apart with the same number of votes; pairs whose order is clear get few."
)
IS_EVEN, USES_WEIGHTS, LEARNS = False, False, True


def plan(evidence: Evidence, rng: np.random.Generator) -> NDArray[np.float64]:
    """One for the pairs of the next batch, zero for the others."""
    board, m = evidence.board, evidence.board.n_models
    n_open = np.full((m, m), -1.0)
    n_open[board.model_a, board.model_b] = n_open[board.model_b, board.model_a] = evidence.n_open
    theta, covariance = ratings_with_prior(evidence.wins, n_open)
    spread = np.diag(covariance)
    variance = spread[board.model_a] + spread[board.model_b] - 2 * covariance[board.model_a, board.model_b]
    gain = expected_information_gain(theta[board.model_a] - theta[board.model_b], variance)
    weight = np.zeros(len(gain))
    weight[spanning_batch(gain, board.model_a, board.model_b, m, rng)] = 1.0
    return weight


def chances(moment: Moment) -> NDArray[np.float64]:
    """Equal chances for those of the batch that were drawn least since it was made, then met least by this rater.

    Without a batch, or where this rater can be shown none of it, the balanced choice.
    """
    made = moment.get_plan()
    if made is None or not (wanted := made.weight[moment.able] > 0).any():
        return even_chances(moment)
    return equal_chances(least(least(wanted, moment.n_taken - made.n_taken, moment), moment.n_seen, moment))
