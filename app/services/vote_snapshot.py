"""The columns of large studies on disk beside the data, so that a restarted server reads only what is new.

A snapshot is no more than a copy: one that is missing, damaged, of another build or of votes that the database no
longer has (it was put back from a backup) is passed over, and all is read again.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from app.settings import get_settings
from app.stats.growing import GrowingRows
from db import vote_columns
from db.engine import Session
from db.vote_columns import Mark

FEWEST = 50_000  # votes; fewer are read in no time
FORMAT = 3  # to be raised when the columns change


@dataclass(frozen=True)
class Kept:
    """What was kept: the rows, the names of their codes, and where the look ended that read them."""

    mark: Mark
    keys: NDArray[np.uint64]
    columns: dict[str, NDArray[Any]]
    names: Mapping[str, tuple[str, ...]]


def is_worth_keeping(n: int, n_kept: int) -> bool:
    """Whether so many votes more than on disk are worth a write."""
    return n >= FEWEST and n > 1.1 * n_kept


def keep(experiment_id: UUID, mark: Mark, rows: GrowingRows, names: Mapping[str, tuple[str, ...]]) -> None:
    """Write a snapshot; a full disk is no fault of whoever looks at results, so nothing is said of one."""
    arrays: dict[str, Any] = {f"column_{name}": array for name, array in rows.columns().items()}
    arrays |= {
        f"names_{name}": np.array([name.encode() for name in listed], dtype="S") for name, listed in names.items()
    }
    about = np.array([FORMAT, *_halves(mark.vote_id), *_halves(mark.after), mark.place, mark.horizon], dtype=np.uint64)
    path = _path(experiment_id)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as stream:
                np.savez(stream, about=about, keys=rows.keys(), **arrays)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)


def load(session: Session, experiment_id: UUID) -> Kept | None:
    """The snapshot of a study, if there is one that still holds."""
    try:
        with _path(experiment_id).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, BadZipFile):
        return None
    about = arrays.get("about", np.zeros(1, dtype=np.uint64)).tolist()
    if about[0] != FORMAT:
        return None
    vote_id, after = (UUID(int=(high << 64) | low) for high, low in (about[1:3], about[3:5]))
    mark = Mark(vote_id, about[5], about[6], after)
    if not vote_columns.still_holds(session, mark):
        return None
    names = {
        name.removeprefix("names_"): tuple(text.decode() for text in array.tolist())
        for name, array in arrays.items()
        if name.startswith("names_")
    }
    columns = {name.removeprefix("column_"): array for name, array in arrays.items() if name.startswith("column_")}
    return Kept(mark, arrays["keys"], columns, names)


def _path(experiment_id: UUID) -> Path:
    return get_settings().data_dir / "cache" / f"votes-{experiment_id.hex}.npz"


def _halves(id_: UUID) -> tuple[int, int]:
    return id_.int >> 64, id_.int & (2**64 - 1)
