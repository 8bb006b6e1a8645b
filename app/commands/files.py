"""The commands that take prompts and outputs in and write them out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.console import Console

from app.domain import Purpose
from app.errors import InvalidInputError

out, err = (Console(stderr=to_err, highlight=False, soft_wrap=True, markup=False) for to_err in (False, True))

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The file.")]
Map = Annotated[
    str, typer.Option("--map", help="What the file's columns are: prompt=question,reference=gold; =secret leaves out.")
]
To = Annotated[Path | None, typer.Option(help="File to write; standard output without it.")]
PromptSetOption = Annotated[str, typer.Option("--prompt-set", help="Name of the prompt set (its newest version).")]


class FileFormat(StrEnum):
    """How prompts and outputs are written."""

    JSONL = "jsonl"
    MTBENCH = "mtbench"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    EVALS = "evals"
    ALPACA = "alpaca"
    ALPACAEVAL = "alpacaeval"


Form = Annotated[FileFormat, typer.Option("--format", help="How to write them.")]


def parsed_map(text: str) -> dict[str, str] | None:
    """``prompt=question,reference=gold`` as the new name of each column; None for a blank one."""
    renamed: dict[str, str] = {}
    for item in filter(None, (item.strip() for item in text.split(","))):
        name, equals, column = (part.strip() for part in item.partition("="))
        if not equals or not column:
            raise InvalidInputError(f"--map: {item!r} is not like prompt=question.")
        if column in renamed or (name and name in renamed.values()):
            raise InvalidInputError(f"--map: {item!r} names something a second time.")
        renamed[column] = name
    return renamed or None


def write_to(to: Path | None, write: Callable[[BinaryIO], int], what: str) -> None:
    """Write a file whole or not at all, or to the standard output."""
    if to is None:
        write(sys.stdout.buffer)
        return
    partial = to.with_name(f".{to.name}.partial")
    try:
        with partial.open("wb") as stream:
            written = write(stream)
        partial.replace(to)
    finally:
        partial.unlink(missing_ok=True)
    err.print(f"{written:,} {what} written to {to}")


def import_prompts(
    file: File, name: Annotated[str, typer.Option(help="Name of the prompt set.")], columns: Map = ""
) -> None:
    """Store a file of prompts as a prompt set; the same name with other content becomes its next version.

    JSON Lines, JSON, CSV, TSV, Parquet, MT-bench, OpenAI evals or Alpaca; or a .zip of one with its images, which may
    also lie in the file's folder.

    Example: bakeoff import prompts questions.csv --name "Customer questions" --map prompt=question,reference=gold
    """
    from app.services import prompt_sets, system  # noqa: PLC0415
    from app.services.attachments import Folder  # noqa: PLC0415

    system.prepare_database()
    with file.open("rb") as stream:
        stored = prompt_sets.import_prompts(
            None, stream, name=name, renamed=parsed_map(columns), beside=Folder(file.parent)
        )
    state = "stored" if stored.is_new else "restored" if stored.is_restored else "stored already"
    out.print(f"{stored.name} v{stored.version}: {stored.n_prompts:,} prompts {state}.")


def import_generations(
    file: File,
    prompt_set: PromptSetOption,
    model: Annotated[str, typer.Option(help="Whose outputs these are, where the file doesn't say.")] = "",
    columns: Map = "",
) -> None:
    """Store models' outputs for the prompts of a set.

    JSON Lines, CSV, TSV, Parquet, MT-bench answers, AlpacaEval outputs, or autoarena's table of one model, whose name
    is then that of the file unless --model says another. Images, sounds and films lie beside the file, or in a .zip.

    Example: bakeoff import generations outputs.jsonl --prompt-set "Customer questions"
    """
    from app.services import generations, prompt_sets, system  # noqa: PLC0415
    from app.services.attachments import Folder  # noqa: PLC0415

    system.prepare_database()
    found = prompt_sets.find_prompt_set(None, prompt_set, with_archived=True)
    with file.open("rb") as stream:
        done = generations.import_generations(
            None,
            stream,
            prompt_set_id=found.id,
            model=model or file.stem,
            renamed=parsed_map(columns),
            beside=Folder(file.parent),
        )
    out.print(
        f"{done.n_stored:,} outputs for {found.name} v{found.version} stored, {done.n_known:,} known already, "
        f"{done.n_new_models:,} new models."
    )
    if done.n_flagged:
        name = "output names its" if done.n_flagged == 1 else "outputs name their"
        out.print(f"{done.n_flagged:,} {name} maker and won't be shown: choose what becomes of them (bakeoff leaks).")


def import_gold(
    file: File,
    experiment: Annotated[str, typer.Option(help="Key of the experiment, a draft.")],
    practice: Annotated[bool, typer.Option("--practice", help="For the practice round, with feedback.")] = False,
) -> None:
    """Give a draft pairs whose right answer is known, as attention checks or with --practice for the practice round.

    JSON Lines with prompt (or messages), left, right, gold (left, right, tie, both_bad) and perhaps reason. A file
    takes the place of the one before.

    Example: bakeoff import gold gold.jsonl --experiment my-study --practice
    """
    from app.services import experiments, gold_files, system  # noqa: PLC0415

    system.prepare_database()
    experiment_id = experiments.find_experiment(None, experiment)
    purpose = Purpose.PRACTICE if practice else Purpose.GOLD
    with file.open("rb") as stream:
        n = gold_files.import_gold(None, stream, experiment_id=experiment_id, purpose=purpose)
    what = "practice" if practice else "attention checks"
    out.print(f"{experiment}: {n:,} pair{'' if n == 1 else 's'} for {what} stored.")


def export_prompts(
    name: Annotated[str, typer.Argument(help="Name of the prompt set.")],
    version: Annotated[int | None, typer.Option(help="Its version; the newest without it.")] = None,
    to: To = None,
    form: Form = FileFormat.JSONL,
) -> None:
    """Write the prompts of a set.

    Example: bakeoff export prompts "Customer questions" --to questions.parquet --format parquet
    """
    from app.services import prompt_files, prompt_sets, system  # noqa: PLC0415

    system.prepare_database()
    set_id = prompt_sets.find_prompt_set(None, name, version=version, with_archived=True).id
    write_to(to, lambda stream: prompt_files.export_prompts(None, set_id, stream, file_format=form.value), "prompts")


def export_generations(
    name: Annotated[str, typer.Argument(help="Name of the prompt set.")],
    version: Annotated[int | None, typer.Option(help="Its version; the newest without it.")] = None,
    to: To = None,
    form: Form = FileFormat.JSONL,
    with_flagged: Annotated[
        bool, typer.Option("--with-flagged", help="Also those that name their maker and wait for a choice.")
    ] = False,
) -> None:
    """Write all models' outputs for the prompts of a set: those that raters may see, the newest of each model.

    Example: bakeoff export generations "Customer questions" --to outputs.jsonl
    """
    from app.services import generation_files, prompt_sets, system  # noqa: PLC0415

    system.prepare_database()
    set_id = prompt_sets.find_prompt_set(None, name, version=version, with_archived=True).id

    def write(stream: BinaryIO) -> int:
        return generation_files.export_generations(
            None, set_id, stream, file_format=form.value, with_flagged=with_flagged
        )

    write_to(to, write, "outputs")
