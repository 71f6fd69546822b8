"""Threads for work beside the event loop: preparing prompts, decoding and encoding pictures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class WorkPool:
    """A few threads. What waits for one waits in the event loop, and is gone as soon as its client is."""

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, "prepare")
        self._free = asyncio.Semaphore(threads)

    def close(self) -> None:
        """End the threads after what they do."""
        self._executor.shutdown()

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do some work in a thread; a thread that has begun finishes it, also where the caller is cancelled."""
        loop = asyncio.get_running_loop()
        await self._free.acquire()

        def free(_: Future[T]) -> None:
            loop.call_soon_threadsafe(self._free.release)

        done = self._executor.submit(work, *arguments)
        done.add_done_callback(free)
        return await asyncio.wrap_future(done)
