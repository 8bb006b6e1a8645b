"""Uniform allocation: the pair with the fewest votes, ties broken by what this rater saw least and then by chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.sampling._even import even_chances
from app.sampling._protocol import Moment

LABEL = "Uniform"
DESCRIPTION = "Every pair gets the same number of votes; nothing that raters said so far changes what is asked next."
IS_EVEN, USES_WEIGHTS, LEARNS = True, False, False


def chances(moment: Moment) -> NDArray[np.float64]:
    """The quota goes before the rater: what the study lacks counts more than variety for one of them."""
    return even_chances(moment)
