"""What an export would have, before it is written: a few of its rows, and how many votes."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar, cast
from uuid import UUID

from app.domain import Identity, Role
from app.services import export_state, hidden_results, shared_work
from app.services.export_rows import Reading, reason_against
from app.services.shared_work import Work
from app.services.sign_in import require
from app.services.vote_export import Wanted, find_filter, list_formats
from db import experiments, exports
from db.engine import database

T = TypeVar("T")
N_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Preview:
    """Some rows of an export as lines of text; how many votes it has, and how many it leaves out by reason.

    Votes that are left out for what their texts, sides or models are, are still counted among ``n_votes``.
    """

    lines: tuple[str, ...]
    n_votes: int
    left_out: Mapping[str, int]


def preview_export(actor: Identity | None, experiment_id: UUID, wanted: Wanted) -> Preview:
    """Rows that are found first, and the counts; raises InvalidInputError for what can't be written.

    Where nothing is sorted, the numbers of raters are those of the rows that are shown.
    """
    require(actor, Role.RESEARCHER)
    hidden_results.find_exportable(actor, experiment_id)
    return _preview(experiment_id, wanted)


def begin_preview(actor: Identity | None, experiment_id: UUID, wanted: Wanted) -> Work[Preview]:
    """``preview_export`` on a thread of its own, read again only when something changed; for all who ask for it."""
    require(actor, Role.RESEARCHER)
    hidden_results.find_exportable(actor, experiment_id)
    with database().read() as session:
        version = export_state.find_version(session, experiment_id)
    key = "export preview", database().url, experiment_id, wanted, version
    return shared_work.begin(key, lambda _say: _preview(experiment_id, wanted))


def _preview(experiment_id: UUID, wanted: Wanted) -> Preview:
    with database().read() as session:
        experiment = experiments.get_experiment(session, experiment_id=experiment_id)
        plugin, chosen = find_filter(session, experiment, wanted)
        left_out: Counter[str] = Counter()
        n_votes = 0
        for row in exports.count_kinds(session, experiment_id=experiment_id):
            reason = reason_against(row, chosen)
            if reason is None and chosen.carries.texts == "required" and not row.is_told:
                reason = "no_texts"
            if reason is None:
                n_votes += int(row.n)
            else:
                left_out[reason] += int(row.n)
        reading = Reading(session, experiment, chosen)
        n_votes += reading.count_kept(left_out)
        if not n_votes:
            return Preview((), 0, left_out)
        # The votes on a pair are together only in that order; else whatever comes first needs no sorting.
        order: exports.Order = "pair" if chosen.unit == "pair" else "any"
        rows: Any = reading.own(order=order) if chosen.is_own else reading.judged(order=order)
        stream = io.BytesIO()
        plugin.write(_first(rows, N_SHOWN), stream)
    return Preview(tuple(_lines(list_formats()[wanted.file_format].ending, stream.getvalue())), n_votes, left_out)


def _first(found: Iterator[T], n: int) -> Iterator[T]:
    with contextlib.closing(cast("Generator[T, None, None]", found)):
        yield from islice(found, n)


def _lines(ending: str, data: bytes) -> Iterator[str]:
    """The rows of a file as text, those of Parquet as JSON."""
    if ending == ".zip":
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            yield from _parquet_lines(packed.read("data/train-00000.parquet"))
    elif ending == ".parquet":
        yield from _parquet_lines(data)
    else:
        yield from data.decode().splitlines()


def _parquet_lines(data: bytes) -> Iterator[str]:
    import pyarrow.parquet as pa_parquet  # type: ignore[import-untyped]  # noqa: PLC0415 - Arrow is 20 MB

    for row in pa_parquet.read_table(io.BytesIO(data)).to_pylist():
        yield json.dumps({name: value for name, value in row.items() if value is not None}, ensure_ascii=False)
