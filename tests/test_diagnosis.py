"""`bakeoff diagnose` on votes of which it is known who is careless and what the lead rests on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.services.diagnosis import diagnose_file
from app.services.simulated_votes import Truth, spaced_strengths, write_simulated_votes


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    """Honest raters, and one who always says the opposite of what the strengths foretell."""
    path = tmp_path / "votes.csv"
    write_simulated_votes(path, Truth(spaced_strengths(5, 3.0), n_raters=12, n_prompts=8), n_votes=1500, seed=5)
    names = sorted(spaced_strengths(5, 3.0), key=lambda name: -spaced_strengths(5, 3.0)[name])
    lines = path.read_text().splitlines()
    columns = lines[0].split(",")
    rng = np.random.default_rng(0)
    for _ in range(80):
        a, b = sorted(rng.choice(5, 2, replace=False))
        row = dict.fromkeys(columns, "")
        ends = ("left", "right") if "left" in columns else ("model_a", "model_b")
        winner = "right" if "left" in columns else "model_b"
        row |= {ends[0]: names[a], ends[1]: names[b], "winner": winner, "rater": "contrary", "prompt": "p1"}
        lines.append(",".join(row[column] for column in columns))
    path.write_text("\n".join(lines))
    return path


def test_the_contrary_rater_is_named_and_the_lead_is_weighed(votes: Path) -> None:
    found = diagnose_file(votes)
    flagged = {row["rater"]: row["because"] for row in found["raters"]["flagged"]}
    assert "agreement" in flagged["contrary"]
    assert found["raters"]["n"] == 13
    assert found["raters"]["decisive"] == []
    assert 0 < found["leader"]["n_removed"] < found["n_votes"]
    assert found["agreement"]["n_items"] > 0
    assert -1 <= found["agreement"]["lower"] <= found["agreement"]["alpha"] <= found["agreement"]["upper"] <= 1
    assert found["fit"]["df"] == 6  # ten pairs, five models


def test_json_and_words_say_the_same(votes: Path) -> None:
    run = CliRunner().invoke(app, ["diagnose", str(votes), "--json"])
    assert run.exit_code == 0
    assert json.loads(run.stdout) == json.loads(json.dumps(diagnose_file(votes)))
    words = CliRunner().invoke(app, ["diagnose", str(votes)])
    assert words.exit_code == 0
    for part in ("contrary: agreement", "leads; without", "Krippendorff's alpha", "No single rater decides"):
        assert part in " ".join(words.stdout.split())


def test_what_a_file_does_not_tell_is_said(tmp_path: Path) -> None:
    path = tmp_path / "bare.csv"
    path.write_text("left,right,winner\nx,y,left\nx,y,right\nx,y,left\n")
    found = diagnose_file(path)
    assert found["agreement"] is None
    assert found["raters"] is None
    assert len(found["notes"]) == 2
    run = CliRunner().invoke(app, ["diagnose", str(path)])
    assert run.exit_code == 0
    assert "column rater" in run.stdout
