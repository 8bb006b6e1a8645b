"""Which study a page of results is about: one of those that have started, named in the address by its key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.components import address, chrome
from app.domain import Identity
from app.services import experiments, poolable
from app.services.experiments import ExperimentSummary
from app.services.pooled_votes import MOST_STUDIES

ALSO_HELP = "Rank by the votes of several studies at once. Offered are those that compare a model of this one too."
UNKNOWN = "The study in this link isn't here; this is the newest one."


def list_started(who: Identity, *, empty: str) -> dict[str, ExperimentSummary]:
    """The studies that have started, by key, those with votes first; without any the page says so and ``empty``."""
    started = [row for row in experiments.list_experiments(who) if row.started_at]
    if not started:
        chrome.show_notice("No study has started yet", empty)
    return {row.key: row for row in sorted(started, key=lambda row: row.n_votes == 0)}


def choose(
    studies: Mapping[str, ExperimentSummary], *, width: int | None = None, forgets: Sequence[str] = ()
) -> tuple[ExperimentSummary, list[str]]:
    """The study that the control and the address name, and what to say where the address names another."""
    titles = {key: row.title for key, row in studies.items()}
    notes = [UNKNOWN] * address.is_unknown(titles, name="study")
    return studies[address.choose("Study", titles, name="study", width=width, forgets=forgets)], notes


def choose_also(
    who: Identity, study: ExperimentSummary, studies: Mapping[str, ExperimentSummary]
) -> tuple[tuple[ExperimentSummary, ...], list[str]]:
    """The studies whose votes are counted with those of one, and what to say of those in the address that aren't."""
    found = poolable.find_poolable(who, study, studies, address.read_several("also"))
    if found.offered:
        titles = {key: row.title for key, row in found.offered.items()}
        address.choose_several(
            "Also count the votes of",
            titles,
            name="also",
            most=MOST_STUDIES - 1,
            placeholder="no other study",
            width=280,
            help_=ALSO_HELP,
        )
    return found.chosen, list(found.notes)
