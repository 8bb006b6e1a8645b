"""The votes of a study with the form of what they were about: how long both outputs are, and how much they mark up."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.services import slices
from app.services.slices import Sliced
from app.services.vote_store import StudyVotes
from app.stats.comparisons import Comparisons
from app.stats.covariates import contrast
from app.stats.vote_columns import SKIPPED, UNKNOWN
from db import output_facts
from db.engine import database

FEWEST = 100  # votes whose outputs are known
NO_PROMPTS = "This study names no prompt set, so the form of its outputs isn't known."


@dataclass(frozen=True)
class FormVotes:
    """Single votes whose two outputs are known, each with the contrast of its outputs as covariates.

    ``n_unknown`` votes are left out; ``problem`` says why there are no ``comparisons``. ``form`` are the features of
    each model's output for each prompt, shape (m, prompts + 1, k), NaN where none is known.
    """

    comparisons: Comparisons | None
    n_unknown: int
    form: NDArray[np.float64]
    problem: str = ""


def stamp(prompt_set_ids: Collection[UUID]) -> tuple[tuple[Any, ...], ...]:
    """What changes when outputs do, for those who remember what they made of their form."""
    with database().read() as session:
        return tuple(row for id_ in prompt_set_ids for row in output_facts.count_outputs(session, prompt_set_id=id_))


def with_form(study: StudyVotes, sliced: Sliced, prompt_set_ids: Collection[UUID]) -> FormVotes:
    """These votes with the form of their outputs for these prompt sets, in the order in which they were cast."""
    form = _forms(study, prompt_set_ids)
    if not prompt_set_ids:
        return FormVotes(None, 0, form, NO_PROMPTS)
    votes = sliced.votes.select(sliced.votes.outcome != SKIPPED).in_order()
    own, other = (form[models, votes.prompt] for models in (votes.model_a, votes.model_b))
    known = ~np.isnan(own[:, 0]) & ~np.isnan(other[:, 0]) & (votes.prompt != UNKNOWN)
    n, n_unknown = (int(votes.weight[rows].sum()) for rows in (known, ~known))
    if n < FEWEST:
        return FormVotes(
            None, n_unknown, form, f"Of only {n:,} votes both outputs are known; {FEWEST} are needed."
        )  # fmt: skip
    columns = contrast(own[known], other[known])
    varies = np.ptp(columns, axis=0) > 0
    if not varies.any():
        return FormVotes(None, n_unknown, form, "All outputs have the same form: nothing to control.")
    names = tuple(name for name, is_on in zip(output_facts.FEATURES, varies, strict=True) if is_on)
    plain = slices.compare(study, Sliced(votes.select(known), 0, (0, 0)), single=True)
    return FormVotes(replace(plain, covariates=columns[:, varies], covariate_names=names), n_unknown, form)


def _forms(study: StudyVotes, prompt_set_ids: Collection[UUID]) -> NDArray[np.float64]:
    form = np.full((len(study.models), len(study.prompts) + 1, len(output_facts.FEATURES)), np.nan)
    models = {id_.hex: place for place, id_ in enumerate(study.model_ids)}
    prompts = {id_: place for place, id_ in enumerate(study.prompts)}
    with database().read() as session:
        rows = [row for id_ in prompt_set_ids for row in output_facts.list_forms(session, prompt_set_id=id_)]
    for row in rows:
        model_id, prompt_id, *features = row
        if model_id in models and prompt_id in prompts and features[0] is not None:
            form[models[model_id], prompts[prompt_id]] = [float(x) for x in features]
    return form
