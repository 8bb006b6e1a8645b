"""People: a new invite, the invites that still work, and accounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import streamlit as st

from app.components import invite_link, moment, note, rows, session
from app.domain import Role
from app.services.experiments import ExperimentSummary
from app.services.sign_in import InviteSummary, PersonSummary

FORM = "invite"
PLACE = "people"
_WHAT = {
    Role.RATER: "Rater: votes, and sees nothing else",
    Role.RESEARCHER: "Researcher: sees results",
    Role.ADMIN: "Admin: manages everything",
}
_ONE = {Role.RATER: "a rater", Role.RESEARCHER: "a researcher", Role.ADMIN: "an admin"}
_MOST = 50


@dataclass(frozen=True, slots=True)
class TypedInvite:
    """What stands in the form."""

    role: Role
    experiment_id: UUID | None
    n_uses: int
    n_days: int
    label: str


def _key(field: str) -> str:
    return f"manage-invite-{field}-{session.form_number(FORM)}"


def typed() -> TypedInvite:
    """What stands in the form; only a rater's invite names an experiment and several uses."""
    role = Role(session.typed(_key("role")) or Role.RATER)
    is_rater = role == Role.RATER
    return TypedInvite(
        role,
        session.chosen(_key("study")) if is_rater else None,
        (session.typed(_key("uses")) or 1) if is_rater else 1,
        session.typed(_key("days")) or 14,
        session.typed(_key("label")) or "",
    )


def show_form(studies: Sequence[ExperimentSummary], create: Callable[[], None]) -> None:
    """Who is invited to what, and the link once it is made."""
    with st.container(border=True, key="invite-form"):
        left, right = st.columns(2)
        role = left.selectbox("Role", [role.value for role in Role], format_func=_what, key=_key("role"))
        names = {study.id: f"{study.title} ({study.status})" for study in studies}
        right.selectbox(
            "Experiment",
            [None, *names],
            format_func=lambda id_: names[id_] if id_ else "Whichever runs",
            key=_key("study"),
            disabled=role != Role.RATER,
        )
        uses, days, label = st.columns([1, 1, 2])
        uses.number_input("Uses", 1, 100_000, 1, key=_key("uses"), disabled=role != Role.RATER)
        days.number_input("Days it works", 1, 365, 14, key=_key("days"))
        label.text_input("Note", key=_key("label"), placeholder="For this list only", max_chars=200)
        note.show_mistake(session.mistakes(FORM).get("invite"))
        st.button("Make a link", key=_key("create"), type="primary", on_click=create)
        invite_link.show_new(PLACE)


def _what(role: str) -> str:
    return _WHAT[Role(role)]


def show_invites(invites: Sequence[InviteSummary], revoke: Callable[[UUID], None]) -> None:
    """Invites that can still be used."""
    if not invites:
        rows.show_empty("No link is open. Make one above and send it; nobody needs a password.")
    for invite in invites:
        known = rows.facts(
            invite.experiment,
            f"used {invite.n_uses:,} of {invite.max_uses:,} times" if invite.max_uses > 1 else "for one person",
            f"until {moment.minute(invite.expires_at)}",
        )
        with rows.row(
            f"invite-{invite.id}", invite.label or f"Link for {_ONE[invite.role]}", known, [("role", invite.role.value)]
        ):
            st.button("Revoke", key=f"revoke-{invite.id}", type="tertiary", on_click=revoke, args=(invite.id,))


def show_people(people: Sequence[PersonSummary], me: UUID, block: Callable[[UUID, bool], None]) -> None:
    """Accounts, staff first; oneself can't be blocked."""
    ordered = sorted(people, key=lambda person: (person.role == Role.RATER, person.role != Role.ADMIN))
    wanted = ""
    if len(ordered) > 8:
        wanted = st.text_input(
            "Search",
            key="manage-search-people",
            placeholder=f"Search {len(ordered):,} accounts by name or role",
            label_visibility="collapsed",
        )
    found = [person for person in ordered if wanted.casefold() in f"{person.name} {person.role}".casefold()]
    for person in found[:_MOST]:
        known = rows.facts(
            f"{person.n_votes:,} votes", f"since {moment.minute(person.created_at)}", "you" if person.id == me else None
        )
        tags = [("role", person.role.value)] + ([("stopped", "blocked")] if person.is_blocked else [])
        with rows.row(f"person-{person.id}", person.name, known, tags):
            if person.id != me:
                st.button(
                    "Unblock" if person.is_blocked else "Block",
                    key=f"block-{person.id}",
                    type="tertiary",
                    on_click=block,
                    args=(person.id, not person.is_blocked),
                )
    if not found:
        note.show("No account has these words.")
    if len(found) > _MOST:
        st.caption(f"These are the first {_MOST} of {len(found):,}; search for the others.")
