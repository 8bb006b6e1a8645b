"""The parts of the Quality page in words and numbers: bias, agreement, blinding, balance, fit, and single raters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from app.components.axis import ELO, SHARE
from app.components.board import counted
from app.components.tiles import Tile
from app.services.guesses import Guessed
from app.services.quality import Balance, Bias, LeaveOneOut, SliceAgreement
from app.services.quality_balance import Spread
from app.services.rater_board import RaterTable
from app.stats.agreement import Agreement
from app.stats.effects import Estimate

ALPHA = 0.05  # the level at which a test of the fit is put into words
CERTAIN = 0.01  # of tests of balance, of which there are three on a page


def bias(found: Bias | str) -> list[Tile]:
    """Sides and length."""
    if isinstance(found, str):
        return [("Bias", "unknown", found)]
    tiles: list[Tile] = []
    if found.left is None:
        tiles.append(("Left side", "unknown", "It takes ten known raters with decided votes of known sides."))
    else:
        said = f"of {counted(found.n_decided, 'decided vote')} went to the left side ({_between(found.left)})"
        tiles.append(("Left side", SHARE.write(100 * found.left.value, 1), f"{said}; {_half(found.left)}."))
    tiles.append(_chance("Position", found.position, found.position_problem, "the one on the left wins"))
    about = "the one with twice the text wins"
    tiles.append(_chance("Length", found.length, found.length_problem, about))
    return tiles


def _chance(name: str, found: Estimate | None, problem: str, about: str) -> Tile:
    if found is None:
        return name, "unknown", problem
    said = f"is the chance that of two equally good models {about} ({_between(found)}); {_half(found)}"
    return name, SHARE.write(100 * found.value, 1), f"{said}. Estimated together with the ratings."


def _between(found: Estimate) -> str:
    return f"95 % interval {SHARE.write(100 * found.lower, 1)} to {SHARE.write(100 * found.upper, 1)}"


def _half(found: Estimate) -> str:
    if found.lower <= 0.5 <= found.upper:
        return "no sign of a bias, which would show as other than half"
    return "more than half, a bias" if found.lower > 0.5 else "less than half, a bias"


def agreement(found: Sequence[SliceAgreement] | str, raters: RaterTable | None) -> list[Tile]:
    """Between raters, and of raters with themselves."""
    if isinstance(found, str):
        tiles: list[Tile] = [("Agreement", "unknown", found.rstrip(".") + ".")]
    else:
        tiles = [("Agreement (alpha)", alpha(found[0].found), describe_alpha(found[0].found))]
    if raters is not None and raters.n_repeats.sum():
        n, same = int(raters.n_repeats.sum()), int(raters.n_same.sum())
        said = f"{same:,} of {counted(n, 'planned repeat')} were answered as the first time, with the sides swapped."
        tiles.append(("Self-consistency", SHARE.text(same / n), said))
    return tiles


def alpha(found: Agreement) -> str:
    """Krippendorff's alpha with two decimals."""
    return "–" if found.alpha is None else f"{found.alpha:.2f}".replace("-", "−")


def describe_alpha(found: Agreement) -> str:
    """What alpha says of these judgements."""
    items = f"{counted(found.n_items, 'pair')} of outputs that two or more raters judged"
    if found.alpha is None:
        return f"Everybody always said the same of {items}, so agreement can't be told from habit."
    bounds = ""
    if found.lower is not None and found.upper is not None:
        bounds = f"95 % interval {found.lower:.2f} to {found.upper:.2f}; ".replace("-", "−")
    return f"{bounds}0 is chance, 1 is full agreement. Two raters said the same in {SHARE.text(found.raw)} of {items}."


