"""A leaderboard as one HTML file that stands alone: nothing is fetched, no script runs, and it prints well.

Only strings are made here, so that the page and the command line write the same file.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path

from app import __version__
from app.components import board as board_html
from app.components import chart_data, methods, report_charts, tiles, trust
from app.components.axis import ELO, SHARE, Scale
from app.errors import InvalidInputError
from app.services import board_trust, verdict
from app.services.board_history import count_by_day, get_history
from app.services.guesses import Guessed
from app.services.leaderboard import Board
from app.services.methods_text import methods_text

_STYLE_SHEET = Path(__file__).resolve().parents[1] / "assets" / "bakeoff.css"
# Whatever a name in the file says, a browser that obeys this fetches nothing and runs nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_OWN_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1100px; padding: 2rem 1.5rem 3rem; background: #FFF; color: #1B1B18;
  font: 16px/1.5 Inter, system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
section { margin-top: 2.25rem; }
section > h2, .bo-methods h2 { margin: 0 0 0.75rem; font-size: 1.125rem; font-weight: 650; }
.bo-board th { position: static; background: none; }
.bo-board tbody tr { break-inside: avoid; }
.bo-trust { margin-top: 2.25rem; }
.bo-trust h2 { margin: 0; }
.bo-trust dd { margin: 0; }
figure { margin: 0; overflow-x: auto; break-inside: avoid; }
figure svg { max-width: 100%; height: auto; }
.bo-legend { margin-top: 0.5rem; }
figcaption { margin-top: 0.5rem; max-width: 48rem; font-size: 0.8125rem; color: #63635C; }
footer { margin-top: 2.5rem; padding-top: 0.75rem; border-top: 1px solid #DEDED8; font-size: 0.8125rem;
  color: #63635C; }
@media screen and (max-width: 640px) { body { padding: 1rem 1rem 2rem; } figure svg { max-width: none; } }
@page { size: A4; margin: 14mm; }
@media print {
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  section > h2, .bo-methods h2, .bo-methods h3, .bo-trust h2 { break-after: avoid; }
  thead { display: table-header-group; }
  .bo-methods p, .bo-methods li { break-inside: avoid; }
  section:has(> figure) { break-inside: avoid; }
  figure svg { max-height: 215mm; }
  .bo-board { font-size: 0.75rem; }
  .bo-board .org { display: none; }
  .bo-board .rank { width: 3.5rem; padding-right: 0.25rem; }
  .bo-board .name { width: 12.5rem; }
  .bo-board .rating { width: 4.5rem; padding-right: 1.25rem; }
  .bo-board :is(.win, .bad, .votes) { width: 4rem; }
  .bo-board th { font-size: 0.6875rem; }
  .bo-board th.iv i:nth-child(even) { display: none; } /* the others would touch */
  .bo-trust { overflow: visible; border: 0; } /* a frame would go on around what a page leaves empty */
  .bo-trust dl > * { break-inside: avoid; }
  .bo-board :is(th, td), .bo-board td.iv > div { height: 22px; }
  .bo-board td.iv > div { background: none; } /* printers turn its hairlines black */
  .bo-board td.iv i { top: 7px; }
  .bo-board td.iv b { top: 6px; }
  .bo-board tr.tier td { box-shadow: none; border-top: 1px solid #B9B9B0; }
}
"""


def write_report(
    board: Board,
    *,
    made_at: datetime,
    chosen: Sequence[str] = (),
    notes: Sequence[str] = (),
    scale: Scale = ELO,
    sort: str = "Rank",
    guessed: Guessed | None = None,
) -> str:
    """The file: verdict, board, how far to trust it, charts and methods.

    ``chosen`` says which votes these are, ``notes`` what a reader has to know first. Raises InvalidInputError for a
    board without votes.
    """
    if not board.n_votes:
        raise InvalidInputError(f"Nobody voted in what is chosen of {board.title}, so there is nothing to report.")
    scale = SHARE if board.ranking.method == "win_rate" else scale
    said = verdict.describe(board.ranking, more_votes=board.more_votes)
    last = "" if board.last_vote_at is None else f"on {board.last_vote_at:%Y-%m-%d} (UTC)"
    groups, legend = board_html.draw(board, scale=scale, sort=sort)
    tables = "".join(
        (f"<h3>{escape(group.title)}</h3><p>{escape(group.text)}</p>" if group.title else "") + group.table
        for group in groups
    )
    parts = [
        board_html.head_html(board, said, chosen, last_vote=last),
        board_html.notes_html(notes),
        f"<section>{tables}{legend}</section>",
        _trust(board, guessed),
        *_charts(board, scale),
        f'<section class="bo-methods">{methods.to_html(methods_text(board))}</section>',
        f"<footer>Made by Bakeoff {__version__} on {made_at:%Y-%m-%d, %H:%M} UTC. {_named(board)}.</footer>",
    ]
    title = f"{board.title}: {said.title}"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_style()}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>"
    )


