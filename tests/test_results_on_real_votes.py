"""The results pages on the votes of llmfao: what they say, counted once more from the file."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from app.services import generations, prompt_sets, vote_files
from tests.test_quality_page import open_page as open_quality
from tests.tester import html_of, open_tester, text_of

ROW = re.compile(r'<td class="name"[^>]*><span>(.*?)</span>.*?<td class="votes"[^>]*>([\d,]+)</td>', re.S)
Vote = dict[str, str]


@pytest.fixture(scope="module")
def real(shared: Path) -> Path:
    return shared / "data" / "llmfao"


@pytest.fixture(scope="module")
def cast(real: Path) -> list[Vote]:
    with (real / "votes.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def study(real: Path, data_folder: None) -> str:
    """The votes on their prompts and outputs; the key of their study."""
    del data_folder
    with (real / "models.jsonl").open("rb") as stream:
        generations.import_models(None, stream)
    with (real / "prompts.jsonl").open("rb") as stream:
        prompt_set = prompt_sets.import_prompts(None, stream, name="LLMFAO").id
    with (real / "generations.jsonl").open("rb") as stream:
        generations.import_generations(None, stream, prompt_set_id=prompt_set)
    with (real / "votes.csv").open("rb") as stream:
        return vote_files.import_votes(None, stream, title="LLMFAO", prompt_set_id=prompt_set).key


def test_each_page_says_what_the_file_has(study: str, cast: list[Vote]) -> None:
    board = html_of(open_tester("leaderboard.py", study=study))
    assert "8,931 votes by 124 raters" in board
    assert {name: int(n.replace(",", "")) for name, n in ROW.findall(board)} == Counter(
        name for row in cast for name in (row["left"], row["right"])
    )

    first, second = "Weaver 12k", "Chronos Hermes (13B)"
    both = [row for row in cast if {row["left"], row["right"]} == {first, second}]
    won = sum(row["winner"] in ("left", "right") and row[row["winner"]] == first for row in both)
    compared = html_of(open_tester("compare.py", study=study, model=first, against=second))
    tally = re.findall(r'<th scope="row">([^<]+)</th><td class="n" data-name="votes">([\d,]+)</td>', compared)
    assert dict(tally)[f"{first} won"] == f"{won}", tally
    assert sum(int(n.replace(",", "")) for _, n in tally) == len(both) == 60

    said = text_of(open_quality(study=study))
    decided = [row for row in cast if row["winner"] != "tie"]
    n_left = sum(row["winner"] == "left" for row in decided)
    assert "8,931 votes by 124 raters" in said
    assert f"{100 * n_left / len(decided):.1f} %" in said
    assert f"of {len(decided):,} decided votes went to the left side" in said

    n_won = sum(row["winner"] in ("left", "right") and row[row["winner"]] == "GPT 4" for row in cast)
    assert f"{n_won} battles" in text_of(open_tester("explore.py", study=study, model="GPT 4", outcome="won"))
    assert "13 prompts" in text_of(open_tester("explore.py", study=study, view="Prompts"))
