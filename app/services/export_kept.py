"""What an import of our own file kept, on its way out again: raters' pseudonyms, and votes that count for no model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from heapq import merge
from itertools import chain
from typing import Any, NamedTuple
from uuid import UUID

from app import __version__
from app.formats._votes import EXPORTED
from app.study import Ending
from db import exports
from db.engine import Row, Session

_NUMBER = "."  # what stands before the number in the name of an imported rater's account
Found = tuple[Row, dict[str, Any]]


class Kind(NamedTuple):
    """What decides whether a vote belongs into a file, as the rows of the database have it."""

    outcome: str | None
    skip_reason: str | None
    superseded_by: str | None
    criterion: str
    is_check: bool
    is_left_out: bool
    is_staff: bool


def kind_of(vote: dict[str, Any]) -> Kind:
    """The same of a vote in our own columns."""
    return Kind(
        vote["outcome"],
        vote["skip_reason"],
        vote["superseded_by"],
        vote["criterion"],
        is_check=vote["is_gold"] or vote["repeat_of"] is not None,
        is_left_out=vote["rater_group"] == Ending.SCREENED_OUT,
        is_staff=vote["rater_group"] == "staff",
    )


def pseudonym(study: str, number: int) -> str:
    """The name of an imported rater's account: names are unique in the database, so that of the study is in it."""
    return f"rater-{study}{_NUMBER}{number}"


def utc_text(value: object) -> str | None:
    """A time as our own export writes it, from an object or from the text that SQLite stores."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return None if value is None else f"{value}".replace(" ", "T", 1).removesuffix(".000000") + "Z"


def numbers_given(session: Session, experiment_id: UUID) -> dict[UUID, int]:
    """The numbers that the raters of an import stand under since then; none in a study of our own.

    Before imports gave numbers, an account's name ended in "-" and its place in the alphabet, which says nothing.
    """
    names = exports.list_brought(session, experiment_id=experiment_id)
    return {id_: int(number) for id_, name in names.items() if (number := name.rpartition(_NUMBER)[2]) != name}


def kept_rows(session: Session, experiment: Any, names: exports.Names) -> Iterator[Found]:
    """The votes of an import that count for no model, in our own columns."""
    set_id = experiment.prompt_set_id
    prompt_set = names.prompt_sets.get(set_id) or names.prompt_sets.get(set_id and set_id.hex) or (None, None)
    for row in exports.stream_kept(session, experiment_id=experiment.id):
        set_name, set_version = prompt_set if row.columns["has_prompts"] else (None, None)
        of_study = {
            "vote_id": str(UUID(str(row.vote_id))),
            "experiment": experiment.key,
            "prompt_set": set_name,
            "prompt_set_version": set_version,
            "voted_at": utc_text(row.voted_at),
            "allocation": experiment.allocation,
            "app_version": __version__,
        }
        found = row.columns | of_study
        yield row, {name: found.get(name) for name in EXPORTED}


def merged(votes: Iterator[Found], kept: Iterator[Found]) -> Iterator[dict[str, Any]]:
    """Both in the order in which they were cast, as each of them is; at no cost where nothing was kept."""
    first = next(kept, None)
    if first is not None:
        votes = merge(votes, chain([first], kept), key=lambda found: (found[0].voted_at, found[0].vote_id))
    return (vote for _, vote in votes)
