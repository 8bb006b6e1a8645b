"""The draw behind the vote page: balance and chance over thousands of draws, limits, races and leases."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from scipy.stats import chisquare
from sqlalchemy import text

from app.domain import Answer, BattleStatus, ExperimentStatus, Identity, Purpose, Receipt, utc_now
from app.errors import InvalidInputError
from app.services import drafts, drawing, experiments, generations, pair_counts, plans, prompt_room, serving, voting
from app.services.design import get_design
from app.services.history import get_history
from db import battles
from db.engine import Database
from tests.studies import person, study

ALLOCATIONS = ("uniform", "weighted", "active", "thompson")
every_allocation = pytest.mark.parametrize("allocation", ALLOCATIONS)


def rows(store: Database, sql: str) -> list[tuple[Any, ...]]:
    with store.read() as session:
        return [tuple(row) for row in session.connection().execute(text(sql))]


def deal(store: Database, experiment_id: UUID, raters: list[Identity], n: int) -> list[dict[str, Any]]:
    """So many battles drawn for the raters in turn, stored as answered."""
    design, now, dealt = get_design(experiment_id), utc_now(), []
    with store.write() as session:
        found = session.connection().execute(
            text("SELECT votes_per_pair, allocation, exploration, floor_votes, votes_per_prompt FROM experiment")
        )
        rules = {"id": experiment_id, **found.mappings().one()}
        for number in range(n):
            mine = {"rater_id": raters[number % len(raters)].account_id, "experiment_id": experiment_id}
            served = battles.count_served(session, **mine).n_served
            history = get_history(session, design, **mine, n_served=served)
            drawn = drawing.draw_battle(session, design, rules, history)
            if drawn is None:
                continue
            times = {"assigned_at": now, "shown_at": now, "lease_until": now}
            battles.add_battle(session, **mine, **times, **drawn, status=BattleStatus.VOTED, purpose=Purpose.NORMAL)
            dealt.append(drawn | mine)
    return dealt


@pytest.mark.usefixtures("seeded_draws")
@every_allocation
def test_over_ten_thousand_draws_pairs_sides_and_prompts_are_what_chance_allows(
    store: Database, allocation: str
) -> None:
    """A52 and issue 5: no favourite pair where pairs are alike, no favourite side, no rater twice on a battle.

    How often each pair comes up where votes say which, tests/test_sampling_contract.py holds against the propensity.
    """
    n = 10_000 if store.is_sqlite else 1_500
    experiment_id = study(
        n_models=5, n_prompts=12, votes_per_pair=2_000, allocation=allocation, floor_votes=0, exploration=0.1
    )
    design, raters = get_design(experiment_id), [person() for _ in range(n // 100)]
    dealt = deal(store, experiment_id, raters, n)
    plans.settle(experiment_id)
    assert len(dealt) == n
    of_pair: dict[int, list[bool]] = {}
    for battle in dealt:
        of_pair.setdefault(design.position[battle["pair_id"]], []).append(battle["is_a_left"])
    if allocation in {"uniform", "weighted"}:
        assert chisquare([len(of_pair[i]) for i in range(10)]).pvalue > 0.001
    if allocation == "uniform":
        assert max(map(len, of_pair.values())) - min(map(len, of_pair.values())) <= 1
    # Neither the order of models nor that of their names says which one stands left, in all pairs nor in any.
    for sides in (
        [one for each in of_pair.values() for one in each],
        *(one for one in of_pair.values() if len(one) >= 20),
    ):
        assert chisquare([sum(sides), len(sides) - sum(sides)]).pvalue > 0.001
    seen = Counter((battle["rater_id"], battle["pair_id"], battle["prompt_id"]) for battle in dealt)
    assert max(seen.values()) == 1
    prompts = Counter(battle["prompt_id"] for battle in dealt)
    assert len(prompts) == 12 and chisquare(list(prompts.values())).pvalue > 0.001
    check_sides_within_raters(design, dealt)


def check_sides_within_raters(design: Any, dealt: list[dict[str, Any]]) -> None:
    """Each rater meets each model about as often on the left as on the right: more evenly than coins would have it."""
    lean: Counter[tuple[UUID, UUID]] = Counter()
    met: Counter[tuple[UUID, UUID]] = Counter()
    for battle in dealt:
        _, a, b = design.pairs[design.position[battle["pair_id"]]]
        for model, is_left in ((a, battle["is_a_left"]), (b, not battle["is_a_left"])):
            lean[battle["rater_id"], model] += 1 if is_left else -1
            met[battle["rater_id"], model] += 1
    squares = np.array([lean[key] ** 2 for key in met])
    assert squares.mean() < np.mean(list(met.values()))  # what independent coins would give


@pytest.mark.usefixtures("seeded_draws")
@every_allocation
def test_the_propensity_of_a_battle_is_how_often_it_is_drawn(store: Database, allocation: str) -> None:
    """The same moment, 1,500 times: each draw is taken back before the next."""
    experiment_id = study(n_models=4, n_prompts=2, votes_per_pair=50, allocation=allocation, floor_votes=0)
    rate([person(), person()], 6)
    rater, design = person(), get_design(experiment_id)
    learn(experiment_id, rater)
    frequency: Counter[tuple[UUID, UUID]] = Counter()
    stored: dict[tuple[UUID, UUID], float] = {}
    with store.read() as session:
        found = session.connection().execute(
            text("SELECT votes_per_pair, allocation, exploration, floor_votes, votes_per_prompt FROM experiment")
        )
        rules = {"id": experiment_id, **found.mappings().one()}
    n_taken = [row[0] for row in rows(store, "SELECT n_taken FROM pair ORDER BY position")]
    for _ in range(1_500):
        with pytest.raises(InterruptedError), store.act() as session:
            pair_counts._boards[experiment_id] = pair_counts._Board(float("inf"), np.array(n_taken))
            mine = {"rater_id": rater.account_id, "experiment_id": experiment_id}
            history = get_history(session, design, **mine, n_served=0)
            drawn = drawing.draw_battle(session, design, rules, history)
            assert drawn is not None
            key = drawn["pair_id"], drawn["prompt_id"]
            frequency[key] += 1
            assert stored.setdefault(key, drawn["propensity"]) == pytest.approx(drawn["propensity"])
            raise InterruptedError
    pair_counts.forget_counts(experiment_id)
    total = sum(stored.values())
    assert total == pytest.approx(1, abs=0.02)  # the rarest may not have come up
    expected = [1_500 * stored[key] / total for key in stored]
    assert chisquare([frequency[key] for key in stored], expected).pvalue > 0.001


def learn(experiment_id: UUID, rater: Identity) -> None:
    """Let a plan be made of the votes that are there, and no newer one while the test looks."""
    pair_counts.forget_counts(experiment_id)
    plans._kept.pop(experiment_id, None)
    design = get_design(experiment_id)
    allocation = next(row.allocation for row in experiments.list_experiments(None) if row.id == experiment_id)
    if drawing.get_strategies()[allocation].LEARNS:
        plans.get_plan(experiment_id, allocation, design)
        plans.settle(experiment_id)
        assert plans._kept[experiment_id].plan is not None
        plans._kept[experiment_id].next_at = float("inf")


def rate(raters: list[Identity], n: int) -> int:
    cast = 0
    for number in range(n):
        rater = raters[number % len(raters)]
        ballot = serving.next_battle(rater)
        if ballot is None or ballot.battle is None:
            continue  # others hold what is left
        voting.cast_vote(rater, ballot.battle.id, Answer.LEFT)
        cast += 1
    return cast


@every_allocation
def test_a_race_for_the_last_votes_ends_with_exactly_the_quota(store: Database, allocation: str) -> None:
    """F19: twelve raters at once; the study gets its votes and not one more, and who comes late is thanked."""
    experiment_id = study(n_models=3, n_prompts=6, votes_per_pair=3, allocation=allocation, floor_votes=2)
    raters = [person(experiment_id=experiment_id) for _ in range(12)]
    with ThreadPoolExecutor(6) as pool:
        n_cast = sum(pool.map(lambda rater: rate([rater], 9), raters))
    plans.settle(experiment_id)
    assert n_cast == 9
    assert rows(store, "SELECT sum(n_votes), sum(n_taken) FROM pair") == [(9, 9)]
    if allocation == "uniform":
        assert rows(store, "SELECT DISTINCT n_votes FROM pair") == [(3,)]
    assert experiments.list_experiments(None)[0].status == ExperimentStatus.COMPLETED
    for rater in raters:
        ballot = serving.next_battle(rater)
        assert ballot is not None and ballot.battle is None


@every_allocation
def test_one_slot_left_and_many_hands(store: Database, allocation: str) -> None:
    """F19, round after round: of eight who ask at once for the last vote, one gets it."""
    experiment_id = study(n_models=2, n_prompts=8, votes_per_pair=1, allocation=allocation)
    for _ in range(5):
        raters = [person(experiment_id=experiment_id) for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            ballots = list(pool.map(serving.next_battle, raters))
        assert sum(ballot is not None and ballot.battle is not None for ballot in ballots) == 1
        with store.write() as session:  # they vanish; the next round has the same slot again
            session.connection().execute(text("UPDATE battle SET lease_until = '2020-01-01 00:00:00+00:00'"))
        pair_counts.forget_counts(experiment_id)
    plans.settle(experiment_id)
    assert rows(store, "SELECT n_taken, n_votes FROM pair") == [(1, 0)]


@pytest.mark.parametrize("allocation", ["weighted", "active"])
def test_what_an_absent_rater_held_goes_to_the_next_and_a_late_vote_is_kept(store: Database, allocation: str) -> None:
    """F20, where the study has one total for all pairs."""
    experiment_id = study(n_models=2, n_prompts=3, votes_per_pair=1, allocation=allocation)
    absent, present = (person(experiment_id=experiment_id) for _ in range(2))
    first = serving.next_battle(absent)
    assert first is not None and first.battle is not None
    waiting = serving.next_battle(present)
    assert waiting is not None and waiting.battle is None
    with store.write() as session:
        session.connection().execute(text("UPDATE battle SET lease_until = '2020-01-01 00:00:00+00:00'"))
    pair_counts.forget_counts(experiment_id)
    assert rate([present], 1) == 1
    plans.settle(experiment_id)
    with pytest.raises(Exception, match="ended"):
        voting.cast_vote(absent, first.battle.id, Answer.LEFT)


def test_a_skip_gives_the_total_its_vote_back(store: Database) -> None:
    experiment_id = study(n_models=2, n_prompts=3, votes_per_pair=2, allocation="weighted")
    rater = person()
    ballot = serving.next_battle(rater)
    assert ballot is not None and ballot.battle is not None
    assert voting.cast_vote(rater, ballot.battle.id, Answer.SKIP)[0] == Receipt.SAVED
    voting.undo_vote(rater, experiment_id)
    assert rows(store, "SELECT sum(n_taken), sum(n_votes) FROM pair") == [(2, 0)]  # this one and the one that waits
    assert rate([rater], 5) == 2
    assert experiments.list_experiments(None)[0].status == ExperimentStatus.COMPLETED


def test_the_weights_of_models_reach_the_draw(store: Database) -> None:
    experiment_id = study(n_models=3, n_prompts=12, votes_per_pair=400, allocation="weighted", floor_votes=0)
    names = {row.name: row.id for row in generations.list_models(None)}
    draft = drafts.get_draft(None, experiment_id)
    weighted = drafts.Draft(
        title="Weighted",
        prompt_set_id=draft.prompt_set_id,
        model_ids=draft.model_ids,
        allocation="weighted",
        votes_per_prompt=40,
        weights={names["Model 0"]: 4.0, names["Model 1"]: 2.0},
    )
    other = experiments.store_draft(None, weighted)
    assert drafts.get_draft(None, other) == weighted
    experiments.start_experiment(None, other)
    board = get_design(other).board
    np.testing.assert_allclose(board.weight, [4, 2, 1])
    assert list(zip(board.model_a, board.model_b, strict=True)) == [(0, 1), (0, 2), (1, 2)]


@every_allocation
def test_no_prompt_of_a_pair_gets_more_votes_than_allowed(store: Database, allocation: str) -> None:
    experiment_id = study(
        n_models=3, n_prompts=3, votes_per_pair=6, votes_per_prompt=2, allocation=allocation, floor_votes=0
    )
    assert rate([person() for _ in range(7)], 60) == 18
    plans.settle(experiment_id)
    counts = rows(store, "SELECT count(*) FROM battle WHERE status = 'voted' GROUP BY pair_id, prompt_id")
    assert max(n for (n,) in counts) == 2
    assert experiments.list_experiments(None)[0].status == ExperimentStatus.COMPLETED


def test_room_that_is_given_back_is_found_when_nothing_else_is_left(store: Database) -> None:
    experiment_id = study(n_models=2, n_prompts=2, votes_per_pair=2, votes_per_prompt=1)
    first, second, third = (person(experiment_id=experiment_id) for _ in range(3))
    held = [serving.next_battle(rater) for rater in (first, second)]
    assert all(ballot is not None and ballot.battle is not None for ballot in held)
    ballot = serving.next_battle(third)
    assert ballot is not None and ballot.battle is None
    with store.write() as session:
        session.connection().execute(text("UPDATE battle SET lease_until = '2020-01-01 00:00:00+00:00'"))
    pair_counts.forget_counts(experiment_id)
    prompt_room._known[experiment_id].loaded_at -= 10
    ballot = serving.next_battle(third)
    assert ballot is not None and ballot.battle is not None


def test_too_few_prompts_for_the_votes_are_said_before_the_start(store: Database) -> None:
    with pytest.raises(InvalidInputError, match="1 of 1 pairs share too few prompts"):
        study(n_models=2, n_prompts=2, votes_per_pair=5, votes_per_prompt=2)


def test_a_plan_that_fails_leaves_the_raters_in_peace(
    store: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no fit")

    experiment_id = study(n_models=3, n_prompts=4, votes_per_pair=4, allocation="active")
    monkeypatch.setattr(plans, "read_evidence", fail)
    assert rate([person()], 3) == 3
    plans.settle(experiment_id)
    assert rate([person()], 3) == 3
    assert "No new plan" in caplog.text


def test_plans_follow_the_votes(store: Database) -> None:
    """Half-wins by pair as the board counts them: a skip is none, staff's are none, a tie is half a win for each."""
    experiment_id = study(n_models=2, n_prompts=6, votes_per_pair=6, allocation="active")
    rater = person()
    for answer in (Answer.TIE, Answer.SKIP, Answer.BOTH_BAD, Answer.LEFT):
        ballot = serving.next_battle(rater)
        assert ballot is not None and ballot.battle is not None
        voting.cast_vote(rater, ballot.battle.id, answer)
    plans.settle(experiment_id)
    evidence, blank = plans.read_evidence(store.url, experiment_id, get_design(experiment_id))
    assert sorted([evidence.wins[0, 1], evidence.wins[1, 0]]) == [1, 2]
    assert evidence.n_open.tolist() == [1]
    assert blank.n_taken.tolist() == [4]
