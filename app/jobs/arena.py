"""Writes the answers of arenas: one event loop in one thread for all raters of this process.

What a rater sees grows at one pace for both sides (``pacer``), and only by what is stored and was looked through for
names. An answer goes on when the page is reloaded and is broken off when nobody has looked for a while.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from app.connectors._protocol import COUNTED, Ask, ChatMessage, Counted, Reply, Sampling, TextPart
from app.connectors._registry import open_client
from app.errors import BakeoffError
from app.jobs.gate import Gate
from app.jobs.pacer import Pacer
from app.services import arena_rounds
from app.services.arena_rest import ENDED, LEAK, TOO_LONG, UNWATCHED
from app.services.arena_rounds import Plan, PlannedSide, Written
from app.services.asking import status_of

TICK_S = 0.1  # how often it is looked how much may be shown
KEEP_EVERY = 5  # ticks between two times of storing what came in
PREPARED_S = 0.5
LONGEST_S = 180.0  # for one turn of both sides, waiting for a free place at the endpoint included
UNWATCHED_S = 90.0  # a tab in the background asks once a minute
LONGEST_ANSWER = 60_000  # characters; a page with more would be no page
_log = logging.getLogger(__name__)


class Trouble(BakeoffError):  # noqa: N818 - reads as the sentence it is
    """A pair can't go on; what is wrong with which side stands with the sides."""


class BrokenOff(BakeoffError):  # noqa: N818 - reads as the sentence it is
    """Nobody wants the answers any more; str() is why."""


class TakenOut(BakeoffError):  # noqa: N818 - reads as the sentence it is
    """Raters may not be shown one of two whole answers any more, and it is stored so already."""


@dataclass(slots=True)
class Side:
    """One model that answers: whole turns, and the one that is being written."""

    planned: PlannedSide
    replies: list[Reply] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    problem: str = ""
    is_whole: bool = False  # whether the turn that is being written has come to its end
    stored: str = ""  # what of this turn is stored and was looked through
    counted: Counted | None = None  # of a turn that was asked and is not whole: what its endpoint has counted so far
    held_back: int = 0  # characters at the end of a growing answer that are not shown yet: a name may begin there

    @property
    def text(self) -> str:
        """What came in of the turn that is being written."""
        return "".join(self.pieces)

    @property
    def n_ready(self) -> int:
        """How many characters of this turn may be shown."""
        return len(self.stored) if self.is_settled else max(0, len(self.stored) - self.held_back)

    @property
    def is_settled(self) -> bool:
        """Whether all of this turn is stored."""
        return self.is_whole and self.stored == self.text


@dataclass(frozen=True, slots=True)
class Shown:
    """What may be on the screen of a conversation that is being answered: (asked, left, right) for each turn so far."""

    turns: tuple[tuple[str, str, str], ...]


class Live:
    """A battle whose answers are being written."""

    def __init__(self, battle_id: UUID) -> None:
        self.battle_id = battle_id
        self.seen_at = time.monotonic()
        self.shown = Shown(())
        self.plan: Plan | None = None
        self.sides: list[Side] = []
        self.turn = 0
        self.is_all_shown = False
        self.ended: asyncio.Future[None] | None = None  # what breaks the writing off is set as its exception
        self.pacer = Pacer()
        self.is_prepared = threading.Event()

    def prepare(self, plan: Plan) -> None:
        """Begin with what was answered already."""
        self.plan = plan
        held_back = arena_rounds.longest_name(plan)
        self.sides = [Side(one, list(one.replies), held_back=held_back) for one in plan.sides]
        self.begin_turn(min(len(side.replies) for side in self.sides))
        self.is_prepared.set()

    def begin_turn(self, turn: int) -> None:
        """Let both sides write their answers to this message of the rater, counted from 0."""
        self.turn, self.pacer, self.is_all_shown = turn, Pacer(), False
        for side in self.sides:
            side.pieces, side.stored, side.is_whole = [], "", False
        self.draw(0)

    def draw(self, n: int) -> None:
        """Show ``n`` characters of the turn that is being written."""
        assert self.plan is not None  # noqa: S101 - prepare() came first
        ordered = self.sides if self.plan.is_a_left else self.sides[::-1]
        left, right = ([one.text for one in side.replies[: self.turn]] + [side.stored[:n]] for side in ordered)
        self.shown = Shown(tuple(zip(self.plan.texts, left, right, strict=False)))

    def tick(self, now: float) -> None:
        """Show as much as may be shown by now."""
        if not self.sides or self.is_all_shown:
            return
        lengths = self.sides[0].n_ready, self.sides[1].n_ready
        whole = self.sides[0].is_settled, self.sides[1].is_settled
        self.draw(self.pacer.advance(now, lengths, whole))
        self.is_all_shown = self.pacer.is_done(lengths, whole)

    def end(self, problem: BakeoffError) -> None:
        """Break the writing off."""
        if self.ended is not None and not self.ended.done():
            self.ended.set_exception(problem)

    def written(self) -> list[Written]:
        """How far both sides are, as it is stored."""
        return [
            Written(tuple(side.replies), "" if side.is_whole else side.text, side.problem, side.counted)
            for side in self.sides
        ]


