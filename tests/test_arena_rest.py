"""An arena spares raters an endpoint that keeps failing, says what broken-off answers cost, and asks as studies do."""

from __future__ import annotations

import json
from datetime import timedelta
from random import Random
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.domain import Answer, GenerationStatus, utc_now
from app.errors import ConflictError, InvalidInputError, VoteRefusedError
from app.jobs.arena import streams
from app.services import arena, arena_rest, arena_setup, remarks
from app.services.arena import Phase
from app.services.arena_rest import FAILURES, FIRST_S, LONGEST_S, find_resting, rest_s
from app.services.normalising import normalised
from app.study import Asks, Criterion, Flow, Shows
from db.columns import new_id
from db.engine import Database
from db.tables import Experiment, Generation, Prompt, tables_of
from tests.arenas import (
    StreamingEndpoint,
    add_echo,
    add_model,
    ask,
    breaking,
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
experiment, generation, prompt = tables_of(Experiment, Generation, Prompt)


def note_answers(store: Database, study: UUID, model: UUID, *answers: tuple[str, str, float]) -> None:
    """Store what an endpoint did: (status, error, seconds ago) of one question each."""
    with store.write() as session:
        set_id = session.execute(select(experiment.c.prompt_set_id).where(experiment.c.id == study)).scalar_one()
        for status, error, ago in answers:
            row = {
                "id": new_id(),
                "prompt_set_id": set_id,
                "position": 0,
                "messages": [{"role": "user", "content": "?"}],
            }
            row |= {"external_id": str(row["id"]), "tags": {}, "attachments": [], "content_hash": "h"}
            session.execute(prompt.insert().values(row))
            said = {"model_id": model, "prompt_id": row["id"], "status": GenerationStatus(status), "error": error}
            at = utc_now() - timedelta(seconds=ago)
            times = {"created_at": at, "asked_at": at}
            session.execute(generation.insert().values(id=new_id(), parts=[], leaks=[], **said, **times))


def resting(store: Database, study: UUID, *, in_s: float = 0.0) -> set[str]:
    with store.read() as session:
        set_id = session.execute(select(experiment.c.prompt_set_id).where(experiment.c.id == study)).scalar_one()
        found = find_resting(session, prompt_set_id=set_id, now=utc_now() + timedelta(seconds=in_s))
    return {rest.name for rest in found.values()}


def test_the_rest_doubles_with_every_failure_and_has_a_limit() -> None:
    assert [rest_s(n) for n in range(FAILURES)] == [0.0] * FAILURES
    assert [rest_s(FAILURES + n) / FIRST_S for n in range(4)] == [1, 2, 4, 8]
    assert rest_s(10_000) == LONGEST_S


DOWN = ("failed", "The endpoint answered 500.")


def test_an_endpoint_that_keeps_failing_is_left_out_and_comes_back(store: Database) -> None:
    """Not before it failed often enough, and only for so long; the third model is in every pair meanwhile."""
    ids = [add_echo(f"Echo {i}") for i in range(3)]
    study = start_arena(*ids)
    note_answers(store, study, ids[0], (*DOWN, 3), (*DOWN, 2))
    assert resting(store, study) == set()
    note_answers(store, study, ids[0], (*DOWN, 1))
    assert resting(store, study) == {"Echo 0"}
    assert resting(store, study, in_s=FIRST_S) == set()
    said = " ".join(arena_setup.describe_arenas(None, [study])[study])
    assert "Echo 0 failed 3 times in a row and rests" in said
    for i in range(8):
        rater = person(experiment_id=study)
        ask(rater, study, f"question {i}")
        wait_for(rater, Phase.READY)
        vote(rater, study)
        told = seen(rater).reveal
        assert told is not None and "Echo 0" not in {told.left, told.right}


@pytest.mark.parametrize(
    "between",
    [("ok", ""), ("truncated", "cut short"), ("refused", "refused"), ("empty", "empty")],
    ids=lambda one: one[0],
)
def test_whatever_it_answers_ends_the_row_of_failures(store: Database, between: tuple[str, str]) -> None:
    ids = [add_echo(f"Echo {i}") for i in range(3)]
    study = start_arena(*ids)
    note_answers(store, study, ids[0], (*DOWN, 5), (*DOWN, 4), (*between, 3), (*DOWN, 2))
    assert resting(store, study) == set()


@pytest.mark.parametrize("error", [*arena_rest.HARMLESS, arena_rest.LEAK])
def test_what_is_no_fault_of_an_endpoint_gives_it_no_rest(store: Database, error: str) -> None:
    ids = [add_echo(f"Echo {i}") for i in range(3)]
    study = start_arena(*ids)
    note_answers(store, study, ids[0], *[("failed", error, 1.0)] * 5)
    assert resting(store, study) == set()


def test_nobody_alone_sends_a_model_to_rest_with_questions_that_it_refuses(store: Database) -> None:
    """A 400 may lie in what was asked: it counts once for each rater, and from three raters it is the endpoint."""
    with StreamingEndpoint(steadily(""), status=400) as endpoint:
        strict = add_model("Strict", endpoint)
        study = start_arena(strict, *(add_echo(f"Echo {i}") for i in range(2)))

        def ask_until_refused(n_times: int) -> None:
            rater, n_before = person(experiment_id=study), len(endpoint.bodies)
            for i in range(60):
                if len(endpoint.bodies) >= n_before + n_times:
                    return
                ask(rater, study, f"question {n_before} {i}")
                wait_for(rater, Phase.READY)
                vote(rater, study)
            pytest.fail("the strict endpoint was not asked")

        ask_until_refused(FAILURES + 1)
        assert resting(store, study) == set()
        ask_until_refused(1)
        assert resting(store, study) == set()
        ask_until_refused(1)
        assert resting(store, study) == {"Strict"}
    assert {row.error.split(" (")[0] for row in of_generations(store) if row.status == "failed" and row.error} <= {
        "The endpoint refused the question",
        arena_rest.BROKEN_OFF,
    }


def test_where_no_two_models_are_left_the_rater_is_told_and_keeps_the_text(store: Database) -> None:
    ids = [add_echo(f"Echo {i}") for i in range(2)]
    study = start_arena(*ids)
    note_answers(store, study, ids[1], *[(*DOWN, 1.0)] * 3)
    with pytest.raises(ConflictError, match="Your text is kept"):
        arena.ask_prompt(person(experiment_id=study), study, "hello")
    with store.write() as session:
        past = utc_now() - timedelta(seconds=FIRST_S + 1)
        session.execute(update(generation).values(asked_at=past))
    rater = person(experiment_id=study)
    ask(rater, study, "hello")
    wait_for(rater, Phase.READY)


# ------------------------------------------------------------------------------------------------ costs


def chunk(**more: object) -> bytes:
    return (
        b"data: "
        + json.dumps({"choices": [{"delta": {"content": "Some"}, "finish_reason": None}], **more}).encode()
        + b"\n\n"
    )


@pytest.mark.parametrize("is_told", [True, False])
def test_what_a_broken_off_answer_cost_is_what_its_endpoint_told_or_unknown(store: Database, is_told: bool) -> None:
    """Nothing is estimated: of two answers that break off alike, one had told its tokens by then."""
    usage = {"usage": {"prompt_tokens": 1000, "completion_tokens": 500}} if is_told else {}
    with StreamingEndpoint(steadily(""), raw=chunk(**usage)) as endpoint:
        priced = {"input_price": 2.0, "output_price": 4.0}
        ids = [add_model("Breaks", endpoint, **priced), add_model("Too", endpoint, **priced)]
        study = start_arena(*ids)
        rater = person(experiment_id=study)
        ask(rater, study, "hello")
        wait_for(rater, Phase.STOPPED)
    found = of_generations(store)
    assert {row.status for row in found} == {GenerationStatus.FAILED}
    told = [row for row in found if row.cost]  # where one broke off first, the other may not have been asked: 0
    said = " ".join(arena_setup.describe_arenas(None, [study])[study])
    if is_told:
        assert told and {(row.input_tokens, row.output_tokens, row.cost) for row in told} == {(1000, 500, 0.004)}
        assert "Spent $0.0" in said
    else:
        assert told == [] and "cost is unknown" in said and "Spent" not in said


def test_the_turns_before_a_break_are_counted_and_the_rest_is_called_unknown(store: Database) -> None:
    with StreamingEndpoint(lambda q: steadily("Fine")(q) if q == "first" else breaking("Well")(q)) as endpoint:
        priced = {"input_price": 2.0, "output_price": 4.0}
        study = start_arena(add_model("A", endpoint, **priced), add_model("B", endpoint, **priced))
        rater = person(experiment_id=study)
        battle = ask(rater, study, "first")
        wait_for(rater, Phase.READY)
        streams().begin(arena.ask_follow_up(rater, study, battle, "second"))
        wait_for(rater, Phase.STOPPED)
    assert [(row.cost, row.output_tokens) for row in of_generations(store)] == [(0.004, None)] * 2
    said = arena_setup.describe_arenas(None, [study])[study]
    assert any("2 answers that broke off cost is unknown" in line for line in said), said


# ------------------------------------------------------------------------------------------------ asks and shows

ASKS = Asks((Criterion("depth", "Depth", is_required=True),), strength=True, comment=True)


def test_an_arena_asks_criteria_before_the_names_and_remarks_after_them(store: Database) -> None:
    study = echoes(asks=ASKS)
    rater = person(experiment_id=study)
    battle = ask(rater, study, "hello")
    assert wait_for(rater, Phase.READY).study.asks == ASKS
    with pytest.raises(VoteRefusedError, match="Depth"):
        vote(rater, study)
    assert seen(rater).reveal is None
    arena.cast(rater, study, battle, Answer.LEFT, n_turns=1, drawn_at=utc_now(), criteria={"depth": Answer.RIGHT})
    assert seen(rater).reveal is not None
    assert remarks.remark(rater, battle, comment="because", strength="clearly").remarks.comment == "because"
    said = rows(store, "SELECT criterion FROM vote WHERE superseded_by IS NULL ORDER BY criterion")
    assert [row.criterion for row in said] == ["depth", "overall"]
    with pytest.raises(VoteRefusedError, match="stands"):
        remarks.answer_criterion(rater, battle, "depth", Answer.LEFT)


@pytest.mark.parametrize(
    ("design", "words"),
    [({"asks": Asks(guess=True)}, "guess who made"), ({"flow": Flow(consent="Agree?")}, "leads nobody")],
)
def test_what_an_arena_can_not_do_is_refused_when_it_is_drafted(store: Database, design: dict, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        echoes(**design)


def test_an_arena_shows_answers_in_one_flavour_of_markdown_while_they_grow_and_after(store: Database) -> None:
    text = "Title\n=====\n\n* one\n* two   \n\n\n\n__bold__"
    with StreamingEndpoint(steadily(text, words_per_s=50)) as endpoint:
        made = [add_model(name, endpoint) for name in ("A", "B")]
        study = start_arena(*made, shows=Shows(is_normalised=True))
        rater = person(experiment_id=study)
        ask(rater, study, "hello")
        screen = wait_for(rater, Phase.READY)
    assert screen.is_normalised and screen.round is not None and normalised(text) != text
    assert {screen.round.turns[0].left, screen.round.turns[0].right} == {normalised(text)}
    for n in Random(0).sample(range(len(text)), 20):
        growing = arena.turn_of("?", text[:n], text[:n], is_normalised=True)
        assert growing.left == normalised(text[:n])
