"""How careful the raters of a study were: attention checks, repeated battles, and how it ended for each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain import Identity, Role
from app.services.sign_in import require
from app.study import Ending
from db import participation
from db.engine import database


@dataclass(frozen=True, slots=True)
class RaterCheck:
    """One rater in one study; ``n_same`` of the ``n_repeats`` battles shown again were answered as the first time.

    ``panel_id`` is the panel's own id of the person, for paying them; blank where they came by an invite.
    """

    account_id: UUID
    name: str
    panel_id: str
    n_votes: int
    n_passed: int
    n_failed: int
    n_repeats: int
    n_same: int
    consented_at: datetime | None
    ended_at: datetime | None
    ended_as: Ending | None

    @property
    def state(self) -> str:
        """How far they are, in words."""
        if self.ended_at is None:
            return "taking part"
        if self.ended_as is None:
            return "withdrawn" if self.consented_at else "declined"
        return self.ended_as.value.replace("_", " ")

    @property
    def consistency(self) -> float | None:
        """Intra-rater agreement: the share of repeats that were answered as the first time; None without any."""
        return self.n_same / self.n_repeats if self.n_repeats else None


def list_rater_checks(actor: Identity | None, experiment_id: UUID) -> list[RaterCheck]:
    """The raters of a study that leads them: those who failed most checks first. Panel ids only for admins."""
    require(actor, Role.RESEARCHER)
    is_admin = actor is None or actor.role.reaches(Role.ADMIN)
    with database().read() as session:
        rows = participation.list_checks(session, experiment_id=experiment_id)
    found = [
        RaterCheck(
            account_id=row.account_id,
            name=row.name,
            panel_id=row.external_id if is_admin else "",
            n_votes=row.n_votes,
            n_passed=row.n_passed,
            n_failed=row.n_failed,
            n_repeats=row.n_repeats,
            n_same=int(row.n_same),
            consented_at=row.consented_at,
            ended_at=row.ended_at,
            ended_as=Ending(row.ended_as) if row.ended_as else None,
        )
        for row in rows
    ]
    return sorted(found, key=lambda rater: -rater.n_failed)
