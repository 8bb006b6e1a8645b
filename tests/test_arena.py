"""An arena from prompt to names, on both databases and with real endpoints on loopback."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from app.domain import Answer, ExperimentStatus, Role, utc_now
from app.errors import BakeoffError, ConflictError, InvalidInputError, NotFoundError, VoteRefusedError
from app.jobs.arena import stop_streams, streams
from app.services import (
    arena,
    arena_rounds,
    arena_setup,
    experiments,
    generations,
    leaderboard,
    models,
    prompt_sets,
    serving,
    voting,
)
from app.services.arena import Phase
from app.services.model_drafts import ModelDraft
from app.study import Arena
from db.engine import Database
from tests.arenas import (
    StreamingEndpoint,
    add_echo,
    add_model,
    ask,
    echoes,
    of_generations,
    rows,
    seen,
    start_arena,
    steadily,
    vote,
    wait_for,
)
from tests.studies import person

pytestmark = pytest.mark.usefixtures("quick_arena")


# ------------------------------------------------------------------------------------------------ the way through


def test_a_conversation_is_stored_judged_and_told(store: Database) -> None:
    with StreamingEndpoint(steadily("One says {}")) as one, StreamingEndpoint(steadily("Other says {}")) as other:
        study = start_arena(
            add_model("Alpha", one, input_price=1.0, output_price=2.0), add_model("Beta", other), votes_per_rater=5
        )
        rater = person(experiment_id=study)
        assert seen(rater).round is None
        battle = ask(rater, study, "  what is rain?  ")
        ready = wait_for(rater, Phase.READY)
        assert ready.reveal is None and ready.round is not None
        (turn,) = ready.round.turns
        assert turn.asked == "what is rain?"
        assert {turn.left, turn.right} == {"One says what is rain?", "Other says what is rain?"}
        streams().begin(arena.ask_follow_up(rater, study, battle, "and hail?"))
        ready = wait_for(rater, Phase.READY)
        assert ready.round is not None
        assert [turn.asked for turn in ready.round.turns] == ["what is rain?", "and hail?"]
        # Each model is told its own side of the conversation.
        roles = [[(m["role"], m["content"]) for m in endpoint.bodies[1]["messages"]] for endpoint in (one, other)]
        assert [said[1] for said in roles] == [
            ("assistant", "One says what is rain?"),
            ("assistant", "Other says what is rain?"),
        ]
        vote(rater, study, Answer.RIGHT)
    told = seen(rater)
    assert told.reveal is not None and told.round is not None and told.round.phase == Phase.JUDGED
    assert told.reveal.answer == Answer.RIGHT
    assert told.reveal.left == ("Alpha" if told.round.turns[0].left.startswith("One") else "Beta")
    assert {told.reveal.left, told.reveal.right} == {"Alpha", "Beta"}
    assert told.n_votes == 1
    for row in of_generations(store):
        assert row.status == "ok" and row.error == "" and row.latency_ms > 0 and row.ready_at is not None
        assert (row.input_tokens, row.output_tokens) == (2000, 1000)
    assert sorted((row.cost is None, row.cost or 0) for row in of_generations(store)) == [(False, 0.004), (True, 0)]
    board = leaderboard.get_leaderboard(None, study)
    winner = told.reveal.right
    assert board.n_votes == 1
    assert [row.wins for row in board.ranking.models if row.model == winner] == [1]
    (row,) = rows(store, "SELECT propensity, status FROM battle")
    assert tuple(row) == (1.0, "voted")


def test_the_same_state_stands_in_every_tab_and_a_second_click_changes_nothing() -> None:
    study = echoes()
    rater = person(experiment_id=study)
    ask(rater, study, "hello")
    first = wait_for(rater, Phase.READY)
    assert seen(rater) == first
    vote(rater, study, Answer.TIE)
    assert first.round is not None
    arena.cast(rater, study, first.round.battle_id, Answer.LEFT, n_turns=1, drawn_at=utc_now())
    told = seen(rater)
    assert told.reveal is not None and told.reveal.answer == Answer.TIE and told.n_votes == 1


def test_no_vote_lands_on_answers_that_were_not_on_the_screen() -> None:
    study = echoes()
    rater, other = person(experiment_id=study), person(experiment_id=study)
    battle = ask(rater, study, "hello")
    with pytest.raises(VoteRefusedError):  # both sides still write
        arena.cast(rater, study, battle, Answer.LEFT, n_turns=1, drawn_at=utc_now())
    wait_for(rater, Phase.READY)
    streams().begin(arena.ask_follow_up(rater, study, battle, "more"))
    wait_for(rater, Phase.READY)
    with pytest.raises(VoteRefusedError):  # the tab that still shows one turn
        arena.cast(rater, study, battle, Answer.LEFT, n_turns=1, drawn_at=utc_now())
    with pytest.raises((VoteRefusedError, NotFoundError)):
        arena.cast(other, study, battle, Answer.LEFT, n_turns=2, drawn_at=utc_now())
    vote(rater, study)
    with pytest.raises(VoteRefusedError, match="so it stands"):
        voting.undo_vote(rater, study)


def test_the_dwell_time_begins_when_all_is_on_the_screen() -> None:
    study = echoes(min_dwell_ms=60_000)
    rater = person(experiment_id=study)
    ask(rater, study, "hello")
    wait_for(rater, Phase.READY)
    with pytest.raises(VoteRefusedError, match="Not saved"):
        vote(rater, study)


def test_the_vote_page_and_lists_of_prompts_know_nothing_of_arenas() -> None:
    study = echoes()
    rater, anybody = person(experiment_id=study), person()
    ask(rater, study, "a secret question")
    wait_for(rater, Phase.READY)
    assert serving.next_battle(rater) is None and serving.next_battle(anybody) is None
    assert arena.has_arena(rater) and not arena.has_arena(anybody)
    assert prompt_sets.list_prompt_sets(None, with_archived=True) == []
    assert arena.find_screen(anybody) is not None  # without a study of their own, people have the newest arena


# ------------------------------------------------------------------------------------------------ limits


def test_texts_that_cannot_be_asked_are_refused_in_words(store: Database) -> None:
    study = echoes(arena=Arena(most_characters=20))
    rater = person(experiment_id=study)
    for wrong, why in (
        ("", "Write something"),
        (" \n", "Write something"),
        ("x" * 21, "20 characters"),
        ("a\0b", "t be"),
    ):
        with pytest.raises(InvalidInputError, match=why):
            arena.ask_prompt(rater, study, wrong)
    assert rows(store, "SELECT id FROM prompt") == []


def test_a_rater_is_asked_for_patience_and_others_are_not() -> None:
    study = echoes(arena=Arena(per_minute=3, per_hour=4, most_turns=2))
    rater = person(experiment_id=study)
    battle = ask(rater, study, "one")
    wait_for(rater, Phase.READY)
    streams().begin(arena.ask_follow_up(rater, study, battle, "two"))
    wait_for(rater, Phase.READY)
    with pytest.raises(ConflictError, match="2 messages at most"):
        arena.ask_follow_up(rater, study, battle, "three")
    vote(rater, study)
    ask(rater, study, "three")
    wait_for(rater, Phase.READY)
    vote(rater, study)
    with pytest.raises(ConflictError, match="3 messages a minute"):
        arena.ask_prompt(rater, study, "four")
    arena.ask_prompt(person(experiment_id=study), study, "somebody else")


def test_the_budget_ends_the_asking() -> None:
    with StreamingEndpoint(steadily("Yes {}")) as endpoint:
        price = {"input_price": 1.0, "output_price": 2.0}  # 0.002 an answer
        made = [add_model(name, endpoint, **price) for name in "AB"]
        study = start_arena(*made, arena=Arena(most_cost=0.007))
        rater = person(experiment_id=study)
        for text_ in ("one", "two"):
            ask(rater, study, text_)
            wait_for(rater, Phase.READY)
            vote(rater, study)
        with pytest.raises(ConflictError, match="budget"):
            arena.ask_prompt(rater, study, "three")
    (said,) = arena_setup.describe_arenas(None, [study])[study]
    assert said == "Spent $0.01 of $0.01, as far as the endpoints count tokens. Nothing more is asked."


def test_the_quota_of_votes_is_held_and_completes_the_arena() -> None:
    study = echoes(votes_per_pair=2)
    first, second, third = (person(experiment_id=study) for _ in range(3))
    for rater in (first, second):
        ask(rater, study, "hello")
    with pytest.raises(ConflictError, match="No two models"):
        arena.ask_prompt(third, study, "hello")
    for rater in (first, second):
        wait_for(rater, Phase.READY)
        vote(rater, study)
    assert seen(third).study.status == ExperimentStatus.COMPLETED
    with pytest.raises(ConflictError, match="has ended"):
        arena.ask_prompt(third, study, "hello")
    assert seen(first).reveal is not None


def test_a_paused_arena_takes_the_vote_and_no_prompt() -> None:
    study = echoes()
    rater = person(experiment_id=study)
    ask(rater, study, "hello")
    wait_for(rater, Phase.READY)
    experiments.pause_experiment(None, study)
    vote(rater, study)
    with pytest.raises(ConflictError, match="paused"):
        arena.ask_prompt(rater, study, "more")
    with pytest.raises(ConflictError):
        arena.ask_prompt(person(experiment_id=echoes_of_prompts()), study, "not mine")


def echoes_of_prompts():
    """Another study, so that somebody is invited to that one only."""
    return start_arena(*(row.id for row in generations.list_models(None)), title="Another")


def test_a_models_concurrency_holds_over_all_raters() -> None:
    with StreamingEndpoint(steadily("word " * 10, words_per_s=40)) as endpoint:
        made = add_model("A", endpoint, concurrency=2)
        study = start_arena(made, add_echo("B"))
        raters = [person(experiment_id=study) for _ in range(6)]
        for rater in raters:
            ask(rater, study, "hello")
        for rater in raters:
            wait_for(rater, Phase.READY)
        assert endpoint.most_at_once == 2
        assert len([one for one in threading.enumerate() if one.name == "arena"]) == 1


def test_pairs_and_sides_are_balanced() -> None:
    study = echoes(3, votes_per_pair=100)
    met, lefts = Counter(), Counter()
    for _ in range(12):
        rater = person(experiment_id=study)
        ask(rater, study, "hello")
        wait_for(rater, Phase.READY)
        vote(rater, study)
        told = seen(rater).reveal
        assert told is not None
        met[frozenset((told.left, told.right))] += 1
        lefts[told.left, told.right] += 1
    assert set(met.values()) == {4} and set(lefts.values()) == {2}


# ------------------------------------------------------------------------------------------------ admins


def test_models_that_nobody_can_ask_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    file = models.create_model(None, ModelDraft("From a file"))
    echo = add_echo("Echo")
    with pytest.raises(InvalidInputError, match="From a file: its outputs come as a file"):
        start_arena(file, echo)
    with pytest.raises(InvalidInputError, match="no price, so the budget"):
        start_arena(echo, add_echo("Other"), arena=Arena(most_cost=1.0))
    with pytest.raises(InvalidInputError, match="above 0"):
        start_arena(echo, arena=Arena(most_cost=-1.0))
    with pytest.raises(InvalidInputError, match="at least two models"):
        start_arena(echo)
    assert arena_setup.list_live_models(None)[1] == 1


def test_a_secret_that_went_away_after_the_start_is_a_failure_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_SECRET_LAB", "sk-CANARY")
    with StreamingEndpoint(steadily("Hello")) as endpoint:
        study = start_arena(add_model("A", endpoint, secret_name="LAB"), add_echo("B"), add_echo("C"))
        monkeypatch.delenv("BAKEOFF_SECRET_LAB")
        told = set()
        for _ in range(6):
            rater = person(experiment_id=study)
            ask(rater, study, "hello")
            wait_for(rater, Phase.READY)
            vote(rater, study)
            reveal = seen(rater).reveal
            assert reveal is not None
            told |= {reveal.left, reveal.right}
    assert told == {"B", "C"}
    assert "no secret LAB" in arena_setup.describe_arenas(None, [study])[study][0]


def test_staff_votes_are_marked() -> None:
    study = echoes()
    admin = person(Role.ADMIN)
    ask(admin, study, "hello")
    wait_for(admin, Phase.READY)
    vote(admin, study)
    assert leaderboard.get_leaderboard(None, study).n_votes == 0


def test_an_ended_server_breaks_off_and_stores_it(store: Database) -> None:
    with StreamingEndpoint(steadily("word " * 500, words_per_s=20)) as endpoint:
        study = start_arena(add_model("A", endpoint), add_model("B", endpoint))
        rater = person(experiment_id=study)
        ask(rater, study, "hello")
        while not endpoint.bodies:
            time.sleep(0.02)
        stop_streams()
        screen = seen(rater)
        assert screen.round is not None and screen.round.phase == Phase.STOPPED
        assert {row.error for row in of_generations(store)} == {"Broken off, since Bakeoff ended."}
        with pytest.raises(BakeoffError):
            vote(rater, study)


def test_a_pair_that_replaces_another_while_the_server_ends_is_broken_off_too(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap, is_swapping = arena_rounds.swap, threading.Event()

    def swap_late(*arguments: Any) -> UUID | None:
        is_swapping.set()
        time.sleep(0.3)
        return swap(*arguments)

    monkeypatch.setattr(arena_rounds, "swap", swap_late)
    slowly = steadily("word " * 500, words_per_s=20)
    with StreamingEndpoint(slowly, status=500) as down, StreamingEndpoint(slowly) as endpoint:
        study = start_arena(add_model("A", down), *(add_model(name, endpoint) for name in "BC"))
        while not is_swapping.is_set():  # until the pair has the one that is down
            rater = person(experiment_id=study)
            ask(rater, study, "hello")
            is_swapping.wait(1)
        stop_streams()
        screen = seen(rater)
        assert screen.round is not None and screen.round.phase == Phase.STOPPED
        assert "Broken off, since Bakeoff ended." in {row.error for row in of_generations(store)}
    gc.collect()  # a connection left open would be found here, and warnings are errors


def test_of_a_vote_and_a_further_message_at_once_one_comes_first(store: Database) -> None:
    """Two tabs: whichever comes second is refused, so that no vote stands on answers that it didn't see."""
    study = echoes()
    for _ in range(5):
        rater = person(experiment_id=study)
        battle = ask(rater, study, "hello")
        wait_for(rater, Phase.READY)
        refused: list[str] = []
        begin = threading.Barrier(2)

        def act(what: Callable[[], object], name: str, refused: list[str] = refused, begin: Barrier = begin) -> None:
            begin.wait()
            try:
                what()
            except BakeoffError:
                refused.append(name)

        further = partial(arena.ask_follow_up, rater, study, battle, "more")
        threads = [
            threading.Thread(target=act, args=(partial(vote, rater, study), "vote")),
            threading.Thread(target=act, args=(further, "message")),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 1
        (row,) = rows(store, "SELECT messages FROM prompt ORDER BY position DESC LIMIT 1")
        assert ("more" in str(row.messages)) == (refused == ["vote"])
