"""The raters of a study that leads them: checks passed and failed, consistency, and how it ended for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import streamlit as st

from app.components import note
from app.services.rater_checks import RaterCheck


@st.dialog("Raters", width="large")
def show(experiment_id: UUID, read: Callable[[UUID], Sequence[RaterCheck]]) -> None:
    """The dialog of one study."""
    raters = read(experiment_id)
    if not raters:
        note.show("Nobody has opened this study yet.")
        return
    st.caption(
        "Votes of raters who were screened out or withdrew are kept, left out of the leaderboard, and their places "
        "given to others. Consistent: repeats that were answered as the first time."
    )
    has_panel = any(rater.panel_id for rater in raters)
    st.dataframe([_row(rater, has_panel=has_panel) for rater in raters], hide_index=True, alt="The raters of the study")


def _row(rater: RaterCheck, *, has_panel: bool) -> dict[str, object]:
    same = rater.consistency
    return {
        "Rater": rater.name,
        **({"Panel's id": rater.panel_id} if has_panel else {}),
        "State": rater.state,
        "Votes": rater.n_votes,
        "Checks passed": rater.n_passed,
        "Checks failed": rater.n_failed,
        "Consistent": "" if same is None else f"{rater.n_same} of {rater.n_repeats} ({100 * same:.0f} %)",
    }
