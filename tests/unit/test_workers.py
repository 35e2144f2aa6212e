"""Jobs in threads and in tasks: results one by one, failures to the owner, nothing left hanging."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest

from kubernaut_client import workers as module
from kubernaut_client.workers import AsyncWorkers, Workers

SEEN: ContextVar[str] = ContextVar("seen", default="")


def test_results_come_back_in_the_thread_of_the_owner() -> None:
    names: set[str] = set()

    def job(number: int) -> int:
        names.add(threading.current_thread().name)
        return number * number

    with Workers[int, int]() as workers:
        for number in range(5):
            workers.start(number, partial(job, number))
        assert workers.active == 5
        assert sorted(workers.next() for _ in range(5)) == [(n, n * n) for n in range(5)]
        assert workers.active == 0
    assert names == {"kubernaut_client worker"}


def test_there_are_no_more_threads_than_jobs_at_a_time() -> None:
    before = threading.active_count()
    with Workers[int, int]() as workers:
        for number in range(50):
            workers.start(number, threading.active_count)
            _, count = workers.next()
            assert count <= before + 1


def test_jobs_run_side_by_side() -> None:
    barrier = threading.Barrier(4, timeout=20)
    with Workers[int, int]() as workers:
        for number in range(4):
            workers.start(number, barrier.wait)
        assert sorted(workers.next()[1] for _ in range(4)) == [0, 1, 2, 3]


def test_a_job_runs_in_the_context_of_its_start() -> None:
    with Workers[int, str]() as workers:
        token = SEEN.set("here")
        workers.start(1, SEEN.get)
        SEEN.reset(token)
        workers.start(2, SEEN.get)
        assert sorted(workers.next() for _ in range(2)) == [(1, "here"), (2, "")]


def test_what_a_job_raises_is_raised_for_the_owner() -> None:
    with Workers[int, Any]() as workers:
        workers.start(1, partial(int, "x"))
        with pytest.raises(ValueError, match="invalid literal"):
            workers.next()
        workers.start(2, lambda: "still there")
        assert workers.next() == (2, "still there")


def test_draining_gives_up_what_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", 0.05)
    hanging = threading.Event()
    with Workers[str, Any]() as workers:
        workers.start("hangs", partial(hanging.wait, 60))
        workers.start("ends", lambda: 1)
        assert workers.drain() == [("ends", 1)]
    hanging.set()


async def value(number: int) -> int:
    await asyncio.sleep(0)
    return number


async def test_async_results() -> None:
    async with AsyncWorkers[int, int]() as workers:
        for number in range(5):
            workers.start(number, partial(value, number))
        assert workers.active == 5
        assert sorted([await workers.next() for _ in range(5)]) == [(n, n) for n in range(5)]
        assert workers.active == 0


async def test_async_failure() -> None:
    async def fail() -> int:
        raise ValueError("x")

    async with AsyncWorkers[int, int]() as workers:
        workers.start(1, fail)
        with pytest.raises(ValueError, match="x"):
            await workers.next()


async def test_async_draining_cancels_what_hangs() -> None:
    cancelled: list[str] = []

    async def hang() -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("hangs")
            raise
        return 0

    jobs: dict[str, Callable[[], Awaitable[int]]] = {"hangs": hang, "ends": partial(value, 1)}
    async with AsyncWorkers[str, int]() as workers:
        for name, job in jobs.items():
            workers.start(name, job)
        for _ in range(3):
            await asyncio.sleep(0)
        assert await workers.drain() == [("ends", 1)]
        assert workers.active == 0
    assert cancelled == ["hangs"]


async def test_leaving_cancels() -> None:
    started = asyncio.Event()

    async def hang() -> int:
        started.set()
        await asyncio.Event().wait()
        return 0

    async with AsyncWorkers[int, int]() as workers:
        workers.start(1, hang)
        await started.wait()
    assert workers.active == 0


def test_a_failure_of_another_job_does_not_replace_what_is_drained() -> None:
    with Workers[str, Any]() as workers:
        workers.start("fails", partial(int, "x"))
        workers.start("exits", partial(exec, "raise SystemExit"))
        workers.start("ends", lambda: 1)
        assert workers.drain() == [("ends", 1)]
        assert workers.active == 0


async def test_async_draining_gives_up_what_fails_or_ignores_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", 0.05)
    over = asyncio.Event()

    async def fails() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("while it is cancelled")

    async def ignores() -> int:
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue
        return 0

    workers = AsyncWorkers[str, int]()
    jobs: dict[str, Callable[[], Awaitable[int]]] = {"fails": fails, "ignores": ignores, "ends": partial(value, 1)}
    for name, job in jobs.items():
        workers.start(name, job)
    for _ in range(3):
        await asyncio.sleep(0)
    assert await workers.drain() == [("ends", 1)]
    assert workers.active == 0
    over.set()
    await asyncio.sleep(0)
