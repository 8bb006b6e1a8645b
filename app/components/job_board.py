"""A generation job: how far it is, what it costs, which endpoint has stopped and why, and what failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import streamlit as st

from app.components import moment, note, rows
from app.domain import GenerationStatus, JobStatus, PartStatus
from app.services.job_progress import Failure, JobSummary, Progress

_ENDED = {
    GenerationStatus.OK: "ready",
    GenerationStatus.FLAGGED: "flagged",
    GenerationStatus.DROPPED: "dropped",
    GenerationStatus.WITHDRAWN: "withdrawn",
    GenerationStatus.FAILED: "failed",
    GenerationStatus.REFUSED: "refused",
    GenerationStatus.TRUNCATED: "cut short",
    GenerationStatus.EMPTY: "empty",
}
_STATES = {JobStatus.PAUSED: "paused", JobStatus.CANCELLED: "cancelled", JobStatus.DONE: "done"}


@dataclass(frozen=True, slots=True)
class Acts:
    """What can be done with a job, each a callback that takes its id."""

    pause: Callable[[UUID], None]
    resume: Callable[[UUID], None]
    cancel: Callable[[UUID], None]
    retry: Callable[[UUID], None]


def duration(seconds: float) -> str:
    """A length of time in words, to the precision that matters."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def describe(progress: Progress) -> str:
    """A job in one line: pace, time left, cost."""
    parts = [f"{progress.n_done:,} of {progress.n:,}"]
    if progress.job.status == JobStatus.RUNNING and progress.per_second:
        parts.append(f"{progress.per_second:,.1f} a second")
        if progress.seconds_left:
            parts.append(f"{duration(progress.seconds_left)} left")
    if progress.cost is not None:
        expected = progress.expected_cost
        of = f" of about ${expected:,.2f}" if progress.is_open and expected else ""
        parts.append(f"${progress.cost:,.4f}{of}" if progress.cost < 0.01 else f"${progress.cost:,.2f}{of}")
    parts += [f"{n:,} {word}" for status, word in _ENDED.items() if (n := progress.count(status))]
    return rows.facts(*parts)


def show(progress: Progress, acts: Acts) -> None:
    """The job with its bar, its endpoints that have stopped, and its buttons."""
    job, key = progress.job, progress.job.id
    with st.container(border=True, key=f"job-{key}"):
        state = [("state", _STATES[job.status])] if job.status in _STATES else []
        with rows.row(f"job-{key}", f"Outputs for {job.prompt_set}", describe(progress), state):
            _show_buttons(progress, acts)
        st.progress(progress.n_done / progress.n if progress.n else 1.0)
        for part in progress.parts:
            if part.status == PartStatus.STOPPED and progress.is_open:
                note.show(f"{part.endpoint} has stopped: {part.reason} Put it right, then resume.", "refused")
        if len(progress.models) > 1:
            _show_models(progress)


def _show_buttons(progress: Progress, acts: Acts) -> None:
    job = progress.job
    is_stopped = any(part.status == PartStatus.STOPPED for part in progress.parts)
    if job.status == JobStatus.RUNNING and not is_stopped:
        _button("Pause", acts.pause, job.id)
    if job.status == JobStatus.PAUSED or (job.status == JobStatus.RUNNING and is_stopped):
        _button("Resume", acts.resume, job.id)
    if progress.is_open:
        _button("Cancel", acts.cancel, job.id)
    if n := progress.count(GenerationStatus.FAILED):
        _button(f"Ask again for {n:,} failed", acts.retry, job.id)


def _button(label: str, act: Callable[[UUID], None], job_id: UUID) -> None:
    st.button(label, key=f"{label.split(maxsplit=1)[0].lower()}-job-{job_id}", on_click=act, args=(job_id,))


def _show_models(progress: Progress) -> None:
    cells: list[dict[str, Any]] = []
    for one in progress.models:
        cell: dict[str, Any] = {"Model": one.name, "Done": one.n_done / one.n if one.n else 1.0}
        cell |= {word.capitalize(): one.counts.get(status, 0) for status, word in _ENDED.items()}
        cell |= {"Waiting": one.n - one.n_done, "Cost": one.cost}
        cells.append(cell)
    shown = [name for name in cells[0] if name in {"Model", "Done"} or any(cell[name] for cell in cells)]
    st.dataframe(
        [{name: cell[name] for name in shown} for cell in cells],
        hide_index=True,
        column_config={
            "Done": st.column_config.ProgressColumn(format="percent", min_value=0.0, max_value=1.0),
            "Cost": st.column_config.NumberColumn(format="dollar"),
        },
        alt="The models of this job and how far each is",
    )


def show_failures(failures: Sequence[Failure], most: int) -> None:
    """What didn't become an output, and why; a filter by words finds one reason or model."""
    if not failures:
        return
    said = f"the first {most:,}" if len(failures) == most else f"{len(failures):,}"
    with st.expander(f"What didn't become an output: {said}", expanded=False):
        wanted = st.text_input(
            "Filter", key="manage-failures", placeholder="Model, prompt or reason", label_visibility="collapsed"
        )
        cells = [
            {
                "Model": one.model,
                "Prompt": one.prompt,
                "What": _ENDED[one.status],
                "Reason": one.reason,
                "Tries": one.n_tries,
            }
            for one in failures
        ]
        found = [
            cell for cell in cells if wanted.casefold() in " ".join(str(value) for value in cell.values()).casefold()
        ]
        if found:
            st.dataframe(found, hide_index=True, alt="Generations that failed, with the reasons")
        else:
            note.show("None has these words.")


def show_past(jobs: Sequence[JobSummary]) -> None:
    """Jobs that have ended, with their settings."""
    if not jobs:
        return
    with st.expander(f"Earlier jobs: {len(jobs):,}", expanded=False):
        for job in jobs[:50]:
            said = [f"{name} {value:g}" for name, value in job.settings.items() if isinstance(value, int | float)]
            said += ["with a system prompt"] if job.settings.get("system") else []
            said += [f"{job.n_samples} of each prompt"] if job.n_samples > 1 else []
            facts = rows.facts(moment.minute(job.created_at), _STATES.get(job.status, job.status.value), *said)
            st.html(rows.head_html(job.prompt_set, facts))