class Streams:
    """All answers that this process writes; ``begin`` and ``look`` may be called from any thread."""

    def __init__(self) -> None:
        self._lives: dict[UUID, Live] = {}
        self._gates: dict[UUID, Gate] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._loop = self._runner.get_loop()
        self._ticking: Future[None] | None = None
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="arena", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._loop.run_forever()
        self._runner.close()  # and all that is left open in the loop

    def begin(self, battle_id: UUID) -> None:
        """Have the answers of a battle written, if they aren't being written already."""
        if battle_id in self._lives:
            return
        live = Live(battle_id)
        if self._lives.setdefault(battle_id, live) is live:  # and not of another tab, at the same moment
            self._loop.call_soon_threadsafe(self._start, live)

    def look(self, battle_id: UUID) -> Shown | None:
        """What may be on the screen by now, None when this process writes no answer of this battle (any more)."""
        live = self._lives.get(battle_id)
        if live is None:
            return None
        live.seen_at = time.monotonic()
        live.is_prepared.wait(PREPARED_S)  # else a page that asked further would lose what stood there for a moment
        return live.shown

    def stop(self) -> None:
        """Break everything off and end the thread."""

        async def end() -> None:
            self._is_ending = True
            for live in list(self._lives.values()):
                live.end(BrokenOff(ENDED))
            async with asyncio.timeout(10):
                while self._tasks:  # one that was failing just now begins another in its place
                    await asyncio.wait(list(self._tasks))

        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(end(), self._loop).result(timeout=12)
        if self._ticking is not None:
            self._ticking.cancel()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    def _start(self, live: Live) -> None:
        live.ended = self._loop.create_future()
        live.ended.add_done_callback(lambda future: future.exception())  # else asyncio would log one nobody waits for
        if self._is_ending:
            live.end(BrokenOff(ENDED))
        task = self._loop.create_task(self._write(live))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._ticking is None or self._ticking.done():
            self._ticking = asyncio.run_coroutine_threadsafe(self._tick(), self._loop)

    async def _write(self, live: Live) -> None:
        """The answers of one battle, or what became of it instead."""
        try:
            try:
                live.prepare(await asyncio.to_thread(arena_rounds.load_plan, live.battle_id))
                await self._all_turns(live)
            except Trouble:
                following = await asyncio.to_thread(arena_rounds.swap, _plan(live), live.written())
                if following is not None:
                    self.begin(following)
            except TakenOut:
                pass  # the rater's page says so, by what is stored
            except BrokenOff as reason:
                if live.plan is not None:
                    await asyncio.to_thread(arena_rounds.give_up, live.plan, live.written(), str(reason))
        except Exception:  # the rater is told that it was broken off, once the battle's lease has run out
            _log.exception("writing the answers of an arena failed")
        finally:
            self._lives.pop(live.battle_id, None)

    async def _all_turns(self, live: Live) -> None:
        plan = _plan(live)
        async with open_client(allowed=plan.allowed) as client:
            while True:
                await self._turn(live, client)
                is_last = live.turn + 1 >= len(plan.texts)
                if is_last:
                    problems = await asyncio.to_thread(arena_rounds.settle, plan, live.written())
                    if any(problems):
                        raise Trouble("an answer can't be shown")
                await self._until_shown(live)
                if is_last:
                    break
                live.begin_turn(live.turn + 1)
        await asyncio.to_thread(arena_rounds.open_for_votes, plan)

    async def _turn(self, live: Live, client: httpx.AsyncClient) -> None:
        """Ask both sides; raises Trouble as soon as one of them fails, and the other is broken off then."""
        assert live.ended is not None  # noqa: S101 - it began with it
        if live.ended.done():  # nothing was asked yet, and nothing of it costs anything
            live.ended.result()
        tasks = [self._loop.create_task(self._ask(live, side, client)) for side in live.sides]
        both = asyncio.gather(*tasks)
        try:
            waited: set[asyncio.Future[Any]] = {both, live.ended}
            await asyncio.wait(waited, timeout=LONGEST_S, return_when=asyncio.FIRST_COMPLETED)
            if live.ended.done():
                live.ended.result()
            if not both.done():
                for side in live.sides:
                    side.problem = "" if side.is_whole else f"It took longer than {LONGEST_S:.0f} seconds."
                raise Trouble("an answer took too long")
            both.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(BakeoffError, asyncio.CancelledError):
                await both

    async def _ask(self, live: Live, side: Side, client: httpx.AsyncClient) -> None:
        plan, model = _plan(live), side.planned.model
        if model is None:
            side.problem = side.planned.problem
            raise Trouble("a model can't be asked")

        def take(piece: str) -> None:
            side.pieces.append(piece)

        ask = Ask(
            messages=tuple(_messages(plan.texts[: live.turn + 1], side.replies)),
            settings=model.settings,
            secret=model.secret,
            sampling=Sampling(max_tokens=plan.rules.most_tokens),
            request_id=f"{side.planned.generation_id}-{live.turn}",
            provider_id=model.provider_id,
        )
        try:
            async with self._gate(side.planned):
                side.counted = Counted()
                COUNTED.set(side.counted)  # for this task, which asks one question
                reply = await model.connector.ask(client, ask, on_text=take)
        except BakeoffError as error:
            side.problem = str(error)
            raise Trouble("an endpoint failed") from error
        side.counted = None
        side.replies.append(reply)
        side.pieces, side.is_whole = [reply.text], True
        if status_of([reply])[1]:
            raise Trouble("an answer can't be shown")

    def _gate(self, side: PlannedSide) -> Gate:
        gate = self._gates.get(side.model_id)
        if gate is None or (gate.concurrency, gate.per_minute) != (side.concurrency, side.per_minute):
            gate = self._gates[side.model_id] = Gate(side.concurrency, side.per_minute)
        return gate

    async def _until_shown(self, live: Live) -> None:
        """Wait until the page may have all of this turn."""
        assert live.ended is not None  # noqa: S101 - it began with it
        while not live.is_all_shown:
            await asyncio.wait({live.ended}, timeout=TICK_S)
            if live.ended.done():
                live.ended.result()

    # -------------------------------------------------------------------------------------------- the clock

    async def _tick(self) -> None:
        """Store what came in, look it through, and show it, as long as anything is written."""
        n = 0
        while self._lives or self._tasks:
            await asyncio.sleep(TICK_S)
            n += 1
            lives = [live for live in list(self._lives.values()) if live.sides]
            try:
                if n % KEEP_EVERY == 0:
                    await self._keep(lives)
                now = time.monotonic()
                for live in lives:
                    live.tick(now)
                    if now - live.seen_at > UNWATCHED_S:
                        live.end(BrokenOff(UNWATCHED))
            except Exception:  # else every rater would wait for good
                _log.exception("showing the answers of an arena failed")
                for live in lives:
                    live.end(BrokenOff(ENDED))

    async def _keep(self, lives: Sequence[Live]) -> None:
        """Let what came in until now be shown, once it is stored and names nobody."""
        came = [(live, side, side.text) for live in lives for side in live.sides if side.text != side.stored]
        held = [live.battle_id for live in lives]
        try:
            faulty, taken_out = await asyncio.to_thread(_store, came, held)
        except BakeoffError as error:
            _log.warning("answers of an arena wait to be stored: %s", error)
            return
        for live in lives:
            if live.battle_id in taken_out:
                live.end(TakenOut("an answer was taken out"))
        for (live, side, text), names_maker in zip(came, faulty, strict=True):
            if names_maker:
                side.problem = LEAK
                live.end(Trouble("an answer names its maker"))
            elif len(text) > LONGEST_ANSWER:
                side.problem = TOO_LONG
                live.end(Trouble("an answer is too long"))
            elif side.text.startswith(text):
                side.stored = text


