"""`bakeoff raters`: how careful the raters of a study were."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

out = Console(highlight=False, soft_wrap=True, markup=False)


def raters(
    experiment: Annotated[str, typer.Argument(help="Key of the experiment.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show each rater's attention checks, how consistently they answered repeats, and how it ended for them.

    Example: bakeoff raters my-study --json
    """
    from app.services import experiments, rater_checks, system  # noqa: PLC0415

    system.prepare_database()
    found = rater_checks.list_rater_checks(None, experiments.find_experiment(None, experiment))
    if as_json:
        rows = [
            {
                "rater": rater.name,
                "panel_id": rater.panel_id or None,
                "state": rater.state,
                "n_votes": rater.n_votes,
                "n_passed": rater.n_passed,
                "n_failed": rater.n_failed,
                "n_repeats": rater.n_repeats,
                "consistency": rater.consistency,
            }
            for rater in found
        ]
        print(json.dumps(rows))  # noqa: T201
        return
    table = Table("Rater", "State", "Votes", "Checks passed", "failed", "Repeats", "the same", box=None, pad_edge=False)
    for rater in found:
        numbers = (rater.n_votes, rater.n_passed, rater.n_failed, rater.n_repeats, rater.n_same)
        table.add_row(rater.name, rater.state, *(f"{number:,}" for number in numbers))
    out.print(table)
