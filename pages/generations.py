"""Generations: ask models for their outputs, watch the progress, see where outputs are missing and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import streamlit as st

from app.components import coverage, job_board, job_form, links, model_list, rows, session
from app.components.page import Page
from app.domain import Identity, JobStatus, Role
from app.errors import BakeoffError, InvalidInputError
from app.jobs import worker
from app.services import generation_jobs, generations, job_progress, prompt_sets
from app.services.coverage import get_coverage

PAGE = Page(title="Generations", section="Manage", role=Role.ADMIN, order=4)
MOST_FAILURES = 1000


def start() -> None:
    """Ask the chosen models for what is missing."""
    session.set_mistakes(job_form.FORM, {})
    prompt_set_id = session.chosen(model_list.SET_KEY)
    if prompt_set_id is None:
        return
    try:
        _, n = generation_jobs.start_job(
            session.require(Role.ADMIN),
            prompt_set_id=prompt_set_id,
            model_ids=job_form.chosen_models(),
            sampling=job_form.typed_sampling(),
            n_samples=job_form.typed_samples(),
        )
    except InvalidInputError as error:
        session.set_mistakes(job_form.FORM, {"form": str(error)})
        return
    except BakeoffError as error:
        session.flash(str(error), "refused")
        return
    worker.wake_worker()
    session.flash(f"{n:,} outputs are being asked for. You can leave this page; it goes on.", "saved")


def _act(change: Callable[[Identity, UUID], Any], said: str) -> Callable[[UUID], None]:
    def act(job_id: UUID) -> None:
        try:
            change(session.require(Role.ADMIN), job_id)
        except BakeoffError as error:
            session.flash(str(error), "refused")
            return
        worker.wake_worker()
        session.flash(said, "saved")

    return act


ACTS = job_board.Acts(
    pause=_act(generation_jobs.pause_job, "Paused. What is on its way still comes in."),
    resume=_act(generation_jobs.resume_job, "It goes on."),
    cancel=_act(generation_jobs.cancel_job, "Cancelled. What came in stays."),
    retry=_act(generation_jobs.retry_failed, "What failed is asked again."),
)


def render() -> None:
    """Draw the page."""
    who = session.require(PAGE.role)
    st.title(PAGE.title, anchor=False)
    session.show_flash()
    sets = prompt_sets.list_prompt_sets(who)
    if not sets:
        rows.show_empty("Models answer prompts, and there are no prompts yet. Upload those first.")
        links.show_page("prompts", "Upload prompts")
        return
    prompt_set_id = model_list.choose_prompt_set(sets)
    listed = [job for job in job_progress.list_jobs(who) if job.prompt_set_id == prompt_set_id]
    open_ = [job for job in listed if job.status in {JobStatus.RUNNING, JobStatus.PAUSED}]
    if open_:
        _watch([job.id for job in open_])
    models = generations.list_choices(who)
    job_form.show(
        models,
        lambda chosen, sampling, n: generation_jobs.count_missing(
            who, prompt_set_id=prompt_set_id, model_ids=chosen, sampling=sampling, n_samples=n
        ),
        start,
    )
    if listed:
        latest = listed[0]
        if latest not in open_:
            job_board.show(job_progress.get_progress(who, latest.id), ACTS)
        job_board.show_failures(job_progress.list_failures(who, latest.id, limit=MOST_FAILURES), MOST_FAILURES)
        job_board.show_past([job for job in listed[1:] if job not in open_])
    _show_grid(who, prompt_set_id, [row.id for row in models])


@st.fragment(run_every=1.0)
def _watch(job_ids: list[UUID]) -> None:
    """The jobs that go on, drawn anew every second; the whole page is when one of them ends."""
    if session.has_flash():  # a button in here was pressed, and what it says stands at the top of the page
        st.rerun()
    who = session.require(PAGE.role)
    found = [job_progress.get_progress(who, job_id) for job_id in job_ids]
    for progress in found:
        job_board.show(progress, ACTS)
    if not all(progress.is_open for progress in found):
        st.rerun()


def _show_grid(who: Identity, prompt_set_id: UUID, models: list[UUID]) -> None:
    grid = get_coverage(who, prompt_set_id, first=coverage.chosen_first())
    if not grid.models:
        rows.show_empty("No model has an output for these prompts yet.")
        return
    st.subheader(coverage.describe(grid), anchor=False)
    if idle := coverage.describe_idle(grid, models):
        st.caption(idle)
    coverage.show(grid, prompt_sets.list_texts(who, [id_ for id_, _ in grid.prompts]))


if __name__ == "__main__":
    render()
