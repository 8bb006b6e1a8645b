"""What services use: the strategies by name."""

from __future__ import annotations

import functools
from typing import cast

from app.discovery import find_plugins
from app.sampling._protocol import LearningStrategy, Strategy


@functools.cache  # every draw asks
def get_strategies() -> dict[str, Strategy]:
    """All strategies by name; those that treat all pairs alike come first, those that follow the votes last."""
    found = cast("dict[str, Strategy]", find_plugins("app.sampling"))
    return dict(sorted(found.items(), key=lambda entry: (not entry[1].IS_EVEN, entry[1].LEARNS, entry[0])))


def find_learning(allocation: str) -> LearningStrategy | None:
    """The strategy of this name if it follows the votes."""
    strategy = find_plugins("app.sampling")[allocation]
    return cast("LearningStrategy", strategy) if strategy.LEARNS else None
