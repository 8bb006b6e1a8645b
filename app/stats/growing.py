"""Rows by key in arrays that grow at their end: what was handed out before a change stays as it was."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[np.generic]]
SPARE = 1.25  # how much room more than needed is made when it runs out
MOST_LOOSE = 50_000  # rows outside of the sorted keys, or removed, before all are put in order again


class GrowingRows:
    """N rows of the named columns, each with its own key (uint64); a key that comes again takes the row's place."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self._arrays: dict[str, NDArray[np.generic]] = {name: np.empty(0, dtype=kind) for name, kind in kinds.items()}
        self._keys = np.empty(0, dtype=np.uint64)
        self._is_alive = np.empty(0, dtype=np.bool_)
        self._n = 0
        self._sorted = np.empty(0, dtype=np.int64)  # the first rows in the order of their keys
        self._loose: dict[int, int] = {}  # the place of each later one
        self._n_removed = 0

    def __len__(self) -> int:
        return self._n - self._n_removed

    def columns(self) -> dict[str, NDArray[np.generic]]:
        """The rows as they are now: views where nothing was removed, else copies."""
        if not self._n_removed:
            return {name: array[: self._n] for name, array in self._arrays.items()}
        alive = np.flatnonzero(self._is_alive[: self._n])
        return {name: array[alive] for name, array in self._arrays.items()}

    def keys(self) -> NDArray[np.uint64]:
        """Their keys, in the order of ``columns``."""
        if not self._n_removed:
            return self._keys[: self._n]
        return self._keys[: self._n][self._is_alive[: self._n]]

    def put(self, keys: NDArray[np.uint64], rows: Columns, is_there: NDArray[np.bool_]) -> bool:
        """Put rows in the place of those with their keys, or at the end; without ``is_there`` a key's row goes.

        ``keys`` are distinct. Returns whether anything changed.
        """
        places = self._find(keys)
        known = np.flatnonzero(places >= 0)
        same = np.zeros(len(keys), dtype=np.bool_)
        same[known] = np.logical_and.reduce(
            [array[places[known]] == rows[name][known] for name, array in self._arrays.items()]
        )
        same &= is_there
        gone = known[~same[known]]
        self._is_alive[places[gone]] = False
        self._n_removed += len(gone)
        added = np.flatnonzero(is_there & ~same)
        self._append(keys[added], {name: rows[name][added] for name in self._arrays})
        if self._n - len(self._sorted) > MOST_LOOSE or self._n_removed > MOST_LOOSE:
            self.settle()
        return bool(len(gone) or len(added))

    def extend(self, keys: NDArray[np.uint64], rows: Columns) -> None:
        """New rows whose keys are known to be new; ``settle`` when all are there."""
        self._append(keys, rows, is_bulk=True)

    def take(self, keys: NDArray[np.uint64], rows: dict[str, NDArray[np.generic]]) -> None:
        """The same, emptying ``rows`` column by column, so that no two copies of all are ever in memory."""
        n = self._n
        self._append(keys, {}, is_bulk=True)
        for name, array in self._arrays.items():
            array[n : self._n] = rows.pop(name)

    def settle(self) -> None:
        """Leave out what was removed and put all keys in order; the room for more rows stays where nothing was."""
        if self._n_removed:
            keys = self.keys()
            self._arrays = self.columns()
            self._keys, self._n, self._n_removed = keys, len(keys), 0
            self._is_alive = np.ones(self._n, dtype=np.bool_)
        self._sorted = np.argsort(self._keys[: self._n], kind="stable")
        self._loose = {}

    def _find(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The place of each key's living row, -1 for none."""
        found = np.full(len(keys), -1, dtype=np.int64)
        if len(self._sorted):
            at = np.searchsorted(self._keys[: len(self._sorted)], keys, sorter=self._sorted).clip(
                max=len(self._sorted) - 1
            )
            places = self._sorted[at]
            hit = (self._keys[places] == keys) & self._is_alive[places]
            found[hit] = places[hit]
        for i, key in enumerate(keys.tolist()):
            place = self._loose.get(key)
            if place is not None and self._is_alive[place]:
                found[i] = place
        return found

    def _append(self, keys: NDArray[np.uint64], rows: Columns, *, is_bulk: bool = False) -> None:
        n = self._n + len(keys)
        if n > len(self._keys):
            self._make_room(int(n * SPARE))
        here = slice(self._n, n)
        for name, column in rows.items():
            self._arrays[name][here] = column
        self._keys[here], self._is_alive[here] = keys, True
        if not is_bulk:
            self._loose.update(zip(keys.tolist(), range(self._n, n), strict=True))
        self._n = n

    def _make_room(self, size: int) -> None:
        def grown(array: NDArray[np.generic]) -> NDArray[np.generic]:
            larger = np.empty(size, dtype=array.dtype)
            larger[: self._n] = array[: self._n]
            return larger

        for name, array in self._arrays.items():  # one after the other, so that no two copies of all are in memory
            self._arrays[name] = grown(array)
        self._is_alive = grown(self._is_alive)  # type: ignore[assignment]
        self._keys = grown(self._keys)  # type: ignore[assignment]
