"""`bakeoff rank`, `bakeoff diagnose` and `bakeoff simulate`: statistics at the command line, without a database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from app.discovery import plugin_names
from app.errors import InvalidInputError

if TYPE_CHECKING:  # NumPy and SciPy are only loaded when a command needs them
    from app.services.ranking_options import RankOptions
    from app.services.simulated_votes import Truth

Method = StrEnum("Method", {name.upper(): name for name in plugin_names("app.ranking")})  # type: ignore[misc]
DEFAULT_METHOD = Method("bradley_terry")


class Ties(StrEnum):
    """What a tie counts."""

    HALF = "half"
    DROP = "drop"


class BothBad(StrEnum):
    """What a both-bad counts."""

    TIE = "tie"
    DROP = "drop"


class Interval(StrEnum):
    """Where standard errors come from."""

    SANDWICH = "sandwich"
    MODEL = "model"
    BOOTSTRAP = "bootstrap"


class BiasReduction(StrEnum):
    """When Firth's bias-reduced fit is used."""

    AUTO = "auto"
    FIRTH = "firth"
    NONE = "none"


class Scale(StrEnum):
    """What ratings are printed in."""

    LOGIT = "logit"
    ELO = "elo"


VoteFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="Votes: CSV, TSV, JSON Lines or Parquet.")
]
Champion = Annotated[
    str, typer.Option(help="Compare each model with this one, which was named before the votes, and say when to stop.")
]
Rope = Annotated[
    str, typer.Option(help="What is too little to matter: logits (0.1, the default), or points of win share (2.5%).")
]
Budget = Annotated[int | None, typer.Option(help="The votes that can be had; the verdict on stopping knows of it.")]
Marginal = Annotated[bool, typer.Option("--marginal", help="Also the ranks that hold for one model by itself.")]
Quasi = Annotated[bool, typer.Option("--quasi", help="Also quasi-standard errors, whose squares add up in plots.")]
WithStaff = Annotated[bool, typer.Option("--with-staff", help="Count votes of staff (column rater_group) too.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TieRate = Annotated[float, typer.Option(help="Share of ties among all votes.")]
BothBadRate = Annotated[float, typer.Option(help="Share of both-bad among all votes.")]


def rank(
    file: VoteFile,
    method: Annotated[Method, typer.Option(help="The ranking method.")] = DEFAULT_METHOD,
    ties: Annotated[Ties, typer.Option(help="Count a tie as half a win for each, or leave it out.")] = Ties.HALF,
    both_bad: Annotated[BothBad, typer.Option(help="Count a both-bad as a tie, or leave it out.")] = BothBad.TIE,
    interval: Annotated[Interval, typer.Option(help="Where standard errors come from.")] = Interval.SANDWICH,
    cluster: Annotated[str, typer.Option(help="Votes that belong together: rater, prompt, or rater,prompt.")] = "",
    position: Annotated[bool, typer.Option("--position", help="Estimate the advantage of the left side.")] = False,
    covariate: Annotated[
        str, typer.Option(help="Control for X of columns X_left, X_right; several: chars,lists.")
    ] = "",
    bias_reduction: Annotated[BiasReduction, typer.Option(help="When to fit by Firth's method.")] = BiasReduction.AUTO,
    confidence: Annotated[float, typer.Option(help="Confidence of intervals and claims.")] = 0.95,
    scale: Annotated[Scale, typer.Option(help="Ratings in logits, or in Elo points around 1000.")] = Scale.LOGIT,
    anchor: Annotated[str, typer.Option(help="The model whose rating is zero (1000 in Elo points).")] = "",
    pairs: Annotated[bool, typer.Option("--pairs", help="Also print the test of each pair.")] = False,
    ranks: Annotated[bool, typer.Option("--ranks", help="Also print the ranks that each model may have.")] = False,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="Test pairs so that it holds however often you look.")
    ] = False,
    champion: Champion = "",
    rope: Rope = "",
    budget: Budget = None,
    marginal: Marginal = False,
    quasi: Quasi = False,
    with_staff: WithStaff = False,
    as_json: Json = False,
) -> None:
    """Rank the models in a file of votes: columns model_a, model_b, winner, or left, right, winner.

    Further columns: weight (a count), rater, prompt, pairs such as chars_left, chars_right.
    Example: bakeoff rank votes.csv --ranks
    """
    options = _rank_options(locals())
    from app.commands._rank_table import show_result  # noqa: PLC0415
    from app.services.ranking_file import rank_file, to_result  # noqa: PLC0415

    result = to_result(rank_file(file, options), with_pairs=pairs or sequential)
    if as_json:
        print(json.dumps(result, ensure_ascii=False, allow_nan=False))  # noqa: T201
        return
    show_result(result, Console(highlight=False, markup=False), ranks=ranks, pairs=pairs or sequential)