def blinding(guessed: Guessed | None) -> list[Tile]:
    """Bang's index, where raters were asked to guess."""
    if guessed is None:
        return [("Blinding index", "not asked", "No rater was asked to guess which model made an output.")]
    found, n = guessed.overall, guessed.right + guessed.wrong
    told = "Raters could tell models apart" if found.is_unblinded else "No sign that raters could tell models apart"
    guesses = "guess" if n == 1 else "guesses"
    said = f"{told}: {guessed.right:,} of {n:,} {guesses} were right. 0 is chance, 1 is that all know."
    bounds = f"95 % interval {found.lower:+.2f} to {found.upper:+.2f}."
    return [("Blinding index", f"{found.index:+.2f}".replace("-", "−"), f"{said} {bounds}".replace("-0", "−0"))]


def fit(found: Mapping[str, Any] | str) -> list[Tile]:
    """Whether one strength per model describes the votes, and cycles."""
    if isinstance(found, str):
        return [("Goodness of fit", "unknown", found)]
    p, names = float(found["p"]), found["pairs"]
    odd = ""
    if names:
        first = names[0]
        odd = f" {counted(len(names), 'pair')} stand out, first {first['model_a']} against {first['model_b']}."
    fits = (
        "One strength for each model describes the votes" if p > 0.05 else "One strength for each model is too simple"
    )
    said = f"{fits} (G² {found['g2']:,.0f} on {found['df']:,} degrees of freedom, {found['method']}).{odd}"
    triads = found["cyclic_triads"]
    cycles = "no more than chance makes" if triads["p"] > ALPHA else "more than chance makes"
    named = f" Certain: {' > '.join([*found['cycles'][0], found['cycles'][0][0]])}." if found["cycles"] else ""
    circles = f"A beats B beats C beats A: {triads['expected']:,.0f} are to be expected, so {cycles}.{named}"
    return [("Goodness of fit", probability(p), said), ("Cycles", f"{triads['n']:,}", circles)]


