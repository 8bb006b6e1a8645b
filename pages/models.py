"""Models: who they are, how they are asked, what they answered, and where answers are missing."""

from __future__ import annotations

from functools import partial
from typing import BinaryIO
from uuid import UUID

import streamlit as st

from app.components import (
    address_list,
    coverage,
    leak_acts,
    leak_list,
    links,
    model_form,
    model_list,
    model_rows,
    model_trial,
    note,
    rows,
    session,
    upload,
)
from app.components.page import Page
from app.domain import Identity, Role
from app.errors import BakeoffError, ConflictError, ConnectorError
from app.file_rows import ModelRow
from app.services import generations, model_drafts, models, prompt_sets
from app.services.coverage import get_coverage
from app.services.model_drafts import ModelDraft

PAGE = Page(title="Models", section="Manage", role=Role.ADMIN, order=3)
_EDITED, _NEW, _OFFERED = "manage-edited-model", "new", "manage-offered-address"


def store_models() -> None:
    """Store the dropped file of models."""
    file = upload.dropped(model_list.MODELS)
    if file is None:
        return
    try:
        done = generations.import_models(session.require(Role.ADMIN), file)
    except BakeoffError as error:
        session.flash(str(error), "refused")
        return
    session.next_form(model_list.MODELS)
    session.flash(f"{done.n_stored:,} models stored, {done.n_known:,} known already.", "saved")


def store_outputs() -> None:
    """Store the dropped file of outputs for the chosen prompt set."""
    file, prompt_set_id = upload.dropped(model_list.OUTPUTS), session.chosen(model_list.SET_KEY)
    if file is None or prompt_set_id is None:
        return
    try:
        done = generations.import_generations(
            session.require(Role.ADMIN), file, prompt_set_id=prompt_set_id, model=model_list.typed_model()
        )
    except BakeoffError as error:
        session.flash(str(error), "refused")
        return
    session.next_form(model_list.OUTPUTS)
    new = f" {done.n_new_models:,} models are new." if done.n_new_models else ""
    named = f" {leak_list.describe_flagged(done.n_flagged)} They are under Leaks." if done.n_flagged else ""
    session.flash(f"{done.n_stored:,} outputs stored, {done.n_known:,} known already.{new}{named}", "saved")


def _form() -> str:
    return f"model-{session.typed(_EDITED)}"


def _edited() -> tuple[UUID | None, ModelDraft | None]:
    """The model that is being changed and what is stored of it; nothing while one is being added."""
    edited = session.typed(_EDITED)
    return (None, None) if edited == _NEW else (edited, models.get_draft(session.require(Role.ADMIN), edited))


def _typed() -> ModelDraft:
    return model_form.typed(_form(), models.list_connectors(), _edited()[1])


def open_form(edited: UUID | None = None) -> None:
    """Open the form, empty or filled with what is stored of a model."""
    session.choose(_EDITED, edited or _NEW)
    session.next_form(_form())
    _forget()


def close_form() -> None:
    """Leave the form; what was typed is gone."""
    session.next_form(_form())
    _forget()
    session.choose(_EDITED, None)


def _forget() -> None:
    model_trial.forget(_form())
    session.choose(_OFFERED, None)


def save() -> None:
    """Store the form, or say by the field what is wrong and keep all that was typed."""
    who, form, draft = session.require(Role.ADMIN), _form(), _typed()
    session.choose(_OFFERED, None)
    session.set_mistakes(form, mistakes := model_drafts.find_mistakes(draft))
    if mistakes:
        return
    edited, initial = _edited()
    try:
        if edited is None:
            models.create_model(who, draft)
            said = f"{draft.name.strip()} is registered."
        else:
            chosen_for = model_form.secret_for(form, draft, initial)
            is_new = models.change_model(who, edited, draft, secret_for=chosen_for) != edited
            said = "Saved as a version of its own; the old one stays." if is_new else "Saved."
    except ConflictError as error:
        free = models.free_version(who, draft)
        session.choose(model_form.version_key(form), free)
        session.set_mistakes(form, {"version": f"{error} {free} is free and stands here now: save again to use it."})
    except ConnectorError as error:
        session.set_mistakes(form, {"address": model_trial.say(error)})
        session.choose(_OFFERED, models.host_to_allow(draft))
    except BakeoffError as error:
        session.set_mistakes(form, {"secret_name": str(error)})
    else:
        close_form()
        session.flash(said, "saved")


def start_trial() -> None:
    """Let the model be asked, unless the form has mistakes; a name isn't needed for that."""
    mistakes = model_drafts.find_mistakes(_typed())
    mistakes.pop("name", None)
    session.set_mistakes(_form(), mistakes)
    model_trial.forget(_form())
    if not mistakes:
        model_trial.begin(_form())


def allow_and_try(host: str) -> None:
    """Allow the private address that a trial met, and try again."""
    models.allow_address(session.require(Role.ADMIN), host)
    start_trial()


def allow_and_save(host: str) -> None:
    """Allow the private address that the form names, and save it."""
    models.allow_address(session.require(Role.ADMIN), host)
    save()


