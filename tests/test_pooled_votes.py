"""Votes of several studies pooled: the same as if all had been cast in one, and each study's own rules kept."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import select, text, update

from app.services import (
    board_history,
    board_trust,
    drafts,
    experiments,
    generations,
    leaderboard,
    output_form,
    pooled_votes,
    prompt_sets,
    quality_bias,
    rater_board,
    rater_flags,
    slices,
    steady_votes,
    vote_store,
)
from app.services.board_view import BY_BOTH, View
from app.services.leaderboard import Board
from app.services.slices import Slice
from app.services.vote_store import StudyVotes, criterion_keys
from app.stats.vote_columns import VoteColumns
from app.study import Ending
from db.engine import Database
from db.tables import Battle, Vote, tables_of
from tests.pools import import_rows, raters_of, same_people, take_part, two_studies, votes_on
from tests.studies import contrary_votes, jsonl, study

battle, vote = tables_of(Battle, Vote)
Bakeoff = Callable[..., tuple[int, str, str]]


def board_of(*experiment_ids: UUID, **asked: object) -> Board:
    first, *others = experiment_ids
    return leaderboard.get_leaderboard(None, first, View(**asked), also=others)  # type: ignore[arg-type]


def ratings(board: Board) -> dict[str, tuple[float | None, ...]]:
    return {row.model: (row.rating, row.lower, row.upper, row.rank_lower) for row in board.ranking.models}


@pytest.mark.parametrize(
    ("view", "asked"),
    [
        (View(interval=BY_BOTH), ["--cluster", "rater,prompt"]),
        (View(interval="raters", method="davidson"), ["--method", "davidson", "--cluster", "rater"]),
        (View(interval="votes"), []),
        (View(interval="votes", position=True), ["--position"]),
        (View(method="elo"), ["--method", "elo"]),
    ],
    ids=lambda one: one.method + one.interval if isinstance(one, View) else "",
)
def test_a_pooled_board_is_that_of_the_joined_files(
    store: Database, bakeoff: Bakeoff, tmp_path: Path, view: View, asked: list[str]
) -> None:
    """`bakeoff rank` of one file with all rows in the order of time, where one name is one person and one prompt."""
    a, b, rows = two_studies()
    with (tmp_path / "all.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    code, out, _ = bakeoff("rank", tmp_path / "all.csv", "--json", *asked)
    assert code == 0
    wanted = {row["model"]: row for row in json.loads(out)["models"]}
    for first, second in ((a, b), (b, a)):
        found = leaderboard.get_leaderboard(None, first, view, also=[second])
        assert (found.n_votes, found.n_raters) == (len(rows), 12)
        assert {row.model for row in found.ranking.models} == {"Ash", "Birch", "Cedar", "Dune"} == set(wanted)
        for row in found.ranking.models:
            told = wanted[row.model]
            for name in ("rating", "se", "lower", "upper", "rank_lower", "rank_upper", "n_votes", "wins", "both_bad"):
                own, theirs = getattr(row, name), told[name]
                assert own == (theirs and pytest.approx(theirs, rel=1e-9, abs=1e-9)), (row.model, name)


def test_a_pool_of_one_study_is_the_study(store: Database) -> None:
    a, b, _ = two_studies()
    alone = board_of(a)
    assert pooled_votes.read([a]) is pooled_votes.read([a, a]) is vote_store.read(a)
    assert ratings(board_of(a, a)) == ratings(alone)
    assert (alone.studies, alone.title, alone.key) == ((), "Trees", "trees")
    assert ratings(board_of(a, b)) != ratings(alone)


def test_a_pool_is_never_taken_for_one_of_its_studies(store: Database) -> None:
    """Whoever looks first, each board has its own votes; a new vote in either shows in the pool."""
    a, b, _ = two_studies()
    ids = ((a,), (a, b), (b,), (b, a), (a, b), (a,))
    counted = [board_of(*one).n_votes for one in ids]
    assert counted == [240, 420, 180, 420, 420, 240]
    pooled = pooled_votes.read([a, b])
    assert pooled is pooled_votes.read([a, b]), "as long as nothing is new"
    assert len({vote_store.read(a).experiment_id, pooled.experiment_id, pooled_votes.read([b, a]).experiment_id}) == 3
    battle_id = vote_store.read(b).battles_of(np.array([0]))[0]
    with store.write() as session:
        session.execute(update(vote).where(vote.c.battle_id == battle_id).values(superseded_by=vote.c.id))
    vote_store.forget()
    again = pooled_votes.read([a, b])
    assert again.version > pooled.version
    assert [board_of(*one).n_votes for one in ids] == [240, 419, 179, 419, 419, 240]


def test_who_is_screened_out_of_one_study_keeps_their_votes_in_the_other(store: Database) -> None:
    a, b, _ = two_studies()
    first, second = raters_of(a)[:2]
    take_part(b, first, ended_as=Ending.SCREENED_OUT)
    take_part(a, second, ended_as=Ending.DONE)
    found = board_of(a, b)
    assert found.left_out == (15, 1)
    assert [one.n_votes for one in found.studies] == [240, 165]
    assert (found.n_votes, found.n_raters) == (405, 12)
    assert board_of(a).left_out == (0, 0)
    take_part(a, first, ended_as=Ending.SCREENED_OUT)
    assert board_of(a, b).left_out == (35, 1), "one rater, whose votes of both studies are gone"
    assert board_of(a, b).n_raters == 11


def test_staff_votes_are_left_out_of_all_studies_until_asked_for(store: Database) -> None:
    a, b, _ = two_studies()
    theirs = select(battle.c.id).where(battle.c.rater_id == raters_of(a)[0])
    with store.write() as session:
        session.execute(update(vote).where(vote.c.battle_id.in_(theirs)).values(is_staff=True))
    found = board_of(a, b)
    assert (found.n_staff_votes, found.n_votes) == (35, 385)
    counted = board_of(a, b, slice=Slice(with_staff=True))
    assert (counted.n_staff_votes, counted.n_votes) == (35, 420)


def test_a_group_is_of_the_study_to_which_people_came_by_it(store: Database) -> None:
    """One person came to A by the panel and to B by an invite: their votes of A are the panel's alone."""
    a, b, _ = two_studies()
    first, second = raters_of(a)[:2]
    take_part(a, first, panel="prolific")
    take_part(b, second, panel="prolific")
    pooled = pooled_votes.read([a, b])
    assert slices.list_choices(pooled).groups == {"invited": 420 - 35, "prolific": 35}
    found = board_of(a, b, slice=Slice(group="prolific"))
    assert [(one.n_votes, one.n_raters) for one in found.studies] == [(20, 1), (15, 1)]
    assert found.n_raters == 2


