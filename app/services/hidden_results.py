"""Results that nobody sees before a study has ended, so that nobody ends it because of them.

Confidence that is computed for one look at a planned end is wrong for whoever looks daily and stops at a lead. What
hides them is frozen with the design (``Shows.hides_results``); a study that completed, or was stopped for good, shows
all. Everything that would tell who is ahead asks ``require_visible`` first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.domain import ExperimentStatus, Identity, Role, utc_now
from app.errors import NotAllowedError, ResultsHiddenError
from app.services import pooled_votes, steady_votes
from app.services.experiments import ExperimentSummary
from app.services.sign_in import actor_id, require
from app.services.vote_store import StudyVotes
from app.study import shows_of
from db import audit, experiments
from db.engine import Session, database

_UNENDED = (ExperimentStatus.RUNNING, ExperimentStatus.PAUSED)
EXPORT_WARNING = (
    "The results of this study are hidden until it ends, and these votes tell them. Whoever looks at them now should "
    "not decide when the study ends. The export stands in the audit log."
)


@dataclass(frozen=True, slots=True)
class HiddenResults:
    """A study whose results are hidden, and how far it is: votes of those planned, by how many raters."""

    title: str
    status: ExperimentStatus
    n_votes: int
    n_wanted: int
    n_raters: int

    @property
    def progress(self) -> str:
        """How far it is, in words."""
        raters = f"{self.n_raters:,} rater{'' if self.n_raters == 1 else 's'}"
        return f"{self.n_votes:,} of {self.n_wanted:,} planned votes by {raters}"

    @property
    def reason(self) -> str:
        """Why nobody sees them."""
        paused = " It is paused now." if self.status == ExperimentStatus.PAUSED else ""
        return f"This was decided before it started, so that nobody can stop it because of who is ahead.{paused}"

    def __str__(self) -> str:
        return f"Results are hidden until the study is completed: {self.progress} so far. {self.reason}"


def is_hidden(experiment: Any) -> bool:
    """Whether the results of an experiment (its row) may not be shown now, to anybody."""
    return shows_of(experiment.shows).hides_results and experiment.status in _UNENDED


def hides_now(study: ExperimentSummary) -> bool:
    """The same of an experiment in a list."""
    return study.hides_results and study.status in _UNENDED


def require_visible(session: Session, experiment: Any) -> None:
    """Raise ResultsHiddenError, which says how far the study is, where its results may not be shown now."""
    if (found := _hidden(session, experiment)) is not None:
        raise ResultsHiddenError(str(found))


def read_votes(
    actor: Identity | None,
    experiment_id: UUID,
    *,
    also: Sequence[UUID] = (),
    progress: Callable[[int], None] | None = None,
    is_steady: bool = False,
) -> StudyVotes:
    """The votes of a study for a page of results, pooled with those of others; of at most 20 s ago if ``is_steady``.

    Raises NotAllowedError below researchers, ResultsHiddenError while one of the studies hides its results.
    """
    require(actor, Role.RESEARCHER)
    ids = (experiment_id, *also)
    with database().read() as session:
        for id_ in ids:
            require_visible(session, experiments.get_experiment(session, experiment_id=id_))
    return steady_votes.read_steady(*ids) if is_steady else pooled_votes.read(ids, progress=progress)


def find_hidden(actor: Identity | None, experiment_id: UUID) -> HiddenResults | None:
    """How far a study with hidden results is; None for one that shows them."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        return _hidden(session, experiments.get_experiment(session, experiment_id=experiment_id))


def check_export(actor: Identity | None, experiment_id: UUID) -> str:
    """Before votes of a study are exported: what to warn of, blank where nothing is hidden.

    While results are hidden only admins (and the command line) get the votes, say for a backup, and that stands in the
    audit log. Raises NotAllowedError for everybody else.
    """
    if (found := find_exportable(actor, experiment_id)) is None:
        return ""
    with database().write() as session:
        audit.add_event(
            session,
            at=utc_now(),
            actor_id=actor_id(actor),
            action="experiment.export_hidden",
            subject=experiments.get_experiment(session, experiment_id=experiment_id).key,
            details={"n_votes": found.n_votes},
        )
    return EXPORT_WARNING


def find_exportable(actor: Identity | None, experiment_id: UUID) -> HiddenResults | None:
    """How far a study is whose results are hidden but for this admin; NotAllowedError for whoever isn't one."""
    found = find_hidden(actor, experiment_id)
    if found is not None and actor is not None and not actor.role.reaches(Role.ADMIN):
        raise NotAllowedError(f"{found} Only an admin can export its votes before that.")
    return found


def _hidden(session: Session, experiment: Any) -> HiddenResults | None:
    if not is_hidden(experiment):
        return None
    found = experiments.count_progress(session, experiment_id=experiment.id)
    return HiddenResults(
        title=experiment.title,
        status=ExperimentStatus(experiment.status),
        n_votes=int(found.n_votes),
        n_wanted=found.n_pairs * experiment.votes_per_pair,
        n_raters=found.n_raters,
    )
