"""Who made it? The models that a rater can guess from, and how well raters could tell them apart."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from app.domain import Identity, Role
from app.services.sign_in import require
from app.settings import get_settings
from app.stats.blinding import BlindingIndex, bang_index
from app.study import DONT_KNOW
from db import guesses
from db.engine import Session, database, open_database


@dataclass(frozen=True, slots=True)
class Guessed:
    """How raters' guesses went: Bang's index over all of them and for each model by name, and who guessed.

    ``by_model`` are the guesses about sides where that model stood.
    """

    overall: BlindingIndex
    right: int
    wrong: int
    dont_know: int
    n_raters: int
    by_model: Mapping[str, BlindingIndex]


def guess_options(experiment_id: UUID) -> tuple[tuple[str, str], ...]:
    """The models of a started study as (id in digits, name), by name: in the same order for every rater and battle."""
    return _options(get_settings().database_url, experiment_id)


@functools.lru_cache(maxsize=64)
def _options(database_url: str, experiment_id: UUID) -> tuple[tuple[str, str], ...]:
    with open_database(database_url).read() as session:
        return guess_names(session, experiment_id)


def guess_names(session: Session, experiment_id: UUID) -> tuple[tuple[str, str], ...]:
    """The same in the caller's transaction, for files."""
    rows = guesses.list_options(session, experiment_id=experiment_id)
    names = [row.name for row in rows]
    labels = {
        row.id.hex: row.name if names.count(row.name) == 1 else f"{row.name} {row.version}".strip() for row in rows
    }
    return tuple(sorted(labels.items(), key=lambda item: (item[1].casefold(), item[0])))


def get_guessed(actor: Identity | None, experiment_id: UUID, *, with_staff: bool = False) -> Guessed | None:
    """How often raters guessed right who made what; None before the first guess."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        rows = guesses.list_guesses(session, experiment_id=experiment_id, with_staff=with_staff)
    if not rows:
        return None
    options = dict(guess_options(experiment_id))
    counts: dict[str, list[int]] = {}
    for row in rows:
        sides = (row.model_a_id, row.model_b_id) if row.is_a_left else (row.model_b_id, row.model_a_id)
        for side, model_id in zip(("left", "right"), sides, strict=True):
            if said := row.guesses.get(side):
                place = 2 if said == DONT_KNOW else 0 if said == model_id.hex else 1
                counts.setdefault(model_id.hex, [0, 0, 0])[place] += 1
    right, wrong, dont_know = (sum(column) for column in zip(*counts.values(), strict=True))
    n_options = max(2, len(options))
    return Guessed(
        overall=bang_index(right, wrong, dont_know, n_options=n_options),
        right=right,
        wrong=wrong,
        dont_know=dont_know,
        n_raters=len({row.rater_id for row in rows}),
        by_model={options.get(key, key): bang_index(*counted, n_options=n_options) for key, counted in counts.items()},
    )