def _rank_options(given: Mapping[str, Any]) -> RankOptions:
    """What was given on the command line, by the names that ``RankOptions`` has."""
    from app.services.board_claims import parse_rope  # noqa: PLC0415
    from app.services.ranking_options import RankOptions  # noqa: PLC0415

    plain: dict[str, Any] = dict(given)
    plain |= {name: value.value for name, value in given.items() if isinstance(value, StrEnum)}
    plain |= {
        "cluster": _listed(given["cluster"]),
        "covariates": _listed(given["covariate"]),
        "anchor": given["anchor"] or None,
        "champion": given["champion"] or None,
        "rope": parse_rope(given["rope"]) if given["rope"] else None,
    }
    return RankOptions(**{field.name: plain[field.name] for field in fields(RankOptions)})


def diagnose(file: VoteFile, as_json: Json = False) -> None:
    """Say how far a file of votes can be trusted: fit, agreement, suspicious raters, and what the lead rests on.

    A column guess also gives Bang's blinding index: the model that the rater took for the one on the left, or
    dont_know; or left or right, where the model in a column guess_of (model_a without it) was taken to stand.
    Example: bakeoff diagnose votes.csv
    """
    from app.commands._rank_table import show_diagnosis  # noqa: PLC0415
    from app.services.diagnosis import diagnose_file  # noqa: PLC0415

    result = diagnose_file(file)
    if as_json:
        print(json.dumps(result, ensure_ascii=False, allow_nan=False))  # noqa: T201
    else:
        show_diagnosis(result, Console(highlight=False, markup=False))


def simulate(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="File to write: .csv, .jsonl or .parquet.")],
    votes: Annotated[int, typer.Option(help="How many votes.")] = 2000,
    models: Annotated[int, typer.Option(help="How many models, at equal distances.")] = 8,
    spread: Annotated[float, typer.Option(help="From the best to the worst of them, in logits.")] = 2.0,
    strengths: Annotated[str, typer.Option(help="Named models instead, in logits: heron=0.4,plover=-0.1.")] = "",
    tie_rate: TieRate = 0.15,
    both_bad_rate: BothBadRate = 0.05,
    position: Annotated[float, typer.Option(help="Advantage of the left side, in logits.")] = 0.0,
    raters: Annotated[int, typer.Option(help="How many raters.")] = 50,
    prompts: Annotated[int, typer.Option(help="How many prompts.")] = 100,
    taste: Annotated[float, typer.Option(help="How much raters differ, as a standard deviation in logits.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same votes.")] = 0,
    as_json: Json = False,
) -> None:
    """Write votes made up from known strengths, to try an analysis on.

    Example: bakeoff simulate votes.csv --models 8 --votes 2000 --seed 1
    """
    from app.services.simulated_votes import Truth, spaced_strengths, write_simulated_votes  # noqa: PLC0415

    truth = Truth(
        strengths=_named(strengths) if strengths else spaced_strengths(models, spread),
        tie_rate=tie_rate,
        both_bad_rate=both_bad_rate,
        position=position,
        taste=taste,
        n_raters=raters,
        n_prompts=prompts,
    )
    write_simulated_votes(file, truth, n_votes=votes, seed=seed)
    _tell(file, truth, votes, seed, as_json=as_json)


def _tell(file: Path, truth: Truth, n_votes: int, seed: int, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"file": str(file), "n_votes": n_votes, "seed": seed, "strengths": truth.strengths}))  # noqa: T201
        return
    shown = [f"{name} {value:+.3f}" for name, value in truth.strengths.items()]
    more = f" and {len(shown) - 10} more" if len(shown) > 10 else ""
    print(f"{n_votes:,} simulated votes (seed {seed}) written to {file}")  # noqa: T201
    print(f"True strengths in logits: {', '.join(shown[:10])}{more}")  # noqa: T201


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _named(text: str) -> dict[str, float]:
    """Names and numbers of "a=0.4,b=-0.1"."""
    found: dict[str, float] = {}
    for part in _listed(text):
        name, _, value = part.rpartition("=")
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not name.strip() or not abs(number) <= 50 or name.strip() in found:
            raise InvalidInputError(f"--strengths takes different names with logits, such as heron=0.4, not {part!r}")
        found[name.strip()] = number
    return found
