"""What a file in pages/ says about itself."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain import Role


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its title in the menu and the tab, its group, who may see it and its place in the group."""

    title: str
    section: str
    role: Role
    order: int
