"""Prompt sets: a file before it is stored, the list of sets, and the prompts of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO
from uuid import UUID

import streamlit as st

from app.components import moment, note, rows, session, upload
from app.domain import Message, PromptRow
from app.services.prompt_sets import PromptSetSummary, PromptSummary

FORM = "prompts"
_COLUMNS = (
    "JSON Lines with prompt (or messages), id, tags, reference; or CSV and TSV with the column prompt, perhaps id and "
    "reference; further columns become tags."
)


def _name_key(file_id: str) -> str:
    return f"manage-set-name-{file_id}"


def typed_name() -> str:
    """The name that stands in the form."""
    file = upload.dropped(FORM)
    return (session.typed(_name_key(file.file_id)) if file else "") or ""


def show_upload(
    read: Callable[[BinaryIO], list[PromptRow]], store: Callable[[], None], *, known: Sequence[PromptSetSummary]
) -> None:
    """The drop zone, the first rows, and the button that stores the set."""
    found = upload.show(FORM, "File of prompts", read=_preview(read), help_=_COLUMNS, max_mb=50)
    file = upload.dropped(FORM)
    if found is None or file is None:
        return
    n, table = found.found
    name = st.text_input("Name of the set", upload.plain_name(found.name), key=_name_key(file.file_id))
    note.show_mistake(session.mistakes(FORM).get("name"))
    latest = max((row.version for row in known if row.name == name.strip()), default=0)
    version = f" There is a set of this name already; this becomes version {latest + 1}." if latest else ""
    first = f" The first {len(table)}:" if n > len(table) else ""
    note.show(f"{n:,} prompts, none of them bad.{version}{first}")
    show_table(table)
    st.button(f"Store {n:,} prompts", key=f"store-{file.file_id}", type="primary", on_click=store)


def _preview(
    read: Callable[[BinaryIO], list[PromptRow]],
) -> Callable[[BinaryIO], tuple[int, list[dict[str, str]]]]:
    def first_rows(stream: BinaryIO) -> tuple[int, list[dict[str, str]]]:
        found = read(stream)
        return len(found), [_cells(row.id, row.messages, row.tags) for row in found[: upload.MOST_PREVIEWED]]

    return first_rows


def _cells(name: str, messages: Sequence[Message], tags: Mapping[str, str]) -> dict[str, str]:
    if len(messages) == 1:
        text = messages[0].content
    else:
        text = "\n\n".join(f"{message.role}: {message.content}" for message in messages)
    return {"Id": name, "Prompt": text, "Tags": ", ".join(f"{key}: {value}" for key, value in tags.items())}


def show_table(cells: Sequence[Mapping[str, str]]) -> None:
    """Prompts as a table; a click on a cell shows all of its text."""
    st.dataframe(
        list(cells),
        hide_index=True,
        column_config={
            "Id": st.column_config.TextColumn(width=60),
            "Prompt": st.column_config.TextColumn(width=600),
            "Tags": st.column_config.TextColumn(width=240),
        },
        alt="Prompts with their ids and tags",
    )


def show_list(sets: Sequence[PromptSetSummary], opened: UUID | None, toggle: Callable[[UUID], None]) -> None:
    """All sets, newest first; ``toggle`` opens one or closes it."""
    if not sets and upload.dropped(FORM) is None:
        rows.show_empty("No prompts yet. Drop a file above: one prompt per row is enough.")
    for row in sets:
        known = rows.facts(f"{row.n_prompts:,} prompts", f"stored {moment.minute(row.created_at)}")
        tags = [("version", f"v{row.version}")] + ([("frozen", "frozen: a study uses it")] if row.frozen_at else [])
        with rows.row(f"set-{row.id}", row.name, known, tags):
            label = "Close" if row.id == opened else "Open"
            st.button(label, key=f"open-{row.id}", type="tertiary", on_click=toggle, args=(row.id,))


def show_set(row: PromptSetSummary, prompts: Sequence[PromptSummary]) -> None:
    """The prompts of one set, with a search over ids, texts and tags."""
    with st.container(border=True, key="opened-set"):
        wanted = st.text_input(
            "Search",
            key=f"manage-search-{row.id}",
            placeholder=f"Search the {len(prompts):,} prompts",
            label_visibility="collapsed",
        )
        cells = [_cells(prompt.external_id, prompt.messages, prompt.tags) for prompt in prompts]
        found = [cell for cell in cells if wanted.casefold() in "\n".join(cell.values()).casefold()]
        if found:
            show_table(found)
        else:
            note.show("No prompt of this set has these words.")
