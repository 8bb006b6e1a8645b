"""The frozen design of a running experiment: its pairs, and which prompts each pair can be shown on."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.errors import NotFoundError
from app.sampling._protocol import Board
from app.settings import get_settings
from db import experiments, models
from db.engine import open_database


@dataclass(frozen=True)
class Design:
    """What never changes after the start.

    ``pairs[position]`` is (pair id, model a, model b); ``prompts[position]`` the prompts for which both models have a
    usable generation; ``generation[(model, prompt)]`` that generation; ``weight[model]`` what an admin gave it.
    """

    pairs: tuple[tuple[UUID, UUID, UUID], ...]
    prompts: tuple[tuple[UUID, ...], ...]
    generation: dict[tuple[UUID, UUID], UUID]
    weight: dict[UUID, float]

    @functools.cached_property
    def position(self) -> dict[UUID, int]:
        """The position of each pair by its id."""
        return {pair_id: i for i, (pair_id, _, _) in enumerate(self.pairs)}

    @functools.cached_property
    def model(self) -> dict[UUID, int]:
        """The index of each model that is in a pair, in the order of the arms."""
        in_pairs = {model for _, a, b in self.pairs for model in (a, b)}
        return {model: i for i, model in enumerate(one for one in self.weight if one in in_pairs)}

    @functools.cached_property
    def board(self) -> Board:
        """The pairs as a strategy sees them."""
        ends = np.array([(self.model[a], self.model[b]) for _, a, b in self.pairs], np.int64).reshape(-1, 2)
        weight = np.array([self.weight[model] for model in self.model], np.float64)
        return Board(np.ascontiguousarray(ends[:, 0]), np.ascontiguousarray(ends[:, 1]), weight)

    @functools.cached_property
    def n_prompts(self) -> NDArray[np.int64]:
        """On how many prompts each pair can be shown."""
        return np.array([len(prompts) for prompts in self.prompts], np.int64)

    @functools.cached_property
    def n_battles(self) -> int:
        """How many different battles (pair and prompt) there are."""
        return sum(map(len, self.prompts))


def get_design(experiment_id: UUID, n_put_back: int = 0) -> Design:
    """The design of an experiment that was started; raises NotFoundError.

    ``n_put_back`` is the experiment's own: with another number it is another design, which has an output more.
    """
    return _load(get_settings().database_url, experiment_id, n_put_back)


@functools.lru_cache(maxsize=64)
def _load(database_url: str, experiment_id: UUID, _n_put_back: int) -> Design:
    with open_database(database_url).read() as session:
        experiment = experiments.get_experiment(session, experiment_id=experiment_id)
        if experiment.started_at is None or experiment.prompt_set_id is None:
            raise NotFoundError("This experiment was not started.")
        pairs = experiments.list_pairs(session, experiment_id=experiment_id)
        arms = experiments.list_arms(session, experiment_id=experiment_id)
        usable = models.list_usable(
            session,
            experiment_id=experiment_id,
            prompt_set_id=experiment.prompt_set_id,
            until=experiment.started_at,
            left_out=experiment.left_out,
        )
    generation = {(row.model_id, row.prompt_id): row.id for row in usable}
    have: dict[UUID, dict[UUID, None]] = {}
    for row in usable:
        have.setdefault(row.model_id, {})[row.prompt_id] = None
    return Design(
        pairs=tuple((row.id, row.model_a_id, row.model_b_id) for row in pairs),
        prompts=tuple(
            tuple(prompt for prompt in have.get(row.model_a_id, {}) if prompt in have.get(row.model_b_id, {}))
            for row in pairs
        ),
        generation=generation,
        weight={arm.model_id: arm.weight for arm in arms},
    )
