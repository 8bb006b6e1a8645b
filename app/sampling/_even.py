"""The balanced choice, which strategies fall back on while they have nothing to go by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.sampling._protocol import Moment


def even_chances(moment: Moment) -> NDArray[np.float64]:
    """Equal chances for the pairs with the fewest votes and, among these, for those that this rater met least."""
    return equal_chances(
        least(least(np.ones(len(moment.able), np.bool_), moment.n_taken, moment), moment.n_seen, moment)
    )


def least(among: NDArray[np.bool_], count: NDArray[np.int64], moment: Moment) -> NDArray[np.bool_]:
    """Those ``among`` the able pairs whose count is smallest; ``count`` has an entry for each pair of the study."""
    of_able = count[moment.able]
    return np.asarray(among & (of_able == of_able[among].min()))


def equal_chances(among: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The same chance for each of ``among``."""
    return among / np.count_nonzero(among)
