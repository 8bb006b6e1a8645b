"""One run of a job's part: asks one endpoint, many questions at a time, and stores what comes in as it comes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import httpx

from app.connectors._protocol import ChatMessage, ImagePart, Reply, TextPart
from app.connectors._registry import open_client
from app.errors import ConnectorError, InvalidInputError, NotFoundError
from app.jobs.pace import Pace
from app.services import asking, media
from app.services.asking import BrokenOff, Outcome, Plan, Question, Standing
from db.engine import DatabaseUnavailable

STORE_EVERY_S = 0.1
DRAIN_S = 5.0  # how long what is on its way may still come in when Bakeoff ends
MOST_FORBIDDEN = 5  # in a row; one alone may be about its question
MOST_FAILURES = 120  # seconds for which the database may be away
T = TypeVar("T")


class Run:
    """Asks what a plan says until nothing waits or somebody ends it."""

    def __init__(self, plan: Plan, stop: threading.Event) -> None:
        self._plan = plan
        self._stop = stop
        self._pace = Pace(plan.per_minute)
        self._ready: asyncio.Queue[Question] = asyncio.Queue()
        self._held: dict[int, Question] = {}  # by worker: waits for its turn, nothing was sent yet
        self._asked: dict[int, Question] = {}  # by worker: was sent
        self._came_in: list[Outcome] = []
        self._refusal = ""
        self._n_forbidden = 0
        self._is_closing = False
        self._n_stored = 0
        self._workers: list[asyncio.Task[None]] = []

    async def go(self) -> bool:
        """Whether all is done; False when something is left for a later run."""
        standing: Standing | None = None
        async with open_client(allowed=self._plan.allowed) as client:
            self._workers = [asyncio.create_task(self._work(n, client)) for n in range(self._plan.concurrency)]
            try:
                standing = await self._keep()
            finally:
                for worker in self._workers:
                    worker.cancel()
                ended = await asyncio.gather(*self._workers, return_exceptions=True)
                faulty = {n for n, end in enumerate(ended) if isinstance(end, Exception)}
                await self._close(standing, faulty)
        return standing.goes_on and not standing.has_waiting and not self._refusal

    async def _keep(self) -> Standing:
        """Store and claim, again and again, until nothing is left to do in this run.

        Towards its end nothing more is claimed, but what comes in is stored at once all the same, since somebody may
        cancel the job, or this process may die, while the slowest answer is still on its way.
        """
        before, patience = time.monotonic(), DRAIN_S
        while True:
            for worker in self._workers:
                if worker.done():
                    worker.result()  # raises what ended it
            now = time.monotonic()
            self._is_closing = self._is_closing or self._stop.is_set() or bool(self._refusal)
            standing = await self._store(0 if self._is_closing else self._room(), now - before)
            if self._stop.is_set():
                patience -= now - before
            before = now
            for question in standing.questions:
                self._ready.put_nowait(question)
            if not standing.is_ours or standing.is_cancelled:
                return standing
            self._is_closing = self._is_closing or not standing.goes_on or standing.is_stale
            is_idle = not self._asked and not self._came_in
            if is_idle and (self._is_closing or (self._ready.empty() and not self._held and not standing.has_waiting)):
                return standing
            if patience <= 0:
                return standing
            await asyncio.sleep(STORE_EVERY_S)

    def _room(self) -> int:
        """How many to claim: one for each idle worker, and what the busy ones will want until the next time."""
        n_idle = self._plan.concurrency - len(self._asked) - len(self._held)
        ahead = min(2 * self._plan.concurrency, 2 * self._n_stored + 2)  # few where answers take long
        return max(0, n_idle + ahead - self._ready.qsize())

    async def _store(self, n: int, asked_s: float) -> Standing:
        came_in, self._came_in = self._came_in, []
        try:
            standing = await self._insist(lambda: asking.store_and_claim(self._plan, came_in, n=n, asked_s=asked_s))
        except BaseException:
            self._came_in = came_in + self._came_in
            raise
        self._n_stored = len(came_in)
        return standing

    async def _insist(self, act: Callable[[], T]) -> T:
        """Do something to the database; while it is away, what came in is kept and it is tried again."""
        for _ in range(MOST_FAILURES):
            try:
                return await asyncio.to_thread(act)
            except DatabaseUnavailable:
                await asyncio.sleep(1.0)
        return await asyncio.to_thread(act)

    async def _close(self, standing: Standing | None, faulty: set[int]) -> None:
        """Note what was broken off, and that the endpoint refuses to go on if it does."""
        if standing is not None and not standing.is_ours:
            return  # another run has taken over and has noted it already
        is_cancelled = standing is not None and standing.is_cancelled
        for n, question in self._asked.items():
            fault = InvalidInputError("Bakeoff itself failed on this answer; its log says more.")
            self._came_in.append(Outcome(question, (), fault if n in faulty else BrokenOff(is_cancelled)))
        await self._give_back()
        if self._came_in:
            await self._store(0, 0.0)
        if is_cancelled:
            await self._insist(lambda: asking.drop_rest(self._plan))
        if self._refusal:
            await self._insist(lambda: asking.stop_part(self._plan, self._refusal))

    async def _give_back(self) -> None:
        """Let wait again what was claimed and not sent."""
        back = list(self._held.values())
        while not self._ready.empty():
            back.append(self._ready.get_nowait())
        if back:
            await self._insist(lambda: asking.give_back(self._plan, back))

    async def _work(self, n: int, client: httpx.AsyncClient) -> None:
        while True:
            question = await self._ready.get()
            self._held[n] = question
            await self._pace.turn()
            if self._is_closing or self._refusal:
                return  # it stays among those held, which are given back in the end
            self._asked[n] = self._held.pop(n)
            outcome = await self._ask(client, question)  # when it is cancelled, the question stays among those asked
            self._came_in.append(outcome)
            del self._asked[n]

    async def _ask(self, client: httpx.AsyncClient, question: Question) -> Outcome:
        replies = list(question.answered)
        try:
            await self._turns(client, question, replies)
        except ConnectorError as error:
            self._n_forbidden += error.kind == "forbidden"
            if error.stops_endpoint or self._n_forbidden >= MOST_FORBIDDEN:
                self._refusal = self._refusal or str(error)
            if error.kind == "rate" and error.retry_after:
                self._pace.hold(error.retry_after)
            return Outcome(question, tuple(replies), error)
        except (InvalidInputError, NotFoundError) as error:
            return Outcome(question, tuple(replies), error)
        self._n_forbidden = 0
        return Outcome(question, tuple(replies), None)

    async def _turns(self, client: httpx.AsyncClient, question: Question, replies: list[Reply]) -> None:
        """Add the answers to a conversation: where several user messages follow each other, each is answered in turn.

        What earlier tries were answered is not asked again.
        """
        connector = self._plan.models[question.model_id].connector
        known, said = list(replies), list[ChatMessage]()
        messages = list(question.messages)
        if question.attachments:  # else it would cost each question a wait for the interpreter's lock
            messages = await asyncio.to_thread(_with_images, question)
        for number, message in enumerate(messages):
            said.append(message)
            is_last = number + 1 == len(messages)
            if message.role != "user" or not (is_last or messages[number + 1].role == "user"):
                continue
            if known:
                reply = known.pop(0)
            else:
                reply = await connector.ask(client, asking.ask_of(self._plan, question, tuple(said), len(replies)))
                replies.append(reply)
            if reply.finish != "stop" or not (reply.text.strip() or reply.images):
                return
            text = (TextPart(reply.text),) if reply.text.strip() else ()
            said.append(ChatMessage("assistant", (*text, *reply.images)))


def _with_images(question: Question) -> list[ChatMessage]:
    """The conversation with the prompt's images, which belong to its last message; read when they are needed only."""
    messages = list(question.messages)
    if images := tuple(ImagePart(*media.load_image(item)) for item in question.attachments):
        messages[-1] = ChatMessage(messages[-1].role, (*messages[-1].parts, *images))
    return messages
