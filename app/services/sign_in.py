"""Invite links, browsers that are signed in, and who stands behind a cookie at this moment.

A link's first GET only hands out a cookie; the invite is used when the browser then opens the app itself, so a program
that previews links in a chat doesn't use it up. The database holds hashes of tokens, never tokens.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.domain import Identity, Role, utc_now
from app.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError, SignInError
from app.services.typed_text import checked_text
from db import accounts, audit, experiments
from db.engine import database

COOKIE_LIFE = timedelta(days=30)
PENDING_LIFE = timedelta(minutes=15)
FIRST_ADMIN = "first admin"


@dataclass(frozen=True, slots=True)
class InviteSummary:
    """An invite that can still be used, as an admin sees it."""

    id: UUID
    role: Role
    label: str
    experiment: str | None
    n_uses: int
    max_uses: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PersonSummary:
    """An account, as an admin sees it."""

    id: UUID
    name: str
    role: Role
    is_blocked: bool
    created_at: datetime
    n_votes: int


def hash_token(token: str) -> str:
    """What the database stores of a token: its SHA-256, in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def require(actor: Identity | None, role: Role) -> None:
    """Raise NotAllowedError unless ``actor`` reaches ``role``; None is the command line, which reaches everything."""
    if actor is not None and not actor.role.reaches(role):
        raise NotAllowedError("Your role does not reach this.")


def actor_id(actor: Identity | None) -> UUID | None:
    """The account to name in the audit log; None for the command line."""
    return actor.account_id if actor else None


