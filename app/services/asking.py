"""What a run of a job's part does to the database: claim generations, store what became of them, end.

A generation is noted as asked before its request is sent, so that a run which dies can't make a paid question be asked
twice: what it had asked for is not asked again by itself where the model has a price.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from app.connectors._protocol import Ask, ChatMessage, Connector, Reply, Sampling, TextPart
from app.connectors._registry import get_connector
from app.domain import GenerationStatus, JobStatus, PartStatus, utc_now
from app.errors import ConnectorError, InvalidInputError, NotFoundError
from app.services import answer_parts, leak_check
from app.services.leak_check import Checked, Watch
from app.services.model_drafts import secret_of
from app.services.models import cost_of
from db import jobs, models
from db.engine import Row, database

MOST_TRIES = 6
LONGEST_WAIT_S = 120.0
DEAD_AFTER_S = 15.0  # a run says ten times a second that it lives
_INTERRUPTED = "Bakeoff ended while this was being asked; it may have been paid for, so it isn't asked again by itself."


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A model as a run asks it."""

    id: UUID
    name: str
    connector: Connector
    provider_id: str
    settings: Mapping[str, object]
    secret: str | None
    input_price: float | None
    output_price: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run needs to know of its part; ``concurrency`` and ``per_minute`` are the smallest of its models'."""

    part_id: UUID
    run_id: str
    endpoint: str
    sampling: Sampling
    models: Mapping[UUID, AskedModel]
    allowed: frozenset[str]
    concurrency: int
    per_minute: int | None


@dataclass(frozen=True, slots=True)
class Question:
    """A generation to ask for: the conversation, the prompt's images as they are stored, and which try this is.

    ``answered`` are the turns that earlier tries had answered, ``spent`` what those tries cost.
    """

    id: UUID
    model_id: UUID
    messages: tuple[ChatMessage, ...]
    attachments: tuple[Mapping[str, str], ...]
    sample: int
    n_tries: int
    answered: tuple[Reply, ...] = ()
    spent: float | None = None


class BrokenOff(NamedTuple):
    """A request that was not waited for: its job was cancelled, or Bakeoff ends."""

    is_cancelled: bool


class Outcome(NamedTuple):
    """What became of a question: the answers, one for each turn, and what kept the rest from coming, if anything."""

    question: Question
    replies: tuple[Reply, ...]
    problem: ConnectorError | InvalidInputError | NotFoundError | BrokenOff | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a run learns whenever it stores: whether it goes on, what it may ask next, and whether anything waits.

    ``is_stale``: other addresses are allowed by now, so the run is to end and the next one begins with those.
    """

    goes_on: bool
    is_ours: bool
    is_cancelled: bool
    is_stale: bool
    questions: tuple[Question, ...]
    has_waiting: bool


def begin_run(part_id: UUID, run_id: str) -> Plan | None:
    """Take a part over; None when there is nothing to do. Raises InvalidInputError when a model can't be asked."""
    with database().write() as session:
        row = jobs.find_part(session, part_id=part_id)
        if row is None or row.status != PartStatus.RUNNING or row.job_status != JobStatus.RUNNING:
            return None
        jobs.take_part(session, part_id=part_id, run_id=run_id)
        rows = jobs.list_models_of_part(session, part_id=part_id)
        paid = [model.id for model in rows if model.input_price or model.output_price]
        jobs.end_interrupted(session, part_id=part_id, paid=paid, reason=_INTERRUPTED)
        allowed = models.list_allowed_addresses(session)
    limits = [model.per_minute for model in rows if model.per_minute]
    return Plan(
        part_id=part_id,
        run_id=run_id,
        endpoint=row.endpoint,
        sampling=Sampling(**row.settings),
        models={model.id: asked_model(model) for model in rows},
        allowed=frozenset(allowed),
        concurrency=min((model.concurrency for model in rows), default=1),
        per_minute=min(limits) if limits else None,
    )


