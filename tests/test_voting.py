"""The vote contract, on both databases: what a click becomes, whatever else happens."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from app.domain import Answer, ExperimentStatus, Identity, Outcome, Receipt, Role, utc_now
from app.errors import ConflictError, NotFoundError, TooEarlyError, VoteRefusedError
from app.services import experiments, leaderboard, pair_counts, serving, voting
from app.services.board_view import View
from app.services.sides import to_outcome
from app.services.slices import Slice
from db import battles
from db.engine import Database
from tests.studies import person, study


def battle_of(rater: Identity) -> UUID:
    ballot = serving.next_battle(rater)
    assert ballot is not None
    assert ballot.battle is not None
    return ballot.battle.id


def rows(store: Database, sql: str) -> list[tuple[object, ...]]:
    with store.read() as session:
        return [tuple(row) for row in session.connection().execute(text(sql))]


def check_counts(store: Database) -> None:
    """The counts of every pair are those of its live votes and of its battles on screens."""
    wrong = rows(
        store,
        """SELECT p.position FROM pair p WHERE p.n_votes <> (
             SELECT count(*) FROM vote v JOIN battle b ON b.id = v.battle_id
             WHERE b.pair_id = p.id AND v.act = 'vote' AND v.superseded_by IS NULL)
           OR p.n_taken <> p.n_votes + (
             SELECT count(*) FROM battle b WHERE b.pair_id = p.id AND b.status IN ('open', 'waiting'))""",
    )
    assert wrong == []


@pytest.mark.parametrize(
    ("answer", "is_a_left", "outcome"),
    [
        (Answer.LEFT, True, Outcome.MODEL_A),
        (Answer.LEFT, False, Outcome.MODEL_B),
        (Answer.RIGHT, True, Outcome.MODEL_B),
        (Answer.RIGHT, False, Outcome.MODEL_A),
        (Answer.TIE, False, Outcome.TIE),
        (Answer.BOTH_BAD, True, Outcome.BOTH_BAD),
    ],
)
def test_what_is_said_of_a_side_becomes_what_it_says_of_a_model(
    answer: Answer, is_a_left: bool, outcome: Outcome
) -> None:
    assert to_outcome(answer, is_a_left=is_a_left) == outcome


def test_a_vote_is_stored_for_the_model_that_stood_on_that_side(store: Database) -> None:
    study(n_models=2)
    rater = person()
    for _ in range(4):
        ballot = serving.next_battle(rater)
        assert ballot is not None and ballot.battle is not None
        is_first_left = ballot.battle.left.startswith("answer 0")
        voting.cast_vote(rater, ballot.battle.id, Answer.LEFT if is_first_left else Answer.RIGHT)
    board = leaderboard.get_leaderboard(None, rater_study(rater), View(method="win_rate"))
    wins = {row.model: row.wins for row in board.ranking.models}
    assert wins == {"Model 0": 4, "Model 1": 0}
    check_counts(store)


def rater_study(rater: Identity) -> UUID:
    ballot = serving.next_battle(rater)
    assert ballot is not None
    return ballot.study.id


def test_the_same_click_twice_is_one_vote_and_the_first_answer_stands(store: Database) -> None:
    study()
    rater = person()
    battle_id = battle_of(rater)
    assert voting.cast_vote(rater, battle_id, Answer.TIE)[0] == Receipt.SAVED
    assert voting.cast_vote(rater, battle_id, Answer.LEFT)[0] == Receipt.ALREADY_SAVED
    assert rows(store, "SELECT outcome FROM vote") == [("tie",)]
    check_counts(store)


def test_fifty_clicks_at_once_on_one_battle_are_one_vote(store: Database) -> None:
    study()
    rater = person()
    battle_id = battle_of(rater)
    answers = [Answer.LEFT, Answer.RIGHT] * 25
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda answer: voting.cast_vote(rater, battle_id, answer)[0], answers))
    assert receipts.count(Receipt.SAVED) == 1
    assert rows(store, "SELECT count(*) FROM vote") == [(1,)]
    assert rows(store, "SELECT count(*) FROM battle WHERE status = 'open'") == [(1,)]
    check_counts(store)


def test_a_vote_before_the_dwell_time_is_refused_and_starts_the_clock_anew(store: Database) -> None:
    study(min_dwell_ms=60_000)
    rater = person()
    battle_id = battle_of(rater)
    for _ in range(3):
        with pytest.raises(TooEarlyError, match="Not saved"):
            voting.cast_vote(rater, battle_id, Answer.LEFT)
    assert battle_of(rater) == battle_id
    with store.write() as session:
        session.connection().execute(
            text("UPDATE battle SET shown_at = :then"), {"then": sql_time(store, minutes_ago=2)}
        )
    assert voting.cast_vote(rater, battle_id, Answer.LEFT)[0] == Receipt.SAVED


def test_the_dwell_time_counts_from_when_the_page_was_drawn(store: Database) -> None:
    """A pair that was long on its way, or drawn late by a busy machine, was not looked at meanwhile."""
    study(min_dwell_ms=60_000)
    rater = person()
    battle_id = battle_of(rater)
    with store.write() as session:
        session.connection().execute(
            text("UPDATE battle SET shown_at = :then"), {"then": sql_time(store, minutes_ago=5)}
        )
    with pytest.raises(TooEarlyError, match="Not saved"):
        voting.cast_vote(rater, battle_id, Answer.LEFT, drawn_at=utc_now())
    with store.write() as session:
        session.connection().execute(
            text("UPDATE battle SET shown_at = :then"), {"then": sql_time(store, minutes_ago=5)}
        )
    drawn_at = utc_now() - timedelta(minutes=2)
    assert voting.cast_vote(rater, battle_id, Answer.LEFT, drawn_at=drawn_at)[0] == Receipt.SAVED
    ((dwell_ms,),) = rows(store, "SELECT dwell_ms FROM vote")
    assert 300_000 <= int(str(dwell_ms)) < 360_000  # all of the time since it was reserved for them


def sql_time(store: Database, *, minutes_ago: float) -> object:
    then = utc_now() - timedelta(minutes=minutes_ago)
    return then.strftime("%Y-%m-%d %H:%M:%S.%f") if store.is_sqlite else then


def test_somebody_elses_battle_does_not_exist_for_me(store: Database) -> None:
    study()
    mine, other = person(), person()
    battle_id = battle_of(other)
    with pytest.raises(NotFoundError):
        voting.cast_vote(mine, battle_id, Answer.LEFT)
    assert rows(store, "SELECT count(*) FROM vote") == [(0,)]


def test_undo_shows_that_battle_again_and_then_the_one_that_waited(store: Database) -> None:
    study()
    rater = person()
    first = battle_of(rater)
    voting.cast_vote(rater, first, Answer.LEFT)
    second = battle_of(rater)
    voting.undo_vote(rater, rater_study(rater))
    assert battle_of(rater) == first
    check_counts(store)
    assert voting.cast_vote(rater, first, Answer.RIGHT)[0] == Receipt.SAVED
    assert battle_of(rater) == second
    acts = rows(store, "SELECT revision, act, superseded_by IS NULL FROM vote ORDER BY revision")
    assert [(n, act, bool(is_live)) for n, act, is_live in acts] == [
        (0, "vote", False),
        (1, "undo", False),
        (2, "vote", True),
    ]
    check_counts(store)


def test_undo_goes_back_step_by_step_and_forward_in_the_same_order(store: Database) -> None:
    study()
    rater = person()
    shown = []
    for _ in range(3):
        shown.append(battle_of(rater))
        voting.cast_vote(rater, shown[-1], Answer.TIE)
    shown.append(battle_of(rater))
    for _ in range(3):
        voting.undo_vote(rater, rater_study(rater))
    with pytest.raises(VoteRefusedError):
        voting.undo_vote(rater, rater_study(rater))
    again = []
    for _ in range(4):
        again.append(battle_of(rater))
        voting.cast_vote(rater, again[-1], Answer.LEFT)
    assert again == shown
    check_counts(store)


def test_cant_judge_is_no_vote_and_gives_the_pair_back(store: Database) -> None:
    experiment_id = study(n_models=2, votes_per_pair=2)
    rater = person()
    first = battle_of(rater)
    voting.cast_vote(rater, first, Answer.SKIP)
    assert rows(store, "SELECT n_taken, n_votes FROM pair") == [(1, 0)]  # taken again by the next battle
    check_counts(store)
    voting.undo_vote(rater, experiment_id)
    assert battle_of(rater) == first
    check_counts(store)
    assert leaderboard.get_leaderboard(None, experiment_id).n_votes == 0


def test_a_skip_stands_when_its_pair_has_all_its_votes_by_now(store: Database) -> None:
    experiment_id = study(n_models=2, votes_per_pair=1)
    rater = person()
    voting.cast_vote(rater, battle_of(rater), Answer.SKIP)
    with pytest.raises(VoteRefusedError, match="has all its votes"):
        voting.undo_vote(rater, experiment_id)
    check_counts(store)


def test_the_study_completes_when_every_pair_has_its_votes(store: Database) -> None:
    experiment_id = study(n_models=3, n_prompts=4, votes_per_pair=2)
    rater = person()
    for _ in range(6):
        voting.cast_vote(rater, battle_of(rater), Answer.LEFT)
    ballot = serving.next_battle(rater)
    assert ballot is None or ballot.battle is None
    assert experiments.list_experiments(None)[0].status == ExperimentStatus.COMPLETED
    with pytest.raises(ConflictError):
        voting.undo_vote(rater, experiment_id)


def test_twenty_raters_racing_for_the_last_votes_cast_exactly_the_quota(store: Database) -> None:
    study(n_models=3, n_prompts=6, votes_per_pair=3)
    raters = [person() for _ in range(20)]

    def rate(rater: Identity) -> int:
        cast = 0
        while (ballot := serving.next_battle(rater)) is not None and ballot.battle is not None:
            voting.cast_vote(rater, ballot.battle.id, Answer.LEFT)
            cast += 1
        return cast

    with ThreadPoolExecutor(8) as pool:
        n_cast = sum(pool.map(rate, raters))
    assert n_cast == 9
    assert rows(store, "SELECT DISTINCT n_votes, n_taken FROM pair") == [(3, 3)]
    check_counts(store)


def test_paused_takes_votes_on_open_battles_and_hands_out_no_new_ones(store: Database) -> None:
    experiment_id = study()
    rater, late = person(), person()
    battle_id = battle_of(rater)
    experiments.pause_experiment(None, experiment_id)
    assert voting.cast_vote(rater, battle_id, Answer.LEFT)[0] == Receipt.SAVED
    for who in (rater, late):
        ballot = serving.next_battle(person(experiment_id=experiment_id) if who is late else who)
        assert ballot is None or ballot.battle is None
    experiments.resume_experiment(None, experiment_id)
    assert battle_of(rater) != battle_id


def test_stopped_takes_no_votes_and_says_so(store: Database) -> None:
    experiment_id = study()
    rater = person()
    battle_id = battle_of(rater)
    experiments.stop_experiment(None, experiment_id, reason="enough")
    with pytest.raises(ConflictError, match="ended"):
        voting.cast_vote(rater, battle_id, Answer.LEFT)


def test_an_absent_raters_battle_goes_back_and_a_late_vote_is_kept_and_marked(store: Database) -> None:
    experiment_id = study(n_models=2, n_prompts=1, votes_per_pair=1)
    absent, present = person(), person()
    taken = battle_of(absent)
    ballot = serving.next_battle(present)
    assert ballot is not None and ballot.battle is None
    with store.write() as session:
        session.connection().execute(
            text("UPDATE battle SET lease_until = :then"), {"then": sql_time(store, minutes_ago=1)}
        )
    pair_counts.forget_counts(experiment_id)
    on_time = battle_of(present)
    ballot = serving.next_battle(absent)
    assert ballot is not None and ballot.battle is None, "nothing is left, so nothing is said of another pair"
    assert voting.cast_vote(absent, taken, Answer.LEFT)[0] == Receipt.SAVED
    assert rows(store, "SELECT is_late FROM vote")[0][0] in (True, 1)
    check_counts(store)
    with pytest.raises(ConflictError):  # the late vote filled the quota of one, which ended the study
        voting.cast_vote(present, on_time, Answer.LEFT)


def test_who_comes_back_to_find_the_pair_given_away_is_told_once(store: Database) -> None:
    experiment_id = study(n_models=2, n_prompts=2, votes_per_pair=2)
    absent = person()
    taken = battle_of(absent)
    with store.write() as session:
        session.connection().execute(
            text("UPDATE battle SET lease_until = :then"), {"then": sql_time(store, minutes_ago=1)}
        )
    back = serving.next_battle(absent)
    assert back is not None and back.battle is not None
    assert (back.battle.id, back.note) == (taken, ""), "nobody else wanted it"
    with store.write() as session:
        session.connection().execute(
            text("UPDATE battle SET lease_until = :then"), {"then": sql_time(store, minutes_ago=1)}
        )
    with store.act() as act:
        assert battles.release_expired(act, experiment_id=experiment_id, now=utc_now()) == 1
    pair_counts.forget_counts(experiment_id)
    back = serving.next_battle(absent)
    assert back is not None and back.battle is not None and back.battle.id != taken
    assert back.note == serving.GIVEN_AWAY
    again = serving.next_battle(absent)
    assert again is not None and again.battle is not None and again.note == ""


def test_votes_of_staff_are_marked_and_left_out_of_the_board(store: Database) -> None:
    experiment_id = study()
    researcher = person(Role.RESEARCHER)
    voting.cast_vote(researcher, battle_of(researcher), Answer.LEFT)
    assert leaderboard.get_leaderboard(None, experiment_id).n_votes == 0
    assert leaderboard.get_leaderboard(None, experiment_id, View(slice=Slice(with_staff=True))).n_votes == 1
    assert leaderboard.get_leaderboard(None, experiment_id).n_staff_votes == 1


@pytest.mark.parametrize("method", sorted(leaderboard.list_methods()))
def test_every_method_ranks_the_votes_of_a_study(store: Database, method: str) -> None:
    """Also those that ask for the order of the votes or for who cast them."""
    experiment_id = study(n_models=3, n_prompts=4)
    raters = [person(), person()]
    for _ in range(9):
        for rater in raters:
            ballot = serving.next_battle(rater)
            assert ballot is not None and ballot.battle is not None
            is_better = ballot.battle.left[7] < ballot.battle.right[7]  # "answer 0 .." is better than "answer 1 .."
            voting.cast_vote(rater, ballot.battle.id, Answer.LEFT if is_better else Answer.RIGHT)
    board = leaderboard.get_leaderboard(None, experiment_id, View(method=method))
    assert board.n_votes == 18
    assert not any("without raters" in warning for warning in board.ranking.warnings)
    if method != "both_bad":  # nobody called both bad
        assert board.names[0] == "Model 0"
