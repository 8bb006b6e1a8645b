"""The numbers of a comparison as a file: the whole, each look and each part, one to a row."""

from __future__ import annotations

import csv
import io

from scipy.special import expit

from app.formats._csv import guarded
from app.services.estimates import Estimate
from app.services.head_to_head import HeadToHead

COLUMNS = (
    "what",
    "name",
    "n_votes",
    "difference_logits",
    "se_logits",
    "win_probability",
    "lower",
    "upper",
    "lower_corrected",
    "upper_corrected",
    "interval",
    "p",
    "p_max_t",
    "p_holm",
    "q",
    "p_exact",
    "p_exact_holm",
)


def write_comparison(result: HeadToHead) -> str:
    """CSV with a head; bounds are win probabilities, "interval" says whether they hold at any time or for one look."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    setting = result.setting
    kind = "fixed" if setting.is_at_end else "anytime"
    if result.estimate is not None:
        name = f"{setting.model} - {setting.against}"
        sign = (None, None) if result.sign is None else (result.sign.p, result.sign.p_holm)
        writer.writerow(_row("whole", name, result.estimate.n_votes, result.estimate, kind, None, sign))
    for look in result.looks:
        writer.writerow(_row("look", look.at.isoformat(), look.n_votes, look.estimate, "anytime", None))
    for part in result.parts:
        writer.writerow(_row("part", f"{part.kind}: {part.name}", part.n_votes, part.estimate, kind, part.q))
    return out.getvalue()


def _row(
    what: str,
    name: str,
    n: int,
    estimate: Estimate,
    kind: str,
    q: float | None,
    sign: tuple[float | None, float | None] = (None, None),
) -> list[object]:
    def bounds(pair: tuple[float, float] | None) -> list[object]:
        return ["", ""] if pair is None else [_number(float(expit(x))) for x in pair]

    return [
        what,
        guarded(name),
        n,
        _number(estimate.difference),
        _number(estimate.variance**0.5),
        _number(float(expit(estimate.difference))),
        *bounds(estimate.alone),
        *bounds(estimate.together),
        kind,
        *("" if p is None else _number(p) for p in (estimate.p, estimate.p_max_t, estimate.p_holm, q, *sign)),
    ]


def _number(x: float) -> str:
    return f"{x:.6g}"