def asked_model(row: Row) -> AskedModel:
    """A model's columns as what is needed to ask it; raises InvalidInputError when this server lacks its secret."""
    connector = get_connector(row.connector)
    return AskedModel(
        id=row.id,
        name=row.name,
        connector=connector,
        provider_id=row.provider_id,
        settings=row.settings,
        secret=secret_of(connector, row.secret_name),
        input_price=row.input_price,
        output_price=row.output_price,
    )


def store_and_claim(plan: Plan, outcomes: Sequence[Outcome], *, n: int, asked_s: float) -> Standing:
    """Store what came in and claim the next ``n``, in one transaction.

    What came in is stored even when the part is another run's by now, since it was asked for and answered. It is
    looked through for leaks by the rules of this very moment, outside the transaction unless they change meanwhile.
    """
    asked = {outcome.question.model_id for outcome in outcomes}
    watches: dict[UUID, Watch] = {}
    if asked:
        with database().read() as session:
            watches = leak_check.load_watches(session, asked)
    answers, taken = answer_parts.take_in(outcomes)
    settled = [_settled(plan, outcome, watches, answers) for outcome in outcomes]
    with database().write() as session:
        if asked and (changed := leak_check.load_watches(session, asked)) != watches:
            settled = [_settled(plan, outcome, changed, answers) for outcome in outcomes]
        now = utc_now()
        rows = [row | {"ready_at": now if row["is_ready"] else None} for row in settled]
        jobs.settle(session, rows=answer_parts.resolve(session, rows, taken, now) if taken else rows)
        is_ours = jobs.is_run_of(session, part_id=plan.part_id, run_id=plan.run_id, now=now, asked_s=asked_s)
        row = jobs.find_part(session, part_id=plan.part_id)
        goes_on = (
            is_ours and row is not None and row.status == PartStatus.RUNNING and row.job_status == JobStatus.RUNNING
        )
        claimed = jobs.claim(session, part_id=plan.part_id, n=n, now=now) if goes_on and n > 0 else []
        has_waiting = jobs.has_waiting(session, part_id=plan.part_id)
        allowed = models.list_allowed_addresses(session)
    return Standing(
        goes_on=goes_on,
        is_ours=is_ours,
        is_cancelled=row is None or row.job_status == JobStatus.CANCELLED,
        is_stale=allowed != plan.allowed,
        questions=tuple(_question(one) for one in claimed),
        has_waiting=has_waiting,
    )


def _question(row: Row) -> Question:
    return Question(
        id=row.id,
        model_id=row.model_id,
        messages=tuple(ChatMessage(one["role"], (TextPart(one["content"]),)) for one in row.messages),
        attachments=tuple(row.attachments),
        sample=row.sample,
        n_tries=row.n_tries,
        answered=answered_replies(row),
        spent=row.cost,
    )


def answered_replies(row: Row) -> tuple[Reply, ...]:
    """The turns that an earlier try had answered; all their numbers stand with the first."""
    if any(part["type"] != "text" for part in row.parts):
        return ()  # what was shown can't be told again, so the conversation begins anew
    texts = list(itertools.takewhile(str.strip, (part["text"] for part in row.parts)))
    counts = [(row.input_tokens, row.output_tokens, row.latency_ms or 0.0, row.first_token_ms)]
    counts += [(0, 0, 0.0, None)] * (len(texts) - 1)
    return tuple(
        Reply(text, (), "stop", n_input, n_output, latency_ms, first_token_ms, "")
        for text, (n_input, n_output, latency_ms, first_token_ms) in zip(texts, counts, strict=False)
    )


def give_back(plan: Plan, questions: Sequence[Question]) -> None:
    """Let wait again what was claimed but never sent."""
    if questions:
        with database().write() as session:
            jobs.let_wait(session, part_id=plan.part_id, generation_ids=[one.id for one in questions])


