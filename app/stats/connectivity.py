"""Which differences between models the votes can estimate at all.

Read the half-wins W as a directed graph with an edge i -> j wherever W[i, j] > 0 (a tie is an edge both ways).
Differences across *weak* components are not estimable; a finite Bradley-Terry maximum exists if and only if the graph
is *strongly* connected (Ford 1957, American Mathematical Monthly 64).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def _labels(wins: NDArray[np.float64], connection: str) -> NDArray[np.int64]:
    if not len(wins):
        return np.zeros(0, dtype=np.int64)
    edges = wins > 0
    if connection == "weak":
        edges = edges | edges.T
    if _reaches_all(edges) and (connection == "weak" or _reaches_all(edges.T)):
        return np.zeros(len(wins), dtype=np.int64)  # nearly every board: no need to make a sparse graph of it
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    graph = csr_array(edges)  # type: ignore[no-untyped-call]
    _, labels = connected_components(graph, directed=True, connection=connection)
    return np.asarray(labels, dtype=np.int64)


def _reaches_all(edges: NDArray[np.bool_]) -> bool:
    """Whether each model can be reached from the first one; looks at each model's row once at most."""
    unseen = np.ones(len(edges), dtype=np.bool_)
    found = np.zeros(1, dtype=np.int64)
    while len(found):
        unseen[found] = False
        found = np.flatnonzero(edges[found].any(axis=0) & unseen)
    return not unseen.any()


def weak_components(wins: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """The groups of models that used votes link, each an ascending array of indices; together they hold all m models.

    ``wins`` is the half-win matrix of shape (m, m). The group with the most used votes comes first (then the one with
    more models, then the one with the lowest index). A model without a used vote is a group of its own.
    """
    labels = _labels(wins, "weak")
    votes = np.bincount(labels, weights=wins.sum(axis=1)) if len(labels) else np.zeros(0)
    groups = [np.flatnonzero(labels == label) for label in range(len(votes))]
    return sorted(groups, key=lambda group: (-votes[labels[group[0]]], -len(group), group[0]))


def strong_components(wins: NDArray[np.float64]) -> NDArray[np.int64]:
    """Labels of shape (m,): two models share one if each beat or tied the other, perhaps through others."""
    return _labels(wins, "strong")


def is_strongly_connected(wins: NDArray[np.float64]) -> bool:
    """Whether a finite Bradley-Terry maximum exists for these half-wins of shape (m, m), m >= 1 (Ford 1957)."""
    labels = strong_components(wins)
    return bool(len(labels)) and not labels.any()


def unbounded_models(wins: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Models whose rating the votes leave without a finite upper or lower bound, as booleans of shape (m,).

    ``wins`` is the half-win matrix of one weak component. If it is strongly connected no model is unbounded. Otherwise
    the likelihood keeps rising as the strong components drift apart, and only differences *within* one of them are
    finite. So a reference is needed: the strong component with the most models (then with the most votes among its own
    models). Models of the reference are bounded relative to one another; all others are unbounded relative to it: they
    won, or lost, every vote on each path to it. If the reference is a single model, or two components tie for being it,
    there is nothing to be bounded against and every model is unbounded (two models, 10 : 0: neither is bounded).
    """
    labels = strong_components(wins)
    if not labels.any():
        return np.zeros(len(wins), dtype=np.bool_)
    sizes = np.bincount(labels)
    same = labels[:, None] == labels[None, :]
    votes = np.bincount(labels, weights=(wins * same).sum(axis=1))
    best, runner_up = sorted(zip(sizes, votes, range(len(sizes)), strict=True), reverse=True)[:2]
    if best[0] == 1 or best[:2] == runner_up[:2]:
        return np.ones(len(wins), dtype=np.bool_)
    return np.asarray(labels != best[2])
