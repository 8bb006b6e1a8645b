"""The methods text says what was computed, for each method and each interval, and cites no more than that."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from app import __version__
from app.components import methods
from app.discovery import find_plugins
from app.domain import Answer, Role
from app.services import experiments, leaderboard, serving, vote_files, voting
from app.services.board_view import INTERVALS, View
from app.services.method_words import ALLOCATIONS, METHODS, SOURCES, cited
from app.services.methods_text import methods_text
from app.services.slices import Slice
from app.study import Flow
from tests.conftest import ROOT
from tests.studies import person, study

pytestmark = pytest.mark.usefixtures("data_folder")
EXAMPLE = ROOT / "docs" / "example-methods.md"


def text_of(rows: list[tuple[str, str, str, int]], view: View | None = None, *, n_raters: int = 12) -> str:
    """The text on votes (left, right, winner, how often) that are imported."""
    lines = [
        {"left": left, "right": right, "winner": winner, "rater": f"r{i % n_raters}"}
        for left, right, winner, n in rows
        for i in range(n)
    ]
    stream = io.BytesIO("\n".join(map(json.dumps, lines)).encode())
    key = vote_files.import_votes(None, stream, title="A *study* [bradley1952]").key
    return methods_text(leaderboard.get_leaderboard(None, experiments.find_experiment(None, key), view))


CYCLE = [("Ash", "Birch", "left", 40), ("Birch", "Cedar", "left", 30), ("Cedar", "Ash", "left", 12)]
VOTES = [*CYCLE, ("Ash", "Birch", "tie", 12), ("Birch", "Cedar", "both_bad", 6), ("Ash", "Cedar", "left", 20)]


def test_every_method_and_every_allocation_has_its_words() -> None:
    assert set(METHODS) == set(find_plugins("app.ranking"))
    assert set(ALLOCATIONS) == set(find_plugins("app.sampling"))


@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_formula_of_the_method_is_named_and_every_source_is_listed(method: str) -> None:
    said = text_of(VOTES, View(method=method))
    assert cited(METHODS[method]) in said
    body, _, sources = said.partition("## Sources")
    cited_here = {key for key, (short, _) in SOURCES.items() if re.search(rf"[(;] ?{re.escape(short)}[;)]", body)}
    assert len(re.findall(r"^- ", sources, re.MULTILINE)) == len(cited_here)
    assert all(SOURCES[key][1] in sources for key in cited_here)


@pytest.mark.parametrize(
    ("interval", "said", "unsaid"),
    [
        ("auto", "clustered by rater (12)", "Poisson"),
        ("raters", "Student's t with 11 degrees of freedom", "Poisson"),
        ("votes", "sandwich over single votes", "Student"),
        ("bootstrap", "1,000 Poisson bootstraps of single votes", "sandwich"),
        ("prompts", "sandwich over single votes", "clustered by prompt"),  # the file names no prompts
    ],
)
def test_the_interval_is_the_one_that_was_computed(interval: str, said: str, unsaid: str) -> None:
    assert interval in INTERVALS
    text = text_of(VOTES, View(interval=interval))
    assert said in text
    assert unsaid not in text.partition("**Remarks")[0]


def test_intervals_that_a_bootstrap_could_not_give_are_not_called_so() -> None:
    said = text_of(VOTES, View(interval="bootstrap", position=True))
    assert "Poisson" not in said and "sandwich over single votes" in said


def test_numbers_are_those_of_the_votes() -> None:
    said = text_of(VOTES)
    assert "has 120 votes by 12 raters on 3 models." in said
    assert "3 of 3 pairs of models met, with 32 to 52 votes each." in said
    assert "10.0 % of the votes are ties and 5.0 % say that both are bad." in said
    assert "The left side was preferred in 102 of 102 votes with a winner (100.0 %)." in said
    assert f"Computed with Bakeoff {__version__};" in said


def test_bias_reduction_is_named_only_where_it_was_used() -> None:
    assert "no bias reduction was needed" in text_of(VOTES)
    reduced = text_of([("Ash", "Birch", "left", 30)])
    assert "Firth 1993" in reduced
    assert "Ash, Birch won or lost everything" in reduced


def test_ties_are_told_as_they_were_counted() -> None:
    assert "A tie counts as half a win for each side; a vote that both are bad counts as a tie." in text_of(VOTES)
    assert "Ties are an outcome of their own" in text_of(VOTES, View(method="davidson"))
    assert "both are bad is left out" in text_of(VOTES, View(both_bad="drop"))
    assert "are left out of the fit" in text_of(VOTES, View(ties="drop"))


def test_position_and_zero_of_the_scale_are_told() -> None:
    balanced = [*VOTES, ("Birch", "Ash", "right", 30), ("Cedar", "Birch", "left", 20), ("Ash", "Cedar", "right", 9)]
    said = text_of(balanced, View(position=True, anchor="Cedar"))
    assert "An advantage δ of the side shown first" in said
    assert "Cedar is the zero of the scale" in said


def test_a_slice_is_told() -> None:
    assert "all but 2 raters left out by hand" in text_of(VOTES, View(slice=Slice(without=(1, 2))))


def test_names_stay_names_in_markdown_and_in_html() -> None:
    said = text_of([("<b>Ash</b>", "Birch", "left", 30)])
    assert "# Methods: A \\*study\\* \\[bradley1952\\]" in said
    drawn = methods.to_html(said)
    assert "<h2>Methods: A *study* [bradley1952]</h2>" in drawn
    assert "&lt;b&gt;Ash&lt;/b&gt;" in drawn
    assert "<b>Ash" not in drawn
    assert "<b>Data.</b>" in drawn


def test_a_study_of_our_own_tells_its_design_and_that_it_is_not_over() -> None:
    experiment_id = study(
        votes_per_pair=4, allocation="active", floor_votes=3, min_dwell_ms=0, flow=Flow(consent="I agree.")
    )
    said = methods_text(leaderboard.get_leaderboard(None, experiment_id))
    assert "Raters agreed to a text of consent first." in said
    assert "by expected information gain" in said
    assert "With a share of 10 %" in said
    assert "12 votes were planned: 4 for each of 3 pairs." in said
    assert "without any name" in said


def test_the_end_of_a_study_is_told() -> None:
    experiment_id = study(votes_per_pair=4)
    rater = person(Role.RATER, experiment_id)
    for n in range(12):
        ballot = serving.next_battle(rater)
        assert ballot is not None
        assert ballot.battle is not None
        voting.cast_vote(rater, ballot.battle.id, (Answer.LEFT, Answer.RIGHT, Answer.TIE)[n % 3])
        if n == 8:
            said = methods_text(leaderboard.get_leaderboard(None, experiment_id))
            assert "has not ended: this is a look at 9 votes of 12 planned votes" in said
    said = methods_text(leaderboard.get_leaderboard(None, experiment_id))
    assert "The study ended when its 12 planned votes were cast." in said
    assert "Each battle showed the pair with the fewest votes" in said


def test_the_example_in_the_documentation_is_what_is_generated(shared: Path) -> None:
    """Written by this test where it is missing: delete it to have it made anew."""
    with (shared / "data" / "llmfao" / "votes.csv").open("rb") as stream:
        key = vote_files.import_votes(None, stream, title="LLMFAO").key
    board = leaderboard.get_leaderboard(None, experiments.find_experiment(None, key))
    said = methods_text(board).replace(f"Bakeoff {__version__}", "Bakeoff VERSION")
    if not EXAMPLE.exists():
        EXAMPLE.write_text(said, encoding="utf-8")
        pytest.fail(f"{EXAMPLE.name} was missing and is written now; look at it and commit it.")
    assert EXAMPLE.read_text(encoding="utf-8") == said
