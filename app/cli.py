"""The `bakeoff` command: maps arguments to services, nothing more. Exit codes: 0 done, 1 failed, 2 wrong usage."""

from __future__ import annotations

import json
import os
import runpy
import socket
import sys
from pathlib import Path
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.commands import compare, exports, files, generate, leaks, measures, models, power, rank, raters, report
from app.domain import Role
from app.errors import BadFileError, BakeoffError, ConfigurationError
from app.settings import get_settings

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help=("Find out which generative model people prefer, blind, and prove it."),
)
import_app = typer.Typer(no_args_is_help=True, help="Take files in: prompts, models, their outputs, votes.")
export_app = typer.Typer(no_args_is_help=True, help="Write files out.")
app.add_typer(import_app, name="import")
app.add_typer(export_app, name="export")
for command in (
    *(rank.rank, rank.diagnose, compare.compare, power.power, rank.simulate),
    *(generate.generate, generate.worker, leaks.leaks, measures.measure, measures.judge),
    models.allow,
    raters.raters,
    report.report,
):
    app.command()(command)
app.command("try")(models.try_model)
import_app.command("prompts")(files.import_prompts)
import_app.command("generations")(files.import_generations)
import_app.command("gold")(files.import_gold)
export_app.command("prompts")(files.export_prompts)
export_app.command("generations")(files.export_generations)
export_app.command("votes")(exports.export_votes)
out, err = (Console(stderr=to_err, highlight=False, soft_wrap=True, markup=False) for to_err in (False, True))

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The file.")]
Host = Annotated[
    str,
    typer.Option(help="Address to listen on; 0.0.0.0 for the network, by BAKEOFF_PUBLIC_URL."),
]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]


def _base_url(host: str, port: int) -> str:
    shown = "localhost" if host in {"127.0.0.1", "0.0.0.0", "::1", "::"} else host  # noqa: S104 - a comparison
    return get_settings().public_url or f"http://{shown}:{port}"


def _check_port(host: str, port: int) -> None:
    """Raise ConfigurationError when nobody can listen there; Streamlit would say so only after our own lines."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on {host} port {port}: {error.strerror or error}. Name others with --host and --port."
        ) from None


def _serve(host: str, port: int) -> NoReturn:
    """Go on as `streamlit run` of our entry script; the configuration beside it holds in every folder."""
    script = Path(__file__).with_name("main.py")
    flags = ["--server.address", host, "--server.port", str(port)]
    allowed = ["localhost", "127.0.0.1", "::1"]
    if public := get_settings().public_url:
        allowed.append(urlsplit(public).hostname or "")
    if host not in {"127.0.0.1", "localhost", "0.0.0.0", "::", "::1"}:  # noqa: S104 - a comparison
        allowed.append(host)
    if host in {"0.0.0.0", "::"} and not get_settings().public_url:  # noqa: S104 - a comparison
        err.print("Set BAKEOFF_PUBLIC_URL=http://NAME:PORT too: only that name is let in from other machines.")
    for name in dict.fromkeys(allowed):
        flags += ["--server.allowedHosts", name]
    os.environ["BAKEOFF_ADDRESS"] = _base_url(host, port)
    sys.stdout.flush()
    sys.argv = ["streamlit", "run", str(script), *flags]
    # In this process: what the command imported so far needn't be imported again, a second sooner on the screen.
    runpy.run_module("streamlit", run_name="__main__")
    sys.exit(0)


@app.command()
def serve(host: Host = "127.0.0.1", port: Port = 8501) -> None:
    """Serve the app: pages, sign-in and health on one port.

    Example: bakeoff serve --port 8501
    """
    _check_port(host, port)
    out.print(f"Bakeoff  {_base_url(host, port)}\nData     {_where()}\nStop     Ctrl+C")
    _serve(host, port)


def _where() -> str:
    settings = get_settings()
    return str(settings.data_dir) if settings.is_sqlite else "PostgreSQL (BAKEOFF_DATABASE_URL)"


@app.command()
def demo(host: Host = "127.0.0.1", port: Port = 8501) -> None:
    """Serve a demo on its own database in ./demo-data: sample prompts and answers, and votes marked as simulated.

    Example: bakeoff demo
    """
    os.environ.setdefault("BAKEOFF_DATA", "demo-data")
    os.environ["BAKEOFF_DEMO"] = "1"
    os.environ.pop("BAKEOFF_DATABASE_URL", None)
    from app.services import demo as samples  # noqa: PLC0415
    from app.services import system  # noqa: PLC0415

    _check_port(host, port)
    system.prepare_database()
    samples.build_demo()
    base = _base_url(host, port)
    out.print(Text.assemble("\n", ("Bakeoff demo", "bold"), f"  {base}\n"))
    for role, path in samples.demo_links().items():
        out.print(f"  {role.value:<11} {base}{path}")
    out.print(f"\nOpen one link per browser profile. Data: {_where()}. Stop: Ctrl+C.\n")
    _serve(host, port)


LinkPort = Annotated[int, typer.Option("--port", help="Port that the link names; the server's own.")]


@app.command()
def init(port: LinkPort = 8501) -> None:
    """Create or upgrade the database and print a one-time link for the first admin.

    Example: bakeoff init
    """
    from app.services import sign_in, system  # noqa: PLC0415

    migration = system.prepare_database()
    out.print(f"Database ready at schema {migration.after}: {_where()}")
    if (path := sign_in.create_first_admin_link()) is not None:
        out.print(f"First admin, one use, 24 hours: {_base_url('127.0.0.1', port)}{path}")


@app.command()
def invite(
    role: Annotated[Role, typer.Option(help="What the link's account may reach.")] = Role.RATER,
    experiment: Annotated[str, typer.Option(help="Key of the experiment that raters of this link vote in.")] = "",
    uses: Annotated[int, typer.Option(min=1, help="How many people may use the link.")] = 1,
    days: Annotated[float, typer.Option(help="How long the link works.")] = 14,
    label: Annotated[str, typer.Option(help="A note for the list of invites.")] = "",
    port: LinkPort = 8501,
    as_json: Json = False,
) -> None:
    """Print a sign-in link.

    Example: bakeoff invite --role rater --experiment my-study --uses 20
    """
    from app.services import experiments, sign_in, system  # noqa: PLC0415

    system.prepare_database()
    experiment_id = experiments.find_experiment(None, experiment) if experiment else None
    path = sign_in.create_invite(None, role=role, label=label, experiment_id=experiment_id, max_uses=uses, days=days)
    link = _base_url("127.0.0.1", port) + path
    print(json.dumps({"link": link, "role": role.value, "uses": uses, "days": days}) if as_json else link)  # noqa: T201


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check configuration, database, schema, integrity and disk; exit code 1 when something is wrong.

    Example: bakeoff doctor
    """
    from app.services import system  # noqa: PLC0415

    checks = system.examine()
    if as_json:
        print(json.dumps([{"name": c.name, "ok": c.is_ok, "warning": c.is_warning, "text": c.text} for c in checks]))  # noqa: T201
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        for check in checks:
            mark = ("warn", "yellow") if check.is_warning else ("ok", "green") if check.is_ok else ("WRONG", "red")
            table.add_row(Text(*mark), check.name, check.text)
        out.print(table)
    if not all(check.is_ok for check in checks):
        raise typer.Exit(1)


