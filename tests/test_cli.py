"""The ``bakeoff`` command: what it takes, what it prints, and exit codes 0 (done), 1 (failed) and 2 (wrong usage)."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import app.samples
from app import cli
from app.errors import ConflictError
from app.services import sign_in, system
from app.settings import get_settings
from db.engine import database, open_database
from db.migrate import head_revision
from tests.processes import BAKEOFF, run

SAMPLES = Path(app.samples.__file__).parent
COMMANDS = [
    ("serve",),
    ("demo",),
    ("init",),
    ("invite",),
    ("doctor",),
    ("import", "prompts"),
    ("import", "models"),
    ("import", "generations"),
    ("import", "votes"),
    ("import", "gold"),
    ("raters",),
    ("report",),
    ("export", "prompts"),
    ("export", "generations"),
    ("export", "votes"),
    ("rank",),
    ("diagnose",),
    ("compare",),
    ("power",),
    ("simulate",),
    ("generate",),
    ("worker",),
    ("leaks",),
    ("measure",),
    ("judge",),
    ("try",),
    ("allow",),
]
VOTES = """prompt_id,left,right,winner,rater
{id},Sample Heron,Sample Plover,left,ann
{id},Sample Heron,Sample Plover,right,bob
{id},Sample Plover,Sample Heron,tie,ann
"""


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: str
    err: str


Bakeoff = Callable[..., Result]


@pytest.fixture
def bakeoff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Bakeoff]:
    """Run the command in an empty folder, in this process."""
    for name in ("BAKEOFF_DATA", "BAKEOFF_DATABASE_URL", "BAKEOFF_PUBLIC_URL", "BAKEOFF_DEMO", "BAKEOFF_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()

    def call(*arguments: str | Path) -> Result:
        monkeypatch.setattr(sys, "argv", ["bakeoff", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        return Result(code, *capfd.readouterr())

    yield call
    if (tmp_path / "data").exists():
        database().close()
    open_database.cache_clear()
    get_settings.cache_clear()


@pytest.fixture
def filled(bakeoff: Bakeoff) -> Bakeoff:
    """The same with the sample prompts, models and generations in it."""
    assert bakeoff("import", "prompts", SAMPLES / "prompts.jsonl", "--name", "Samples").code == 0
    assert bakeoff("import", "models", SAMPLES / "models.jsonl").code == 0
    done = bakeoff("import", "generations", SAMPLES / "generations.jsonl", "--prompt-set", "Samples")
    assert done.code == 0
    return bakeoff


def rows(table: str) -> int:
    connection = sqlite3.connect("data/bakeoff.db")
    n: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    connection.close()
    return n


def vote_file(folder: Path) -> Path:
    first = json.loads((SAMPLES / "prompts.jsonl").read_text().splitlines()[0])["id"]
    path = folder / "votes.csv"
    path.write_text(VOTES.format(id=first))
    return path


# ---------------------------------------------------------------------------------------------- help and usage


def test_every_command_is_known_here() -> None:
    """A new command needs a line in COMMANDS, and so an example in its help."""
    found = {
        (command.name or command.callback.__name__,) for command in cli.app.registered_commands if command.callback
    }
    for group in cli.app.registered_groups:
        assert group.typer_instance is not None
        found |= {(str(group.name), str(command.name)) for command in group.typer_instance.registered_commands}
    assert found == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_help_says_what_the_command_does_and_shows_an_example(bakeoff: Bakeoff, command: tuple[str, ...]) -> None:
    done = bakeoff(*command, "--help")
    assert done.code == 0
    assert f"Example: bakeoff {' '.join(command)}" in " ".join(done.out.split())
    assert done.err == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["serve", "--port", "0"],
        ["serve", "--port", "many"],
        ["invite", "--role", "owner"],
        ["invite", "--uses", "0"],
        ["doctor", "--xml"],
        ["import", "prompts", "no-such-file.jsonl", "--name", "x"],
        ["import", "prompts", str(SAMPLES / "prompts.jsonl")],
        ["import", "votes", str(SAMPLES)],
        ["export", "votes"],
        ["export", "votes", "x", "--format", "xlsx"],
    ],
)
def test_wrong_usage_is_exit_code_2_and_changes_nothing(bakeoff: Bakeoff, tmp_path: Path, arguments: list[str]) -> None:
    done = bakeoff(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_the_installed_command_is_this_one(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    assert run(BAKEOFF, "--help", folder=folder).returncode == 0
    wrong = run(BAKEOFF, "export", "votes", "nothing", folder=folder)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr == "There is no experiment 'nothing'. Known: none yet.\n"


# ---------------------------------------------------------------------------------------------- init and invite


def test_init_makes_the_database_and_prints_one_link_while_there_is_no_admin(bakeoff: Bakeoff, tmp_path: Path) -> None:
    done = bakeoff("init")
    assert done.code == 0
    assert f"Database ready at schema {head_revision()}: {tmp_path}/data\n" in done.out
    (token,) = re.findall(r"http://localhost:8501/auth/join\?token=([\w-]{43})$", done.out, re.M)
    assert sign_in.identify(sign_in.hash_token(sign_in.open_link(token))) is not None
    again = bakeoff("init")
    assert (again.code, "/auth/join" in again.out) == (0, False)


def test_invite_prints_a_link_that_works_and_nothing_else(filled: Bakeoff, tmp_path: Path) -> None:
    done = filled("invite")
    assert re.fullmatch(r"http://localhost:8501/auth/join\?token=[\w-]{43}\n", done.out)
    assert (done.code, done.err) == (0, "")
    shown = filled("invite", "--role", "researcher", "--days", "2", "--label", "[bold]lab", "--json")
    told = json.loads(shown.out)
    assert {name: told[name] for name in ("role", "uses", "days")} == {"role": "researcher", "uses": 1, "days": 2}
    who = sign_in.identify(sign_in.hash_token(sign_in.open_link(told["link"].partition("token=")[2])))
    assert who is not None
    assert who.role == "researcher"


def test_links_name_the_public_address(bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_PUBLIC_URL", "https://bakeoff.example.org/")
    assert bakeoff("invite").out.startswith("https://bakeoff.example.org/auth/join?token=")


@pytest.mark.parametrize(
    "arguments",
    [["--experiment", "nothing"], ["--role", "admin", "--uses", "2"], ["--days", "0"], ["--days", "1000"]],
)
def test_an_invite_that_cannot_be_is_one_line(bakeoff: Bakeoff, arguments: list[str]) -> None:
    done = bakeoff("invite", *arguments)
    assert (done.code, done.out, len(done.err.splitlines())) == (1, "", 1)
    assert rows("invite") == 0


# ---------------------------------------------------------------------------------------------- doctor


def test_doctor_is_content_with_a_new_database(bakeoff: Bakeoff) -> None:
    bakeoff("init")
    done = bakeoff("doctor")
    assert done.code == 0
    assert "WRONG" not in done.out
    told = json.loads(bakeoff("doctor", "--json").out)
    assert {"version", "disk", "database", "schema", "integrity", "audit log"} <= {check["name"] for check in told}
    assert all(check["ok"] for check in told)


def test_doctor_says_what_to_do_without_a_database_and_makes_none(bakeoff: Bakeoff, tmp_path: Path) -> None:
    done = bakeoff("doctor")
    assert done.code == 1
    assert "`bakeoff init` makes it" in done.out
    assert not (tmp_path / "data/bakeoff.db").exists()


def test_doctor_finds_a_changed_audit_log(bakeoff: Bakeoff) -> None:
    bakeoff("init")
    bakeoff("invite")
    connection = sqlite3.connect("data/bakeoff.db")
    connection.execute("UPDATE audit_event SET details = '{}' WHERE sequence = 1")
    connection.commit()
    connection.close()
    done = bakeoff("doctor", "--json")
    assert done.code == 1
    assert [check["name"] for check in json.loads(done.out) if not check["ok"]] == ["audit log"]


def test_doctor_finds_a_full_disk(bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch) -> None:
    bakeoff("init")
    monkeypatch.setattr(system, "LOW_DISK_MB", 10**12)
    assert [check["name"] for check in json.loads(bakeoff("doctor", "--json").out) if not check["ok"]] == ["disk"]


def test_doctor_warns_of_a_defective_library_without_failing(bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch) -> None:
    """S12."""
    bakeoff("init")
    monkeypatch.setattr(system, "has_wal_defect", lambda _: True)
    done = bakeoff("doctor")
    assert done.code == 0
    assert "WAL-reset defect" in done.out
    monkeypatch.setattr(system, "has_wal_defect", lambda _: False)
    assert "WAL-reset" not in bakeoff("doctor").out


# ---------------------------------------------------------------------------------------------- import and export


def test_imports_say_how_much_they_stored_and_know_it_again(filled: Bakeoff) -> None:
    n_prompts = len((SAMPLES / "prompts.jsonl").read_text().splitlines())
    n_generations = len((SAMPLES / "generations.jsonl").read_text().splitlines())
    assert (rows("prompt"), rows("generation"), rows("model")) == (n_prompts, n_generations, 4)
    again = filled("import", "prompts", SAMPLES / "prompts.jsonl", "--name", "Samples")
    assert again.out == f"Samples v1: {n_prompts} prompts stored already.\n"
    again = filled("import", "generations", SAMPLES / "generations.jsonl", "--prompt-set", "Samples")
    assert again.out.startswith(f"0 outputs for Samples v1 stored, {n_generations} known already, 0 new models.")
    assert (rows("prompt"), rows("generation"), rows("model")) == (n_prompts, n_generations, 4)


def test_votes_go_in_and_come_out(filled: Bakeoff, tmp_path: Path) -> None:
    done = filled("import", "votes", vote_file(tmp_path), "--title", "Last year", "--prompt-set", "Samples")
    assert (done.code, done.err) == (0, "")
    key = done.out.partition(":")[0]
    assert done.out == f"{key}: 3 votes by 2 raters on 2 models stored, 3 with their texts.\n"

    lines = [json.loads(line) for line in filled("export", "votes", key).out.splitlines()]
    assert len(lines) == 3
    assert not any("ann" in json.dumps(line) for line in lines)

    written = filled("export", "votes", key, "--to", tmp_path / "out.csv", "--format", "csv")
    assert (written.code, written.out) == (0, "")
    assert written.err == f"3 votes written to {tmp_path}/out.csv\n"
    with (tmp_path / "out.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert len(table) == 3
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []

    back = filled("import", "votes", tmp_path / "out.csv", "--title", "Again", "--prompt-set", "Samples")
    assert (back.code, back.err) == (0, "")
    assert back.out.endswith("3 votes by 2 raters on 2 models stored, 3 with their texts.\n")


BAD = {
    "prompts": (
        '{"id": "a", "prompt": "fine"}\n{"id": "a", "prompt": "same id"}\nnot json\n',
        ["line 2: ", "line 3: "],
    ),
    "models": ('{"name": "fine"}\n{"organisation": "nameless"}\n', ["line 2: "]),
    "generations": ('{"prompt_id": "no such prompt", "model": "m", "output": "x"}\n', ["line 1: "]),
    "votes": ("left,right,winner\nA,B,left\nA,B,purple\nA,A,left\n", ["line 3: ", "line 4: "]),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_whole_with_line_and_reason(filled: Bakeoff, tmp_path: Path, kind: str) -> None:
    text, named = BAD[kind]
    path = tmp_path / ("bad.csv" if kind == "votes" else "bad.jsonl")
    path.write_text(text)
    before = [rows(table) for table in ("prompt_set", "prompt", "model", "generation", "experiment", "battle", "vote")]
    options = {"prompts": ["--name", "Bad"], "generations": ["--prompt-set", "Samples"], "votes": ["--title", "Bad"]}
    done = filled("import", kind, path, *options.get(kind, []))
    assert (done.code, done.out) == (1, "")
    first, *problems = done.err.splitlines()
    assert first == f"Nothing was imported. {len(problems)} problem(s):"
    assert [problem.strip()[: len(name)] for problem, name in zip(problems, named, strict=True)] == named
    assert all(len(problem.split(": ", 1)[1]) > 10 for problem in problems)
    after = [rows(table) for table in ("prompt_set", "prompt", "model", "generation", "experiment", "battle", "vote")]
    assert after == before


def test_of_very_many_bad_rows_twenty_are_shown(bakeoff: Bakeoff, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"id": "[red]", "prompt": "x"}\n' + "{[red]not json[/red]\n" * 50)
    done = bakeoff("import", "prompts", tmp_path / "bad.jsonl", "--name", "Bad")
    assert (done.code, len(done.err.splitlines())) == (1, 22)
    assert done.err.endswith("  and 30 more\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["import", "generations", str(SAMPLES / "generations.jsonl"), "--prompt-set", "Nope"], "Known: none yet."),
        (["export", "votes", "nothing"], "nothing"),
    ],
)
def test_what_is_not_there_is_named_in_one_line(bakeoff: Bakeoff, arguments: list[str], said: str) -> None:
    done = bakeoff(*arguments)
    assert (done.code, done.out, len(done.err.splitlines())) == (1, "", 1)
    assert said in done.err


def test_an_export_that_cannot_be_written_is_one_line_and_leaves_nothing(filled: Bakeoff, tmp_path: Path) -> None:
    key = filled("import", "votes", vote_file(tmp_path), "--title", "x", "--prompt-set", "Samples").out.partition(":")[
        0
    ]
    done = filled("export", "votes", key, "--to", tmp_path / "no/such/folder/out.csv")
    assert (done.code, done.out, len(done.err.splitlines())) == (1, "", 1)
    assert "no/such/folder" in done.err
    assert "Traceback" not in done.err


# ---------------------------------------------------------------------------------------------- errors


def test_names_with_brackets_are_printed_as_they_are(bakeoff: Bakeoff) -> None:
    done = bakeoff("import", "prompts", SAMPLES / "prompts.jsonl", "--name", "[bold]x[/bold] [red]")
    assert done.out.startswith("[bold]x[/bold] [red] v1: ")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConflictError("It was [changed] meanwhile."), "It was [changed] meanwhile.\n"),
        (ZeroDivisionError("a\nb"), "ZeroDivisionError: a b (BAKEOFF_TRACEBACK=1 shows where)\n"),
    ],
)
def test_an_error_is_one_line(bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch, error: Exception, line: str) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(system, "prepare_database", fail)
    assert bakeoff("init") == Result(1, "", line)


def test_whoever_looks_for_a_fault_gets_the_traceback(bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(system, "prepare_database", fail)
    monkeypatch.setenv("BAKEOFF_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        bakeoff("init")
