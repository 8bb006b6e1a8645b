"""Boards that pool studies: who may see them, which studies may be pooled, and that all of it is said."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from app.components import report, trust
from app.domain import Kind, Role
from app.errors import InvalidInputError, NotAllowedError, ResultsHiddenError
from app.services import (
    board_file,
    drafts,
    experiments,
    hidden_results,
    leaderboard,
    poolable,
)
from app.services.arena import Phase
from app.services.board_view import View
from app.services.methods_text import methods_text
from app.services.poolable import Poolable
from app.services.slices import Slice
from app.study import Asks, Ending
from db.engine import Database
from tests.arenas import ask, echoes, wait_for
from tests.arenas import vote as vote_in_arena
from tests.pools import import_rows, listed, raters_of, take_part, two_studies, votes_on
from tests.studies import person, study
from tests.test_hidden_results import cast, hidden_study

Bakeoff = Callable[..., tuple[int, str, str]]
NOW = datetime(2026, 3, 14, 15, 9, tzinfo=UTC)


def board_of(*experiment_ids: UUID, view: View | None = None) -> leaderboard.Board:
    first, *others = experiment_ids
    return leaderboard.get_leaderboard(None, first, view, also=others)


def pools_with(experiment_id: UUID, *wanted: str) -> Poolable:
    started = {row.key: row for row in experiments.list_experiments(None) if row.started_at}
    return poolable.find_poolable(None, listed(experiment_id), started, wanted)


# ------------------------------------------------------------------------------------------ what may be pooled


def test_votes_of_a_study_that_hides_its_results_are_never_pooled(store: Database) -> None:
    hidden = hidden_study()
    shown = study_of_the_same_models(hidden)
    cast(person(Role.RATER, shown), 3)
    for first, second in ((shown, hidden), (hidden, shown)):
        with pytest.raises(ResultsHiddenError, match="5 of 12 planned votes"):
            board_of(first, second)
        with pytest.raises(ResultsHiddenError):
            hidden_results.read_votes(None, first, also=[second])
    found = pools_with(shown, listed(hidden).key)
    assert (dict(found.offered), found.chosen) == ({}, ())
    assert found.notes == (
        "The results of “Test study” are hidden until it is completed, so its votes aren't counted here.",
    )
    experiments.stop_experiment(None, hidden, reason="Enough.")
    assert board_of(shown, hidden).n_votes == 8
    assert [row.id for row in pools_with(shown, listed(hidden).key).chosen] == [hidden]


def study_of_the_same_models(other: UUID) -> UUID:
    draft = drafts.get_draft(None, other)
    id_ = experiments.create_experiment(
        None,
        title="Open",
        prompt_set_id=draft.prompt_set_id,
        model_ids=draft.model_ids,
        votes_per_pair=4,
        min_dwell_ms=0,
    )
    experiments.start_experiment(None, id_)
    return id_


def test_simulated_votes_and_those_of_people_make_no_board(store: Database) -> None:
    people = import_rows(votes_on(("Ash", "Birch"), seed=1, n=60), "People")
    drawn, more = (
        import_rows(votes_on(("Ash", "Birch"), seed=seed, n=60), f"Drawn {seed}", is_simulated=True) for seed in (2, 3)
    )
    for pair in ((people, drawn), (drawn, people)):
        with pytest.raises(InvalidInputError, match="“Drawn 2” are simulated; people's votes aren't pooled with them"):
            board_of(*pair)
    assert "are simulated, and people's votes" in pools_with(people, "drawn-2").notes[0]
    assert "has votes of people, which simulated ones" in pools_with(drawn, "people").notes[0]
    both = board_of(drawn, more)
    assert both.is_simulated and both.n_votes == 120
    assert "120 simulated votes, not cast by people," in methods_text(both)
    assert not board_of(people).is_simulated


def test_only_studies_that_a_model_links_are_offered(store: Database) -> None:
    """A meets B, B meets C: C is offered once B is pooled, and a study of other models never is."""
    a, b, c, _ = (
        import_rows(votes_on(models, seed=seed, n=60), title)
        for seed, (title, models) in enumerate(
            (("A", ("Ash", "Birch")), ("B", ("Birch", "Cedar")), ("C", ("Cedar", "Dune")), ("X", ("Elm", "Fir")))
        )
    )
    study(is_started=False)
    assert set(pools_with(a).offered) == {"b"}
    assert set(pools_with(a, "b").offered) == {"b", "c"}
    assert [row.id for row in pools_with(a, "c", "b").chosen] == [c, b]
    found = pools_with(a, "c", "x", "gone", "a", "b")
    assert [row.key for row in found.chosen] == ["c", "b"]
    assert found.notes == (
        "“X” shares no model with the studies here, so its votes say nothing of them.",
        "The study “gone” in this link isn't here, so none of its votes are counted.",
    )
    assert pools_with(a, "c").chosen == ()
    assert board_of(a, b, c).ranking.connected
    assert not board_of(a, c).ranking.connected


def test_a_study_without_votes_is_not_offered_and_too_many_are_told(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = import_rows(votes_on(("Model 0", "Model 1"), seed=1, n=30), "A")
    for k in range(3):
        import_rows(votes_on(("Model 0", "Model 1"), seed=2 + k, n=30), f"More {k}")
    study(n_models=2)
    assert set(pools_with(a).offered) == {"more-0", "more-1", "more-2"}
    assert pools_with(a, "test-study").notes == ("“Test study” has no votes yet.",)
    monkeypatch.setattr(poolable, "MOST_STUDIES", 3)
    found = pools_with(a, "more-2", "more-0", "more-1")
    assert [row.key for row in found.chosen] == ["more-2", "more-0"]
    assert found.notes == ("At most 3 studies are pooled, so “More 1” is left out.",)


def test_raters_see_no_pooled_board(store: Database) -> None:
    a, b, _ = two_studies()
    for look in (
        lambda who: leaderboard.get_leaderboard(who, a, also=[b]),
        lambda who: hidden_results.read_votes(who, a, also=[b]),
        lambda who: poolable.find_poolable(who, listed(a), {}),
        lambda who: leaderboard.list_criteria(who, a, b),
    ):
        with pytest.raises(NotAllowedError):
            look(person(Role.RATER))


# ------------------------------------------------------------------------------------------ what is said


def test_the_methods_name_each_study_with_what_it_brings(store: Database) -> None:
    a, b, _ = two_studies()
    take_part(b, raters_of(a)[0], ended_as=Ending.SCREENED_OUT)
    said = methods_text(board_of(a, b))
    for part in (
        "# Methods: Trees + Woods",
        "The votes of 2 studies are pooled, 405 votes by 12 raters on 4 models and 11 prompts.",
        "“Trees” has 240 votes by 12 raters on 3 models and 11 prompts of the set “Shared v1”",
        "“Woods” has 165 votes by 11 raters on 3 models and 11 prompts of the set “Shared v1”",
        "11 raters voted in several of them.",
        "They were cast from 2026-03-01 to 2026-03-02 (UTC).",
        "15 votes of 1 rater who failed attention checks or withdrew",
        "**Voting in “Trees”.**",
        "**Voting in “Woods”.**",
        "Which studies are pooled was chosen by hand.",
        "“Woods”: When and why the voting ended is not known to Bakeoff.",
    ):
        assert part in said, part
    assert "The study “" not in said
    left = [int(n.split(" of ")[1].split()[0]) for n in said.split("The left side was preferred in ")[1:]]
    decided = [sum(one.votes.outcome < 2) for one in board_of(a, b).studies]
    assert left == decided, "each study's sides are of its own votes"
    chosen = Slice(tags=(("category", "a"),))
    assert "This is a part of these studies: prompts with category “a”." in methods_text(
        board_of(a, b, view=View(slice=chosen))
    )


@pytest.mark.usefixtures("quick_arena")
def test_a_live_study_and_an_arena_are_told_apart(store: Database) -> None:
    arena, rater = echoes(2), person()
    ask(rater, arena, "Why?")
    wait_for(rater, Phase.READY)
    vote_in_arena(rater, arena)
    names = leaderboard.get_leaderboard(None, arena).names
    other = import_rows(votes_on(names, seed=1, n=60), "From a file")
    found = board_of(arena, other)
    assert [one.design.kind for one in found.studies] == [Kind.ARENA, Kind.PROMPTS]
    assert [one.n_votes for one in found.studies] == [1, 60]
    assert (found.n_votes, found.status) == (61, "running")
    said = methods_text(found)
    assert "which answered prompts that the raters wrote themselves" in said
    assert "The study has not ended: this is a look at 1 vote" in said
    assert found.design is None


def test_what_belongs_to_one_study_is_left_out_with_words(store: Database) -> None:
    asking = study(n_models=2, n_prompts=8, asks=Asks(guess=True))
    cast(person(Role.RATER, asking), 6)
    other = import_rows(votes_on(("Model 0", "Model 1"), seed=1, n=60), "From a file")
    tiles = {name: (value, said) for name, value, said in trust.list_tiles(board_of(asking, other), with_staff=False)}
    assert tiles["Studies"][0] == "2 pooled"
    assert "Nobody is known to have voted in two of them." in tiles["Studies"][1]
    assert tiles["Blinding index"][0] == "not pooled"
    assert "on the board of “Test study” alone" in tiles["Blinding index"][1]
    alone = dict(tile[:2] for tile in trust.list_tiles(board_of(asking), with_staff=False))
    assert not {"Studies", "Blinding index"} & set(alone)


def test_files_name_the_studies(store: Database) -> None:
    a, b, _ = two_studies()
    found = board_of(a, b)
    for text in (board_file.write_board(found), board_file.write_pairs(found)):
        rows = list(csv.DictReader(io.StringIO(text)))
        assert {row["studies"] for row in rows} == {"trees woods"}
    assert "studies" not in board_file.write_board(board_of(a)).splitlines()[0]
    said = report.write_report(found, made_at=NOW)
    assert "2 studies pooled: Trees (240 votes), Woods (180 votes)" in said
    assert "Studies trees, woods, pooled." in said
    assert "Methods: Trees + Woods" in said
    assert "Study trees." in report.write_report(board_of(a), made_at=NOW)


def test_the_command_reports_several_studies(store: Database, bakeoff: Bakeoff, tmp_path: Path) -> None:
    two_studies()
    import_rows(votes_on(("Ash", "Birch"), seed=9, n=60), "Drawn", is_simulated=True)
    code, _, said = bakeoff("report", "trees", "--also", "woods", "--to", tmp_path / "r.html")
    assert (code, "420 votes in a report" in " ".join(said.split())) == (0, True)
    assert "2 studies pooled" in (tmp_path / "r.html").read_text(encoding="utf-8")
    for key, said in (("gone", "no experiment 'gone'"), ("drawn", "are simulated")):
        code, _, err = bakeoff("report", "trees", "--also", key, "--to", tmp_path / "no.html")
        assert code == 1 and said in " ".join(err.split())
        assert not (tmp_path / "no.html").exists()
