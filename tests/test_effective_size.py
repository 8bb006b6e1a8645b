"""What votes are worth."""

from __future__ import annotations

import numpy as np
import pytest

from app.errors import InvalidInputError
from app.stats.effective_size import design_effects, effective_sample_size, effective_votes, planned_design_effect


def test_kish_by_hand():
    assert effective_sample_size(np.ones(7)) == pytest.approx(7)
    assert effective_sample_size(np.array([1.0, 1, 2])) == pytest.approx(16 / 6)
    assert effective_sample_size(np.array([1e-200, 1e-200])) == pytest.approx(2)
    assert effective_sample_size(np.zeros(0)) == 0
    with pytest.raises(InvalidInputError):
        effective_sample_size(np.array([1.0, -1]))


def test_a_design_effect_of_2_halves_the_votes_and_one_below_1_adds_none():
    effects = design_effects(np.diag([2.0, 0.5, 1.0]), np.diag([1.0, 1.0, 0.0]))
    assert effects[:2].tolist() == [2.0, 0.5]
    assert np.isnan(effects[2])
    assert effective_votes(np.array([100.0, 100.0]), effects[:2]).tolist() == [50.0, 100.0]


def test_the_design_effect_of_pandalm():
    """STATISTICS.md g: 3 votes per item, alpha .864: 2.73 = 1.65 squared, the measured ratio of standard errors."""
    assert planned_design_effect(3, 0.864) == pytest.approx(2.728)
    with pytest.raises(InvalidInputError):
        planned_design_effect(0, 0.5)
