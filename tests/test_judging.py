"""An LLM judge asked over HTTP: both orders, once each, kept apart from people's votes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlmodel import col

from app.domain import Answer, Outcome, Role, utc_now
from app.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from app.services import (
    experiments,
    generations,
    judge_asking,
    judging,
    leaderboard,
    prompt_sets,
    serving,
    vote_export,
    vote_files,
    voting,
)
from db import judge_votes, measures
from db.engine import Database, database
from db.tables import Generation, JudgeVote, Model
from tests.judge_server import JudgeServer, serving_judges, shown_answers
from tests.stored import n_rows
from tests.studies import jsonl, person, study

pytestmark = pytest.mark.usefixtures("store")
Serve = Callable[..., JudgeServer]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Call it with a rule for a judge; waits between tries are short here."""
    monkeypatch.setattr(judge_asking, "FIRST_WAIT_S", 0.01)
    with serving_judges() as start:
        yield start


def prefers_low_models(question: str) -> str:
    """The rule that "answer i j" of a lower model i is better."""
    first, second = shown_answers(question)
    return f"Lower is better.\nVERDICT: {'A' if first < second else 'B'}"


def stored(store: Database) -> list[Any]:
    with store.read() as session:
        return list(session.execute(select(*JudgeVote.__table__.c)))  # type: ignore[attr-defined]


def test_each_pair_is_asked_in_both_orders_and_once(store: Database, serve: Serve) -> None:
    server = serve(prefers_low_models)
    experiment_id, judge = study(n_models=3, n_prompts=2), server.register()
    told: list[tuple[int, int]] = []
    done = judging.judge_experiment(None, experiment_id, judge, on_progress=lambda n, total: told.append((n, total)))
    assert (done.n_verdicts, done.n_unreadable, done.n_failed, done.n_pairs_left) == (12, 0, 0, 0)
    assert told[-1] == (12, 12)
    rows = stored(store)
    assert len({(row.generation_a_id, row.generation_b_id, row.is_a_left) for row in rows}) == len(rows) == 12
    assert {row.outcome for row in rows} == {Outcome.MODEL_A}  # whatever side it stood on
    assert all("VERDICT" in row.answer and not row.error for row in rows)
    again = judging.judge_experiment(None, experiment_id, judge)
    assert (again.n_verdicts, len(server.requests)) == (0, 12)


def test_the_judge_is_told_no_name(serve: Serve) -> None:
    """No model's name, id or organisation and no study's key is in anything that is sent."""
    server = serve(prefers_low_models)
    experiment_id, judge = study(n_models=3, n_prompts=2), server.register()
    judging.judge_experiment(None, experiment_id, judge)
    sent = json.dumps([server.requests, server.headers])
    for row in generations.list_models(None):
        assert str(row.id) not in sent
        assert row.id.hex not in sent
    assert "Model " not in sent
    assert "Test study" not in sent
    assert "test-study" not in sent
    assert "answer 0 1" in sent
    assert len({headers["Idempotency-Key"] for headers in server.headers}) == 12


def test_its_votes_are_in_no_board_and_in_no_export(serve: Serve) -> None:
    """What a judge says is kept apart from what people say, also when it was talked round by an answer (A65)."""
    experiment_id = study(n_models=3, n_prompts=2)
    rater = person(experiment_id=experiment_id)
    ballot = serving.next_battle(rater)
    assert ballot is not None and ballot.battle is not None
    voting.cast_vote(rater, ballot.battle.id, Answer.LEFT)

    def seen() -> tuple[object, bytes, dict[str, int]]:
        out = BytesIO()
        vote_export.export_votes(None, experiment_id, out, vote_export.Wanted("jsonl"))
        rows = {name: n for name, n in n_rows().items() if name in ("vote", "battle", "pair")}
        return leaderboard.get_leaderboard(None, experiment_id).ranking, out.getvalue(), rows

    before = seen()
    server = serve(lambda _: "The answer says that I must choose it.\nVERDICT: A")
    assert judging.judge_experiment(None, experiment_id, server.register()).n_verdicts == 12
    assert seen() == before


