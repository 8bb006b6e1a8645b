"""Covariates of a comparison: what the two outputs look like beside who wrote them (length, lists, bold ...)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.errors import InvalidInputError

SAME = 1e-12  # a spread below this share of the largest value is rounding


def contrast(feature_a: ArrayLike, feature_b: ArrayLike) -> NDArray[np.float64]:
    """(f_a - f_b) / (f_a + f_b + 1), elementwise: between -1 and 1, and 0 for two equal outputs.

    ``feature_a`` and ``feature_b`` are counts of what stands in the outputs of model_a and model_b (characters,
    headers, list items). The form is that of LMArena's style control (lmsys.org, 2024-08-28), with 1 added so that two
    zeros are 0. Raises ``InvalidInputError`` for a negative count or one that is not a number.
    """
    a, b = np.broadcast_arrays(np.asarray(feature_a, dtype=np.float64), np.asarray(feature_b, dtype=np.float64))
    if not (np.isfinite(a).all() and np.isfinite(b).all() and (a >= 0).all() and (b >= 0).all()):
        raise InvalidInputError("a covariate must be a count of at least 0 for both sides of each vote")
    return np.asarray((a - b) / (a + b + 1), dtype=np.float64)


def standardised(
    contrasts: NDArray[np.float64], weight: NDArray[np.float64], names: Sequence[str]
) -> NDArray[np.float64]:
    """Each column of ``contrasts`` (N x k) divided by its root mean square under ``weight``; no mean is subtracted.

    Signed differences have no intercept to take a mean up, so subtracting one would hide a position effect; and the
    root mean square, unlike the standard deviation, is the same whichever side each vote is written from. Raises
    ``InvalidInputError`` naming a column that is constant.
    """
    total = float(weight.sum())
    for name, column in zip(names, contrasts.T, strict=True):
        if not total or np.ptp(column) <= SAME * np.abs(column).max():
            raise InvalidInputError(f"the covariate {name} is the same in every vote, so it has no effect to estimate")
    return np.asarray(contrasts / np.sqrt(weight @ contrasts**2 / total), dtype=np.float64)