def _named(board: Board) -> str:
    if board.studies:
        return f"Studies {escape(', '.join(one.key for one in board.studies))}, pooled"
    return f"Study {escape(board.key)}"


@functools.cache
def _style() -> str:
    """The part of the page's own style sheet that boards need, and what a sheet of paper needs."""
    whole = _STYLE_SHEET.read_text(encoding="utf-8")
    _, found, rest = whole.partition("/* Leaderboard */")
    own, ended, _ = rest.partition("/* Manage */")
    if not found or not ended:
        raise InvalidInputError("The style sheet has no part for the Leaderboard, so a report would have no style.")
    return own + _OWN_STYLE


def _trust(board: Board, guessed: Guessed | None) -> str:
    """All tiles of the page's panel: here the slower checks are waited for, however many votes there are."""
    listed = trust.list_tiles(board, with_staff=board.view.slice.with_staff, guessed=guessed)
    return tiles.draw(trust.HEADING, [*listed, *trust.list_slower(board, board_trust.get_checks(board))])


def _charts(board: Board, scale: Scale) -> list[str]:
    """A section for each of the page's charts, with what it shows in words; words alone where nothing can be drawn."""
    drawn = [_ratings(board, scale), *_matrices(board), _course(board, scale), _days(board)]
    return [
        f"<section><h2>{title}</h2><figure>{svg}<figcaption>{escape(text)}</figcaption></figure></section>"
        for title, svg, text in drawn
        if text
    ]


def _ratings(board: Board, scale: Scale) -> tuple[str, str, str]:
    rows = chart_data.list_ratings(board, scale)
    if not rows:
        return chart_data.RATINGS, "", chart_data.NO_RATINGS
    percent = f"{board.ranking.confidence * 100:.0f} %"
    about = (
        f"Points are ratings, lines their {percent} intervals. Whether two models differ is tested by itself; "
        "intervals that overlap do not say that they are equal."
        if any(row["lower"] is not None for row in rows)
        else "Points are ratings; the method gives no intervals."
    )
    said = chart_data.say_ratings(board, rows, scale)
    return chart_data.RATINGS, report_charts.draw_ratings(board, scale, said), f"{about} {said}"


def _matrices(board: Board) -> list[tuple[str, str, str]]:
    names, columns = chart_data.list_pairs(board)
    if not columns["share"]:
        return []
    wins, battles = chart_data.say_wins(names, columns), chart_data.say_battles(names, columns)
    return [
        (
            chart_data.MATRIX,
            report_charts.draw_win_matrix(board, wins),
            "Each cell: the share of votes that the row's model won against the column's. Blue won more, orange lost "
            f"more, empty never met. Columns carry the numbers of the rows. {wins}",
        ),
        (
            chart_data.BATTLES,
            report_charts.draw_battle_matrix(board, battles),
            "Each cell: the votes between the row's model and the column's; darker is more, empty never met. "
            f"{battles}",
        ),
    ]


def _course(board: Board, scale: Scale) -> tuple[str, str, str]:
    if board.study is None or board.sliced is None:
        return chart_data.OVER_TIME, "", ""
    points = [point for point in get_history(board.study, board.sliced, board.view) if point.ratings]
    if len(points) < 2:
        return chart_data.OVER_TIME, "", chart_data.NO_COURSE
    said = chart_data.say_course(board, points)
    n, n_lines = len(points[-1].ratings), len(chart_data.list_lines(board, points[-1]))
    of = f"The first {n_lines} of {n} models. " if n > n_lines else ""
    return chart_data.OVER_TIME, report_charts.draw_course(board, points, scale, said), f"{of}{said}"


def _days(board: Board) -> tuple[str, str, str]:
    days = [] if board.sliced is None else count_by_day(board.sliced)
    said = chart_data.say_days(board, days) if days else ""
    return chart_data.PER_DAY, report_charts.draw_days(days, said), said
