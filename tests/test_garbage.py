"""The garbage collector's thresholds come back after every import; what the start made is never searched again."""

from __future__ import annotations

import gc
import weakref

import pytest

from app.services.garbage import collected_rarely, spare_what_is_there


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


def test_what_is_there_is_spared_and_what_comes_later_is_not() -> None:
    class Node:
        itself: object = None

    def loop() -> weakref.ref[Node]:
        node = Node()
        node.itself = node
        return weakref.ref(node)

    try:
        spare_what_is_there()
        assert gc.get_freeze_count() > 10_000
        later = loop()
        gc.collect()
        assert later() is None
        assert len(gc.get_objects()) < gc.get_freeze_count()
    finally:
        gc.unfreeze()
