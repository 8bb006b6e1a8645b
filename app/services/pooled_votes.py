"""The votes of several studies as those of one, for boards that pool them.

A model, a rater (an account), a prompt or a criterion (its key) that is in several studies is one and the same here, so
that a person who voted in two of them is one cluster.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from app.services import vote_store
from app.services.model_labels import model_labels
from app.services.vote_store import Progress, StudyVotes, criterion_keys
from app.stats.vote_columns import UNKNOWN, VoteColumns
from db import experiments
from db.engine import database

MOST_STUDIES = vote_store.MOST_STUDIES  # pooled at once; with more, each look would read some of them anew
MOST_POOLS = 2  # in memory at once; of two studies of a million votes each, one takes 120 MB
_ALIKE = ("outcome", "a_is_left", "weight", "voted_at", "dwell_ms", "is_staff", "is_repeat")  # mean the same everywhere
_pools: OrderedDict[tuple[UUID, ...], tuple[tuple[int, ...], StudyVotes]] = OrderedDict()
_lock = threading.Lock()


def read(experiment_ids: Sequence[UUID], *, progress: Progress | None = None) -> StudyVotes:
    """The live votes of these studies as they are now, pooled; those of one study are its own.

    Pooled votes are kept as long as no vote of theirs changes. The caller has checked the role, and that none of the
    studies hides its results.
    """
    ids, parts, n = tuple(dict.fromkeys(experiment_ids)), list[StudyVotes](), 0
    for id_ in ids:
        told = None if progress is None else _after(n, progress)
        parts.append(vote_store.read(id_, progress=told))
        n += len(parts[-1].columns)
    if len(parts) == 1:
        return parts[0]
    versions = tuple(part.version for part in parts)
    with _lock:
        known, pooled = _pools.get(ids, ((), parts[0]))
        if known != versions:
            pooled = pool(parts, _labels(ids))
            _pools[ids] = versions, pooled
        _pools.move_to_end(ids)
        while len(_pools) > MOST_POOLS:
            _pools.popitem(last=False)
    return pooled


def _after(n_before: int, progress: Progress) -> Progress:
    """Tells how many were read in all, of which these were read before."""
    return lambda n: progress(n_before + n)


def _labels(experiment_ids: Sequence[UUID]) -> dict[UUID, str]:
    with database().read() as session:
        arms = [arm for id_ in experiment_ids for arm in experiments.list_arms(session, experiment_id=id_)]
    return model_labels(list({arm.model_id: arm for arm in arms}.values()))


def pool(parts: Sequence[StudyVotes], labels: Mapping[UUID, str]) -> StudyVotes:
    """The votes of all parts, one part after the other; ``labels`` name their models.

    Raters, prompts and criteria of the first part keep their codes. A pair of models has one code in all of them.
    """
    model_ids = tuple(sorted({id_ for part in parts for id_ in part.model_ids}, key=lambda id_: (labels[id_], id_)))
    place = {id_: i for i, id_ in enumerate(model_ids)}
    models_of = [np.array([place[id_] for id_ in part.model_ids], dtype=np.int16) for part in parts]
    raters, raters_of = _unified([part.raters for part in parts], "int32")
    prompts, prompts_of = _unified([part.prompts for part in parts], "int32")
    criteria, criteria_of = _unified([part.criteria for part in parts], "int16")
    columns = [part.columns for part in parts]
    model_a = _recoded([one.model_a for one in columns], models_of)
    model_b = _recoded([one.model_b for one in columns], models_of)
    criterion = _recoded([one.criterion for one in columns], criteria_of)
    ends = np.minimum(model_a, model_b).astype(np.int32) * len(model_ids) + np.maximum(model_a, model_b)
    joined: dict[str, Any] = {name: np.concatenate([getattr(one, name) for one in columns]) for name in _ALIKE}
    own_keys = np.concatenate([part.keys ^ criterion_keys(part.columns.criterion) for part in parts])
    return StudyVotes(
        experiment_id=uuid5(NAMESPACE_OID, " ".join(part.experiment_id.hex for part in parts)),
        version=vote_store.next_version(),
        models=tuple(labels[id_] for id_ in model_ids),
        model_ids=model_ids,
        raters=raters,
        prompts=prompts,
        criteria=criteria,
        columns=VoteColumns(
            model_a=model_a,
            model_b=model_b,
            pair=np.where(np.concatenate([one.pair for one in columns]) == UNKNOWN, np.int32(UNKNOWN), ends),
            rater=_recoded([one.rater for one in columns], raters_of),
            prompt=_recoded([one.prompt for one in columns], prompts_of),
            criterion=criterion,
            **joined,
        ),
        battle_heads=np.concatenate([part.battle_heads for part in parts]),
        keys=own_keys ^ criterion_keys(criterion),
        parts=tuple(parts),
    )


def _unified(names: Sequence[tuple[str, ...]], kind: str) -> tuple[tuple[str, ...], list[NDArray[Any]]]:
    """All names in the order of their coming, and the new codes of each part, the last for unknown (-1)."""
    codes: dict[str, int] = {}
    of_parts = [[codes.setdefault(name, len(codes)) for name in own] for own in names]
    return tuple(codes), [np.array([*own, UNKNOWN], dtype=kind) for own in of_parts]


def _recoded(codes: Sequence[NDArray[Any]], new: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([of_part[own] for own, of_part in zip(codes, new, strict=True)])
