"""The rules of the house, held by machine: layers, types, style, budgets and names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOURCE = ("app", "pages", "db")
FOLDERS = {*SOURCE, "tests", "bench", "docs", "deploy", ".streamlit", ".ci", ".github"}
ENTRY_POINTS = {"app/main.py", "app/cli.py", "app/jobs/_durable.py", "app/jobs/arena.py", "app/jobs/worker.py"}
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 50
VAGUE_NAMES = {"utils", "helpers", "manager", "common"}

# What one machine knows and no other: home and work folders, and packages named by address instead of by version.
OF_ONE_MACHINE = re.compile(
    r"(?<![\w.])/(?:root|Users/\w+|home/(?!bakeoff\b)\w+|work|workspace)/"
    r"|file:/{2}"
    r"|https?://\S+\.(?:whl|tar\.gz|tgz)\b"
)


def python_files(*folders: str) -> list[Path]:
    """The Python files under ``folders`` that people write: all but the migrations, which Alembic writes."""
    found = (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))
    return [path for path in found if "migrations/versions" not in path.as_posix()]


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def checked_in() -> list[Path]:
    """The files that are in git or would be with ``git add``; a copy without git has none to check."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    # The folder may belong to another user, as it does in containers; git then has to be told that it is safe.
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in result.stdout.split("\0") if name and (ROOT / name).is_file()]


LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["-m", "ruff", "check", "."], id="ruff-check"),
        pytest.param(["-m", "ruff", "format", "--check", "."], id="ruff-format"),
        pytest.param(["-m", "mypy"], id="mypy"),
        pytest.param(["-c", LINT_IMPORTS, "--no-cache", "--no-logo"], id="import-contracts"),
    ],
)
def test_the_linters_are_content(arguments: list[str]) -> None:
    result = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_file_is_too_long() -> None:
    lengths = {shown(path): len(path.read_text().splitlines()) for path in python_files(*SOURCE, "tests", "bench")}
    assert lengths
    assert {name: n for name, n in lengths.items() if n > MOST_LINES_OF_A_FILE} == {}


def test_no_function_is_too_long() -> None:
    lengths = {
        f"{shown(path)}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for path in python_files(*SOURCE)
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    }
    assert lengths
    assert {name: n for name, n in lengths.items() if n > MOST_LINES_OF_A_FUNCTION} == {}


def is_broad(handler: ast.ExceptHandler) -> bool:
    """Whether ``handler`` catches everything and does not raise in the end."""
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {name.id if isinstance(name, ast.Name) else None for name in caught}
    catches_all = handler.type is None or names & {"Exception", "BaseException"}
    return bool(catches_all) and not isinstance(handler.body[-1], ast.Raise)


def test_only_entry_points_catch_everything() -> None:
    broad = [
        f"{shown(path)}:{node.lineno}"
        for path in python_files(*SOURCE)
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler) and is_broad(node) and shown(path) not in ENTRY_POINTS
    ]
    assert broad == []


def test_everything_in_app_has_a_layer() -> None:
    """A new folder in app/ is not under the contracts until the list of layers names it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in settings if contract["type"] == "layers")
    named = set(re.findall(r"app\.(\w+)", " ".join(layers)))
    modules = {path.parent.name if path.name == "__init__.py" else path.stem for path in (ROOT / "app").glob("*.py")}
    packages = {path.parent.name for path in (ROOT / "app").glob("*/*.py")}
    assert (modules | packages) - {"app"} - named == set()


def test_nothing_in_app_shadows_the_standard_library() -> None:
    """``streamlit run app/main.py`` puts app/ first on the path, so app/queue.py would be everyone's ``queue``."""
    names = {path.stem for path in (ROOT / "app").iterdir()}
    assert names & (sys.stdlib_module_names | {"app"}) == set()


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [shown(path) for path in python_files(*SOURCE, "tests") if path.stem in VAGUE_NAMES] == []


def test_the_guard_imports_nothing_of_streamlit_that_draws() -> None:
    """import-linter sees an outside package as one; its exception for the guard means only these parts of it."""
    guard = ROOT / "app/api/guard.py"
    imports = [node for node in nodes(guard) if isinstance(node, ast.Import | ast.ImportFrom)] if guard.exists() else []
    names = {name.name for node in imports if isinstance(node, ast.Import) for name in node.names}
    names |= {node.module for node in imports if isinstance(node, ast.ImportFrom) and node.module}
    used = {name for name in names if name.split(".")[0] == "streamlit"}
    assert {name for name in used if not name.startswith(("streamlit.proto.", "streamlit.web.server."))} == set()


def test_the_top_level_has_no_other_folder(checked_in: list[Path]) -> None:
    found = {path.relative_to(ROOT).parts[0] for path in checked_in if path.parent != ROOT}
    assert found - FOLDERS == set()


def test_no_file_knows_the_machine_it_was_written_on(checked_in: list[Path]) -> None:
    found = []
    for path in checked_in:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{shown(path)}: {match.group()}" for match in OF_ONE_MACHINE.finditer(text)]
    assert found == []


def test_the_constraints_are_names_and_versions() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    assert lines == sorted(lines, key=str.lower)


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("/" + "root/x", True),
        ("/" + "home/ann/x", True),
        ("/home/bakeoff/data", False),
        ("see docs/" + "work/plan", False),
        ("https:" + "//example.org/a-1.0-py3-none-any.whl", True),
        ("https://example.org/api", False),
    ],
)
def test_the_pattern_of_machine_names(text: str, is_found: bool) -> None:
    assert bool(OF_ONE_MACHINE.search(text)) is is_found


@pytest.mark.parametrize(
    ("code", "broad"),
    [
        ("except: pass", True),
        ("except Exception: pass", True),
        ("except (ValueError, BaseException): pass", True),
        ("except Exception: raise", False),
        ("except ValueError: pass", False),
    ],
)
def test_the_search_for_broad_handlers(code: str, broad: bool) -> None:
    handler = next(node for node in ast.walk(ast.parse(f"try: pass\n{code}")) if isinstance(node, ast.ExceptHandler))
    assert is_broad(handler) is broad


def test_every_rule_of_the_style_sheet_is_closed() -> None:
    """One that is not swallows all rules after it, and no browser complains."""
    depth, text = 0, re.sub(r"/\*.*?\*/", "", (ROOT / "app/assets/bakeoff.css").read_text(encoding="utf-8"), flags=re.S)
    for line in text.splitlines():
        if not line.startswith((" ", "}")) and line:
            assert depth == 0, f"a rule before this is open: {line}"
        depth += line.count("{") - line.count("}")
    assert depth == 0