def test_numbers_of_raters_are_those_of_the_first_study(store: Database) -> None:
    a, b, _ = two_studies()
    alone, pooled = vote_store.read(a), pooled_votes.read([a, b])
    for number in (1, 5, 12):
        person = alone.raters[rater_board.codes_of_numbers(alone, [number])[0]]
        code = rater_board.codes_of_numbers(pooled, [number])
        assert [pooled.raters[one] for one in code] == [person]
        found = board_of(a, b, slice=Slice(without=code))
        assert [one.n_votes for one in found.studies] == [220, 165], "their votes in both studies"
    others = import_rows(votes_on(("Birch", "Dune"), seed=3, n=24), "By others")
    assert rater_board.codes_of_numbers(pooled_votes.read([a, others]), [13]) == ()


def test_a_flagged_rater_is_left_out_of_all_studies(store: Database) -> None:
    """They contradict everybody in one study, and the other one alone has nothing against them."""
    a = contrary_votes(12, 60, contrary=3, agree=0.9, title="A", seed=1)
    b = contrary_votes(12, 10, contrary=-1, agree=0.9, title="B", seed=2)
    same_people(a, b)
    person = raters_of(a)[3].hex
    pooled = pooled_votes.read([a, b])
    flagged = np.flatnonzero(rater_flags.flagged_raters(pooled))
    assert [pooled.raters[code] for code in flagged] == [person]
    assert not rater_flags.flagged_raters(vote_store.read(b)).any()
    assert board_of(b, without_flagged=True).n_votes == 12 * 10
    assert board_of(a, b, without_flagged=True).n_votes == 11 * (60 + 10)