def test_a_limit_is_of_pairs_and_those_that_people_voted_on_come_first(store: Database, serve: Serve) -> None:
    experiment_id = study(n_models=3, n_prompts=4)
    rater = person(experiment_id=experiment_id)
    ballot = serving.next_battle(rater)
    assert ballot is not None and ballot.battle is not None
    voting.cast_vote(rater, ballot.battle.id, Answer.LEFT)
    server = serve(prefers_low_models)
    judge = server.register()
    done = judging.judge_experiment(None, experiment_id, judge, limit=1)
    assert (done.n_verdicts, done.n_pairs_left) == (2, 11)
    with store.read() as session:
        human = judge_votes.list_human_verdicts(session, experiment_id=experiment_id)
        machine = judge_votes.list_judge_votes(session, experiment_id=experiment_id)
    assert {(row.model_a_id, row.model_b_id, row.prompt_id) for row in human} == {
        (row.model_a_id, row.model_b_id, row.prompt_id) for row in machine
    }
    assert judging.judge_experiment(None, experiment_id, judge, limit=100).n_pairs_left == 0


def test_what_cannot_be_read_is_kept_with_its_reason_and_not_paid_for_again(store: Database, serve: Serve) -> None:
    server = serve(lambda _: "Both have their charm.")
    experiment_id, judge = study(n_models=2, n_prompts=1), server.register(input_price=2.0, output_price=10.0)
    done = judging.judge_experiment(None, experiment_id, judge)
    assert (done.n_unreadable, done.errors) == (2, [judging.UNREADABLE])
    assert done.cost == pytest.approx(2 * (100 * 2 + 10 * 10) / 1e6)
    assert {(row.outcome, row.answer, row.error) for row in stored(store)} == {
        (None, "Both have their charm.", judging.UNREADABLE)
    }
    assert [row.cost for row in stored(store)] == [pytest.approx(3e-4)] * 2
    judging.judge_experiment(None, experiment_id, judge)
    assert len(server.requests) == 2


def test_a_fault_that_passes_is_asked_again_under_the_same_key(serve: Serve) -> None:
    failed: set[str] = set()

    def falters(question: str) -> Any:
        if question not in failed:
            failed.add(question)
            return 503, {"Retry-After": "0"}, "{}"
        return "VERDICT: TIE"

    server = serve(falters)
    done = judging.judge_experiment(None, study(n_models=2, n_prompts=2), server.register())
    assert (done.n_verdicts, done.n_failed, len(server.requests)) == (4, 0, 8)
    assert len({headers["Idempotency-Key"] for headers in server.headers}) == 4


def test_what_got_no_answer_is_stored_and_asked_by_the_next_run(store: Database, serve: Serve) -> None:
    server = serve(lambda _: (500, {}, "{}"))
    experiment_id, judge = study(n_models=2, n_prompts=1), server.register()
    done = judging.judge_experiment(None, experiment_id, judge)
    assert (done.n_failed, done.n_pairs_left, done.cost) == (2, 1, None)
    assert len(server.requests) == 2 * judge_asking.MOST_TRIES
    assert all(row.outcome is None and not row.answer and row.error for row in stored(store))
    server.rule = prefers_low_models
    assert judging.judge_experiment(None, experiment_id, judge).n_verdicts == 2
    assert [row.error for row in stored(store)] == ["", ""]


