"""Controls whose choice stands in the page's address by its key, so that a link shows the same view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import streamlit as st


def choose(
    label: str,
    options: Mapping[str, str],
    *,
    name: str,
    width: int | None = None,
    help_: str | None = None,
    forgets: Sequence[str] = (),
) -> str:
    """A select box over ``options`` (key: what people read); the address has ``name=key`` once something is chosen.

    A choice takes the values ``forgets`` out of the address, such as the page of another list.

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
        help=help_,
    )
    if chosen != current:
        put(name, chosen, forgets=forgets)
    return chosen


def choose_several(
    label: str,
    options: Mapping[str, str],
    *,
    name: str,
    most: int,
    placeholder: str,
    width: int | None = None,
    help_: str | None = None,
) -> None:
    """Any of ``options`` (key: what people read); the address has ``name=key,key`` of those that are chosen.

    What the address names and isn't an option is left out of it with the next choice.
    """
    current = [key for key in read_several(name) if key in options]
    chosen = st.multiselect(
        label,
        list(options),
        default=current,
        format_func=lambda key: options[key],
        max_selections=most,
        placeholder=placeholder,
        width=width or "stretch",
        help=help_,
    )
    if chosen != current:
        put(name, ",".join(chosen))


def read_several(name: str) -> list[str]:
    """The keys that the address names, each once."""
    told = (key.strip() for key in st.query_params.get(name, "").split(","))
    return list(dict.fromkeys(key for key in told if key))


def put(name: str, value: str, *, forgets: Sequence[str] = ()) -> None:
    """Write a value into the address, nothing for a blank one, and draw the page anew."""
    for other in forgets:
        st.query_params.pop(other, None)
    if value:
        st.query_params[name] = value
    else:
        st.query_params.pop(name, None)
    st.rerun()


def pick(label: str, options: Sequence[str], *, name: str, forgets: Sequence[str] = ()) -> str:
    """One of a few options that stand side by side; the first one is not written into the address."""
    current = wanted if (wanted := st.query_params.get(name, "")) in options else options[0]
    chosen = st.segmented_control(label, options, default=current, required=True, label_visibility="collapsed")
    if chosen != current:
        put(name, "" if chosen == options[0] else str(chosen), forgets=forgets)
    return current


def choose_day(label: str, first: date, last: date, *, name: str, forgets: Sequence[str] = ()) -> date | None:
    """A day between two others, or none; one in the address that is no such day is none."""
    current = _day(st.query_params.get(name, ""), first, last)
    chosen = st.date_input(label, value=current, min_value=first, max_value=last, format="YYYY-MM-DD")
    chosen = chosen if isinstance(chosen, date) else None
    if chosen != current:
        put(name, chosen.isoformat() if chosen else "", forgets=forgets)
    return chosen


def _day(text: str, first: date, last: date) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if first <= day <= last else None


def is_no_day(first: date, last: date, *, name: str) -> bool:
    """Whether the address names a day that isn't there."""
    text = st.query_params.get(name, "")
    return bool(text) and _day(text, first, last) is None


def type_in(
    label: str, *, name: str, placeholder: str = "", help_: str | None = None, forgets: Sequence[str] = ()
) -> str:
    """A field whose text stands in the address as ``name=text``."""
    current = st.query_params.get(name, "")[:200]
    typed = st.text_input(label, value=current, max_chars=200, placeholder=placeholder, help=help_).strip()
    if typed != current.strip():
        put(name, typed, forgets=forgets)
    return typed


def switch(label: str, *, name: str, help_: str | None = None, forgets: Sequence[str] = ()) -> bool:
    """A toggle that stands in the address as ``name=true``."""
    current = st.query_params.get(name) == "true"
    is_on = st.toggle(label, value=current, help=help_)
    if is_on != current:
        put(name, "true" if is_on else "", forgets=forgets)
    return is_on


def turn(n_pages: int, *, name: str = "page") -> None:
    """The pager below a list, unless it has one page."""
    if n_pages > 1:
        current = min(page_number(name), n_pages)
        chosen = st.pagination(n_pages, default=current)
        if chosen != current:
            put(name, str(chosen) if chosen > 1 else "")


def page_number(name: str = "page") -> int:
    """The page that the address names; the first one for anything that is no page."""
    wanted = st.query_params.get(name, "1")
    return max(1, int(wanted)) if wanted.isdecimal() and len(wanted) < 8 else 1


def is_unknown(options: Mapping[str, str], *, name: str) -> bool:
    """Whether the address names something that isn't there."""
    wanted = st.query_params.get(name)
    return wanted is not None and wanted not in options