def allow_typed() -> None:
    """Allow the private address that stands in the list's own field."""
    try:
        host = models.allow_address(session.require(Role.ADMIN), address_list.typed())
    except BakeoffError as error:
        session.set_mistakes(address_list.FORM, {"address": str(error)})
        return
    session.next_form(address_list.FORM)
    session.flash(f"Models may be asked at {host} now.", "saved")


def forbid(host: str) -> None:
    """Take a private address back."""
    models.forbid_address(session.require(Role.ADMIN), host)
    session.flash(f"Models are not asked at {host} any more.", "saved")


def archive(model_id: UUID, is_archived: bool) -> None:
    """Take a model out of the lists, or put it back."""
    models.archive_model(session.require(Role.ADMIN), model_id, is_archived=is_archived)
    session.flash("Archived. What it answered stays." if is_archived else "It is back in the lists.", "saved")


def render() -> None:
    """Draw the page."""
    who = session.require(PAGE.role)
    st.title(PAGE.title, anchor=False)
    session.show_flash()
    outputs, registered, leaks = st.tabs(["Outputs", "Models", "Leaks"], key="manage-models-tab")
    with outputs:
        _show_outputs(who)
    with registered:
        _show_models(who)
    with leaks:
        leak_list.show(leak_acts.read(who), leak_acts.ACTS)


def _show_models(who: Identity) -> None:
    listed, connectors = generations.list_models(who), models.list_connectors()
    place = st.container(key="model-place")
    if listed:
        labels = {one.name: one.label for one in connectors}
        model_rows.show(listed, labels, model_rows.Acts(edit=open_form, archive=archive))
    else:
        rows.show_empty("No models yet. Add one that is asked here, or drop a file: of models, or of their outputs.")
    with st.expander("Models from a file", expanded=not listed, key="models-from-file"):
        model_list.show_model_upload(lambda stream: _read_models(who, stream), store_models)
    address_list.show(models.list_allowed_addresses(who), allow_typed, forbid)
    with place:  # last, since a trial that is under way must not hold back the rest
        if session.typed(_EDITED) is None:
            st.button("Add a model", key="add-model", type="primary", on_click=open_form)
        else:
            _show_form(who, connectors)


def _show_form(who: Identity, connectors: list[models.ConnectorForm]) -> None:
    form, (edited, initial) = _form(), _edited()
    with st.container(border=True, key="model-form"):
        st.subheader("Add a model" if initial is None else f"Change {initial.name}", anchor=False)
        model_form.show(form, connectors, models.list_secret_names(who), initial)
        draft, answer = _typed(), None
        if draft.connector != model_drafts.FILE:
            answer = model_trial.show(form, start_trial)
        _show_refusal(form)
        with st.container(horizontal=True, gap="small"):
            st.button("Save", key=f"save-{form}", type="primary", on_click=save)
            st.button("Close", key=f"close-{form}", type="tertiary", on_click=close_form)
    if answer is not None and model_trial.is_pending(form):
        ask = partial(models.try_model, who, draft, model_id=edited)
        chosen_for = model_form.secret_for(form, draft, initial)
        model_trial.run(form, answer, draft, partial(ask, secret_for=chosen_for), models.host_to_allow)
    elif answer is not None:
        model_trial.show_outcome(form, answer, draft, allow_and_try)


def _show_refusal(form: str) -> None:
    """Why the form wasn't saved, beside the button; the fields say it too."""
    if mistakes := session.mistakes(form):
        note.show(" ".join(mistakes.values()), "refused")
    if host := session.typed(_OFFERED):
        model_trial.show_offer(f"save-{form}", model_trial.Offer(host, partial(allow_and_save, host)))


def _read_models(who: Identity, stream: BinaryIO) -> tuple[list[ModelRow], list[str]]:
    found = generations.read_models(stream)
    return found, generations.list_new_models(who, found)


def _show_outputs(who: Identity) -> None:
    sets = prompt_sets.list_prompt_sets(who)
    if not sets:
        rows.show_empty("Outputs answer prompts, and there are no prompts yet. Upload those first.")
        links.show_page("prompts", "Upload prompts")
        return
    prompt_set_id = model_list.choose_prompt_set(sets)
    model_list.show_output_upload(
        prompt_set_id,
        lambda stream: generations.check_generations(who, stream, prompt_set_id=prompt_set_id),
        store_outputs,
    )
    _show_grid(who, prompt_set_id)


def _show_grid(who: Identity, prompt_set_id: UUID) -> None:
    grid = get_coverage(who, prompt_set_id, first=coverage.chosen_first())
    if not grid.models:
        rows.show_empty("No model has an output for these prompts yet. Drop a file of outputs above.")
        return
    st.subheader(coverage.describe(grid), anchor=False)
    if idle := coverage.describe_idle(grid, (row.id for row in generations.list_models(who))):
        st.caption(idle)
    coverage.show(grid, prompt_sets.list_texts(who, [id_ for id_, _ in grid.prompts]))


if __name__ == "__main__":
    render()