def test_prompts_and_their_tags_are_one_over_all_studies(store: Database) -> None:
    a, b, rows = two_studies()
    pooled = pooled_votes.read([a, b])
    assert len(pooled.prompts) == 11
    in_a = sum(int(str(row["prompt_id"])[1:]) % 2 == 0 for row in rows)
    assert slices.list_choices(pooled).tags["category"]["a"] == in_a
    assert board_of(a, b, slice=Slice(tags=(("category", "a"),))).n_votes == in_a


def test_ids_of_battles_are_those_of_the_studies(store: Database) -> None:
    parts = [vote_store.read(one) for one in two_studies()[:2]]
    pooled = pooled_votes.read([part.experiment_id for part in parts])
    assert battles_of(pooled) == [id_ for part in parts for id_ in battles_of(part)]
    ends = zip(pooled.columns.model_a.tolist(), pooled.columns.model_b.tolist(), strict=True)
    pairs = dict(zip(pooled.columns.pair.tolist(), map(frozenset, ends), strict=True))
    assert len(pairs) == len(set(pairs.values())) == 5, "a pair of two models has one code in both"


def battles_of(study: StudyVotes) -> list[UUID]:
    return study.battles_of(np.arange(len(study.columns)))


def test_the_course_of_the_ratings_and_the_days_are_of_all_votes_in_order(store: Database) -> None:
    a, b, rows = two_studies()
    found = board_of(a, b)
    assert found.study is not None and found.sliced is not None
    points = board_history.get_history(found.study, found.sliced, View())
    assert points[-1].ratings["Dune"] == pytest.approx(ratings(found)["Dune"][0], abs=1e-6)
    assert [point.at for point in points] == sorted(point.at for point in points)
    half = next(point for point in points if point.n_votes == 210)
    assert half.at.isoformat()[:16] == str(rows[209]["voted_at"])[:16]
    assert sum(n for _, n in board_history.count_by_day(found.sliced)) == 420
    assert found.last_vote_at is not None and found.last_vote_at.isoformat()[:16] == str(rows[-1]["voted_at"])[:16]


def test_a_file_without_times_is_told_and_is_not_the_last_vote(store: Database) -> None:
    a, _, _ = two_studies()
    late = import_rows(votes_on(("Ash", "Dune"), seed=5, n=60, is_timed=False), "Undated")
    found = board_of(a, late)
    assert any("“Undated” doesn't say when its votes were cast" in note for note in found.notes)
    assert found.last_vote_at == board_of(a).last_vote_at
    assert not any("doesn't say when" in note for note in board_of(late).notes)


def test_runs_of_one_answer_mean_nothing_where_a_study_has_no_times(store: Database) -> None:
    a, b, _ = two_studies()
    undated = import_rows(votes_on(("Ash", "Dune"), seed=5, n=60, is_timed=False), "Undated")
    timed, mixed = (rater_flags.diagnose(pooled_votes.read([a, other]), Slice()) for other in (b, undated))
    assert not isinstance(timed, str) and not isinstance(mixed, str)
    assert timed.run is not None and mixed.run is None


def test_checks_of_a_board_are_of_all_its_studies(store: Database) -> None:
    a, b, _ = two_studies()
    found, deadline = board_of(a, b), time.monotonic() + 60
    checks = board_trust.ask_checks(found)
    while None in checks.values():
        assert time.monotonic() < deadline
        time.sleep(0.05)
        checks = board_trust.ask_checks(found)
    decided = [row for one in (a, b) for row in vote_store.read(one).columns.outcome.tolist() if row in (0, 1)]
    assert checks["bias"].n_decided == len(decided)
    assert checks["fit"]["df"] == 5 - (4 - 1), "five pairs met of four models; in each study three of three"
    shares = board_trust.rater_shares(found)
    assert shares is not None and shares.n_effective == pytest.approx(12)
    for ids in ((a,), (a, b), (b,), (b, a), (a,), (a, b)):
        assert steady_votes.read_steady(*ids).experiment_ids == ids, "what is held still is never that of others"