def probability(p: float) -> str:
    """A p-value as people write it."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def balance(found: Balance | str) -> list[Tile]:
    """Pairs, sides, prompts and chances."""
    if isinstance(found, str):
        return [("Balance", "unknown", found)]
    met = "all pairs met" if found.n_met == found.pairs.n else f"{found.n_met:,} of {found.pairs.n:,} pairs met"
    tiles: list[Tile] = [
        ("Votes per pair", _range(found.pairs), f"Fewest, median and most; {met}. {_even(found.pairs)}")
    ]
    tiles.append(_sides(found))
    if found.prompts is None:
        tiles.append(("Votes per prompt", "unknown", "The votes don't say which prompt they are about."))
    else:
        about = f"Fewest, median and most of {counted(found.prompts.n, 'prompt')} with votes."
        tiles.append(("Votes per prompt", _range(found.prompts), f"{about} {_even(found.prompts)}"))
    drawn = found.propensities
    if drawn is None:
        tiles.append(
            ("Chances of a battle", "unknown", "No battle says with which chance it was drawn (imported votes).")
        )
    else:
        said = (
            f"Between {drawn.lowest:.2g} and {drawn.highest:.2g}. Weighted by them, {counted(drawn.n, 'battle')} are "
            f"worth {drawn.effective:,.0f} evenly drawn ones."
        )
        tiles.append(("Chances of a battle", SHARE.text(drawn.effective / drawn.n), said))
    return tiles


def _sides(found: Balance) -> Tile:
    known = [(float(x), name) for x, name in zip(found.left, found.models, strict=True) if math.isfinite(x)]
    if not known:
        return "Sides", "unknown", "No vote says which model stood on which side."
    (low, least), (high, most) = min(known), max(known)
    if found.left_p > CERTAIN:
        even = f"as chance makes it ({probability(found.left_p)})"
    else:
        even = f"more uneven than chance makes it ({probability(found.left_p)})"
    value = f"{ELO.write(100 * low)} to {SHARE.write(100 * high)}"
    return "Share on the left", value, f"From {least} to {most}: {even}."


def _range(spread: Spread) -> str:
    return f"{spread.smallest:,.0f} · {spread.median:,.0f} · {spread.largest:,.0f}"


def _even(spread: Spread) -> str:
    if spread.p > CERTAIN:
        return f"No more uneven than if all were equally likely (chi-square {probability(spread.p)})."
    test = f"chi-square {probability(spread.p)}"
    return f"More uneven than if all were equally likely ({test}), as drawing that follows the votes makes it."


def influence(found: LeaveOneOut | str) -> list[Tile]:
    """On whom the lead depends, in one sentence."""
    if isinstance(found, str):
        return [("One rater less", "unknown", found.rstrip(".") + ".")]
    if found.n_changing:
        said = f"Without any one of them another model than {found.leader} leads."
        value = f"{counted(found.n_changing, 'rater')} decide" + ("s" if found.n_changing == 1 else "")
    else:
        value, said = "no single rater", f"Whichever rater is left out, {found.leader} leads."
    n = found.n_raters - found.n_exact
    how = ""
    if n:
        exact = f"{found.n_exact:,} of {found.n_raters:,} raters"
        how = (
            f" {exact}, those who matter most, were left out by a fit of their own, the others by one step towards it."
        )
    return [("The lead depends on", value, said + how)]


def show_influence(found: LeaveOneOut) -> None:
    """The raters who move the lead most."""
    rows = "".join(
        f'<tr><th class="who" scope="row">Rater {one.number}</th><td class="n">{one.n_votes:,}</td>'
        f"<td>{escape(one.leader) or 'nobody'}{' (changed)' if one.changes_leader else ''}</td>"
        f'<td class="n">{_points(one.gap)}</td>'
        f'<td class="n">{_points(None if one.gap is None else one.gap - found.gap, sign=True)}</td></tr>'
        for one in found.raters
    )
    st.html(
        '<div class="bo-wide" tabindex="0" role="region" aria-label="Raters who move the lead most">'
        '<table class="bo-beside"><thead><tr><th class="who" scope="col">Without</th><th class="n" scope="col">Votes'
        f'</th><th scope="col">Leader</th><th class="n" scope="col">Lead of {escape(found.leader)}</th>'
        f'<th class="n" scope="col">Change</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )
    st.html(f'<div class="bo-legend"><p>Lead with all raters: {_points(found.gap)} Elo points.</p></div>')


def _points(logits: float | None, *, sign: bool = False) -> str:
    if logits is None:
        return "–"
    points = logits * ELO.factor
    return f"{points:{'+' if sign else ''}.1f}".replace("-", "−")


def show_agreement(found: Sequence[SliceAgreement]) -> None:
    """Alpha by each value of each tag."""
    rows = "".join(
        f'<tr><th class="who" scope="row">{escape(one.tag)}: {escape(one.value)}</th>'
        f'<td class="n">{one.found.n_items:,}</td><td class="n">{alpha(one.found)}</td>'
        f'<td class="iv"><div>{_alpha_bar(one.found)}</div></td></tr>'
        for one in found
    )
    ticks = "".join(f'<i style="left:{_at(x)}%">{x:g}</i>' for x in (0, 0.5, 1))
    st.html(
        '<div class="bo-wide" tabindex="0" role="region" aria-label="Agreement by slice">'
        '<table class="bo-beside"><thead><tr><th class="who" scope="col">Prompts</th><th class="n" scope="col">'
        'Judged twice</th><th class="n" scope="col">Alpha</th>'
        '<th class="iv" scope="col">95 % interval<span aria-hidden="true">'
        f"{ticks}</span></th>"
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _at(x: float) -> float:
    """Where alpha stands on an axis from -0.2 to 1.05, in per cent; at 1 there is room for the number above it."""
    return round(100 * (min(max(x, -0.2), 1.0) + 0.2) / 1.25, 1)


def _alpha_bar(found: Agreement) -> str:
    if found.alpha is None:
        return ""
    point = f'<b class="one" style="left:{_at(found.alpha)}%"></b>'
    if found.lower is None or found.upper is None:
        return point
    low, high = _at(found.lower), _at(found.upper)
    said = f"{found.lower:.2f} to {found.upper:.2f}".replace("-", "−")
    return f'<i class="one" title="{said}" style="left:{low}%;width:{high - low:.1f}%"></i>{point}'