def drop_rest(plan: Plan) -> None:
    """Take out what a cancelled job had claimed and never sent."""
    with database().write() as session:
        row = jobs.find_part(session, part_id=plan.part_id)
        if row is not None and row.job_status == JobStatus.CANCELLED:
            jobs.drop_waiting(session, job_id=row.job_id)


def stop_part(plan: Plan, reason: str) -> None:
    """Stop asking this endpoint until an admin resumes the job; ``reason`` is shown."""
    with database().write() as session:
        jobs.set_part(session, part_id=plan.part_id, run_id=plan.run_id, status=PartStatus.STOPPED, reason=reason)


def stop_unready(part_id: UUID, run_id: str, reason: str) -> None:
    """Stop a part whose run could not even begin."""
    with database().write() as session:
        jobs.take_part(session, part_id=part_id, run_id=run_id)
        jobs.set_part(session, part_id=part_id, run_id=run_id, status=PartStatus.STOPPED, reason=reason)


def end_part(plan: Plan) -> bool:
    """Note that a part is done, and its job with the last of them; False when something still waits."""
    with database().write() as session:
        row = jobs.find_part(session, part_id=plan.part_id)
        if row is None:
            return False
        jobs.lock_job(session, job_id=row.job_id)  # two parts that end at once would each find the other one open
        if jobs.has_waiting(session, part_id=plan.part_id) or row.run_id != plan.run_id:
            return False
        jobs.set_part(session, part_id=plan.part_id, run_id=plan.run_id, status=PartStatus.DONE)
        parts = jobs.list_parts(session, job_id=row.job_id)
        if all(part.status == PartStatus.DONE for part in parts):
            running = [JobStatus.RUNNING, JobStatus.PAUSED]
            jobs.set_job(session, job_id=row.job_id, was=running, status=JobStatus.DONE, now=utc_now())
    return True


def is_still_open(plan: Plan) -> bool:
    """Whether a part is still this run's and is to go on."""
    with database().read() as session:
        row = jobs.find_part(session, part_id=plan.part_id)
    ours = row is not None and row.run_id == plan.run_id and row.status == PartStatus.RUNNING
    return ours and row is not None and row.job_status == JobStatus.RUNNING


def end_abandoned() -> int:
    """Note what cancelled jobs were asking for when their process died; how many of their parts had died so."""
    with database().read() as session:
        found = jobs.list_abandoned(session, before=utc_now() - timedelta(seconds=DEAD_AFTER_S))
    for part_id, job_id in found:
        with database().write() as session:
            rows = jobs.list_models_of_part(session, part_id=part_id)
            paid = [model.id for model in rows if model.input_price or model.output_price]
            jobs.end_interrupted(session, part_id=part_id, paid=paid, reason=_INTERRUPTED)
            jobs.drop_waiting(session, job_id=job_id)
    return len(found)


def list_open_parts() -> list[tuple[UUID, str]]:
    """The parts (id, endpoint) that somebody must work on."""
    with database().read() as session:
        return [(row.id, row.endpoint) for row in jobs.list_open_parts(session)]


# ------------------------------------------------------------------------------------------------ what came in


def ask_of(plan: Plan, question: Question, messages: tuple[ChatMessage, ...], turn: int) -> Ask:
    """What a connector is given. Each sample has a seed of its own, else all samples would be the same."""
    model = plan.models[question.model_id]
    sampling = plan.sampling
    if sampling.seed is not None and question.sample:
        sampling = Sampling(
            sampling.system, sampling.temperature, sampling.top_p, sampling.max_tokens, sampling.seed + question.sample
        )
    return Ask(
        messages=messages,
        settings=model.settings,
        secret=model.secret,
        sampling=sampling,
        request_id=f"{question.id}-{turn}",
        provider_id=model.provider_id,
    )


