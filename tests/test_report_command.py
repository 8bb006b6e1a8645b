"""``bakeoff report`` ranks as the Leaderboard does when it is asked the same, and names what it can't do."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from app.components.axis import ELO
from app.services import experiments, leaderboard, prompt_sets, vote_files
from app.services.board_view import View
from tests.studies import jsonl
from tests.test_leaderboard_page import column, open_page

pytestmark = [
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    pytest.mark.usefixtures("data_folder"),
]
Bakeoff = Callable[..., tuple[int, str, str]]
OUTCOMES = ("left", "left", "right", "tie", "both_bad", "left", "tie", "right")


@pytest.fixture
def key() -> str:
    """A study of 15 raters, the first two of whom always want the other one."""
    rows = [
        {"left": left, "right": right, "winner": "right" if i < 2 else OUTCOMES[(i + j) % 8], "rater": f"r{i}"}
        for i in range(15)
        for j in range(16)
        for left, right in (("Ash", "Birch"), ("Birch", "Cedar"))
    ]
    return vote_files.import_votes(None, jsonl(*rows), title="Asked").key


def ratings(said: str) -> list[str]:
    return re.findall(r'<td class="rating"[^>]*>(\d+)</td>', said)


def written(bakeoff: Bakeoff, key: str, *options: str) -> str:
    code, _, errors = bakeoff("report", key, "--to", "r.html", *options)
    assert code == 0, errors
    return Path("r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "address"),
    [
        (("--ties", "drop"), {"ties": "drop"}),
        (("--both-bad", "drop"), {"both_bad": "drop"}),
        (("--ties", "half", "--both-bad", "tie"), {}),
        (("--without", "1,2"), {"without": "1,2"}),
        (("--without", "2", "--without", "rater-1", "--without", "2"), {"without": "1,2"}),
        (("--without-flagged",), {"unflagged": "true"}),
        (
            ("--without", "3", "--ties", "drop", "--method", "davidson"),
            {"without": "3", "ties": "drop", "method": "Davidson"},
        ),
    ],
    ids=" ".join,
)
def test_it_has_the_numbers_of_the_page(
    key: str, bakeoff: Bakeoff, options: tuple[str, ...], address: dict[str, str]
) -> None:
    said = written(bakeoff, key, *options)
    page = open_page(study=key, **address)
    assert ratings(said) == [shown.split()[0] for shown in column(page, "rating")]
    assert (ratings(said) == ratings(written(bakeoff, key))) == (not address)


def test_who_is_left_out_is_told_in_head_and_methods(key: str, bakeoff: Bakeoff) -> None:
    said = written(bakeoff, key, "--without", "1,2")
    assert "416 votes by 13 raters" in said and "· without 2 raters ·" in said
    assert "all but 2 raters left out by hand" in said
    assert "are left out of the fit" in written(bakeoff, key, "--ties", "drop")
    assert "both are bad is left out" in written(bakeoff, key, "--both-bad", "drop")
    assert "Raters whom a check flags are left out." in written(bakeoff, key, "--without-flagged")


def test_numbers_of_raters_are_those_of_the_first_of_several_studies(key: str, bakeoff: Bakeoff) -> None:
    other = vote_files.import_votes(
        None, jsonl({"left": "Ash", "right": "Birch", "winner": "left", "rater": "x"}), title="Other"
    ).key
    assert "417 votes by 14 raters" in written(bakeoff, key, "--also", other, "--without", "1,2")
    code, _, errors = bakeoff("report", key, "--also", other, "--to", "no.html", "--without", "16")
    assert code == 1 and "no rater of the first study has the number 16" in " ".join(errors.split())


def test_form_held_equal_is_that_of_the_service_and_is_told(shared: Path, bakeoff: Bakeoff) -> None:
    folder = shared / "data" / "llmfao"
    for what, *more in (("prompts", "--name", "llmfao"), ("models",), ("generations", "--prompt-set", "llmfao")):
        assert bakeoff("import", what, folder / f"{what}.jsonl", *more)[0] == 0
    [prompts] = prompt_sets.list_prompt_sets(None)
    with (folder / "votes.csv").open("rb") as stream:
        key = vote_files.import_votes(None, stream, title="Real", prompt_set_id=prompts.id).key
    said = written(bakeoff, key, "--style")
    board = leaderboard.get_leaderboard(None, experiments.find_experiment(None, key), View(style=True))
    assert board.ranking.covariates
    assert ratings(said) == [ELO.text(row.rating or 0) for row in board.ranking.models]
    assert ratings(said) != ratings(written(bakeoff, key))
    assert "with the length and marks of the outputs held equal" in said
    assert "The form of the outputs is not held equal here." in said  # under the ratings over time


def test_form_that_is_not_known_is_said(key: str, bakeoff: Bakeoff) -> None:
    assert "The form of the outputs isn&#x27;t held equal." in written(bakeoff, key, "--style")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--ties", "maybe"), 2, "'maybe' is not one of 'half', 'drop'"),
        (("--both-bad", "half"), 2, "'half' is not one of 'tie', 'drop'"),
        (("--without", "ann"), 1, "'ann' is no number of a rater, such as 3 or 3,17"),
        (("--without", "3,,4"), 1, "'' is no number of a rater"),
        (("--without", "3,99,100"), 1, "has the number 99, 100; they are numbered from 1 to 15"),
        (("--without", ",".join(map(str, range(1, 16)))), 1, "nothing to report"),
        (("--style", "--method", "win_rate"), 1, "The method win_rate cannot do --style."),
        (("--position", "--method", "elo"), 1, "The method elo cannot do --position."),
        (("--both-bad", "drop", "--method", "both_bad"), 1, "The method both_bad cannot do --both-bad drop."),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, tuple) else None,
)
def test_what_cannot_be_is_said_and_no_file_is_written(
    key: str, bakeoff: Bakeoff, options: tuple[str, ...], code: int, words: str
) -> None:
    found, _, errors = bakeoff("report", key, "--to", "no.html", *options)
    assert found == code, errors
    assert words in " ".join(errors.replace("│", " ").split())
    assert not Path("no.html").exists()
