"""Jobs side by side, their results one after another: threads in the synchronous client, tasks in the other.

Only `start`, `next` and `drain` are called by whoever owns the workers, all from one thread, so what is decided between
two results needs no lock. Which job comes next is left to the owner.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Generic, Self, TypeVar, cast

from . import clock

T = TypeVar("T")
R = TypeVar("R")

GRACE = 1.0
"""Seconds for which an interrupted owner waits for what is in progress; a thread can't be cancelled, a task may ignore
it."""


class Workers(Generic[T, R]):
    """Jobs in threads, one thread for each that is in progress at a time. Each runs in the context of its `start`.

    The threads are daemons: what hangs in one must not keep an interrupted process alive.
    """

    def __init__(self) -> None:
        self.active: int = 0
        self._threads = 0
        self._jobs: SimpleQueue[tuple[T, Context, Callable[[], R]] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[T, R | None, BaseException | None]] = SimpleQueue()

    def start(self, ticket: T, job: Callable[[], R]) -> None:
        """Begin a job; `ticket` comes back with its result."""
        self.active += 1
        self._jobs.put((ticket, copy_context(), job))
        if self._threads < self.active:
            self._threads += 1
            threading.Thread(target=self._work, name="kubernaut_client worker", daemon=True).start()

    def next(self) -> tuple[T, R]:
        """Wait for one of the jobs that are in progress; raises what it raised."""
        ticket, result, error = self._done.get()
        self.active -= 1
        if error is not None:
            raise error
        return ticket, cast("R", result)

    def drain(self) -> list[tuple[T, R]]:
        """The results of jobs that end within `GRACE`; the others are given up, and so are those that raise."""
        ended: list[tuple[T, R]] = []
        end = clock.monotonic() + GRACE
        while self.active:
            try:
                ticket, result, error = self._done.get(timeout=max(end - clock.monotonic(), 0))
            except Empty:
                break
            self.active -= 1
            if error is None:
                ended.append((ticket, cast("R", result)))
        return ended

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (task := self._jobs.get()) is not None:
            ticket, context, job = task
            try:
                self._done.put((ticket, context.run(job), None))
            # Whatever a job raises is for its owner, and must not end the thread that others count on.
            except BaseException as error:  # noqa: BLE001 - see above
                self._done.put((ticket, None, error))


class AsyncWorkers(Generic[T, R]):
    """As `Workers`, in tasks of the running event loop."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[R], T] = {}
        self._ended: deque[asyncio.Task[R]] = deque()

    @property
    def active(self) -> int:
        return len(self._tasks)

    def start(self, ticket: T, job: Callable[[], Awaitable[R]]) -> None:
        self._tasks[clock.running_loop().create_task(_awaited(job))] = ticket

    async def next(self) -> tuple[T, R]:
        if not self._ended:
            ended, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            self._ended.extend(ended)
        task = self._ended.popleft()
        return self._tasks.pop(task), task.result()

    async def drain(self) -> list[tuple[T, R]]:
        """The results of the jobs that have ended; the others are cancelled. Those that raise are given up."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            # A job that doesn't end by it must not hold up the owner.
            await asyncio.wait(self._tasks, timeout=GRACE)
        ended = [
            (ticket, task.result())
            for task, ticket in self._tasks.items()
            if task.done() and not task.cancelled() and task.exception() is None
        ]
        self._tasks.clear()
        self._ended.clear()
        return ended

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.drain()


async def _awaited(job: Callable[[], Awaitable[R]]) -> R:
    return await job()
