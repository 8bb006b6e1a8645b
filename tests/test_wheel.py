"""The wheel holds all that the installed application reads, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a freshly built wheel, by name."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    (path,) = folder.glob("bakeoff-*.whl")
    with ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def files(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in found if path.name != "secrets.toml"}


def test_the_configuration_is_a_file_and_not_a_link(wheel: dict[str, bytes]) -> None:
    assert wheel["app/.streamlit/config.toml"] == (ROOT / ".streamlit/config.toml").read_bytes()
    assert (ROOT / "app/.streamlit/config.toml").is_symlink()


@pytest.mark.parametrize("pattern", ["app/static/*.woff2", "app/static/*OFL.txt", "app/samples/*.jsonl"])
def test_data_files_are_there(wheel: dict[str, bytes], pattern: str) -> None:
    expected = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in ROOT.glob(pattern)}
    if not expected and pattern.startswith("app/samples"):
        pytest.skip("no samples yet")
    assert expected
    assert {name: wheel.get(name) for name in expected} == expected


def test_source_is_complete_and_alone(wheel: dict[str, bytes]) -> None:
    expected = files(ROOT / "app") | files(ROOT / "pages") | files(ROOT / "db")
    assert {name for name in wheel if ".dist-info/" not in name} == expected


def test_the_licences_and_the_command_are_there(wheel: dict[str, bytes]) -> None:
    info = next(name for name in wheel if name.endswith(".dist-info/METADATA")).removesuffix("METADATA")
    assert b"Apache License" in wheel[f"{info}licenses/LICENSE"]
    assert b"bakeoff = app.cli:main" in wheel[f"{info}entry_points.txt"]