def create_invite(
    actor: Identity | None,
    *,
    role: Role,
    label: str = "",
    experiment_id: UUID | None = None,
    max_uses: int = 1,
    days: float = 14,
) -> str:
    """Make a sign-in link and return its path, ``/auth/join?token=...``; it can't be shown again later."""
    require(actor, Role.ADMIN)
    if not 1 <= max_uses <= 100_000:
        raise InvalidInputError("Uses must be between 1 and 100,000.")
    if not 0 < days <= 365:
        raise InvalidInputError("A link lives between an hour and 365 days.")
    if role != Role.RATER and max_uses > 1:
        raise InvalidInputError("A link for a researcher or an admin is for one person: one use.")
    label = checked_text(label, what="the note", longest=200)
    token, now = secrets.token_urlsafe(32), utc_now()
    with database().write() as session:
        if experiment_id is not None:
            experiments.get_experiment(session, experiment_id=experiment_id)
        invite = accounts.add_invite(
            session,
            token_hash=hash_token(token),
            role=role,
            label=label,
            experiment_id=experiment_id,
            max_uses=max_uses,
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        details = {"role": role.value, "max_uses": max_uses, "days": days}
        audit.add_event(
            session, at=now, actor_id=actor_id(actor), action="invite.create", subject=str(invite.id), details=details
        )
    return f"/auth/join?token={token}"


def create_first_admin_link() -> str | None:
    """A one-time admin link while there is no admin; older such links end. None when there is an admin."""
    with database().write() as session:
        if accounts.count_admins(session):
            return None
        accounts.revoke_invites(session, role=Role.ADMIN, label=FIRST_ADMIN, now=utc_now())
    return create_invite(None, role=Role.ADMIN, label=FIRST_ADMIN, days=1)


def open_link(token: str) -> str:
    """Answer the first GET of a link: a fresh cookie token; raises SignInError when the link can't be used."""
    now, cookie = utc_now(), secrets.token_urlsafe(32)
    with database().write() as session:
        invite = accounts.find_invite(session, token_hash=hash_token(token), now=now)
        if invite is None:
            raise SignInError("This link is unknown, used up or expired. Ask for a new one.")
        accounts.add_web_session(
            session, token_hash=hash_token(cookie), invite_id=invite.id, now=now, expires_at=now + PENDING_LIFE
        )
    return cookie


def follow_link(token: str, token_hash: str | None) -> str | None:
    """Answer the GET of a link by a browser with this cookie: a fresh cookie token, or None to keep the one it has.

    A person who opens their link again stays who they are. Raises ConflictError when somebody of another role is
    signed in, SignInError when the link can't be used or the browser's account is blocked.
    """
    now = utc_now()
    with database().read() as session:
        row = accounts.find_session(session, token_hash=token_hash, now=now) if token_hash else None
        invite = accounts.find_invite(session, token_hash=hash_token(token), now=now)
        is_blocked = bool(token_hash) and accounts.is_blocked(session, token_hash=token_hash or "")
    if is_blocked:
        raise SignInError("This link is unknown, used up or expired. Ask for a new one.")
    if row is not None and row.account_id is not None:
        if invite is None:
            return None
        if Role(invite.role) != Role(row.role):
            raise ConflictError(
                f"You are signed in here as {row.name}. To use this link, sign out first or open it in another browser."
            )
        if invite.experiment_id in (None, row.experiment_id):
            return None
    return open_link(token)


def identify(token_hash: str | None) -> Identity | None:
    """Who stands behind a cookie now; None for nobody. Accepts the invite of a browser that just followed a link."""
    if not token_hash:
        return None
    with database().peek() as connection:
        row = accounts.find_session(connection, token_hash=token_hash, now=utc_now())
    if row is None:
        return None
    if row.account_id is None:
        return _accept(token_hash)
    if row.is_blocked:
        return None
    return Identity(row.account_id, row.name, Role(row.role), row.experiment_id)


def _accept(token_hash: str) -> Identity | None:
    now = utc_now()
    with database().write() as session:
        accounts.lock_session(session, token_hash=token_hash)  # the browser may have opened two tabs at once
        row = accounts.find_session(session, token_hash=token_hash, now=now)
        if row is None or row.invite_id is None:
            return None
        if row.account_id is not None:  # another tab of this browser was quicker
            return Identity(row.account_id, row.name, Role(row.role), row.experiment_id)
        invite = accounts.use_invite(session, invite_id=row.invite_id, now=now)
        if invite is None:
            return None
        role = Role(invite.role)
        account = accounts.add_account(
            session,
            name=f"{role.value}-{secrets.token_hex(4)}",
            role=role,
            origin="first_admin" if invite.label == FIRST_ADMIN else "invite",
            experiment_id=invite.experiment_id,
            created_at=now,
        )
        accounts.bind_session(session, session_id=row.id, account_id=account.id, expires_at=now + COOKIE_LIFE)
        audit.add_event(session, at=now, actor_id=account.id, action="invite.accept", subject=str(row.invite_id))
        return Identity(account.id, account.name, role, account.experiment_id)


def sign_out(token_hash: str) -> None:
    """End this browser's sign-in, in all its tabs."""
    with database().write() as session:
        accounts.revoke_session(session, token_hash=token_hash, now=utc_now())


def list_invites(actor: Identity | None) -> list[InviteSummary]:
    """Invites that can still be used, newest first."""
    require(actor, Role.ADMIN)
    with database().read() as session:
        return [
            InviteSummary(row.id, Role(row.role), row.label, row.experiment, row.n_uses, row.max_uses, row.expires_at)
            for row in accounts.list_invites(session, now=utc_now())
        ]


def revoke_invite(actor: Identity | None, *, invite_id: UUID) -> None:
    """End an invite; accounts that it made stay."""
    require(actor, Role.ADMIN)
    now = utc_now()
    with database().write() as session:
        if not accounts.revoke_invite(session, invite_id=invite_id, now=now):
            raise NotFoundError("There is no such invite.")
        audit.add_event(session, at=now, actor_id=actor_id(actor), action="invite.revoke", subject=str(invite_id))


def list_people(actor: Identity | None) -> list[PersonSummary]:
    """All accounts of people."""
    require(actor, Role.ADMIN)
    with database().read() as session:
        return [
            PersonSummary(row.id, row.name, Role(row.role), row.is_blocked, row.created_at, row.n_votes)
            for row in accounts.list_accounts(session)
        ]


def block_person(actor: Identity | None, *, account_id: UUID, is_blocked: bool) -> None:
    """Block an account, which ends its sign-ins at once, or unblock it."""
    require(actor, Role.ADMIN)
    if actor is not None and actor.account_id == account_id:
        raise InvalidInputError("You can't block yourself.")
    now = utc_now()
    with database().write() as session:
        if not accounts.set_blocked(session, account_id=account_id, is_blocked=is_blocked):
            raise NotFoundError("There is no such account.")
        if is_blocked:
            accounts.revoke_sessions(session, account_id=account_id, now=now)
        action = "account.block" if is_blocked else "account.unblock"
        audit.add_event(session, at=now, actor_id=actor_id(actor), action=action, subject=str(account_id))
