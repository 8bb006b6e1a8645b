"""What a study asks beside the overall vote, as a part of the experiment's form."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from app.components import note, session
from app.components.text import plain_label
from app.services.asked import make_criteria
from app.study import USUAL_CRITERIA, Asks

# Field of Asks, label, what it means for raters.
_PARTS = (
    ("strength", "How much better", "After a vote for a side: slightly or clearly."),
    (
        "reasons",
        "Reasons",
        "Chips for each side: accurate, complete, clear, follows the instructions; wrong, shallow, off-topic, unsafe.",
    ),
    ("comment", "Comment", "A text about the pair. Raters may write names in it, so read it before you pass it on."),
    (
        "skip_reason",
        "Why somebody can't judge",
        "After “Can't judge”: not my field, wrong language, broken, unsafe.",
    ),
    (
        "guess",
        "Who made it? (shows raters the names of all models)",
        "After a vote, raters may guess each side from the list of this study's models. The list is the same for every "
        "pair and never says who is where; still, raters learn who takes part. The guesses tell how blind they were.",
    ),
)
Key = Callable[[str], str]


def typed(key: Key) -> Asks:
    """What stands in this part of the form."""
    labels = session.typed(key("criteria")) or ()
    return Asks(
        criteria=make_criteria(labels, session.typed(key("required")) or ()),
        **{name: bool(session.typed(key(name))) for name, *_ in _PARTS},
    )


def show(key: Key, start: Asks, mistakes: Mapping[str, str], *, is_arena: bool = False) -> None:
    """The part; all of it is optional, and nothing of it holds up the next battle but needed criteria.

    In an arena nobody is asked who made it, since the names are shown after the vote.
    """
    parts = [part for part in _PARTS if not (is_arena and part[0] == "guess")]
    with st.expander("What is asked beside the vote", expanded="asks" in mistakes):
        before = [criterion.label for criterion in start.criteria]
        own = [label for label in before if label not in USUAL_CRITERIA]
        labels = st.multiselect(
            "Criteria beside overall",
            [*USUAL_CRITERIA, *own],
            before,
            key=key("criteria"),
            persist_state="session",
            accept_new_options=True,
            placeholder="Choose some, or type your own",
            help="Each is a row of the same four answers below the two sides. Overall stays the vote of one key.",
        )
        if labels:
            needed = [criterion.label for criterion in start.criteria if criterion.is_required]
            st.multiselect(
                "Needed with every vote",
                labels,
                [label for label in needed if label in labels],
                format_func=plain_label,
                key=key("required"),
                persist_state="session",
                placeholder="None: all of them may be left out",
                help="A vote without these is refused and says so; the others may be left out or answered later.",
            )
        note.show_mistake(mistakes.get("asks"))
        if is_arena:
            note.show("Criteria are answered before the names are shown; all below is said after them.")
        for name, label, about in parts:
            st.toggle(label, getattr(start, name), key=key(name), persist_state="session", help=about)
