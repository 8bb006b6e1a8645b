"""The one shape in which votes reach the maths: integer-coded columns, in the order in which they were cast."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.domain import Comparison, Outcome
from app.errors import InvalidInputError

OUTCOMES = tuple(Outcome)  # the code of an outcome is its place here: 0 model_a, 1 model_b, 2 tie, 3 both_bad
SIDE_UNKNOWN = -1
MISSING = -1  # the code of a cell without a value, and of an outcome that nobody knows
NOBODY = -1  # the code of an unknown rater or prompt


@dataclass(frozen=True)
class SingleVotes:
    """The V votes that rows of comparisons count: who cast each and on what; the row has what its votes share.

    ``row`` (int, V) is the row that a vote is counted in, ``rater`` and ``prompt`` (int, V) are codes from 0 or
    ``NOBODY``; ``weight`` (V) is what the vote counts there.
    """

    row: NDArray[np.int64]
    rater: NDArray[np.int64]
    prompt: NDArray[np.int64]
    weight: NDArray[np.float64]


@dataclass(frozen=True)
class Comparisons:
    """N comparisons of m models.

    ``model_a`` and ``model_b`` (int, shape N) index ``models``; ``outcome`` (int, N) indexes ``OUTCOMES``; ``weight``
    (float, N) is a count; ``a_is_left`` (int, N) is 1, 0 or ``SIDE_UNKNOWN``. ``ordered`` says that the rows are single
    votes in the order in which they were cast, which order-dependent methods (Elo) require.

    Where they are known, ``rater`` and ``prompt`` (int, N) are codes from 0, ``NOBODY`` for a vote without one, and
    ``covariates`` (float, N x k) are contrasts of what the two outputs look like, model_a's minus model_b's (see
    ``covariates.contrast``), with their ``covariate_names``. Rows that count many votes may keep them as ``singles``;
    a selection of rows has none. Raises ``InvalidInputError`` if one of these has another
    length than the votes, a code below -1 or a value that is not a number.
    """

    models: tuple[str, ...]
    model_a: NDArray[np.int64]
    model_b: NDArray[np.int64]
    outcome: NDArray[np.int64]
    weight: NDArray[np.float64]
    a_is_left: NDArray[np.int64]
    ordered: bool = False
    rater: NDArray[np.int64] | None = None
    prompt: NDArray[np.int64] | None = None
    covariates: NDArray[np.float64] | None = None
    covariate_names: tuple[str, ...] = ()
    singles: SingleVotes | None = None

    def __post_init__(self) -> None:
        for name, codes in (("rater", self.rater), ("prompt", self.prompt)):
            if codes is not None:
                _check_codes(name, codes, len(self))
        shape = (len(self), len(self.covariate_names))
        if self.covariates is None and not self.covariate_names:
            return
        if self.covariates is None or self.covariates.shape != shape:
            raise InvalidInputError("the covariates must have one row per vote and one name per column")
        if len(set(self.covariate_names)) != shape[1]:
            raise InvalidInputError("two covariates have the same name")
        for name, column in zip(self.covariate_names, self.covariates.T, strict=True):
            if not np.isfinite(column).all():
                raise InvalidInputError(f"the covariate {name} is not a number in every vote")

    def __len__(self) -> int:
        return len(self.model_a)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Comparisons:
        """The same models with only these rows (a mask or indices), in this order."""

        def of(column: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
            return None if column is None else column[rows]

        return replace(
            self,
            model_a=self.model_a[rows],
            model_b=self.model_b[rows],
            outcome=self.outcome[rows],
            weight=self.weight[rows],
            a_is_left=self.a_is_left[rows],
            rater=of(self.rater),
            prompt=of(self.prompt),
            covariates=None if self.covariates is None else self.covariates[rows],
            singles=None,
        )

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Comparison],
        *,
        models: Iterable[str] = (),
        ordered: bool = False,
        raters: Sequence[str | None] | None = None,
        prompts: Sequence[str | None] | None = None,
        covariates: Mapping[str, Sequence[float]] | None = None,
    ) -> Comparisons:
        """Columns from single ``Comparison`` values; ``models`` adds names that no row mentions.

        ``raters``, ``prompts`` and each of the ``covariates`` (by name) have one entry per row.
        """
        listed = list(rows)
        names = sorted({*models, *(row.model_a for row in listed), *(row.model_b for row in listed)})
        place = {name: i for i, name in enumerate(names)}
        side = {"model_a": 1, "model_b": 0, None: SIDE_UNKNOWN}
        columns = {name: np.asarray(values, dtype=np.float64) for name, values in (covariates or {}).items()}
        if any(len(column) != len(listed) for column in columns.values()):
            raise InvalidInputError("a covariate does not have one value per vote")
        return cls(
            models=tuple(names),
            model_a=np.array([place[row.model_a] for row in listed], dtype=np.int64),
            model_b=np.array([place[row.model_b] for row in listed], dtype=np.int64),
            outcome=np.array([OUTCOMES.index(row.outcome) for row in listed], dtype=np.int64),
            weight=np.array([row.weight for row in listed], dtype=np.float64),
            a_is_left=np.array([side[row.left] for row in listed], dtype=np.int64),
            ordered=ordered,
            rater=None if raters is None else codes_of(raters)[1],
            prompt=None if prompts is None else codes_of(prompts)[1],
            covariates=np.column_stack(list(columns.values())) if columns else None,
            covariate_names=tuple(columns),
        )


def codes_of(labels: Sequence[str | None]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The distinct labels in alphabetical order and, for each entry, its place among them; None is ``NOBODY``."""
    names = tuple(sorted({label for label in labels if label is not None}))
    place: dict[str | None, int] = {None: NOBODY} | {name: i for i, name in enumerate(names)}
    return names, np.array([place[label] for label in labels], dtype=np.int64)


def _check_codes(name: str, codes: NDArray[np.int64], n: int) -> None:
    if codes.shape != (n,):
        raise InvalidInputError(f"there must be one {name} per vote")
    if codes.dtype.kind not in "iu":
        raise InvalidInputError(f"the codes of each {name} must be whole numbers")
    if n and codes.min() < NOBODY:
        raise InvalidInputError(f"a {name} has a code below {NOBODY}")
