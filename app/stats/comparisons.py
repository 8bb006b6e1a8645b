"""The one shape in which votes reach the maths: integer-coded columns, in the order in which they were cast."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain import Comparison, Outcome

OUTCOMES = tuple(Outcome)  # the code of an outcome is its place here: 0 model_a, 1 model_b, 2 tie, 3 both_bad
SIDE_UNKNOWN = -1


@dataclass(frozen=True)
class Comparisons:
    """N comparisons of m models.

    ``model_a`` and ``model_b`` (int, shape N) index ``models``; ``outcome`` (int, N) indexes ``OUTCOMES``; ``weight``
    (float, N) is a count; ``a_is_left`` (int, N) is 1, 0 or ``SIDE_UNKNOWN``. ``ordered`` says that the rows are single
    votes in the order in which they were cast, which order-dependent methods (Elo) require.
    """

    models: tuple[str, ...]
    model_a: NDArray[np.int64]
    model_b: NDArray[np.int64]
    outcome: NDArray[np.int64]
    weight: NDArray[np.float64]
    a_is_left: NDArray[np.int64]
    ordered: bool = False

    def __len__(self) -> int:
        return len(self.model_a)

    @classmethod
    def from_rows(cls, rows: Iterable[Comparison], *, models: Iterable[str] = (), ordered: bool = False) -> Comparisons:
        """Columns from single ``Comparison`` values; ``models`` adds names that no row mentions."""
        listed = list(rows)
        names = sorted({*models, *(row.model_a for row in listed), *(row.model_b for row in listed)})
        place = {name: i for i, name in enumerate(names)}
        side = {"model_a": 1, "model_b": 0, None: SIDE_UNKNOWN}
        return cls(
            models=tuple(names),
            model_a=np.array([place[row.model_a] for row in listed], dtype=np.int64),
            model_b=np.array([place[row.model_b] for row in listed], dtype=np.int64),
            outcome=np.array([OUTCOMES.index(row.outcome) for row in listed], dtype=np.int64),
            weight=np.array([row.weight for row in listed], dtype=np.float64),
            a_is_left=np.array([side[row.left] for row in listed], dtype=np.int64),
            ordered=ordered,
        )
