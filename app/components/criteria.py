"""The criteria of a study as rows of the same four answers, below the two sides and above the bar.

Choosing in a row asks nothing of the server: what stands in the rows goes with the vote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import streamlit as st

from app.components import session
from app.components.text import plain_label
from app.domain import Answer
from app.study import Criterion

ROW = (Answer.LEFT, Answer.TIE, Answer.BOTH_BAD, Answer.RIGHT)
WORDS = {
    Answer.LEFT: "Left",
    Answer.TIE: "Tie",
    Answer.BOTH_BAD: "Both bad",
    Answer.RIGHT: "Right",
    Answer.SKIP: "Can't judge",
}
KEYS = "1 left, 2 tie, 3 both bad, 4 right answer the criteria one after the other."


def _key(number: int, token: str) -> str:
    return f"criterion-{number}-{token}"


def foot(criteria: Sequence[Criterion]) -> AbstractContextManager[object]:
    """Where the rows and the bar below them belong; the bar alone needs no place of its own."""
    return st.container(key="foot") if criteria else nullcontext()


def show(
    criteria: Sequence[Criterion],
    token: str,
    given: Mapping[str, Answer] | None = None,
    *,
    keep: Callable[[str, str, str], None] | None = None,
) -> None:
    """The rows, if there are any; ``given`` is what was chosen in them at an earlier time.

    ``keep`` gets the battle's id, the criterion and the key of its row at each choice, where they are stored at once.
    """
    if not criteria:
        return
    with st.container(key="criteria"):
        for number, criterion in enumerate(criteria):
            st.segmented_control(
                plain_label(criterion.label) + ("" if criterion.is_required else " :small[(optional)]"),
                ROW,
                default=(given or {}).get(criterion.key),
                format_func=WORDS.__getitem__,
                key=_key(number, token),
                on_change=keep or "ignore",
                args=(token, criterion.key, _key(number, token)) if keep else None,
            )


def chosen(criteria: Sequence[Criterion], token: str) -> dict[str, Answer]:
    """What stands in the rows at the moment of a click."""
    found = {criterion.key: session.peek(_key(number, token)) for number, criterion in enumerate(criteria)}
    return {key: Answer(answer) for key, answer in found.items() if answer}
