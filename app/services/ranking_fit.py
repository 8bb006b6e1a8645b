"""How well one strength per model describes the votes: what `bakeoff rank` says under "fit"."""

from __future__ import annotations

from typing import Any

from app.stats.comparisons import Comparisons
from app.stats.counts import outcome_counts, win_matrix
from app.stats.cycles import cyclic_triads
from app.stats.fit import goodness_of_fit, pair_residuals

N_BOOT = 199
MOST_MODELS = 150  # beyond, a resampled board takes too long for a command that people wait for
ALPHA = 0.05


def describe_fit(comparisons: Comparisons) -> dict[str, Any]:
    """The decisive votes against Bradley-Terry: G2 and X2, pairs that stand out, cycles that are no accident.

    Empty where it can't be tested: no decisive vote, votes of fractional weight, or more models than are quickly done.
    """
    wins = win_matrix(outcome_counts(comparisons), ties="drop", both_bad="drop")
    if not wins.any() or (wins != wins.round()).any() or len(wins) > MOST_MODELS:
        return {}
    test = goodness_of_fit(wins, n_boot=N_BOOT)
    residuals = pair_residuals(wins)
    triads = cyclic_triads(wins, n_boot=N_BOOT)
    names = comparisons.models
    odd = [k for k in residuals.p_adjusted.argsort(kind="stable").tolist() if residuals.p_adjusted[k] <= ALPHA]
    return {
        "g2": test.g2,
        "x2": test.x2,
        "df": test.df,
        "p": test.p_g2,
        "p_x2": test.p_x2,
        "method": test.method,
        "pairs": [
            {
                "model_a": names[residuals.i[k]],
                "model_b": names[residuals.j[k]],
                "wins": float(residuals.wins[k]),
                "expected": float(residuals.expected[k]),
                "z": float(residuals.z[k]),
                "p_adjusted": float(residuals.p_adjusted[k]),
            }
            for k in odd
        ],
        "cyclic_triads": {"n": triads.d, "expected": triads.expected, "p": triads.p},
        "cycles": [[names[cycle.i], names[cycle.j], names[cycle.k]] for cycle in triads.cycles],
    }
