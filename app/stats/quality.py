"""The additive model of both-bad: how good a model is on its own, which who-beat-whom cannot tell.

logit P(both bad | i, j) = u_i + u_j, with u_i = a/2 - q_i: the higher the quality q, the rarer that both sides are bad.
Cells count, for i < j, votes that both are bad (first column) and other votes (second). A path from i to j of even
length gives u_i - u_j, one of odd length u_i + u_j; so qualities of models are comparable only along paths of even
length, that is within a connected group with an odd cycle, or within one side of a group without (a bipartite one).
Put as a graph with two copies i+ and i- of each model, and vote pairs (i+, j-) and (j+, i-), the model is Bradley-Terry
between copies, u_i+ = u_i against -u_j-, whence the rules for finite maxima.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.stats.cells import Cells
from app.stats.connectivity import unbounded_models, weak_components

Array = NDArray[np.float64]


def double_cover(bad: Array, others: Array) -> Array:
    """The wins of Bradley-Terry between the copies, shape (2m, 2m): i+ beats j- in each both-bad vote of the pair.

    ``bad`` and ``others`` are symmetric counts of shape (m, m).
    """
    m = len(bad)
    cover = np.zeros((2 * m, 2 * m))
    cover[:m, m:] = bad
    cover[m:, :m] = others
    return cover


def comparable_groups(cover: Array) -> tuple[list[NDArray[np.int64]], Array]:
    """The groups whose qualities can be compared, and the directions of u that no vote depends on, shape (m, g).

    The groups come in the order of ``connectivity.weak_components``; a direction is +1 on one side of a bipartite group
    and -1 on the other, normalised.
    """
    m = len(cover) // 2
    groups, free = [], []
    for component in weak_components(cover):
        plus, minus = component[component < m], component[component >= m] - m
        if len(plus):
            groups.append(plus)
        is_split = not np.intersect1d(plus, minus).size
        if is_split and len(plus) and (not len(minus) or plus[0] < minus[0]):  # its mirror image says the same
            direction = np.zeros(m)
            direction[plus], direction[minus] = 1.0, -1.0
            free.append(direction / np.linalg.norm(direction))
    return groups, np.stack(free, axis=1) if free else np.zeros((m, 0))


def unbounded_qualities(cover: Array) -> NDArray[np.bool_]:
    """Models whose quality the votes leave without a finite bound, shape (m,): see ``unbounded_models``."""
    m = len(cover) // 2
    found = np.zeros(2 * m, dtype=np.bool_)
    for component in weak_components(cover):
        if len(component) > 1:
            found[component] = unbounded_models(cover[np.ix_(component, component)])
    return found[:m] | found[m:]


def quality_cells(bad: Array, others: Array, groups: list[NDArray[np.int64]], free: Array) -> Cells:
    """The cells of the additive model, for ``joint.fit_jointly`` with the half-win link (which then has no ties)."""
    i, j = np.nonzero(np.triu(bad + others, 1))
    votes = np.stack([bad[i, j], others[i, j], np.zeros(len(i))], axis=1)
    return Cells(len(bad), i, j, votes, np.zeros((len(i), 0)), (), tuple(groups), free, sign=1)
