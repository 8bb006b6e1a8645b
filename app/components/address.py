"""Controls whose choice stands in the page's address by its key, so that a link shows the same view."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st


def choose(label: str, options: Mapping[str, str], *, name: str, width: int | None = None) -> str:
    """A select box over ``options`` (key: what people read); the address has ``name=key`` once something is chosen.

    Streamlit's own ``bind`` would put the label into the address, where two studies with one title are the same, and
    would leave the first option out of it, which is another study as soon as a newer one starts.
    """
    keys = list(options)
    wanted = st.query_params.get(name, "")
    current = wanted if wanted in options else keys[0]
    # Without a key of its own, the box is a new one for each address, so that Back and Forward set it too.
    chosen = st.selectbox(
        label,
        keys,
        index=keys.index(current),
        format_func=lambda key: options[key],
        width=width or "stretch",
    )
    if chosen != current:
        st.query_params[name] = chosen
        st.rerun()
    return chosen


def is_unknown(options: Mapping[str, str], *, name: str) -> bool:
    """Whether the address names something that isn't there."""
    wanted = st.query_params.get(name)
    return wanted is not None and wanted not in options
