"""`bakeoff leaks`: outputs that name their maker, and what becomes of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.domain import LeakChoice
from app.errors import InvalidInputError

if TYPE_CHECKING:  # loaded when the command runs: the services open a database
    from app.services.leak_check import RecheckSummary
    from app.services.leak_lists import LeakRow

out = Console(highlight=False, soft_wrap=True, markup=False)


def leaks(
    model: Annotated[str, typer.Option(help="Only outputs of the model with this name.")] = "",
    choose: Annotated[
        LeakChoice | None, typer.Option(help="What becomes of the model's, now and later; needs --model.")
    ] = None,
    add_phrase: Annotated[str, typer.Option(help="Words to look for besides those that are known.")] = "",
    remove_phrase: Annotated[str, typer.Option(help="Words to look for no longer.")] = "",
    recheck: Annotated[bool, typer.Option("--recheck", help="Look through all stored outputs again.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many outputs to list at most.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List outputs that name their maker or model, and choose to keep, mask or drop them.

    Example: bakeoff leaks --model "Model A" --choose mask
    """
    from app.services import leak_check, leak_lists, system  # noqa: PLC0415

    system.prepare_database()
    said: list[str] = []
    if choose is not None and not model:
        raise InvalidInputError("--choose needs --model NAME: the choice is made for one model.")
    model_id = leak_lists.find_model(None, model) if model else None
    if add_phrase:
        said.append(f"Added {add_phrase!r}. {_describe(leak_check.add_phrase(None, add_phrase))}")
    if remove_phrase:
        found = next((row.id for row in leak_check.list_phrases(None) if row.text == remove_phrase), None)
        if found is None:
            known = ", ".join(repr(row.text) for row in leak_check.list_phrases(None)) or "none yet"
            raise InvalidInputError(f"There is no phrase {remove_phrase!r}. Known: {known}.")
        said.append(f"Removed {remove_phrase!r}. {_describe(leak_check.remove_phrase(None, found))}")
    if recheck:
        said.append(_describe(leak_check.recheck(None)))
    if choose is not None and model_id is not None:
        done = leak_check.choose_for_model(None, model_id, choose)
        stay = f" {done.n_in_use:,} stay as a started study shows them." if done.n_in_use else ""
        said.append(f"{done.model}: {choose.value} from now on, {done.n_changed:,} outputs changed.{stay}")
    rows = leak_lists.list_leaks(None, model_id=model_id, limit=limit)
    n = sum(row.n for row in leak_lists.list_by_model(None) if model_id in (None, row.id))
    if as_json:
        print(json.dumps({"done": said, "n": n, "leaks": [_as_json(row) for row in rows]}, ensure_ascii=False))  # noqa: T201
        return
    for line in said:
        out.print(line)
    _print(rows, n)


def _describe(done: RecheckSummary) -> str:
    words = f"{done.n_checked:,} outputs looked through, {done.n_found:,} more name their maker"
    words += f", {done.n_freed:,} don't any longer" if done.n_freed else ""
    return words + (f"; {done.n_in_use:,} stay as a started study shows them." if done.n_in_use else ".")


def _as_json(row: LeakRow) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "model": row.model,
        "prompt_id": row.prompt_id,
        "state": row.state,
        "in_use": row.is_in_use,
        "leaks": [{"text": found.text, "phrase": found.phrase, "before": found.before} for found in row.excerpts],
    }


def _print(rows: list[LeakRow], n: int) -> None:
    if not rows:
        out.print("No output names its maker or its model.")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("State", "Model", "Prompt", "What it says"):
        table.add_column(title, overflow="fold")
    for row in rows:
        first = row.excerpts[0]
        around = (first.before[-40:], first.after[:20])
        before, after = (" ".join(part.split()) + " " if part.strip() else "" for part in around)
        table.add_row(row.state, row.model, row.prompt_id, Text.assemble(before, (first.text, "bold"), " ", after))
    out.print(table)
    if n > len(rows):
        out.print(f"The first {len(rows):,} of {n:,}; --limit shows more.")
