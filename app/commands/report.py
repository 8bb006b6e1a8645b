"""`bakeoff report`: the leaderboard of a study as one HTML file."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from app.commands import files
from app.commands.rank import DEFAULT_METHOD, Method
from app.errors import InvalidInputError
from app.study import OVERALL

if TYPE_CHECKING:  # NumPy is only loaded when the command runs
    from app.services.board_view import View


class Intervals(StrEnum):
    """What the intervals of a board are clustered by."""

    AUTO = "auto"
    BOTH = "both"
    RATERS = "raters"
    PROMPTS = "prompts"
    VOTES = "votes"
    BOOTSTRAP = "bootstrap"


class ReportScale(StrEnum):
    """The scale on which ratings are drawn."""

    ELO = "elo"
    LOGITS = "logits"


def report(
    experiment: Annotated[str, typer.Argument(help="Key of the experiment.")],
    to: Annotated[Path, typer.Option(help="File to write, such as report.html.", dir_okay=False)],
    method: Annotated[Method, typer.Option(help="The ranking method.")] = DEFAULT_METHOD,
    interval: Annotated[Intervals, typer.Option(help="What intervals are clustered by.")] = Intervals.AUTO,
    scale: Annotated[ReportScale, typer.Option(help="The scale of the ratings.")] = ReportScale.ELO,
    position: Annotated[bool, typer.Option("--position", help="Estimate the advantage of the left side.")] = False,
    anchor: Annotated[str, typer.Option(help="The model whose rating is the zero of the scale.")] = "",
    confidence: Annotated[float, typer.Option(help="Confidence of intervals and claims.")] = 0.95,
    criterion: Annotated[str, typer.Option(help="Key of the criterion that is ranked by.")] = OVERALL,
    tag: Annotated[list[str] | None, typer.Option(help="Only prompts with this tag: category=writing.")] = None,
    group: Annotated[str, typer.Option(help="Only raters of this group (a panel, or invited).")] = "",
    since: Annotated[str, typer.Option(help="Only votes from this day on: 2026-01-31.")] = "",
    until: Annotated[str, typer.Option(help="Only votes up to this day.")] = "",
    with_staff: Annotated[bool, typer.Option("--with-staff", help="Count votes of people who see results.")] = False,
    also: Annotated[list[str] | None, typer.Option(help="Key of a study whose votes are counted too.")] = None,
) -> None:
    """Write the leaderboard of a study as one HTML file: verdict, board, charts, methods; it prints well.

    Example: bakeoff report my-study --to report.html
    """
    from app.services.board_view import View  # noqa: PLC0415
    from app.services.slices import Slice  # noqa: PLC0415

    chosen = Slice(
        criterion, tuple(map(_tag, tag or ())), group, _day("since", since), _day("until", until), with_staff=with_staff
    )
    view = View(
        method=method.value,
        interval=interval.value,
        position=position,
        anchor=anchor,
        confidence=confidence,
        slice=chosen,
    )
    text, n_votes = _written([experiment, *(also or [])], view, scale)

    def write(stream: BinaryIO) -> int:
        stream.write(text.encode())
        return n_votes

    files.write_to(to, write, "votes in a report,")


def _written(keys: list[str], view: View, scale: ReportScale) -> tuple[str, int]:
    from app.components import report as report_html  # noqa: PLC0415
    from app.components.axis import ELO, LOGITS  # noqa: PLC0415
    from app.components.slice_form import describe  # noqa: PLC0415
    from app.domain import utc_now  # noqa: PLC0415
    from app.services import experiments, guesses, leaderboard, system  # noqa: PLC0415

    system.prepare_database()
    experiment_id, *others = (experiments.find_experiment(None, key) for key in keys)
    board = leaderboard.get_leaderboard(None, experiment_id, view, also=others)
    text = report_html.write_report(
        board,
        made_at=utc_now(),
        chosen=describe(view.slice),
        notes=(*board.notes, *board.ranking.warnings),
        scale=LOGITS if scale == ReportScale.LOGITS else ELO,
        guessed=None if board.studies else guesses.get_guessed(None, experiment_id, with_staff=view.slice.with_staff),
    )
    return text, board.n_votes


def _tag(text: str) -> tuple[str, str]:
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not name or not value:
        raise InvalidInputError(f"--tag: {text!r} is not like category=writing.")
    return name, value


def _day(option: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidInputError(f"--{option}: {text!r} is no day like 2026-01-31.") from None
