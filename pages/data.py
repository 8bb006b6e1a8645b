"""Export: the votes of a study as a file, in any format that something reads."""

from __future__ import annotations

import streamlit as st

from app.components import address, export_panel, note, progress, session, study_choice
from app.components.page import Page
from app.domain import Identity, Role
from app.errors import InvalidInputError, NotAllowedError
from app.services import export_preview, leaderboard, vote_export
from app.services.experiments import ExperimentSummary
from app.services.vote_export import ExportFormat, Wanted

PAGE = Page(title="Export", section="Results", role=Role.RESEARCHER, order=9)
ALL = "all"
ROWS = {"vote": "One row per vote", "pair": "One row per pair of outputs, by majority"}
NO_STUDY = (
    "Votes can be taken out of here as soon as a study has some. An admin starts one under Experiments, or brings in "
    "votes that were cast elsewhere, there under Import votes."
)


def render() -> None:
    """Draw the page."""
    who = session.require(PAGE.role)
    if not (studies := study_choice.list_started(who, empty=NO_STUDY)):
        return
    st.title(PAGE.title, anchor=False)
    formats = vote_export.list_formats()
    with st.container(horizontal=True, vertical_alignment="bottom", key="export-controls"):
        study, notes = study_choice.choose(studies, width=260)
        labels = {key: one.label for key, one in formats.items()}
        notes += _unknown(labels, "format", "The format in this link isn't known; this is the usual one.")
        chosen = formats[address.choose("Format", labels, name="format")]
        wanted = _choose_filter(who, study, chosen)
    for text in notes:
        note.show(text)
    export_panel.show_about(chosen)
    try:
        preview = progress.wait_for(export_preview.begin_preview(who, study.id, wanted))
    except (InvalidInputError, NotAllowedError) as error:
        note.show(str(error), "refused")
        return
    export_panel.show_counts(preview, chosen)
    if preview.n_votes:
        export_panel.show_files(study.key, wanted, chosen)
        export_panel.show_lines(preview)


def _unknown(options: dict[str, str], name: str, text: str) -> list[str]:
    return [text] if address.is_unknown(options, name=name) else []


def _choose_filter(who: Identity, study: ExperimentSummary, chosen: ExportFormat) -> Wanted:
    """The controls that the format and the study leave open."""
    criteria = dict(leaderboard.list_criteria(who, study.id))
    criterion = None
    if len(criteria) > 1:
        labels = ({ALL: "All of them"} if chosen.is_own else {}) | criteria
        criterion = address.choose("Criterion", labels, name="criterion", width=170)
    unit = address.choose("Rows", ROWS, name="row", width=260) if len(chosen.units) > 1 else None
    reference = None
    if chosen.needs_reference:
        names = {name: name for name in vote_export.list_references(who, study.id)}
        reference = address.choose("Reference model", names, name="reference", width=220) if names else None
    if chosen.is_own:
        with_staff = not st.toggle("Leave out staff votes", key="nostaff", bind="query-params")
    else:
        with_staff = st.toggle("Include staff votes", key="staff", bind="query-params")
    return Wanted(chosen.key, None if criterion == ALL else criterion, with_staff, unit, reference)


if __name__ == "__main__":
    render()
