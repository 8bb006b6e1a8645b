"""How fast this machine is at the moment, for tests with a limit in seconds (marked ``timed``)."""

from __future__ import annotations

import time

_USUAL_S = 0.6  # of ten million additions on two quiet cores
_MARGIN = 2  # neighbours come and go within a second; the figures themselves are held by bench/


def patience() -> float:
    """What to multiply a limit by: how many times as slow as usual Python is just now, at least 1, with a margin."""
    began, total = time.perf_counter(), 0
    for number in range(10_000_000):
        total += number
    return _MARGIN * max(1.0, (time.perf_counter() - began) / _USUAL_S)
