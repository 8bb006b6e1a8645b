"""What results call the models of a study."""

from __future__ import annotations

from typing import Any
from uuid import UUID


def model_labels(arms: list[Any]) -> dict[UUID, str]:
    """A name for each model, with its version only where two share the name."""
    names = [arm.name for arm in arms]
    return {
        arm.model_id: arm.name if names.count(arm.name) == 1 else f"{arm.name} {arm.version}".strip() for arm in arms
    }
