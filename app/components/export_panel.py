"""What an export will be: what its format is for, what is in it and what is not, a few rows, and the files."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode

import streamlit as st

from app.services.export_preview import Preview
from app.services.export_rows import REASONS
from app.services.vote_export import ExportFormat, Wanted

_LONGEST_LINE = 400  # of a row that is shown


def show_about(chosen: ExportFormat) -> None:
    """One sentence on what the format is for, and what of a vote it has no room for."""
    text = chosen.not_carried if chosen.is_own else f"Not in it: {_lowered(chosen.not_carried)}"
    st.html(f'<div class="bo-about"><p>{escape(chosen.about)}</p><p>{escape(text)}</p></div>')


def _lowered(text: str) -> str:
    """A sentence that goes on after a colon; a name keeps its capital letter."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def show_counts(preview: Preview, chosen: ExportFormat) -> None:
    """How many votes there will be, and how many not, by reason."""
    left_out = [(n, REASONS[reason]) for reason, n in preview.left_out.items() if n]
    reasons = "".join(f"<li><b>{n:,}</b> {escape(why)}</li>" for n, why in sorted(left_out, reverse=True))
    noun = "vote" if preview.n_votes == 1 else "votes"
    more = "<p>Votes whose texts don't fit the format are left out too; the manifest counts them.</p>"
    st.html(
        f'<section class="bo-counts"><h2>{preview.n_votes:,} {noun}</h2>'
        + (f"<p>Left out:</p><ul>{reasons}</ul>" if reasons else "")
        + (more if chosen.has_texts and preview.n_votes else "")
        + "</section>"
    )


def show_files(study_key: str, wanted: Wanted, chosen: ExportFormat) -> None:
    """Links to the file, to its manifest, and to both."""
    path = f"/api/v1/experiments/{study_key}/votes"
    query = urlencode(_query(wanted))
    links = (
        ("bo-main", f"{path}/bundle?{query}", "Download file and manifest (.zip)"),
        ("", f"{path}?{query}", f"File alone ({chosen.ending})"),
        ("", f"{path}/manifest?{query}", "Manifest alone"),
    )
    html = "".join(
        f'<a class="{kind}" href="{escape(address)}" download>{escape(label)}</a>' for kind, address, label in links
    )
    st.html(f'<div class="bo-take">{html}</div>')


def _query(wanted: Wanted) -> Mapping[str, str]:
    staff = None if wanted.with_staff is None else str(wanted.with_staff).lower()
    values = {
        "format": wanted.file_format,
        "criterion": wanted.criterion,
        "staff": staff,
        "row": wanted.unit,
        "reference": wanted.reference,
    }
    return {name: value for name, value in values.items() if value is not None}


def show_lines(preview: Preview) -> None:
    """The first rows, as they will stand in the file; long ones are cut on the screen alone."""
    if not preview.n_votes or not preview.lines:
        return
    st.subheader("The first rows", anchor=False)
    lines = "".join(f"<li><code>{escape(_cut(line))}</code></li>" for line in preview.lines)
    st.html(f'<ol class="bo-lines" tabindex="0" aria-label="The first rows">{lines}</ol>')


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]} …"
