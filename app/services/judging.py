"""Asking a language model which of two outputs is better: each pair in both orders, each question once.

Every answer is stored as it comes, so that a run which is broken off goes on where it was. Its votes lie in a table of
their own and never join those of people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from app.connectors._protocol import Ask, ChatMessage, Reply, Sampling, TextPart
from app.connectors._registry import get_connector
from app.domain import Answer, Identity, Outcome, Role, utc_now
from app.errors import ConflictError, ConnectorError, InvalidInputError, NotFoundError
from app.services.judge_asking import Judge, Question, Shown, ask_all
from app.services.judge_prompt import judge_question, read_verdict, texts_of
from app.services.model_drafts import secret_of
from app.services.models import cost_of
from app.services.sign_in import actor_id, require
from db import audit, experiments, judge_votes, models
from db.engine import Session, database

MOST_TOKENS = 1024
MOST_ERRORS = 5  # different ones that a run tells; all are stored
UNREADABLE = "The answer names no verdict, or more than one."
REFUSED = "The judge refused to answer."
CUT_SHORT = "The answer was cut short before its verdict."
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class JudgingDone:
    """What a run did: questions that were answered with a verdict, in words nobody can read, or not at all.

    ``n_pairs_left`` are pairs of outputs that still lack an answer in some order, ``n_pairs_left_out`` of them
    with a picture in them. ``cost`` is that of this run, None where prices or tokens are unknown. ``errors`` are the
    first different reasons, ``stopped`` says why the run ended early, if it did.
    """

    judge: str
    n_verdicts: int = 0
    n_unreadable: int = 0
    n_failed: int = 0
    n_pairs_left: int = 0
    n_pairs_left_out: int = 0
    cost: float | None = None
    stopped: str = ""
    errors: list[str] = field(default_factory=list)


def find_judge(actor: Identity | None, name: str) -> UUID:
    """The newest model of this name; raises NotFoundError naming what there is."""
    require(actor, Role.ADMIN)
    with database().read() as session:
        found = judge_votes.list_by_name(session, name=name)
        known = [row.name for row in judge_votes.list_judges(session) if row.connector != "file"]
    if not found:
        raise NotFoundError(f"There is no model {name!r}. Those that can be asked: {', '.join(known) or 'none yet'}.")
    return found[0].id  # type: ignore[no-any-return]


def list_judges(actor: Identity | None) -> dict[UUID, str]:
    """The models that can be asked, by name."""
    require(actor, Role.ADMIN)
    with database().read() as session:
        rows = [row for row in judge_votes.list_judges(session) if row.connector != "file"]
    return {row.id: f"{row.name} {row.version}".strip() for row in rows}


def judge_experiment(
    actor: Identity | None,
    experiment_id: UUID,
    judge_id: UUID,
    *,
    limit: int | None = None,
    temperature: float | None = 0.0,
    on_progress: Progress | None = None,
) -> JudgingDone:
    """Ask a model about the pairs of outputs of an experiment that lack its verdict, each in both orders.

    At most ``limit`` pairs are asked about: those first that people voted on, then the others in an order that has
    nothing to do with prompts or models. What gets no answer is stored with its reason and asked again by the next
    run; an answer that can't be read stays. A refused key, or many failures in a row, end the run. Raises
    InvalidInputError when the model can't be asked, ConflictError when the experiment hasn't started.
    """
    require(actor, Role.ADMIN)
    if limit is not None and limit < 1:
        raise InvalidInputError("A judge is asked about at least one pair.")
    with database().read() as session:
        model = models.get_model(session, model_id=judge_id)
        pairs = _open_pairs(session, experiment_id, judge_id)
        allowed = models.list_allowed_addresses(session)
    judge = _judge(model, temperature, allowed)
    work = _Work(judge, pairs, limit, on_progress)
    work.done.stopped = ask_all(judge, work.questions(), work.store)
    with database().read() as session:  # it takes seconds in a large study, in which nobody could vote
        work.done.n_pairs_left = len(_open_pairs(session, experiment_id, judge_id))
    with database().write() as session:
        _log(session, actor, experiment_id, work.done)
    return work.done


def _judge(model: Any, temperature: float | None, allowed: set[str]) -> Judge:
    connector = get_connector(model.connector)
    if model.connector == "file":
        raise InvalidInputError(f"{model.name} is known by its outputs alone and can't be asked.")
    connector.check(model.settings)
    return Judge(
        id=model.id,
        label=f"{model.name} {model.version}".strip(),
        connector=connector,
        settings=model.settings,
        secret=secret_of(connector, model.secret_name),
        provider_id=model.provider_id,
        sampling=Sampling(temperature=temperature, max_tokens=MOST_TOKENS),
        concurrency=model.concurrency,
        per_minute=model.per_minute,
        prices=(model.input_price, model.output_price),
        allowed=frozenset(allowed),
    )


def _open_pairs(session: Session, experiment_id: UUID, judge_id: UUID) -> list[list[Shown]]:
    """The questions that are still to be asked, by pair of outputs, in the order of asking."""
    experiment = experiments.get_experiment(session, experiment_id=experiment_id)
    if experiment.started_at is None:
        raise ConflictError("This experiment hasn't started, so its pairs aren't fixed yet.")
    if experiment.prompt_set_id is None:
        raise InvalidInputError("This study names no prompt set, so there are no outputs to judge.")
    is_imported = experiment.ended_at == experiment.started_at  # its outputs may have come after its votes
    until = None if is_imported else experiment.started_at
    rows = models.list_usable(
        session,
        experiment_id=experiment_id,
        prompt_set_id=experiment.prompt_set_id,
        until=until,
        left_out=experiment.left_out,
    )
    usable = {(row.model_id, row.prompt_id): row.id for row in rows}
    by_model: dict[UUID, set[UUID]] = {}
    for model_id, prompt_id in usable:
        by_model.setdefault(model_id, set()).add(prompt_id)
    voted = {
        (row.model_a_id, row.model_b_id, row.prompt_id)
        for row in judge_votes.list_human_verdicts(session, experiment_id=experiment_id)
    }
    settled = judge_votes.list_settled(session, experiment_id=experiment_id, judge_id=judge_id)
    found = []
    for pair in experiments.list_pairs(session, experiment_id=experiment_id):
        ends = (pair.model_a_id, pair.model_b_id)
        for prompt_id in by_model.get(ends[0], set()) & by_model.get(ends[1], set()):
            a, b = (usable[end, prompt_id] for end in ends)
            orders = [Shown(experiment_id, a, b, side) for side in (True, False) if (a, b, side) not in settled]
            found.append(((*ends, prompt_id) not in voted, hashlib.sha256(a.bytes + b.bytes).digest(), orders))
    return [orders for _, _, orders in sorted(found, key=lambda entry: entry[:2]) if orders]


class _Work:
    """Puts the questions of one run into words, stores what comes of them, and counts."""

    def __init__(self, judge: Judge, pairs: list[list[Shown]], limit: int | None, on_progress: Progress | None) -> None:
        self.done = JudgingDone(judge.label)
        self._judge, self._pairs, self._most, self._tell = judge, pairs, limit or len(pairs), on_progress
        self._n_questions = sum(map(len, pairs[: self._most]))
        self._n_stored = 0

    def questions(self) -> Iterator[Question]:
        """The questions of the pairs that can be put into words, as many pairs as were asked for."""
        n_pairs = 0
        for orders in self._pairs:
            if n_pairs == self._most:
                return
            asked = [question for question in map(self._load, orders) if question is not None]
            if not asked:
                self.done.n_pairs_left_out += 1
                continue
            n_pairs += 1
            yield from asked

    def _load(self, shown: Shown) -> Question | None:
        with database().read() as session:
            found = _read(session, shown)
        if found is None:
            return None
        prompt_id, messages, texts = found
        first, second = texts if shown.is_a_left else texts[::-1]
        said = judge_question(messages, first, second)
        # The same over retries and runs, so that an endpoint which knows it charges once; other texts are another one.
        key = "\0".join(map(str, (shown.experiment_id, self._judge.id, shown, said)))
        ask = Ask(
            messages=(ChatMessage("user", (TextPart(said),)),),
            settings=self._judge.settings,
            secret=self._judge.secret,
            sampling=self._judge.sampling,
            request_id=hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32],
            provider_id=self._judge.provider_id,
        )
        return Question(shown, prompt_id, texts, ask)

    def store(self, question: Question, came: Reply | ConnectorError) -> None:
        """Keep an answer, or the reason why there is none; unless one of the two texts changed meanwhile."""
        shown, cost = question.shown, None
        if isinstance(came, ConnectorError):
            outcome, answer, error = None, "", str(came)
        else:
            outcome, error = _verdict(came, shown)
            answer = came.text.replace("\0", "") or "(no text)"  # PostgreSQL takes no NUL
            cost = cost_of(*self._judge.prices, came.input_tokens, came.output_tokens)
        with database().write() as session:
            now = _read(session, shown)
            if now is not None and now[2] == question.texts:
                judge_votes.add_judge_vote(
                    session,
                    **asdict(shown),
                    judge_id=self._judge.id,
                    prompt_id=question.prompt_id,
                    outcome=outcome,
                    answer=answer,
                    error=error,
                    cost=cost,
                    created_at=utc_now(),
                )
        self._count(outcome, answer, error, cost)

    def _count(self, outcome: Outcome | None, answer: str, error: str, cost: float | None) -> None:
        done = self.done
        done.n_verdicts += outcome is not None
        done.n_unreadable += outcome is None and answer != ""
        done.n_failed += answer == ""
        if cost is not None:
            done.cost = (done.cost or 0.0) + cost
        if error and error not in done.errors and len(done.errors) < MOST_ERRORS:
            done.errors.append(error)
        self._n_stored += 1
        if self._tell is not None:
            self._tell(self._n_stored, max(self._n_questions, self._n_stored))


def _read(session: Session, shown: Shown) -> tuple[UUID, Any, tuple[list[str], list[str]]] | None:
    """The prompt and the texts of both outputs, a before b; None where a picture is part of it."""
    rows = judge_votes.list_shown(session, generation_ids=(shown.generation_a_id, shown.generation_b_id))
    a, b = rows.get(shown.generation_a_id), rows.get(shown.generation_b_id)
    if a is None or b is None or a.attachments:
        return None
    texts = texts_of(a.parts), texts_of(b.parts)
    if texts[0] is None or texts[1] is None:
        return None
    return a.prompt_id, a.messages, (texts[0], texts[1])


def _verdict(reply: Reply, shown: Shown) -> tuple[Outcome | None, str]:
    """What an answer says of the two outputs, or why it says nothing."""
    if reply.finish == "refusal":
        return None, REFUSED
    said = read_verdict(reply.text)
    if said is None:
        return None, CUT_SHORT if reply.finish == "length" else UNREADABLE
    if said in (Answer.TIE, Answer.BOTH_BAD):
        return Outcome(said.value), ""
    return Outcome.MODEL_A if (said == Answer.LEFT) == shown.is_a_left else Outcome.MODEL_B, ""


def _log(session: Session, actor: Identity | None, experiment_id: UUID, done: JudgingDone) -> None:
    experiment = experiments.get_experiment(session, experiment_id=experiment_id)
    names = ("judge", "n_verdicts", "n_unreadable", "n_failed", "cost", "stopped")
    audit.add_event(
        session,
        at=utc_now(),
        actor_id=actor_id(actor),
        action="experiment.judge",
        subject=experiment.key,
        details={name: getattr(done, name) for name in names},
    )
