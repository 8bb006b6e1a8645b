"""Experiments as cards: what each is, how far it is, and what can be done with it now."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import streamlit as st

from app.components import gold_upload, invite_link, links, moment, note, rater_table, rows, session
from app.domain import ExperimentStatus, Kind
from app.services.allocations import label_of
from app.services.arena_setup import UNLIMITED_VOTES
from app.services.experiments import ExperimentSummary
from app.services.rater_checks import RaterCheck

Act = Callable[[UUID], None]
_LIVE = (ExperimentStatus.RUNNING, ExperimentStatus.PAUSED, ExperimentStatus.DRAFT)
OPEN = (ExperimentStatus.RUNNING, ExperimentStatus.PAUSED)
_MOST_ENDED = 10


@dataclass(frozen=True, slots=True)
class Acts:
    """What the buttons of a card call, with the experiment's id."""

    start: Act
    pause: Act
    resume: Act
    stop: Act
    edit: Act
    discard: Act
    invite: Act
    gold: gold_upload.Acts
    raters: Callable[[UUID], Sequence[RaterCheck]]


def show(
    studies: Sequence[ExperimentSummary],
    missing: Mapping[UUID, Sequence[str]],
    acts: Acts,
    warnings: Mapping[UUID, Sequence[str]],
) -> None:
    """Those that need attention first; ``missing`` is the checklist of each draft, ``warnings`` don't keep it back."""
    live = sorted((s for s in studies if s.status in _LIVE), key=lambda s: _LIVE.index(s.status))
    ended = [s for s in studies if s.status not in (*_LIVE, ExperimentStatus.ARCHIVED)]
    for study in live:
        _show_card(study, missing.get(study.id, ()), acts, warnings.get(study.id, ()))
    if ended:
        st.subheader("Ended", anchor=False)
    has_all = len(ended) <= _MOST_ENDED or session.typed("manage-all-ended")
    shown = ended if has_all else ended[:_MOST_ENDED]
    for study in shown:
        _show_card(study, (), acts)
    if len(ended) > _MOST_ENDED:
        st.toggle(f"Show all {len(ended):,}", key="manage-all-ended")


def _show_card(study: ExperimentSummary, missing: Sequence[str], acts: Acts, warnings: Sequence[str] = ()) -> None:
    with st.container(border=True, key=f"study-{study.id}", gap="small"):
        tags = [(study.status.value, study.status.value)]
        if study.kind == Kind.ARENA:
            tags.append(("arena", "arena"))
        if study.is_simulated:
            tags.append(("simulated", "simulated votes"))
        st.html(rows.head_html(study.title, _facts(study), tags) + _progress(study) + _checklist(study, missing))
        for warning in warnings:
            note.show(warning)
        with st.container(horizontal=True, vertical_alignment="center", key=f"acts-{study.id}", gap="small"):
            _show_acts(study, missing, acts)


def _facts(study: ExperimentSummary) -> str:
    ended = f"ended {moment.minute(study.ended_at)}" if study.ended_at else None
    is_imported = study.ended_at is not None and study.started_at == study.ended_at
    if study.ended_at and is_imported:
        began = f"imported {moment.minute(study.ended_at)}"
        ended = None
    elif study.started_at:
        began = f"started {moment.minute(study.started_at)}"
    else:
        began = f"drafted {moment.minute(study.created_at)}"
    return rows.facts(
        f"{study.n_models:,} models",
        "raters' own prompts" if study.kind == Kind.ARENA else study.prompt_set,
        None
        if is_imported or study.votes_per_pair == UNLIMITED_VOTES
        else f"{study.votes_per_pair:,} {'vote' if study.votes_per_pair == 1 else 'votes'} per pair",
        None if is_imported else label_of(study.allocation).lower(),
        "results hidden until its end" if study.hides_results and study.status in _LIVE else None,
        began,
        ended,
        study.stop_reason if ended else None,
    )


def _progress(study: ExperimentSummary) -> str:
    if study.started_at is None:
        return ""
    has_no_end = not study.n_wanted or study.votes_per_pair == UNLIMITED_VOTES
    if study.status == ExperimentStatus.COMPLETED or has_no_end:
        return f'<div class="bo-progress"><span>{study.n_votes:,} votes</span></div>'
    share = min(100.0, 100 * study.n_votes / study.n_wanted)
    label = f"{study.n_votes:,} of {study.n_wanted:,} votes"
    return (
        f'<div class="bo-progress"><div class="bo-bar" role="progressbar" aria-label="{label}" '
        f'aria-valuenow="{share:.0f}" aria-valuemin="0" aria-valuemax="100"><i style="width:{share:.1f}%"></i></div>'
        f"<span>{label}</span></div>"
    )