def test_the_form_of_outputs_is_known_over_several_prompt_sets(store: Database) -> None:
    """Two studies with prompts and outputs of their own: the pool has the form of both, vote by vote."""
    a, b = (form_study(title, seed) for title, seed in (("Short", 3), ("Long", 4)))
    studies = [(vote_store.read(id_), prompt_set_id) for id_, prompt_set_id in (a, b)]
    parts = [output_form.with_form(one, slices.take(one, Slice()), [set_id]) for one, set_id in studies]
    pooled = pooled_votes.read([a[0], b[0]])
    whole = output_form.with_form(pooled, slices.take(pooled, Slice()), [a[1], b[1]])
    only_first = output_form.with_form(pooled, slices.take(pooled, Slice()), [a[1]])
    assert whole.n_unknown == 0
    assert only_first.n_unknown == 120
    assert all(part.comparisons is not None for part in (*parts, whole))
    joined = sorted(float(x) for part in parts for x in part.comparisons.covariates[:, 0])  # type: ignore[union-attr, index]
    assert sorted(whole.comparisons.covariates[:, 0].tolist()) == pytest.approx(joined)  # type: ignore[union-attr, index]
    assert quality_bias.bias_of(pooled, pooled.columns).n_with_length == 240
    found = board_of(a[0], b[0], style=True)
    assert found.ranking.covariates
    assert not any("left out of the ratings" in note for note in found.notes)
    assert found.ranking.n_votes == 240


def form_study(title: str, seed: int) -> tuple[UUID, UUID]:
    """Votes on stored outputs of Ash and Birch whose lengths vary, on a prompt set of their own; with the set's id."""
    rng = np.random.default_rng(seed)
    prompts = prompt_sets.import_prompts(
        None, jsonl(*({"id": f"p{i}", "prompt": f"{title} {i}?"} for i in range(11))), name=title
    )
    outputs = [
        {"prompt_id": f"p{i}", "model": model, "output": "word " * int(rng.integers(1, 60))}
        for i in range(11)
        for model in ("Ash", "Birch")
    ]
    generations.import_generations(None, jsonl(*outputs), prompt_set_id=prompts.id)
    rows = votes_on(("Ash", "Birch"), seed=seed, n=120)
    return import_rows(rows, title, prompt_set_id=prompts.id), prompts.id


def test_models_of_one_name_and_two_versions_are_two(store: Database) -> None:
    a, b, _ = two_studies()
    with store.write() as session:
        session.execute(text("UPDATE model SET version = '1' WHERE name = 'Ash'"))
        session.execute(text("UPDATE model SET name = 'Ash', version = '2' WHERE name = 'Dune'"))
    vote_store.forget()
    assert [set(board_of(one).names) for one in (a, b)] == [{"Ash", "Birch", "Cedar"}, {"Ash", "Birch", "Cedar"}]
    found = board_of(a, b)
    assert set(found.names) == {"Ash 1", "Ash 2", "Birch", "Cedar"} == set(found.cards)


def test_criteria_are_one_by_their_key_and_other_words_for_them_are_told(store: Database) -> None:
    """Half of the votes of A and B are on taste; those of B begin with one, so the criteria have other codes there."""
    tasted = {"A": 1, "B": 0}
    a, b, c = (
        import_rows([row | ({"criterion": "taste"} if k % 2 == tasted.get(title) else {}) for k, row in rows], title)
        for title, rows in (
            (title, list(enumerate(votes_on(("Ash", "Birch"), seed=seed, n=60)))) for seed, title in enumerate("ABC")
        )
    )
    parts = [vote_store.read(one) for one in (a, b, c)]
    assert [part.criteria[0] for part in parts] == ["overall", "taste", "overall"]
    assert battles_of(pooled_votes.read([a, b, c])) == [id_ for part in parts for id_ in battles_of(part)]
    with store.write() as session:
        asks = '{"criteria": [{"key": "taste", "label": "Flavour"}]}'
        session.execute(text("UPDATE experiment SET asks = :asks WHERE title = 'B'"), {"asks": asks})
    assert leaderboard.list_criteria(None, a, b, c) == {"overall": "Overall", "taste": "taste"}
    found = board_of(a, b, c, slice=Slice(criterion="taste"))
    assert [one.n_votes for one in found.studies] == [30, 30, 0]
    assert "“B” calls this criterion “Flavour”." in found.notes
    assert "“C” doesn't ask for this criterion, so it brings no votes." in found.notes