def _settled(
    plan: Plan, outcome: Outcome, watches: Mapping[UUID, Watch], answers: Mapping[UUID, answer_parts.Answer]
) -> dict[str, Any]:
    """What is stored of a generation: its answer, or that it waits for another try, or that it has failed and why."""
    question, replies, problem = outcome
    model = plan.models[question.model_id]
    parts, refusal = answers[question.id]
    retry_at, n_tries = None, question.n_tries
    if problem is None:
        status, error = (GenerationStatus.FAILED, refusal) if refusal else status_of(replies)
        checked = Checked(status, [], parts, None)
        if status == GenerationStatus.OK:
            prompt = "\n".join(one.text for one in question.messages)
            checked = leak_check.check(watches[question.model_id], prompt, parts)
    else:
        status, error, retry_at, n_tries = _unanswered(model, question, problem)
        checked = Checked(status, [], parts, None)
    n_input, n_output = (total([getattr(one, name) for one in replies]) for name in ("input_tokens", "output_tokens"))
    return {
        "generation_id": question.id,
        "asked_try": question.n_tries,
        "status": checked.status,
        "parts": checked.parts,
        "original_parts": checked.original_parts,
        "leaks": checked.leaks,
        "error": error,
        "n_tries": n_tries,
        "latency_ms": sum(one.latency_ms for one in replies) if replies else None,
        "first_token_ms": replies[0].first_token_ms if replies else None,
        "input_tokens": n_input,
        "output_tokens": n_output,
        "cost": cost_of(model.input_price, model.output_price, n_input, n_output) if replies else question.spent,
        "is_ready": checked.status == GenerationStatus.OK,
        "retry_at": retry_at,
    }


def status_of(replies: Sequence[Reply]) -> tuple[GenerationStatus, str]:
    """What an answer is stored as before it is looked through, and why it is no whole one, if it isn't."""
    finishes = {one.finish for one in replies}
    if "refusal" in finishes:
        return GenerationStatus.REFUSED, "The endpoint refused to answer."
    if "length" in finishes:
        return GenerationStatus.TRUNCATED, "The answer was cut short by a limit of tokens."
    if not all(one.text.strip() or one.images for one in replies):
        return GenerationStatus.EMPTY, "The answer is empty."
    return GenerationStatus.OK, ""


def total(counts: Sequence[int | None]) -> int | None:
    """The sum; None where any is unknown."""
    known = [n for n in counts if n is not None]
    return sum(known) if known and len(known) == len(counts) else None


def _unanswered(
    model: AskedModel, question: Question, problem: ConnectorError | InvalidInputError | NotFoundError | BrokenOff
) -> tuple[GenerationStatus, str, datetime | None, int]:
    """Status, reason, when to try again and tries so far of what was not answered.

    What its endpoint would not take at all, and what was broken off, has not used up a try.
    """
    n = question.n_tries
    if isinstance(problem, BrokenOff):
        if problem.is_cancelled:
            return GenerationStatus.FAILED, "The job was cancelled while this was being asked.", None, n
        if model.input_price or model.output_price:
            return GenerationStatus.FAILED, _INTERRUPTED, None, n - 1
        return GenerationStatus.WAITING, "", None, n - 1
    if isinstance(problem, ConnectorError) and problem.stops_endpoint:
        return GenerationStatus.WAITING, "", None, n - 1
    reason = str(problem)[:2000]
    if isinstance(problem, ConnectorError) and problem.is_retryable and n < MOST_TRIES:
        wait = timedelta(seconds=wait_s(n, problem.retry_after))
        return GenerationStatus.WAITING, reason, utc_now() + wait, n
    return GenerationStatus.FAILED, reason, None, n


def wait_s(n_tries: int, retry_after: float | None) -> float:
    """How long to wait before the next try: what the endpoint asked for, else twice as long each time, with jitter.

    Half of it is random ("equal jitter"), so that questions that failed together don't come back together.
    """
    if retry_after is not None:
        return min(max(retry_after, 0.0), 3600.0) + random.uniform(0.0, 0.5)  # noqa: S311 - no secret
    longest = min(LONGEST_WAIT_S, 0.5 * 2.0**n_tries)
    return longest / 2 + random.uniform(0.0, longest / 2)  # noqa: S311 - no secret
