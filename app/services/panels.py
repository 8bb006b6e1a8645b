"""People who come from a panel such as Prolific: one account for each of its ids in a study, on whatever device."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.domain import ExperimentStatus, Identity, Role, utc_now
from app.errors import ConflictError, InvalidInputError, NotFoundError, SignInError
from app.services.leading import PROLIFIC
from app.services.sign_in import COOKIE_LIFE, hash_token, require
from app.study import Flow, flow_of
from db import accounts, audit, battles, experiments, participation
from db.engine import Session, database

ORIGIN = "panel"
KEPT = ("STUDY_ID", "SESSION_ID")  # what is stored of a panel's link beside the person's id
_ID = re.compile(r"[\w.:@=+~-]{1,200}", re.ASCII)
_UNKNOWN = "There is no such study, or it takes nobody from a panel. Check the link with whoever gave it to you."


def panel_link(key: str, flow: Flow) -> str | None:
    """The path of the link to give to a panel, with the places that Prolific fills in; None where there is none."""
    if not flow.panel:
        return None
    if flow.panel != PROLIFIC:
        return f"/join/{key}?{flow.panel}="
    places = (PROLIFIC, *KEPT)
    return f"/join/{key}?" + "&".join(f"{name}={{{{%{name}%}}}}" for name in places)


def get_panel_link(actor: Identity | None, experiment_id: UUID) -> str | None:
    """The link of a study for its panel; None where it takes nobody from one."""
    require(actor, Role.ADMIN)
    with database().read() as session:
        row = experiments.get_experiment(session, experiment_id=experiment_id)
    return panel_link(row.key, flow_of(row.flow))


def join_study(key: str, values: Mapping[str, str], token_hash: str | None) -> tuple[str | None, bool]:
    """Sign in the person whom a panel's link names: a cookie token, or None to keep the one, and whether they are new.

    The same id is the same person with the same open battle, on any device. Raises NotFoundError for a study that takes
    nobody from a panel, InvalidInputError for an id that names nobody, ConflictError for a draft or when staff is
    signed in here, SignInError for a blocked person.
    """
    now = utc_now()
    with database().write() as session:
        experiment_id = experiments.find_by_key(session, key=key)
        study = experiments.get_experiment(session, experiment_id=experiment_id) if experiment_id else None
        flow = flow_of(study.flow) if study else Flow()
        if study is None or not flow.panel:
            raise NotFoundError(_UNKNOWN)
        external_id = _checked_id(flow, values)
        if study.status == ExperimentStatus.DRAFT:
            raise ConflictError("This study has not started yet. Your link will work as soon as it does.")
        here = accounts.find_session(session, token_hash=token_hash, now=now) if token_hash else None
        if here is not None and here.account_id is not None and here.role != Role.RATER:
            raise ConflictError(
                f"You are signed in here as {here.name}. To use this link, sign out first or open it in another "
                "browser."
            )
        battles.lock_voting(session, experiment_id=study.id)  # two tabs that open the link at once make one person
        found = participation.find_panelist(session, experiment_id=study.id, panel=flow.panel, external_id=external_id)
        if found is not None and found.is_blocked:
            raise SignInError("This link doesn't work for you any more.")
        if found is not None and here is not None and here.account_id == found.account_id:
            return None, False
        account_id = found.account_id if found else _add_rater(session, study, flow, external_id, values)
        token = secrets.token_urlsafe(32)
        expires_at = now + COOKIE_LIFE
        browser = accounts.add_web_session(
            session, token_hash=hash_token(token), invite_id=None, now=now, expires_at=expires_at
        )
        accounts.bind_session(session, session_id=browser, account_id=account_id, expires_at=expires_at)
    return token, found is None


def _checked_id(flow: Flow, values: Mapping[str, str]) -> str:
    given = values.get(flow.panel, "").strip()
    if not given:
        raise InvalidInputError(
            f"The link lacks your participant id ({flow.panel}). Open the study from the page of your panel again."
        )
    if not _ID.fullmatch(given):
        raise InvalidInputError(
            f"The link carries no participant id: {flow.panel} still holds a template or signs that no id has. "
            "Open the study from the page of your panel; a preview of it can't take part."
        )
    return given


def _add_rater(session: Session, study: Any, flow: Flow, external_id: str, values: Mapping[str, str]) -> UUID:
    now = utc_now()
    account = accounts.add_account(
        session,
        name=f"rater-{secrets.token_hex(4)}",
        role=Role.RATER,
        origin=ORIGIN,
        experiment_id=study.id,
        created_at=now,
    )
    kept = {name: values[name] for name in KEPT if _ID.fullmatch(values.get(name, ""))}
    participation.add_participation(
        session,
        rater_id=account.id,
        experiment_id=study.id,
        now=now,
        panel=flow.panel,
        external_id=external_id,
        panel_values=kept,
    )
    audit.add_event(
        session, at=now, actor_id=account.id, action="panel.join", subject=study.key, details={"panel": flow.panel}
    )
    return account.id
