"""How a run that asks models comes to its end: paused, cancelled, faulty, dead, or late. F23 and F26 of THREATS.md."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

import app.jobs.asking
from app.connectors._protocol import Reply
from app.domain import GenerationStatus
from app.jobs.asking import MOST_FORBIDDEN
from app.services import asking, generation_jobs, job_progress, leak_check, prompt_sets
from app.services.asking import Outcome
from db.engine import Database
from tests.jobs import counts, questions, remote, rows, run_once, running, start, until
from tests.slow_endpoint import SlowEndpoint
from tests.studies import jsonl


def test_a_fault_of_our_own_on_one_answer_ends_the_run_and_not_the_endpoint(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception that nobody expected fails its question, and the run ends with it instead of waiting for ever."""
    with SlowEndpoint() as endpoint:
        job_id = start(questions(6), remote(endpoint, concurrency=2))
        real = asking.ask_of

        def broken(plan: Any, question: Any, messages: Any, turn: int) -> Any:
            if messages[-1].text == "question 2":
                raise OverflowError("of a kind that nobody thought of")
            return real(plan, question, messages, turn)

        monkeypatch.setattr(app.jobs.asking.asking, "ask_of", broken)
        with pytest.raises(OverflowError):
            run_once()
        found = counts(job_id)
        assert found["failed"] == 1
        assert "asking" not in found
        run_once()
    assert counts(job_id) == {"ok": 5, "failed": 1}
    assert "Bakeoff itself failed" in job_progress.list_failures(None, job_id)[0].reason


def test_a_date_no_clock_knows_is_no_time_to_wait_for(store: Database) -> None:
    mad = "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"
    with SlowEndpoint(lambda question, n: (429, {"Retry-After": mad}, "x") if n == 1 else (200, {}, None)) as endpoint:
        job_id = start(questions(1), remote(endpoint))
        run_once()
    assert counts(job_id) == {"ok": 1}


def test_what_came_in_is_stored_while_the_slowest_answer_is_on_its_way_and_a_cancel_is_heeded(store: Database) -> None:
    """After a pause nothing lies in memory only; the job can be cancelled then, and ends at once."""
    slow = threading.Event()

    def script(question: str, n: int) -> tuple[int, dict[str, str], str | None]:
        if question == "question 0":
            slow.wait(20)
        return 200, {}, None

    with SlowEndpoint(script, delay_s=0.1) as endpoint:
        job_id = start(questions(60), remote(endpoint, concurrency=4))
        with running() as thread:
            until(lambda: counts(job_id).get("ok", 0) >= 3)
            generation_jobs.pause_job(None, job_id)
            until(lambda: counts(job_id).get("ok", 0) == endpoint.asked.total() - 1)
            n_asked = endpoint.asked.total()
            generation_jobs.cancel_job(None, job_id)
            began = time.monotonic()
            thread.join(5)
            assert time.monotonic() - began < 2
        slow.set()
    assert endpoint.asked.total() == n_asked
    assert set(counts(job_id)) == {"ok", "failed"}
    assert counts(job_id)["failed"] == 1


def test_who_waits_for_a_turn_is_not_sent_after_a_pause_nor_counted_as_asked(store: Database) -> None:
    with SlowEndpoint() as endpoint:
        job_id = start(questions(12), remote(endpoint, concurrency=6, per_minute=120, output_price=1.0))
        with running() as thread:
            until(lambda: endpoint.asked.total() >= 2)
            generation_jobs.pause_job(None, job_id)
            thread.join(5)
            assert not thread.is_alive()
        assert endpoint.asked.total() <= 4
        found = counts(job_id)
        assert found["waiting"] == 12 - found["ok"], "what was never sent has not failed"
        assert {row.n_tries for row in rows(store) if row.status == GenerationStatus.WAITING} == {0}


def test_a_long_retry_after_does_not_hold_a_cancel(store: Database) -> None:
    with SlowEndpoint(lambda question, n: (429, {"Retry-After": "3000"}, "later")) as endpoint:
        job_id = start(questions(8), remote(endpoint, concurrency=2))
        with running() as thread:
            until(lambda: endpoint.asked.total() >= 1)
            time.sleep(0.3)
            n_asked = endpoint.asked.total()
            generation_jobs.cancel_job(None, job_id)
            thread.join(3)
            assert not thread.is_alive()
        assert endpoint.asked.total() == n_asked
        assert "waiting" not in counts(job_id)


