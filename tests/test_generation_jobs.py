"""Generation jobs: what is asked, what is never asked twice, and who may steer them."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import pytest

from app.connectors._protocol import Reply, Sampling
from app.domain import GenerationStatus, JobStatus, Role
from app.errors import InvalidInputError, NotAllowedError
from app.services import asking, experiments, generation_jobs, generations, job_progress, models, prompt_sets
from app.services.coverage import list_candidates
from app.services.design import get_design
from db import models as models_in_db
from db.engine import Database
from tests.jobs import CANARY, KEY, counts, echo, questions, remote, rows, run_once, start
from tests.machine import patience
from tests.slow_endpoint import SlowEndpoint
from tests.studies import jsonl, person, png


def test_all_prompts_are_asked_once_and_the_answers_stored_with_their_facts(store: Database) -> None:
    with SlowEndpoint() as endpoint:
        prompt_set_id = questions(30)
        job_id = start(prompt_set_id, remote(endpoint, input_price=2.0, output_price=10.0))
        run_once()
    progress = job_progress.get_progress(None, job_id)
    assert progress.job.status == JobStatus.DONE
    assert counts(job_id) == {"ok": 30}
    assert set(endpoint.asked.values()) == {1}
    assert max(endpoint.keys.values()) == 1, "each question has an idempotency key of its own"
    first = rows(store)[0]
    assert first.parts[0]["text"].strip() == "You asked: question 0"
    assert (first.input_tokens, first.output_tokens, first.cost) == (5, 7, pytest.approx(80e-6))
    assert first.latency_ms is not None
    assert first.latency_ms >= (first.first_token_ms or 0) > 0
    assert first.ready_at is not None
    assert progress.cost == pytest.approx(30 * 80e-6) == progress.expected_cost


def test_what_is_there_is_never_asked_again(store: Database) -> None:
    """The same job twice, a job with more models, and outputs from a file: only what is missing is asked."""
    with SlowEndpoint() as endpoint:
        prompt_set_id, model_id = questions(10), remote(endpoint)
        generations.import_generations(
            None, jsonl({"prompt_id": "p3", "model": "Remote", "output": "from a file"}), prompt_set_id=prompt_set_id
        )
        wanted = {"prompt_set_id": prompt_set_id, "model_ids": [model_id]}
        assert generation_jobs.count_missing(None, **wanted, sampling=Sampling()) == (9, 0)
        assert generation_jobs.count_missing(None, **wanted, sampling=Sampling(seed=1), n_samples=2) == (20, 0)
        start(prompt_set_id, model_id)
        run_once()
        assert generation_jobs.count_missing(None, **wanted, sampling=Sampling()) == (0, 0)
        assert generation_jobs.start_job(None, **wanted) == (None, 0)
        start(prompt_set_id, model_id, echo())
        run_once()
    assert sum(endpoint.asked.values()) == 9
    assert "question 3" not in endpoint.asked
    assert len(rows(store)) == 20


def test_other_settings_and_samples_are_generations_of_their_own(store: Database) -> None:
    with SlowEndpoint() as endpoint:
        prompt_set_id, model_id = questions(2), remote(endpoint)
        start(prompt_set_id, model_id)
        warm = Sampling(system="Be brief.", temperature=0.7, top_p=0.9, max_tokens=50, seed=7)
        start(prompt_set_id, model_id, sampling=warm, n_samples=3)
        run_once()
    assert len(rows(store)) == 2 + 6
    assert len({row.settings_hash for row in rows(store)}) == 2
    asked = [body for body in endpoint.bodies if body.get("temperature") == 0.7]
    assert len(asked) == 6
    assert {body["seed"] for body in asked} == {7, 8, 9}, "samples with one seed would all be the same"
    assert all(body["messages"][0] == {"role": "system", "content": "Be brief."} for body in asked)


def test_turns_are_asked_one_after_the_other_with_the_answers_between(store: Database) -> None:
    with SlowEndpoint() as endpoint:
        stored = prompt_sets.import_prompts(
            None,
            jsonl(
                {
                    "id": "two",
                    "messages": [{"role": "user", "content": "first"}, {"role": "user", "content": "second"}],
                }
            ),
            name="Turns",
        )
        start(stored.id, remote(endpoint))
        run_once()
    (row,) = rows(store)
    assert [part["text"].strip() for part in row.parts] == ["You asked: first", "You asked: second"]
    assert [message["role"] for message in endpoint.bodies[1]["messages"]] == ["user", "assistant", "user"]
    assert (row.input_tokens, row.output_tokens) == (10, 14)


def test_an_endpoint_is_never_asked_more_at_once_than_its_models_say(store: Database) -> None:
    with SlowEndpoint(delay_s=0.05) as endpoint:
        prompt_set_id = questions(20)
        job_id = start(prompt_set_id, remote(endpoint, "A", concurrency=5), remote(endpoint, "B", concurrency=3))
        run_once()
    assert len(job_progress.get_progress(None, job_id).parts) == 1, "two models at one endpoint share its part"
    assert endpoint.most_at_once == 3
    assert sum(endpoint.asked.values()) == 40


def test_a_limit_per_minute_spaces_the_questions(store: Database) -> None:
    with SlowEndpoint() as endpoint:
        start(questions(8), remote(endpoint, per_minute=300))
        run_once()
    assert endpoint.times[-1] - endpoint.times[2] >= 5 * 0.2 - 0.1, "the first ones also waited to be connected"
    assert max(endpoint.asked.values()) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_samples": 0}, "1 to 100 times"),
        ({"sampling": Sampling(temperature=9.0)}, "temperature is between"),
        ({"sampling": Sampling(temperature=float("nan"))}, "temperature is between"),
        ({"sampling": Sampling(max_tokens=0)}, "limit of tokens"),
        ({"model_ids": []}, "at least one model"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_words(store: Database, options: Any, words: str) -> None:
    found = {"prompt_set_id": questions(1), "model_ids": [echo()]} | options
    with pytest.raises(InvalidInputError, match=words):
        generation_jobs.start_job(None, **found)


def test_models_of_files_archived_ones_and_missing_secrets_are_named(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt_set_id = questions(1)
    filed = models.create_model(None, models.ModelDraft(name="Filed"))
    gone = echo("Gone")
    models.archive_model(None, gone, is_archived=True)
    monkeypatch.setenv(KEY, CANARY)
    with SlowEndpoint() as endpoint:
        locked = remote(endpoint, "Locked", secret_name=KEY)
    monkeypatch.delenv(KEY)
    for model_id, words in ((filed, "from files"), (gone, "archived"), (locked, f"no secret {KEY}")):
        with pytest.raises(InvalidInputError, match=words):
            generation_jobs.start_job(None, prompt_set_id=prompt_set_id, model_ids=[model_id])


def test_only_admins_steer_jobs(store: Database) -> None:
    job_id = start(questions(1), echo())
    for role in (Role.RATER, Role.RESEARCHER):
        who = person(role)
        for act in (
            generation_jobs.pause_job,
            generation_jobs.resume_job,
            generation_jobs.cancel_job,
            generation_jobs.retry_failed,
            job_progress.get_progress,
            job_progress.list_failures,
        ):
            with pytest.raises(NotAllowedError):
                act(who, job_id)
        with pytest.raises(NotAllowedError):
            generation_jobs.start_job(who, prompt_set_id=job_id, model_ids=[])


@pytest.mark.timed
def test_a_job_of_many_generations_is_stored_at_once(store: Database) -> None:
    prompt_set_id = questions(2500)
    began = time.monotonic()
    job_id = start(prompt_set_id, *(echo(f"E{n}") for n in range(8)))
    took = time.monotonic() - began
    assert counts(job_id) == {"waiting": 20_000}
    assert took < 15 * patience()
    generation_jobs.cancel_job(None, job_id)
    assert counts(job_id) == {}
    assert rows(store) == []


def test_a_prompt_with_an_image_is_asked_with_it(store: Database) -> None:
    with SlowEndpoint() as endpoint:
        url = "data:image/png;base64," + base64.b64encode(png()).decode()
        stored = prompt_sets.import_prompts(
            None, jsonl({"id": "seen", "prompt": "What is this?", "attachments": [url]}), name="Seen"
        )
        start(stored.id, remote(endpoint))
        run_once()
    (row,) = rows(store)
    assert row.status == GenerationStatus.OK
    text, image = endpoint.bodies[0]["messages"][-1]["content"]
    assert text == {"type": "text", "text": "What is this?"}
    assert image["image_url"]["url"].startswith("data:image/png;base64,")


def test_a_prompt_whose_image_is_gone_fails_in_words_and_alone(store: Database, tmp_path: Path) -> None:
    with SlowEndpoint() as endpoint:
        url = "data:image/png;base64," + base64.b64encode(png()).decode()
        asked = ({"id": "seen", "prompt": "What is this?", "attachments": [url]}, {"id": "plain", "prompt": "Well?"})
        stored = prompt_sets.import_prompts(None, jsonl(*asked), name="Seen")
        job_id = start(stored.id, remote(endpoint))
        for path in (tmp_path / "media").iterdir():
            path.unlink()
        run_once()
    assert counts(job_id) == {"ok": 1, "failed": 1}
    (failure,) = job_progress.list_failures(None, job_id)
    assert failure.prompt == "seen"
    assert "gone from the media folder" in failure.reason
    assert len(endpoint.bodies) == 1


def test_a_study_never_mixes_what_a_model_said_at_two_settings(store: Database) -> None:
    """The setting with the most outputs is shown, of equal ones the newer, and holes stay holes."""
    prompt_set_id, a, b = questions(6), echo("A"), echo("B")
    start(prompt_set_id, a, b)
    run_once()
    start(prompt_set_id, b, sampling=Sampling(temperature=1.5))
    ((part_id, _),) = asking.list_open_parts()
    plan = asking.begin_run(part_id, "x")
    assert plan is not None
    some = asking.store_and_claim(plan, [], n=2, asked_s=0.0).questions
    said = Reply("warm", (), "stop", 1, 1, 1.0, None, "")
    asking.store_and_claim(plan, [asking.Outcome(one, (said,), None) for one in some], n=0, asked_s=0.0)
    shown = {one.name: one.prompts for one in list_candidates(None, prompt_set_id)}
    assert len(shown["B"]) == 6
    study = experiments.create_experiment(None, title="S", prompt_set_id=prompt_set_id, model_ids=[a, b])
    experiments.start_experiment(None, study)
    used = set(get_design(study).generation.values())
    assert {row.settings_hash for row in rows(store) if row.id in used} == {""}
    run_once()
    with store.read() as session:
        usable = models_in_db.list_usable(session, experiment_id=study, prompt_set_id=prompt_set_id, until=None)
    assert len([row for row in usable if row.model_id == b]) == 6
    assert len({row.settings_hash for row in usable if row.model_id == b}) == 1
    assert next(row.settings_hash for row in usable if row.model_id == b) != ""
