"""Tables of Explore: where raters disagree, which reasons each model was given, and the prompts of a study."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from html import escape

import streamlit as st

from app.components import page_file
from app.components.axis import SHARE
from app.components.explore_battles import link
from app.services.explore import MOST_REASONS, Reasons, SplitCell
from app.services.explore_prompts import JudgedPrompt, PromptText
from app.study import BAD_REASONS, GOOD_REASONS

SPLIT_HELP = (
    "Votes of different raters on the same prompt and the same two models. Most split first: those whose share of "
    "votes against the most frequent answer is high beyond chance (lower 95 % Wilson bound), so that 5 of 10 come "
    "before 1 of 2. Two differ: the chance that two of these votes say different things. Where all agree is left out."
)
_KINDS = ("a", "tie", "bad", "b")  # as they stand in the drawn bar, from model a to model b


def show_split(
    cells: Sequence[SplitCell], models: Sequence[str], texts: Mapping[int, PromptText], *, study: str
) -> None:
    """One row for each cell: the prompt, the pair, its votes as a bar and in numbers."""
    st.caption(SPLIT_HELP)
    body = "".join(_split_row(cell, models, texts.get(cell.prompt), study=study) for cell in cells)
    heads = "".join(
        f'<th class="{name}" role="columnheader" scope="col">{text}</th>'
        for name, text in (("name", "Prompt and pair"), ("bar", "Votes"), ("num", "Against"), ("num", "Two differ"))
    )
    st.html(
        f'<table class="bo-split" role="table"><thead><tr role="row">{heads}</tr></thead><tbody>{body}</tbody></table>'
    )
    page_file.show(
        "These rows as CSV", lambda: write_split(cells, models, texts), f"{study}-disagreement.csv", key="split-csv"
    )


def _split_row(cell: SplitCell, models: Sequence[str], text: PromptText | None, *, study: str) -> str:
    model_a, model_b = models[cell.model_a], models[cell.model_b]
    n, (won_a, won_b, ties, bad) = sum(cell.counts), cell.counts
    parts = zip(_KINDS, (won_a, ties, bad, won_b), strict=True)
    bar = "".join(f'<i class="{kind}" style="width:{100 * count / n:.2f}%"></i>' for kind, count in parts if count)
    in_words = f"{model_a} {won_a}, tie {ties}, both bad {bad}, {model_b} {won_b}"
    prompt = (text.text or f"Prompt {text.name}") if text else ""
    query = {"study": study, "model": model_a, "against": model_b}
    most = f"{cell.against} of {n} votes are against the most frequent answer"
    to_votes = link("Its votes", **query, **({"prompt": text.id.hex} if text else {}))
    return (
        f'<tr role="row"><td class="name" role="cell"><p>{escape(prompt) or "A prompt that isn&#39;t stored"}</p>'
        f'<div><span class="bo-row-facts">{escape(model_a)} against {escape(model_b)}</span>{to_votes}</div></td>'
        f'<td class="bar" role="cell"><div role="img" aria-label="{escape(in_words)}">{bar}</div>'
        f"<span>{escape(in_words)}</span></td>"
        f'<td class="num" role="cell" data-label="Against" title="{most}">'
        f"{cell.against} of {n}</td>"
        f'<td class="num" role="cell" data-label="Two differ" title="Two votes of this row say different things">'
        f"{SHARE.text(cell.disagreement)}</td></tr>"
    )


def write_split(cells: Sequence[SplitCell], models: Sequence[str], texts: Mapping[int, PromptText]) -> str:
    """The rows as CSV, text that a spreadsheet would run as a formula disarmed."""
    head = ["prompt", "model_a", "model_b", "a_won", "b_won", "ties", "both_bad", "against", "disagreement"]
    found = [
        [
            _plain(texts[cell.prompt].name if cell.prompt in texts else ""),
            _plain(models[cell.model_a]),
            _plain(models[cell.model_b]),
            *cell.counts,
            cell.against,
            f"{cell.disagreement:.4f}",
        ]
        for cell in cells
    ]
    return _csv([head, *found])


def show_reasons(found: Reasons, *, study: str) -> None:
    """How often each reason was given to each model."""
    names = [*GOOD_REASONS, *BAD_REASONS]
    cut = f" Only the newest {MOST_REASONS:,} votes with reasons are looked at." if found.is_cut else ""
    plural = "" if found.n_votes == 1 else "s"
    st.caption(f"Reasons that raters gave for a side, by model, in {found.n_votes:,} vote{plural}.{cut}")
    heads = "".join(f'<th class="num" role="columnheader" scope="col">{escape(name)}</th>' for name in names)
    body = "".join(
        f'<tr role="row"><td class="name" role="cell">{escape(model)}</td>'
        + "".join(f'<td class="num" role="cell">{counts[name] or "–"}</td>' for name in names)
        + "</tr>"
        for model, counts in found.by_model.items()
    )
    st.html(
        '<div class="bo-wide"><table class="bo-split bo-reasons" role="table"><thead><tr role="row">'
        f'<th class="name" role="columnheader" scope="col">Model</th>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
    page_file.show("Reasons as CSV", lambda: write_reasons(found), f"{study}-reasons.csv", key="reasons-csv")


def write_reasons(found: Reasons) -> str:
    """The counts as CSV."""
    names = [*GOOD_REASONS, *BAD_REASONS]
    table = [[_plain(model), *(counts[name] for name in names)] for model, counts in found.by_model.items()]
    return _csv([["model", *names], *table])


def show_prompts(prompts: Sequence[JudgedPrompt], ids: Sequence[str], *, study: str) -> None:
    """The prompts of a study, those with most votes first."""
    body = "".join(
        f'<tr role="row"><td class="name" role="cell"><p>{escape(one.text or f"Prompt {one.name}")}</p>'
        '<div><span class="bo-row-facts">'
        + escape(" · ".join([one.name, *(f"{name}: {value}" for name, value in one.tags.items())]))
        + f"</span>{link('Across all models', study=study, view='Prompts', prompt=ids[one.number])}</div></td>"
        f'<td class="num" role="cell" data-label="Votes">{one.n_votes:,}</td>'
        f'<td class="num" role="cell" data-label="Models">{one.n_models:,}</td></tr>'
        for one in prompts
    )
    heads = "".join(
        f'<th class="{name}" role="columnheader" scope="col">{text}</th>'
        for name, text in (("name", "Prompt"), ("num", "Votes"), ("num", "Models"))
    )
    st.html(
        f'<table class="bo-split" role="table"><thead><tr role="row">{heads}</tr></thead><tbody>{body}</tbody></table>'
    )


def _plain(text: str) -> str:
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def _csv(table: Sequence[Sequence[object]]) -> str:
    stream = io.StringIO()
    csv.writer(stream).writerows(table)
    return stream.getvalue()
