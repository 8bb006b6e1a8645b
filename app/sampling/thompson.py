"""Double Thompson sampling (Wu & Liu 2016), for a study that looks for the best model and for nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.sampling._even import even_chances
from app.sampling._protocol import Evidence, Moment
from app.stats.dueling import double_thompson_chances

LABEL = "Thompson"
DESCRIPTION = (
    "Looks for the best model: soon most votes compare the few that might be it. It finds the winner with the fewest "
    "votes; the places behind it stay uncertain."
)
IS_EVEN, USES_WEIGHTS, LEARNS = False, False, True


def plan(evidence: Evidence, rng: np.random.Generator) -> NDArray[np.float64]:
    """The chance of each pair to be what double Thompson sampling compares next."""
    return double_thompson_chances(evidence.wins, evidence.board.model_a, evidence.board.model_b, rng)


def chances(moment: Moment) -> NDArray[np.float64]:
    """Those of the plan among the pairs that can be shown; without any, the balanced choice."""
    made = moment.get_plan()
    if made is None or not (share := made.weight[moment.able]).any():
        return even_chances(moment)
    return np.asarray(share / share.sum(), dtype=np.float64)