def _store(came: Sequence[tuple[Live, Side, str]], held: Sequence[UUID]) -> tuple[list[bool], set[UUID]]:
    """Which of these texts name their makers, and those battles of which an answer may not be shown any more."""
    faulty = [arena_rounds.names_maker(_plan(live), side.planned, text) for live, side, text in came]
    rows = [
        (side.planned.generation_id, [*(reply.text for reply in side.replies[: live.turn]), text])
        for live, side, text in came
    ]
    return faulty, arena_rounds.checkpoint(rows, held) if held else set()


def _plan(live: Live) -> Plan:
    assert live.plan is not None  # noqa: S101 - prepare() came first
    return live.plan


def _messages(texts: Sequence[str], replies: Sequence[Reply]) -> Iterator[ChatMessage]:
    for i, text in enumerate(texts):
        yield ChatMessage("user", (TextPart(text),))
        if i + 1 < len(texts):
            yield ChatMessage("assistant", (TextPart(replies[i].text),))


_streams: list[Streams] = []
_lock = threading.Lock()


def streams() -> Streams:
    """The streams of this process; their thread begins with the first that is asked for."""
    with _lock:
        if not _streams:
            _streams.append(Streams())
        return _streams[0]


def stop_streams() -> None:
    """End the streams of this process, if it has any."""
    with _lock:
        while _streams:
            _streams.pop().stop()
