"""What a page of results says in their place while a study hides them."""

from __future__ import annotations

from html import escape

from streamlit.delta_generator import DeltaGenerator

from app.services.hidden_results import HiddenResults


def show(found: HiddenResults, place: DeltaGenerator) -> None:
    """The reason, and how far the study is, in the head of a page; nothing of who is ahead."""
    share = min(100.0, 100 * found.n_votes / found.n_wanted) if found.n_wanted else 0.0
    place.html(
        f'<div class="bo-verdict"><p class="bo-over">{escape(found.title)}</p>'
        f"<h1>Results are hidden until the study is completed</h1><p>{escape(found.reason)}</p></div>"
        f'<div class="bo-progress"><div class="bo-bar" role="progressbar" aria-label="{escape(found.progress)}" '
        f'aria-valuenow="{share:.0f}" aria-valuemin="0" aria-valuemax="100"><i style="width:{share:.1f}%"></i></div>'
        f"<span>{escape(found.progress)}</span></div>"
    )