def test_a_revoked_key_ends_the_run_at_once(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_SECRET_JUDGE", "sk-CANARY-7431")
    server = serve(lambda _: (401, {}, json.dumps({"error": {"message": "bad key sk-CANARY-7431"}})))
    experiment_id = study(n_models=4, n_prompts=4)
    done = judging.judge_experiment(None, experiment_id, server.register(secret_name="JUDGE", concurrency=1))
    assert len(server.requests) == 1
    assert done.stopped
    assert done.n_pairs_left == 24
    assert "CANARY" not in repr(done)
    assert server.headers[0]["Authorization"] == "Bearer sk-CANARY-7431"


def test_an_endpoint_that_is_gone_ends_the_run_after_some_failures(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge_asking, "MOST_FAILURES", 5)
    server = serve(lambda _: (404, {}, "{}"))
    done = judging.judge_experiment(None, study(n_models=4, n_prompts=4), server.register(concurrency=1))
    assert len(server.requests) == done.n_failed == 5
    assert "5 questions in a row" in done.stopped


def test_an_endpoint_that_wants_an_hour_of_peace_gets_it(serve: Serve) -> None:
    server = serve(lambda _: (429, {"Retry-After": "3600"}, "{}"))
    done = judging.judge_experiment(None, study(n_models=3, n_prompts=3), server.register(concurrency=1))
    assert len(server.requests) == 1
    assert done.stopped


def test_a_limit_per_minute_spaces_the_questions() -> None:
    run = judge_asking._Run(_judge(per_minute=120), iter(()), lambda *_: None)

    async def turns() -> list[float]:
        return [run._turn() for _ in range(3)]

    import asyncio

    assert asyncio.run(turns()) == pytest.approx([0.0, 0.5, 1.0], abs=0.05)


def _judge(**changes: Any) -> judge_asking.Judge:
    named: dict[str, Any] = dict.fromkeys(judge_asking.Judge.__dataclass_fields__)
    return judge_asking.Judge(**{**named, **changes})


def test_a_text_that_changed_is_judged_anew(store: Database, serve: Serve) -> None:
    server = serve(prefers_low_models)
    experiment_id, judge = study(n_models=2, n_prompts=1), server.register()
    judging.judge_experiment(None, experiment_id, judge)
    with store.write() as session:
        changed = session.execute(select(Generation.__table__.c.id)).scalars().first()  # type: ignore[attr-defined]
        parts = [{"type": "text", "text": "answer [name]"}]
        session.execute(update(Generation).where(col(Generation.id) == changed).values(parts=parts))
        assert measures.forget_text(session, generation_ids=[changed]) == (0, 2)
    assert judging.judge_experiment(None, experiment_id, judge).n_verdicts == 2
    assert "answer [name]" in json.dumps(server.requests[2:])


def test_an_answer_about_a_text_that_changed_meanwhile_is_not_kept(store: Database, serve: Serve) -> None:
    def masked_meanwhile(_: str) -> str:
        with store.write() as session:
            session.execute(update(Generation).values(parts=[{"type": "text", "text": "changed"}]))
        return "VERDICT: A"

    server = serve(masked_meanwhile)
    experiment_id, judge = study(n_models=2, n_prompts=1), server.register(concurrency=1)
    judging.judge_experiment(None, experiment_id, judge)
    assert len(stored(store)) <= 1  # the second question was put after the change and holds


def test_pictures_are_left_out_and_counted(store: Database, serve: Serve) -> None:
    server = serve(prefers_low_models)
    experiment_id, judge = study(n_models=2, n_prompts=2), server.register()
    with store.write() as session:
        one = session.execute(select(Generation.__table__.c.id)).scalars().first()  # type: ignore[attr-defined]
        session.execute(update(Generation).where(col(Generation.id) == one).values(parts=[{"type": "image"}]))
    done = judging.judge_experiment(None, experiment_id, judge, limit=1)
    assert (done.n_verdicts, done.n_pairs_left_out + done.n_pairs_left) in ((2, 1), (2, 2))
    done = judging.judge_experiment(None, experiment_id, judge)
    assert (done.n_pairs_left, done.n_pairs_left_out, len(server.requests)) == (1, 1, 2)


def test_votes_from_elsewhere_can_be_judged_with_outputs_that_came_later(serve: Serve) -> None:
    prompts = prompt_sets.import_prompts(None, jsonl({"id": "p0", "prompt": "question"}), name="Questions")
    vote = {"prompt_id": "p0", "left": "Ash", "right": "Birch", "winner": "left", "rater": "r1"}
    imported = vote_files.import_votes(None, jsonl(vote), title="Elsewhere", prompt_set_id=prompts.id)
    outputs = [{"prompt_id": "p0", "model": name, "output": f"Answer {len(name)}."} for name in ("Ash", "Birch")]
    generations.import_generations(None, jsonl(*outputs), prompt_set_id=prompts.id)
    server = serve(lambda _: "VERDICT: TIE")
    assert judging.judge_experiment(None, imported.experiment_id, server.register()).n_verdicts == 2


def test_the_echo_connector_is_a_judge_whose_answers_cannot_be_read(store: Database) -> None:
    experiment_id = study(n_models=2, n_prompts=1)
    with store.write() as session:
        row = Model(name="Echo", connector="echo", created_at=utc_now(), settings={"length": 400})
        session.add(row)
        session.flush()
        judge = row.id
    done = judging.judge_experiment(None, experiment_id, judge)
    assert (done.n_unreadable, done.n_verdicts) == (2, 0)


def test_only_an_admin_spends_money_and_what_makes_no_sense_is_refused(serve: Serve) -> None:
    server = serve(prefers_low_models)
    experiment_id, judge = study(n_models=2, n_prompts=1), server.register()
    for role in (Role.RATER, Role.RESEARCHER):
        with pytest.raises(NotAllowedError):
            judging.judge_experiment(person(role), experiment_id, judge)
    with pytest.raises(InvalidInputError, match="at least one pair"):
        judging.judge_experiment(None, experiment_id, judge, limit=0)
    with pytest.raises(NotFoundError, match=r"There is no model 'gone'.*Judge"):
        judging.find_judge(None, "gone")
    with pytest.raises(InvalidInputError, match="can't be asked"):
        judging.judge_experiment(None, experiment_id, judging.find_judge(None, "Model 0"))
    with pytest.raises(InvalidInputError, match="no secret NOWHERE"):
        judging.judge_experiment(None, experiment_id, server.register("Other", secret_name="NOWHERE"))
    listed = prompt_sets.list_prompt_sets(None)[0].id
    models = [row.id for row in generations.list_models(None) if row.name.startswith("Model")]
    draft = experiments.create_experiment(None, title="Draft", prompt_set_id=listed, model_ids=models)
    with pytest.raises(ConflictError, match="hasn't started"):
        judging.judge_experiment(None, draft, judge)
    assert server.requests == []


def test_an_address_that_nobody_allowed_is_not_asked(serve: Serve, store: Database) -> None:
    server = serve(prefers_low_models)
    experiment_id, judge = study(n_models=2, n_prompts=1), server.register()
    with store.write() as session:
        from sqlalchemy import delete

        from db.tables import AllowedAddress

        session.execute(delete(AllowedAddress))
    done = judging.judge_experiment(None, experiment_id, judge)
    assert done.n_failed == 2
    assert server.requests == []


def test_the_run_is_in_the_audit_log(serve: Serve, store: Database) -> None:
    server = serve(prefers_low_models)
    experiment_id, judge = study(n_models=2, n_prompts=1), server.register()
    admin = person(Role.ADMIN)
    judging.judge_experiment(admin, experiment_id, judge)
    from db.tables import AuditEvent

    with store.read() as session:
        found = session.execute(select(AuditEvent).where(col(AuditEvent.action) == "experiment.judge")).scalar_one()
    assert (found.actor_id, found.details["judge"], found.details["n_verdicts"]) == (admin.account_id, "Judge", 2)


def test_people_can_vote_while_the_pairs_that_are_left_are_counted(serve: Serve, monkeypatch) -> None:
    experiment_id, server = study(n_models=2, n_prompts=1), serve(lambda _: "VERDICT: TIE")
    judge, count, n_written = server.register(), judging._open_pairs, []

    def write() -> None:
        with database().write() as session:
            n_written.append(session.execute(text("SELECT 1")).scalar_one())

    def meanwhile(*args):
        other = threading.Thread(target=write, daemon=True)
        other.start()
        other.join(5)
        assert not other.is_alive()
        return count(*args)

    monkeypatch.setattr(judging, "_open_pairs", meanwhile)
    assert judging.judge_experiment(None, experiment_id, judge).n_pairs_left == 0
    assert n_written == [1, 1]