@import_app.command("models")
def import_models(file: File) -> None:
    """Store a file of models with their organisation and licence; those that name a connector can be asked.

    Keys of these: connector, api_id, settings, secret (its name), input_price, output_price, concurrency, per_minute.
    Example: bakeoff import models models.jsonl
    """
    from app.services import generations, system  # noqa: PLC0415

    system.prepare_database()
    with file.open("rb") as stream:
        done = generations.import_models(None, stream)
    out.print(f"{done.n_stored:,} models stored, {done.n_known:,} known already.")


@import_app.command("votes")
def import_votes(
    file: File,
    title: Annotated[str, typer.Option(help="Title of the study that these votes become.")],
    prompt_set: Annotated[str, typer.Option("--prompt-set", help="Prompt set that the rows refer to.")] = "",
    with_texts: Annotated[
        bool, typer.Option("--with-texts", help="Take in the prompts and outputs that the file carries, too.")
    ] = False,
    columns: files.Map = "",
) -> None:
    """Store votes that were cast elsewhere as a completed study.

    Files of LMArena, MT-bench, Kaggle, AlpacaEval, Label Studio, Argilla, HelpSteer3, TRL and OpenAI's DPO and the
    Parquet of our data sets also carry what was judged. The last three must name the models.

    Example: bakeoff import votes votes.csv --title "Last year's study"
    """
    from app.services import prompt_sets, system, vote_files  # noqa: PLC0415

    system.prepare_database()
    prompt_set_id = prompt_sets.find_prompt_set(None, prompt_set).id if prompt_set else None
    with file.open("rb") as stream:
        done = vote_files.import_votes(
            None,
            stream,
            title=title,
            prompt_set_id=prompt_set_id,
            with_texts=with_texts,
            renamed=files.parsed_map(columns),
        )
    state = "stored" if done.is_new else "stored already"
    state += f", {done.n_told:,} with their texts" if done.n_told else ""
    out.print(f"{done.key}: {done.n_votes:,} votes by {done.n_raters:,} raters on {done.n_models:,} models {state}.")


def main() -> None:
    """Run the command; an error of ours is one line, never a traceback."""
    try:
        app()
    except BadFileError as error:
        err.print(Text.assemble((error.undone, "red"), f" {len(error.problems)} problem(s):"))
        for problem in error.problems[:20]:
            err.print(f"  {problem}")
        if len(error.problems) > 20:
            err.print(f"  and {len(error.problems) - 20} more")
        sys.exit(1)
    except BakeoffError as error:
        err.print(str(error), style="red")
        sys.exit(1)
    except Exception as error:
        if os.environ.get("BAKEOFF_TRACEBACK"):
            raise
        reason = " ".join(str(error).split())
        err.print(f"{type(error).__name__}: {reason} (BAKEOFF_TRACEBACK=1 shows where)", style="red")
        sys.exit(1)


if __name__ == "__main__":
    main()
