"""The way to one model's endpoint, which only so many questions pass at a time."""

from __future__ import annotations

import asyncio

from app.jobs.pace import Pace


class Gate:
    """How many questions a model is asked at a time, and how many a minute."""

    def __init__(self, concurrency: int, per_minute: int | None) -> None:
        self.concurrency, self.per_minute = concurrency, per_minute
        self._places, self._pace = asyncio.Semaphore(concurrency), Pace(per_minute)

    async def __aenter__(self) -> None:
        await self._places.acquire()
        try:
            await self._pace.turn()
        except BaseException:
            self._places.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._places.release()
