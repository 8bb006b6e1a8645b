"""Experiments: draft, start, pause and stop studies, invite raters, take in votes from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO
from uuid import UUID

import streamlit as st

from app.components import (
    arena_form,
    experiment_form,
    experiment_list,
    gold_upload,
    invite_link,
    note,
    session,
    upload,
    vote_upload,
)
from app.components.page import Page
from app.domain import ExperimentStatus, Identity, Kind, Purpose, Role
from app.errors import BadFileError, BakeoffError, InvalidInputError
from app.services import (
    arena_setup,
    drafts,
    experiments,
    generations,
    gold_files,
    leak_lists,
    prompt_sets,
    rater_checks,
    sign_in,
    vote_files,
)
from app.services.coverage import list_candidates
from app.services.drafts import Draft

PAGE = Page(title="Experiments", section="Manage", role=Role.ADMIN, order=1)
STUDIES, NEW, VOTES = "Studies", "New experiment", "Import votes"
_TABS, _EDITED = "manage-tab", "manage-edited-draft"


def _act(change: Callable[[Identity, UUID], None], said: str) -> Callable[[UUID], None]:
    def act(experiment_id: UUID) -> None:
        # Its button stands there, though a click right after a form was stored may still bring the form's tab along.
        session.choose(_TABS, STUDIES)
        try:
            change(session.require(Role.ADMIN), experiment_id)
        except BakeoffError as error:
            session.flash(str(error), "refused")
            return
        session.flash(said, "saved")

    return act


def stop(experiment_id: UUID) -> None:
    """Stop a study for the reason that was typed; without one it goes on."""
    reason = session.typed(experiment_list.reason_key(experiment_id)) or ""
    session.choose(_TABS, STUDIES)
    session.set_mistakes("stop", {})
    try:
        experiments.stop_experiment(session.require(Role.ADMIN), experiment_id, reason=reason)
    except InvalidInputError as error:
        session.set_mistakes("stop", {"reason": str(error)})
    except BakeoffError as error:
        session.flash(str(error), "refused")
    else:
        session.flash("Stopped. Every vote is kept, and the reason stands beside the results.", "saved")


def invite(experiment_id: UUID) -> None:
    """Make a link for raters of a study."""
    place = str(experiment_id)
    session.choose(_TABS, STUDIES)
    try:
        path = sign_in.create_invite(
            session.require(Role.ADMIN),
            role=Role.RATER,
            experiment_id=experiment_id,
            max_uses=session.typed(invite_link.people_key(place)) or 1,
        )
    except BakeoffError as error:
        session.flash(str(error), "refused")
        return
    session.keep_link(place, path)


def begin() -> None:
    """Open an empty form."""
    session.choose(_EDITED, None)
    session.choose(_TABS, NEW)


def edit(experiment_id: UUID) -> None:
    """Open a draft in the form."""
    session.next_form(_form(experiment_id))
    session.choose(_EDITED, experiment_id)
    session.choose(_TABS, NEW)


def close_form() -> None:
    """Leave a draft as it was."""
    session.choose(_EDITED, None)
    session.choose(_TABS, STUDIES)


def save(form: str, kind: Kind | None = None) -> None:
    """Store the form as a draft, or say by the field what is wrong and keep all that was typed."""
    edited = session.chosen(_EDITED)
    draft = (arena_form if arena_form.is_arena(form, kind) else experiment_form).typed(form)
    session.set_mistakes(form, mistakes := drafts.find_mistakes(draft))
    if mistakes:
        session.flash("Not saved yet: " + " ".join(mistakes.values()), "refused")
        return
    try:
        if edited is not None:
            drafts.update_draft(session.require(Role.ADMIN), edited, draft)
        else:
            experiments.store_draft(session.require(Role.ADMIN), draft)
    except BakeoffError as error:
        session.flash(str(error), "refused")
        return
    session.next_form(form)
    session.flash("Saved as a draft. Nobody is asked for votes before you start it.", "saved")
    close_form()


def store_votes() -> None:
    """Make a completed study of the dropped file."""
    file = upload.dropped(vote_upload.FORM)
    if file is None:
        return
    title, prompt_set_id, with_texts = vote_upload.typed()
    try:
        done = vote_files.import_votes(
            session.require(Role.ADMIN), file, title=title, prompt_set_id=prompt_set_id, with_texts=with_texts
        )
    except BadFileError as error:  # the file changed between its preview and now
        session.flash(str(error), "refused")
        return
    except InvalidInputError as error:
        session.set_mistakes(vote_upload.FORM, {"title": str(error)})
        return
    except BakeoffError as error:
        session.flash(str(error), "refused")
        return
    session.next_form(vote_upload.FORM)
    state = "stored as a completed study" if done.is_new else "stored already; nothing was added"
    told = f", {done.n_told:,} of them with prompt and outputs" if done.n_told else ""
    session.flash(f"{done.n_votes:,} votes on {done.n_models:,} models{told}: {state}.", "saved")
    session.choose(_TABS, STUDIES)


def store_gold(experiment_id: UUID) -> None:
    """Give a draft the pairs of the dropped file."""
    session.choose(_TABS, STUDIES)  # its card stands there, see _act
    file = upload.dropped(gold_upload.FORM)
    if file is None:
        return
    try:
        n = gold_files.import_gold(
            session.require(Role.ADMIN), file, experiment_id=experiment_id, purpose=gold_upload.chosen_purpose()
        )
    except BakeoffError as error:
        session.flash(str(error), "refused")
        return
    session.next_form(gold_upload.FORM)
    session.flash(f"{n:,} pairs with a known answer are stored.", "saved")


def remove_gold(experiment_id: UUID, purpose: Purpose) -> None:
    """Take the pairs of one purpose out of a draft."""
    session.choose(_TABS, STUDIES)
    try:
        gold_files.remove_gold(session.require(Role.ADMIN), experiment_id=experiment_id, purpose=purpose)
    except BakeoffError as error:
        session.flash(str(error), "refused")


def _check_gold(stream: BinaryIO) -> gold_files.GoldPreview:
    return gold_files.check_gold(session.require(Role.ADMIN), stream)


GOLD = gold_upload.Acts(
    count=lambda id_: gold_files.count_gold(session.require(Role.ADMIN), id_),
    check=_check_gold,
    store=store_gold,
    remove=remove_gold,
)
ACTS = experiment_list.Acts(
    start=_act(experiments.start_experiment, "Started. Its design is frozen, and its raters are served from now on."),
    pause=_act(experiments.pause_experiment, "Paused. Open battles can still be answered, no new ones are served."),
    resume=_act(experiments.resume_experiment, "It goes on."),
    discard=_act(experiments.discard_experiment, "Discarded."),
    stop=stop,
    edit=edit,
    invite=invite,
    gold=GOLD,
    raters=lambda id_: rater_checks.list_rater_checks(session.require(Role.ADMIN), id_),
)


def render() -> None:
    """Draw the page."""
    who = session.require(PAGE.role)
    st.title(PAGE.title, anchor=False)
    session.show_flash()
    listed, new, votes = st.tabs([STUDIES, NEW, VOTES], key=_TABS, on_change="rerun")
    with listed:
        _show_studies(who)
    with new:
        _show_form(who)
    with votes:
        vote_upload.show(
            prompt_sets.list_prompt_sets(who),
            lambda stream, prompt_set_id: vote_files.check_votes(who, stream, prompt_set_id=prompt_set_id),
            store_votes,
        )


def _show_studies(who: Identity) -> None:
    studies = experiments.list_experiments(who)
    if all(study.status == ExperimentStatus.ARCHIVED for study in studies):
        n_outputs = sum(row.n_generations + row.n_unusable for row in generations.list_models(who))
        experiment_list.show_path(len(prompt_sets.list_prompt_sets(who)), n_outputs, begin)
        return
    waiting = [study.id for study in studies if study.status == ExperimentStatus.DRAFT]
    missing = {id_: experiments.check_experiment(who, id_) for id_ in waiting}
    warnings = {id_: leak_lists.describe_waiting(who, id_) for id_ in waiting}
    arenas = [study.id for study in studies if study.kind == Kind.ARENA and study.status in experiment_list.OPEN]
    warnings |= arena_setup.describe_arenas(who, arenas)
    experiment_list.show(studies, missing, ACTS, warnings)


def _form(edited: UUID | None) -> str:
    return f"draft-{edited}" if edited else "new-draft"


def _show_form(who: Identity) -> None:
    edited = session.chosen(_EDITED)
    form, initial = _form(edited), drafts.get_draft(who, edited) if edited else None
    if initial is not None:
        note.show(f"You are changing the draft “{initial.title}”.")
    kind = arena_form.chosen_kind(form, initial)
    if kind == Kind.ARENA:
        arena_form.show(form, *arena_setup.list_live_models(who), initial)
    elif not _show_study_form(who, form, initial):
        return
    with st.container(horizontal=True, gap="small"):
        st.button("Save draft", key=f"save-{form}", type="primary", on_click=save, args=(form, kind))
        if edited:
            st.button("Leave as it was", key=f"leave-{form}", type="tertiary", on_click=close_form)


def _show_study_form(who: Identity, form: str, initial: Draft | None) -> bool:
    """Whether there are prompts to make a study of."""
    sets = prompt_sets.list_prompt_sets(who)
    if not sets:
        note.show("An experiment needs prompts. Upload them under Prompt sets, then the models' outputs under Models.")
        return False
    prompt_set_id = experiment_form.chosen_prompt_set(form, sets, initial)
    prompt_set = next(row for row in sets if row.id == prompt_set_id)
    experiment_form.show(form, prompt_set, list_candidates(who, prompt_set_id), initial)
    return True


if __name__ == "__main__":
    render()