def test_outputs_that_name_their_maker_are_counted_once(store: Database) -> None:
    one = study(n_models=2)
    with store.write() as session:
        session.execute(text('UPDATE generation SET leaks = \'[{"phrase": "x"}]\''))
    draft = drafts.get_draft(None, one)
    two = experiments.create_experiment(
        None, title="Again", prompt_set_id=draft.prompt_set_id, model_ids=draft.model_ids
    )
    experiments.start_experiment(None, two)
    assert sum(board_of(one).leaks.values()) == 8
    assert sum(board_of(one, two).leaks.values()) == 8


def synthetic(n: int, seed: int, raters: tuple[str, ...], model_ids: tuple[UUID, ...]) -> StudyVotes:
    rng = np.random.default_rng(seed)
    a = rng.integers(100, size=n).astype(np.int16)
    columns = VoteColumns(
        model_a=a,
        model_b=((a + 1 + rng.integers(99, size=n)) % 100).astype(np.int16),
        pair=rng.integers(4950, size=n).astype(np.int32),
        outcome=rng.integers(4, size=n).astype(np.int8),
        a_is_left=rng.integers(2, size=n).astype(np.int8),
        rater=rng.integers(len(raters), size=n).astype(np.int32),
        prompt=rng.integers(2000, size=n).astype(np.int32),
        criterion=np.zeros(n, dtype=np.int16),
        weight=np.ones(n, dtype=np.int32),
        voted_at=(rng.integers(10**12, size=n)).astype("datetime64[us]"),
        dwell_ms=np.full(n, 900, dtype=np.int32),
        is_staff=np.zeros(n, dtype=np.bool_),
        is_repeat=np.zeros(n, dtype=np.bool_),
    )
    names = tuple(f"m{i:03}" for i in range(100))
    prompts = tuple(f"{seed}-{i}" for i in range(2000))
    heads, keys = (rng.integers(2**63, size=n).astype(np.uint64) for _ in range(2))
    keys ^= criterion_keys(columns.criterion)
    return StudyVotes(uuid4(), seed, names, model_ids, raters, prompts, ("overall",), columns, heads, keys)


@pytest.mark.timed
def test_two_studies_of_a_million_votes_are_pooled_within_a_second() -> None:
    ids = tuple(uuid4() for _ in range(100))
    raters = tuple(uuid4().hex for _ in range(20_000))
    parts = [synthetic(1_000_000, seed, raters[start : start + 15_000], ids) for seed, start in ((1, 0), (2, 5_000))]
    labels = {id_: f"m{i:03}" for i, id_ in enumerate(ids)}
    began = time.perf_counter()
    pooled = pooled_votes.pool(parts, labels)
    took = time.perf_counter() - began
    assert (len(pooled.columns), len(pooled.raters), len(pooled.prompts)) == (2_000_000, 20_000, 4_000)
    assert took < 1.0
    taken = {name: getattr(pooled.columns, name).dtype for name in ("model_a", "rater", "criterion", "pair")}
    assert taken == {"model_a": np.int16, "rater": np.int32, "criterion": np.int16, "pair": np.int32}
    there = replace(parts[1].columns)
    assert [pooled.raters[code] for code in pooled.columns.rater[1_000_000:1_000_020]] == [
        parts[1].raters[code] for code in there.rater[:20]
    ]
