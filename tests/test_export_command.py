"""``bakeoff export votes``: the file, its manifest, and a data set as a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.stored import fresh_database

Command: TypeAlias = Callable[..., tuple[int, str, str]]


@pytest.fixture
def filled(bakeoff: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """The command on a database with three votes of a study x."""
    monkeypatch.setenv("BAKEOFF_DATA", str(tmp_path / "data"))
    with fresh_database(monkeypatch, f"sqlite:///{tmp_path / 'data' / 'bakeoff.db'}"):
        file = tmp_path / "votes.csv"
        file.write_text("model_a,model_b,winner,rater\nA,B,tie,ann\nA,B,model_a,bob\nB,A,both_bad,ann\n")
        done: Any = bakeoff("import", "votes", file, "--title", "x")
        assert done[0] == 0, done
        yield bakeoff


def test_an_export_has_a_manifest_beside_it_and_a_data_set_is_a_folder(filled: Command, tmp_path: Path) -> None:
    key, folder = "x", tmp_path / "set"
    assert filled("export", "votes", key, "--to", tmp_path / "v.jsonl")[0] == 0
    manifest = json.loads((tmp_path / "v.jsonl.manifest.json").read_text())
    [file] = manifest["files"]
    data = (tmp_path / "v.jsonl").read_bytes()
    assert (file["name"], file["sha256"], manifest["n_rows"]) == ("v.jsonl", hashlib.sha256(data).hexdigest(), 3)

    done = filled("export", "votes", key, "--to", folder, "--format", "dataset")
    assert (done[0], done[2]) == (0, f"3 rows written to {folder}\n")
    named = [file["name"] for file in json.loads((tmp_path / "set.manifest.json").read_text())["files"]]
    assert named == ["README.md", "data/train-00000.parquet"] and all((folder / name).is_file() for name in named)
    again = filled("export", "votes", key, "--to", folder, "--format", "dataset")
    assert again[0] == 1 and "no empty folder" in again[2]
    refused = filled("export", "votes", key, "--to", tmp_path / "a.json", "--format", "alpacaeval")
    assert refused[0] == 1 and "needs a reference model" in refused[2]
    assert not [path.name for path in tmp_path.iterdir() if "partial" in path.name or path.name.startswith("a.json")]