def test_a_phrase_added_while_models_are_asked_holds_for_what_is_on_its_way(store: Database) -> None:
    """A56: leaks are looked for by the rules of the moment at which an output is stored."""
    with SlowEndpoint(lambda question, n: (200, {}, "Brought to you by Quuxcorp."), delay_s=0.4) as endpoint:
        job_id = start(questions(3), remote(endpoint))
        with running() as thread:
            until(lambda: endpoint.asked.total() == 3)
            leak_check.add_phrase(None, "Quuxcorp")
            thread.join(10)
    assert counts(job_id) == {"flagged": 3}


def test_a_job_cancelled_after_its_process_died_leaves_nothing_open(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "DEAD_AFTER_S", 0.0)
    with SlowEndpoint() as endpoint:
        prompt_set_id = questions(3)
        job_id = start(prompt_set_id, remote(endpoint, "Free"), remote(endpoint, "Paid", input_price=1.0))
        ((part_id, _),) = asking.list_open_parts()
        dead = asking.begin_run(part_id, "dies")
        assert dead is not None
        asking.store_and_claim(dead, [], n=2, asked_s=0.0)
        generation_jobs.cancel_job(None, job_id)
        assert counts(job_id) == {"asking": 2}
        assert asking.end_abandoned() == 1
        assert counts(job_id) == {"failed": 1}
        assert asking.end_abandoned() == 0


def test_answered_turns_are_not_asked_again_and_the_cost_counts_them(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "wait_s", lambda n_tries, retry_after: 0.02)

    def script(question: str, n: int) -> tuple[int, dict[str, str], str | None]:
        return (500, {}, "later") if question == "second" and n <= 3 else (200, {}, None)

    with SlowEndpoint(script) as endpoint:
        turns = [{"role": "user", "content": "first"}, {"role": "user", "content": "second"}]
        stored = prompt_sets.import_prompts(None, jsonl({"id": "two", "messages": turns}), name="Turns")
        job_id = start(stored.id, remote(endpoint, output_price=1e5))
        run_once()
    assert endpoint.asked == {"first": 1, "second": 4}
    (row,) = rows(store)
    assert [part["text"].strip() for part in row.parts] == ["You asked: first", "You asked: second"]
    assert (row.output_tokens, row.cost) == (14, pytest.approx(1.4))
    assert counts(job_id) == {"ok": 1}


def test_a_late_answer_does_not_overwrite_what_was_settled_since(store: Database) -> None:
    with SlowEndpoint() as endpoint:
        job_id = start(questions(1), remote(endpoint))
        ((part_id, _),) = asking.list_open_parts()
        early = asking.begin_run(part_id, "early")
        assert early is not None
        (question,) = asking.store_and_claim(early, [], n=1, asked_s=0.0).questions
        run_once()
    late = Outcome(question, (Reply("late", (), "stop", 1, 1, 1.0, None, ""),), None)
    asking.store_and_claim(early, [late], n=0, asked_s=0.0)
    (row,) = rows(store)
    assert row.parts[0]["text"].strip() == "You asked: question 0"
    assert counts(job_id) == {"ok": 1}


def test_a_forbidden_question_fails_alone_and_an_endpoint_that_forbids_all_is_left_alone(store: Database) -> None:
    """403 is said of one question by providers that look through them, and of the key by others."""

    def some(question: str, n: int) -> tuple[int, dict[str, str], str | None]:
        return (403, {}, "flagged by moderation") if question.endswith("3") else (200, {}, None)

    with SlowEndpoint(some) as endpoint:
        job_id = start(questions(40), remote(endpoint, concurrency=2))
        run_once()
    assert counts(job_id) == {"ok": 36, "failed": 4}
    assert "flagged by moderation" in job_progress.list_failures(None, job_id)[0].reason
    with SlowEndpoint(lambda question, n: (403, {}, "not in your country")) as endpoint:
        job_id = start(questions(200, name="Others"), remote(endpoint, name="Elsewhere", concurrency=1))
        run_once()
        assert endpoint.asked.total() == MOST_FORBIDDEN
    found = counts(job_id)
    assert (found["failed"], found["waiting"]) == (MOST_FORBIDDEN, 200 - MOST_FORBIDDEN)
    assert "not in your country" in job_progress.get_progress(None, job_id).parts[0].reason
