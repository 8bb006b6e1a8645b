"""Prompt sets: upload, look, search."""

from __future__ import annotations

from uuid import UUID

import streamlit as st

from app.components import prompt_list, session, upload
from app.components.page import Page
from app.domain import Role
from app.errors import BadFileError, BakeoffError, InvalidInputError
from app.services import prompt_sets

PAGE = Page(title="Prompt sets", section="Manage", role=Role.ADMIN, order=2)
_OPENED = "manage-opened-set"


def store() -> None:
    """Store the dropped file as a prompt set."""
    file = upload.dropped(prompt_list.FORM)
    if file is None:
        return
    try:
        done = prompt_sets.import_prompts(session.require(Role.ADMIN), file, name=prompt_list.typed_name())
    except BadFileError as error:  # the file changed between its preview and now
        session.flash(str(error), "refused")
        return
    except InvalidInputError as error:
        session.set_mistakes(prompt_list.FORM, {"name": str(error)})
        return
    except BakeoffError as error:
        session.flash(str(error), "refused")
        return
    session.next_form(prompt_list.FORM)
    session.choose(_OPENED, done.id)
    state = "stored" if done.is_new else "stored already; nothing was added"
    session.flash(f"{done.name} v{done.version}: {done.n_prompts:,} prompts {state}.", "saved")


def toggle(prompt_set_id: UUID) -> None:
    """Open a set, or close it."""
    session.choose(_OPENED, None if session.chosen(_OPENED) == prompt_set_id else prompt_set_id)


def render() -> None:
    """Draw the page."""
    who = session.require(PAGE.role)
    st.title(PAGE.title, anchor=False)
    session.show_flash()
    sets, opened = prompt_sets.list_prompt_sets(who), session.chosen(_OPENED)
    prompt_list.show_upload(prompt_sets.read_prompts, store, known=sets)
    prompt_list.show_list(sets, opened, toggle)
    row = next((row for row in sets if row.id == opened), None)
    if row is not None:
        prompt_list.show_set(row, prompt_sets.list_prompts(who, row.id))


if __name__ == "__main__":
    render()
