"""Accounts, invites and web sessions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, func, insert, select, update
from sqlmodel import Session, col

from app.domain import Purpose, Role
from db.prepared import Peek, Prepared
from db.tables import Account, Battle, Experiment, Invite, WebSession, tables_of

account, battle, experiment, invite, web_session = tables_of(Account, Battle, Experiment, Invite, WebSession)

_FIND_SESSION = Prepared(
    select(
        web_session.c.id,
        web_session.c.invite_id,
        web_session.c.account_id,
        account.c.name,
        account.c.role,
        account.c.experiment_id,
        account.c.is_blocked,
    )
    .select_from(web_session.outerjoin(account, web_session.c.account_id == account.c.id))
    .where(
        web_session.c.token_hash == bindparam("token_hash"),
        web_session.c.revoked_at.is_(None),
        web_session.c.expires_at > bindparam("now"),
    )
)


def find_session(session: Session | Peek, *, token_hash: str, now: datetime) -> Any:
    """The live web session behind a cookie, with its account (null while its invite isn't accepted)."""
    return _FIND_SESSION.first(session, token_hash=token_hash, now=now)


def lock_session(session: Session, *, token_hash: str) -> None:
    """Hold a browser's sign-in to one transaction at a time; on SQLite every write transaction does that already."""
    session.execute(select(web_session.c.id).where(web_session.c.token_hash == token_hash).with_for_update())


def is_blocked(session: Session, *, token_hash: str) -> bool:
    """Whether the account behind a cookie, live or ended, is blocked."""
    found = session.execute(
        select(account.c.is_blocked)
        .select_from(web_session.join(account, web_session.c.account_id == account.c.id))
        .where(web_session.c.token_hash == token_hash)
    )
    return bool(found.scalar_one_or_none())


def add_web_session(
    session: Session, *, token_hash: str, invite_id: UUID | None, now: datetime, expires_at: datetime
) -> UUID:
    """Store a browser that holds a new cookie."""
    row = WebSession(token_hash=token_hash, invite_id=invite_id, created_at=now, expires_at=expires_at)
    session.add(row)
    session.flush()
    return row.id


def bind_session(session: Session, *, session_id: UUID, account_id: UUID, expires_at: datetime) -> bool:
    """Give a pending web session its account; False when another tab of the browser was quicker."""
    done = session.execute(
        update(web_session)
        .where(web_session.c.id == session_id, web_session.c.account_id.is_(None))
        .values(account_id=account_id, expires_at=expires_at)
        .returning(web_session.c.id)
    )
    return done.first() is not None


def revoke_session(session: Session, *, token_hash: str, now: datetime) -> None:
    """End one browser's sign-in."""
    session.execute(
        update(web_session)
        .where(web_session.c.token_hash == token_hash, web_session.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def revoke_sessions(session: Session, *, account_id: UUID, now: datetime) -> None:
    """End all sign-ins of an account."""
    session.execute(
        update(web_session)
        .where(web_session.c.account_id == account_id, web_session.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def add_invite(session: Session, **values: Any) -> Invite:
    """Store an invite; the keywords are its columns."""
    row = Invite(**values)
    session.add(row)
    session.flush()
    return row


def find_invite(session: Session, *, token_hash: str, now: datetime) -> Invite | None:
    """The invite behind a link, if it can still be used."""
    row = session.execute(
        select(Invite).where(
            col(Invite.token_hash) == token_hash,
            col(Invite.revoked_at).is_(None),
            col(Invite.expires_at) > now,
            col(Invite.n_uses) < col(Invite.max_uses),
        )
    )
    return row.scalar_one_or_none()


def use_invite(session: Session, *, invite_id: UUID, now: datetime) -> Row[Any] | None:
    """Count one use and return (role, label, experiment_id); None when the invite is used up, expired or revoked."""
    return session.execute(
        update(invite)
        .where(
            invite.c.id == invite_id,
            invite.c.n_uses < invite.c.max_uses,
            invite.c.revoked_at.is_(None),
            invite.c.expires_at > now,
        )
        .values(n_uses=invite.c.n_uses + 1)
        .returning(invite.c.role, invite.c.label, invite.c.experiment_id)
    ).first()


def revoke_invites(session: Session, *, role: Role, label: str, now: datetime) -> None:
    """End all unused invites of a role with this label."""
    session.execute(
        update(invite)
        .where(invite.c.role == role, invite.c.label == label, invite.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def revoke_invite(session: Session, *, invite_id: UUID, now: datetime) -> bool:
    """End one invite; False when there is none or it had ended."""
    done = session.execute(
        update(invite)
        .where(invite.c.id == invite_id, invite.c.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(invite.c.id)
    )
    return done.first() is not None


def list_invites(session: Session, *, now: datetime) -> list[Row[Any]]:
    """Invites that can still be used, newest first."""
    return list(
        session.execute(
            select(
                invite.c.id,
                invite.c.role,
                invite.c.label,
                invite.c.n_uses,
                invite.c.max_uses,
                invite.c.expires_at,
                experiment.c.title.label("experiment"),
            )
            .select_from(invite.outerjoin(experiment, invite.c.experiment_id == experiment.c.id))
            .where(invite.c.revoked_at.is_(None), invite.c.expires_at > now, invite.c.n_uses < invite.c.max_uses)
            .order_by(invite.c.id.desc())
        )
    )


def add_account(session: Session, **values: Any) -> Account:
    """Store an account; the keywords are its columns."""
    row = Account(**values)
    session.add(row)
    session.flush()
    return row


def add_accounts(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """Store many accounts at once; each row gives every column."""
    session.execute(insert(account), list(rows))


def list_accounts(session: Session) -> list[Row[Any]]:
    """People who signed in (not raters of imported or simulated studies), with the battles they answered."""
    answered = (
        select(battle.c.rater_id, func.count().label("n"))
        .where(battle.c.status == "voted", battle.c.purpose != Purpose.PRACTICE)
        .group_by(battle.c.rater_id)
        .subquery()
    )
    return list(
        session.execute(
            select(
                account.c.id,
                account.c.name,
                account.c.role,
                account.c.is_blocked,
                account.c.created_at,
                func.coalesce(answered.c.n, 0).label("n_votes"),
            )
            .select_from(account.outerjoin(answered, answered.c.rater_id == account.c.id))
            .where(account.c.origin.in_(("invite", "first_admin", "panel")))
            .order_by(account.c.id)
        )
    )


def set_blocked(session: Session, *, account_id: UUID, is_blocked: bool) -> bool:
    """Block or unblock; False when there is no such account."""
    done = session.execute(
        update(account).where(account.c.id == account_id).values(is_blocked=is_blocked).returning(account.c.id)
    )
    return done.first() is not None


def count_admins(session: Session) -> int:
    """Accounts that can administer."""
    n: int = session.execute(
        select(func.count()).where(account.c.role == Role.ADMIN, account.c.is_blocked.is_(False))
    ).scalar_one()
    return n
