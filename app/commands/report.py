"""`bakeoff report`: the leaderboard of a study as one HTML file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from app.commands import files
from app.commands.rank import DEFAULT_METHOD, BothBad, Method, Ties
from app.errors import InvalidInputError
from app.study import OVERALL

if TYPE_CHECKING:  # NumPy is only loaded when the command runs
    from app.services.board_view import View
    from app.services.vote_store import StudyVotes


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


Interval = Annotated[Intervals, typer.Option(help="What intervals are clustered by.")]
TiesAs = Annotated[Ties, typer.Option(help="Count a tie as half a win for each, or leave it out.")]
BothBadAs = Annotated[BothBad, typer.Option(help="Count a both-bad as a tie, or leave it out.")]
Position = Annotated[bool, typer.Option("--position", help="Estimate the advantage of the left side.")]
Style = Annotated[bool, typer.Option("--style", help="Rate with length and form of the outputs held equal.")]
Tags = Annotated[list[str] | None, typer.Option(help="Only prompts with this tag: category=writing.")]
Group = Annotated[str, typer.Option(help="Only raters of this group (a panel, or invited).")]
Without = Annotated[
    list[str] | None,
    typer.Option(metavar="RATER", help="Leave a rater out, by number as on the Quality page: 3, or 3,17."),
]
Unflagged = Annotated[bool, typer.Option("--without-flagged", help="Leave out raters whom a check flags.")]
WithStaff = Annotated[bool, typer.Option("--with-staff", help="Count votes of people who see results.")]
Also = Annotated[list[str] | None, typer.Option(help="Key of a study whose votes are counted too.")]


def report(
    experiment: Annotated[str, typer.Argument(help="Key of the experiment.")],
    to: Annotated[Path, typer.Option(help="File to write, such as report.html.", dir_okay=False)],
    method: Annotated[Method, typer.Option(help="The ranking method.")] = DEFAULT_METHOD,
    interval: Interval = Intervals.AUTO,
    scale: Annotated[ReportScale, typer.Option(help="The scale of the ratings.")] = ReportScale.ELO,
    ties: TiesAs = Ties.HALF,
    both_bad: BothBadAs = BothBad.TIE,
    position: Position = False,
    style: Style = False,
    anchor: Annotated[str, typer.Option(help="The model whose rating is the zero of the scale.")] = "",
    confidence: Annotated[float, typer.Option(help="Confidence of intervals and claims.")] = 0.95,
    criterion: Annotated[str, typer.Option(help="Key of the criterion that is ranked by.")] = OVERALL,
    tag: Tags = None,
    group: Group = "",
    since: Annotated[str, typer.Option(help="Only votes from this day on: 2026-01-31.")] = "",
    until: Annotated[str, typer.Option(help="Only votes up to this day.")] = "",
    without: Without = None,
    without_flagged: Unflagged = False,
    with_staff: WithStaff = False,
    also: Also = None,
) -> None:
    """Write the leaderboard of a study as one HTML file: verdict, board, charts, methods; it prints well.

    Example: bakeoff report my-study --to report.html --style --without 3,17
    """
    from app.services.board_view import View  # noqa: PLC0415
    from app.services.slices import Slice  # noqa: PLC0415

    days, tags = (_day("since", since), _day("until", until)), tuple(map(_tag, tag or ()))
    chosen = Slice(criterion, tags, group, *days, with_staff=with_staff)
    named = {"method": method.value, "interval": interval.value, "ties": ties.value, "both_bad": both_bad.value}
    fitted: dict[str, Any] = {"position": position, "style": style, "anchor": anchor, "confidence": confidence}
    view = View(**{**fitted, **named}, without_flagged=without_flagged, slice=chosen)
    _refuse_what_the_method_lacks(view)
    text, n_votes = _written([experiment, *(also or [])], view, scale, _numbers(without or []))

    def write(stream: BinaryIO) -> int:
        stream.write(text.encode())
        return n_votes

    files.write_to(to, write, "votes in a report,")


def _refuse_what_the_method_lacks(view: View) -> None:
    """Refuse what the page offers no control for with this method, and what would otherwise be passed over."""
    from app.services.board_view import find_method  # noqa: PLC0415
    from app.services.ranking_options import can_fit_position, can_hold_form  # noqa: PLC0415

    method = find_method(view.method)
    for flag, is_asked, can in (
        ("--position", view.position, can_fit_position(method)),
        ("--style", view.style, can_hold_form(method)),
        ("--both-bad drop", view.both_bad == "drop", view.method != "both_bad"),
    ):
        if is_asked and not can:
            raise InvalidInputError(f"The method {view.method} cannot do {flag}.")


def _written(keys: list[str], view: View, scale: ReportScale, without: Sequence[int]) -> tuple[str, int]:
    from app.components import report as report_html  # noqa: PLC0415
    from app.components.axis import ELO, LOGITS  # noqa: PLC0415
    from app.components.slice_form import describe  # noqa: PLC0415
    from app.domain import utc_now  # noqa: PLC0415
    from app.services import experiments, guesses, hidden_results, leaderboard, system  # noqa: PLC0415

    system.prepare_database()
    experiment_id, *others = (experiments.find_experiment(None, key) for key in keys)
    votes = hidden_results.read_votes(None, experiment_id, also=others) if without else None
    if votes is not None:
        view = replace(view, slice=replace(view.slice, without=_codes(votes, without)))
    board = leaderboard.get_leaderboard(None, experiment_id, view, also=others, study=votes)
    text = report_html.write_report(
        board,
        made_at=utc_now(),
        chosen=describe(view.slice),
        notes=(*board.notes, *board.ranking.warnings),
        scale=LOGITS if scale == ReportScale.LOGITS else ELO,
        guessed=None if board.studies else guesses.get_guessed(None, experiment_id, with_staff=view.slice.with_staff),
    )
    return text, board.n_votes


def _codes(votes: StudyVotes, without: Sequence[int]) -> tuple[int, ...]:
    """What the votes call the raters of these numbers."""
    from app.services import rater_board  # noqa: PLC0415

    known = set(rater_board.numbers(votes).tolist())
    if unknown := [str(number) for number in without if number not in known]:
        of = "the first study" if votes.parts else "this study"
        there = f"they are numbered from {min(known)} to {max(known)}" if known else "none is known"
        raise InvalidInputError(f"--without: no rater of {of} has the number {', '.join(unknown)}; {there}.")
    return tuple(sorted(rater_board.codes_of_numbers(votes, without)))


def _numbers(said: Sequence[str]) -> list[int]:
    """The numbers of raters, as the Quality page and its links say them (3,17) or an export (rater-3)."""
    found = dict[int, None]()
    for part in (part.strip() for text in said for part in text.split(",")):
        if (read := re.fullmatch(r"(?:rater-)?(\d{1,9})", part, re.ASCII)) is None:
            raise InvalidInputError(f"--without: {part!r} is no number of a rater, such as 3 or 3,17.")
        found[int(read[1])] = None
    return list(found)


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