def _checklist(study: ExperimentSummary, missing: Sequence[str]) -> str:
    if study.status != ExperimentStatus.DRAFT:
        return ""
    if not missing:
        return '<div class="bo-checklist">Nothing is missing. Starting freezes the design.</div>'
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in missing)
    return f'<div class="bo-checklist">Before it can start:<ul>{lines}</ul></div>'


def _show_acts(study: ExperimentSummary, missing: Sequence[str], acts: Acts) -> None:
    key, args = f"-{study.id}", (study.id,)
    if study.status == ExperimentStatus.DRAFT:
        st.button("Start", key=f"start{key}", type="primary", disabled=bool(missing), on_click=acts.start, args=args)
        st.button("Edit", key=f"edit{key}", on_click=acts.edit, args=args)
        if st.button("Known answers", key=f"gold{key}"):
            gold_upload.show(study.id, acts.gold)
    if study.status == ExperimentStatus.RUNNING:
        st.button("Pause", key=f"pause{key}", on_click=acts.pause, args=args)
    if study.status == ExperimentStatus.PAUSED:
        st.button("Resume", key=f"resume{key}", type="primary", on_click=acts.resume, args=args)
    if study.status in _LIVE:
        with st.popover("Rater link", key=f"link{key}"):
            if study.panel_link:
                invite_link.show_panel(study.panel_link)
            invite_link.show(str(study.id), lambda: acts.invite(study.id))
    can_stop = study.status in (ExperimentStatus.RUNNING, ExperimentStatus.PAUSED)
    if can_stop and st.button("Stop", key=f"stop{key}", type="tertiary"):
        session.set_mistakes("stop", {})
        _ask_reason(study, acts.stop)
    if study.status == ExperimentStatus.DRAFT:
        st.button("Discard", key=f"discard{key}", type="tertiary", on_click=acts.discard, args=args)
    if study.is_led and study.started_at is not None and st.button("Raters", key=f"raters{key}"):
        rater_table.show(study.id, acts.raters)
    if study.started_at is not None:
        links.show_page("leaderboard", "Leaderboard", query={"study": study.key})


def reason_key(experiment_id: UUID) -> str:
    """The key of the field in which the reason of a stop is typed."""
    return f"manage-reason-{experiment_id}"


@st.dialog("Stop this experiment?")
def _ask_reason(study: ExperimentSummary, stop: Act) -> None:
    kept = f"Its {study.n_votes:,} votes are kept. " if study.n_votes else ""
    st.html(
        f"<p>No votes are taken after this, and it can't be started again. {kept}"
        f"The reason stands beside the results of <b>{html.escape(study.title)}</b>.</p>"
    )
    st.text_area("Reason", key=reason_key(study.id), placeholder="Why does it end before its quota is full?")
    note.show_mistake(session.mistakes("stop").get("reason"))
    clicked = st.button("Stop for good", key=f"really-stop-{study.id}", type="primary", on_click=stop, args=(study.id,))
    if clicked and not session.mistakes("stop"):
        st.rerun()


def show_path(n_prompt_sets: int, n_outputs: int, create: Callable[[], None]) -> None:
    """What to do on the first visit, in three steps."""
    steps = (
        ("Prompts", "Upload the questions that all models answer.", f"{n_prompt_sets:,} stored", n_prompt_sets),
        ("Outputs", "Upload what each model answered.", f"{n_outputs:,} stored", n_outputs),
        ("Experiment", "Choose models, prompts and how many votes, then start.", "", 0),
    )
    st.html('<p class="bo-lead">From two files to a running blind study in three steps.</p>')
    for number, (column, (title, text, state, n)) in enumerate(zip(st.columns(3, border=True), steps, strict=True)):
        with column, st.container(height="stretch", gap="small", key=f"step-{number + 1}"):
            done = f'<span class="bo-tag bo-tag-completed">{state}</span>' if n else ""
            st.html(
                f'<div class="bo-step"><i>{number + 1}</i><div class="bo-row-title"><b>{title}</b>{done}</div>'
                f"<p>{text}</p></div>"
            )
            if number < 2:
                links.show_page(("prompts", "models")[number], ("Upload prompts", "Upload outputs")[number])
            else:
                st.button("New experiment", type="primary", on_click=create, disabled=not (n_prompt_sets and n_outputs))
