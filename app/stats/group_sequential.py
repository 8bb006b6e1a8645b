"""Group-sequential tests: a few looks that were planned, with little loss of power against one look at the end.

O'Brien & Fleming 1979 (Biometrics 35): with K equally spaced looks reject at look k if |z_k| >= c sqrt(K / k), where c
makes the probability of ever rejecting a true hypothesis alpha. c is computed by the recursion of Armitage, McPherson &
Rowe 1969 (JRSS A 132) on Gauss-Legendre nodes; c = 2.040 for K = 5 and alpha = 0.05 (Jennison & Turnbull 2000, table
2.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from app.errors import InvalidInputError

MOST_LOOKS = 200
NODES_PER_STEP = 3  # Gauss-Legendre nodes per standard deviation of the shortest step
SHORTEST_STEP = 1e-4  # of all votes: looks closer than this would need thousands of nodes


@dataclass(frozen=True)
class GroupSequentialPlan:
    """K looks at ``fractions`` of all votes: reject at look k if |z| >= ``bounds``[k], arrays of shape (K,).

    ``constant`` is O'Brien & Fleming's c, equal to the last bound; ``alpha`` is two-sided.
    """

    fractions: NDArray[np.float64]
    bounds: NDArray[np.float64]
    constant: float
    alpha: float

    @property
    def nominal_p(self) -> NDArray[np.float64]:
        """The ordinary two-sided p-value that each look has to reach."""
        return np.asarray(2 * ndtr(-self.bounds), dtype=np.float64)

    def votes_at(self, n_votes: int) -> NDArray[np.int64]:
        """After how many votes each look is due, if ``n_votes`` are planned in all."""
        return np.ceil(self.fractions * n_votes - 1e-9).astype(np.int64)

    def rejects(self, look: int, z: float) -> bool:
        """Whether z at this look (1 is the first) ends the study. Raises ``InvalidInputError`` for an unknown look."""
        if not 1 <= look <= len(self.bounds):
            raise InvalidInputError(f"look {look} is not one of the {len(self.bounds)} that were planned")
        return bool(abs(z) >= self.bounds[look - 1])


def obrien_fleming(
    n_looks: int, *, alpha: float = 0.05, fractions: NDArray[np.float64] | None = None
) -> GroupSequentialPlan:
    """The plan of ``n_looks`` looks, equally spaced unless ``fractions`` of the votes (rising, ending in 1) are given.

    Bounds are c / sqrt(fraction). Raises ``InvalidInputError`` unless 1 <= n_looks <= 200, 0 < alpha < 1 and the
    fractions are as said.
    """
    from scipy.optimize import brentq

    if not 1 <= n_looks <= MOST_LOOKS:
        raise InvalidInputError(f"a plan has from 1 to {MOST_LOOKS} looks, not {n_looks}")
    if not 0 < alpha < 1:
        raise InvalidInputError(f"alpha must lie between 0 and 1, not {alpha}")
    at = np.arange(1, n_looks + 1) / n_looks if fractions is None else np.asarray(fractions, dtype=np.float64)
    steps = np.diff(at, prepend=0.0)
    if len(at) != n_looks or not (steps >= SHORTEST_STEP).all() or abs(at[-1] - 1) > 1e-12:
        raise InvalidInputError(
            "the fractions of the looks must rise from above 0 to 1, one per look, by 0.0001 or more"
        )
    single, split = float(-ndtri(alpha / 2)), float(-ndtri(alpha / (2 * n_looks)))
    if n_looks == 1:
        constant = single
    else:
        root = brentq(  # type: ignore[no-untyped-call]
            lambda c: crossing_probability(c, at) - alpha, single, split + 1e-9, xtol=1e-10
        )
        constant = float(root)
    return GroupSequentialPlan(at, constant / np.sqrt(at), constant, alpha)


def crossing_probability(constant: float, fractions: NDArray[np.float64], *, drift: float = 0.0) -> float:
    """P(|B(t)| >= ``constant`` at any of the ``fractions`` t), B Brownian motion with drift: the type I error at 0."""
    return float(stopping_probabilities(constant, fractions, drift=drift).sum())


def stopping_probabilities(
    constant: float, fractions: NDArray[np.float64], *, drift: float = 0.0
) -> NDArray[np.float64]:
    """P(|B(t_k)| >= ``constant`` for the first time at look k), shape (K,), if B(t) has the mean ``drift`` t.

    The density of B(t_k) while inside (-c, c) is carried from look to look: f_k(x) = integral of f_{k-1}(y) phi((x -
    y - drift s^2) / s) / s dy, s^2 = t_k - t_{k-1}.
    """
    steps = np.sqrt(np.diff(fractions, prepend=0.0))
    n_nodes = max(40, math.ceil(2 * constant / float(steps.min()) * NODES_PER_STEP))
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    nodes, weights = nodes * constant, weights * constant
    density = _normal(nodes - drift * steps[0] ** 2, steps[0])
    going = [1.0, float(weights @ density)]
    kernel, last = np.zeros((0, 0)), -1.0
    for step in steps[1:]:
        if abs(step - last) > 1e-12:
            kernel, last = _normal(nodes[:, None] - nodes[None, :] - drift * step**2, step), step
        density = kernel @ (weights * density)
        going.append(float(weights @ density))
    return -np.diff(going)


def inflation(plan: GroupSequentialPlan, *, power: float = 0.8) -> tuple[float, float]:
    """By how much a plan multiplies the votes of one look at the end for the same power; and the mean share it takes.

    R = (drift / (z_{1-alpha/2} + z_power))^2 with the drift at which the plan has that power (Jennison & Turnbull 2000,
    table 2.4: 1.028 for five looks at 80 %). The mean share, of the inflated votes, is under that drift. Raises
    ``InvalidInputError`` unless alpha / 2 < power < 1.
    """
    from scipy.optimize import brentq

    if not plan.alpha / 2 < power < 1:
        raise InvalidInputError(f"the power must lie between alpha / 2 and 1, not {power}")
    fixed = float(-ndtri(plan.alpha / 2) + ndtri(power))
    at, constant = plan.fractions, plan.constant
    drift = float(
        brentq(  # type: ignore[no-untyped-call]
            lambda x: crossing_probability(constant, at, drift=x) - power, 0.0, fixed + constant, xtol=1e-9
        )
    )
    stops = stopping_probabilities(constant, at, drift=drift)
    return (drift / fixed) ** 2, float(stops @ at + 1 - stops.sum())


def _normal(x: NDArray[np.float64], sd: float) -> NDArray[np.float64]:
    return np.asarray(np.exp(-((x / sd) ** 2) / 2) / (sd * math.sqrt(2 * math.pi)), dtype=np.float64)
