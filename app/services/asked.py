"""What a study asks beside the overall vote, checked as a part of its design."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable

from app.errors import InvalidInputError
from app.services.typed_text import checked_name
from app.study import MOST_CRITERIA, OVERALL, Asks, Criterion

LONGEST_LABEL = 60
_KEY = re.compile(r"[a-z0-9_]{1,64}")


def criterion_key(label: str) -> str:
    """How a criterion is called in the database and in exports: lower-case ASCII letters, digits and underscores."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:64]


def make_criteria(labels: Iterable[str], required: Collection[str]) -> tuple[Criterion, ...]:
    """Criteria by their labels; a label in a script without a key of its own is called by its place."""
    return tuple(
        Criterion(criterion_key(label) or f"criterion_{place}", label.strip(), label in required)
        for place, label in enumerate(labels, start=1)
    )


def find_asks_mistake(asks: Asks) -> str | None:
    """What can't be asked so, in words; None when all is well."""
    if len(asks.criteria) > MOST_CRITERIA:
        return f"{len(asks.criteria)} criteria are too many for one screen; {MOST_CRITERIA} are the most."
    for criterion in asks.criteria:
        try:
            checked_name(criterion.label, what="a criterion", longest=LONGEST_LABEL)
        except InvalidInputError as error:
            return str(error)
        if not _KEY.fullmatch(criterion.key):
            return f"The key of {criterion.label} may have lower-case letters, digits and underscores only."
        if criterion.key == OVERALL:
            return "Overall is asked with every vote already; call the criterion something else."
    doubled = [key for key, n in Counter(criterion.key for criterion in asks.criteria).items() if n > 1]
    if doubled:
        names = " and ".join(f"“{criterion.label}”" for criterion in asks.criteria if criterion.key == doubled[0])
        return f"{names} would both be called {doubled[0]} in the results; give them different names."
    return None
