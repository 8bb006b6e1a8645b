"""Votes as bare comparisons by the sides of the screen, as evalica and crowd-kit read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from app.file_rows import Judged
from app.formats import _csv
from app.formats._judged import Carries, votes_of

KIND = "export"
LABEL = "Bare comparisons by side (CSV)"
ABOUT = "Three columns, left, right and winner, so that an advantage of one side can be seen."
SUFFIX = ".csv"
CARRIES = Carries("Everything but the two models, their sides and who won.", texts="none", needs_sides=True)
_SIDES = {"model_a": ("left", "right"), "model_b": ("right", "left")}


def write(rows: Iterable[Judged], stream: BinaryIO) -> int:
    """Write one row per vote; how many."""
    return _csv.write_table(("left", "right", "winner"), _rows(rows), stream)


def _rows(rows: Iterable[Judged]) -> Iterator[tuple[object, ...]]:
    for _, vote in votes_of(rows):
        a, b = _SIDES[vote["left"]]
        names = {a: vote["model_a"], b: vote["model_b"]}
        yield names["left"], names["right"], {"model_a": a, "model_b": b}.get(vote["outcome"], vote["outcome"])
