"""The command that writes votes to files."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, cast

import typer

from app.commands.files import err, write_to
from app.discovery import plugin_names
from app.errors import InvalidInputError

if TYPE_CHECKING:
    from app.services.export_manifest import FileFacts, Manifest

_OWN = ("jsonl", "csv", "parquet")
_OTHERS = [name.removeprefix("export_") for name in plugin_names("app.formats") if name.startswith("export_")]
# The formats are known by the names of their files; importing them all would cost every other command time.
VoteFormat = StrEnum("VoteFormat", {key.upper(): key for key in (*_OWN, *_OTHERS)})  # type: ignore[misc]

_USUAL = VoteFormat("jsonl")


class RowOf(StrEnum):
    """What a row of a file stands for."""

    VOTE = "vote"
    PAIR = "pair"


def export_votes(
    experiment: Annotated[str, typer.Argument(help="Key of the experiment.")],
    to: Annotated[Path | None, typer.Option(help="File to write; standard output without it.")] = None,
    form: Annotated[VoteFormat, typer.Option("--format", help="How to write them.")] = _USUAL,
    criterion: Annotated[
        str, typer.Option(help="Votes on this criterion alone; else overall, or all in our own.")
    ] = "",
    staff: Annotated[
        bool | None, typer.Option("--staff/--no-staff", help="Votes of staff too; usual in our own formats alone.")
    ] = None,
    row: Annotated[
        RowOf | None, typer.Option("--row", help="A row per vote, or per pair of outputs (majority).")
    ] = None,
    reference: Annotated[str, typer.Option(help="The reference model, which AlpacaEval needs.")] = "",
) -> None:
    """Write the votes of an experiment, raters under pseudonyms, with a manifest beside the file.

    The manifest, FILE.manifest.json, says which votes are in it, which are not and why, and the SHA-256. A dataset is
    written as a folder, or as one file where FILE ends in .zip.

    Example: bakeoff export votes my-study --to votes.csv --format csv
    """
    from app.services import experiments, hidden_results, system, vote_export  # noqa: PLC0415

    system.prepare_database()
    experiment_id = experiments.find_experiment(None, experiment)
    if hidden_results.find_hidden(None, experiment_id) is not None:
        err.print(hidden_results.EXPORT_WARNING, style="yellow")
    wanted = vote_export.Wanted(form.value, criterion or None, staff, row and row.value, reference or None)
    made: list[Manifest] = []

    def write(stream: BinaryIO) -> int:
        made.append(vote_export.export_votes(None, experiment_id, stream, wanted, tells_ranking=to is not None))
        return made[0].n_rows

    if to is None:
        write_to(None, write, "rows")
        return
    if form.value == "dataset" and to.suffix != ".zip":
        files = _write_folder(to, write)
    else:
        write_to(to, write, "votes" if form.value in _OWN else "rows")
        files = (replace(made[0].files[0], name=to.name),)
    manifest = replace(made[0], files=files)
    beside = to.with_name(f"{to.name}.manifest.json")
    partial = beside.with_name(f".{beside.name}.partial")
    partial.write_bytes(manifest.to_json())
    partial.replace(beside)
    if n := sum(manifest.left_out.values()):
        err.print(f"{n:,} votes were left out; {beside.name} says why.")


def _write_folder(to: Path, write: Callable[[BinaryIO], int]) -> tuple[FileFacts, ...]:
    """Unpack a data set into a folder, whole or not at all; what each of its files is."""
    from app.services.export_manifest import FileFacts  # noqa: PLC0415

    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise InvalidInputError(f"{to} exists and is no empty folder; name another one.")
    partial = to.with_name(f".{to.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with tempfile.TemporaryFile() as packed:
            n = write(cast("BinaryIO", packed))
            with zipfile.ZipFile(packed) as archive:
                archive.extractall(partial)
        if to.is_dir():
            to.rmdir()
        partial.replace(to)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    err.print(f"{n:,} rows written to {to}")
    return tuple(
        FileFacts(path.relative_to(to).as_posix(), path.stat().st_size, _sha256(path))
        for path in sorted(to.rglob("*"))
        if path.is_file()
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
