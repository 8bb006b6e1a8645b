"""The garbage collector's thresholds come back after every import, one that fails included."""

from __future__ import annotations

import gc

import pytest

from app.services.bulk import collected_rarely


def test_the_thresholds_come_back_when_the_last_import_ends() -> None:
    usual = gc.get_threshold()
    with collected_rarely():
        rarely = gc.get_threshold()
        assert rarely[0] > usual[0]
        with pytest.raises(ZeroDivisionError), collected_rarely():
            assert gc.get_threshold() == rarely
            raise ZeroDivisionError
        assert gc.get_threshold() == rarely
    assert gc.get_threshold() == usual


def test_each_call_of_a_decorated_function_is_one_import() -> None:
    usual = gc.get_threshold()

    @collected_rarely()
    def inside() -> tuple[int, int, int]:
        return gc.get_threshold()

    assert inside()[0] > usual[0]
    assert inside()[0] > usual[0]
    assert gc.get_threshold() == usual
