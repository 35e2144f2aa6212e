"""A clock that only the machine moves, and waiting by it.

Test libraries stop clocks: freezegun replaces `time.monotonic` in every module that holds it, which stops the timers of
an asyncio event loop, too. A deadline or a pause that depended on one of these would never end.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

from .errors import ConfigurationError

# The same clock as `time.monotonic`, by a function that nothing replaces.
monotonic: Callable[[], float] = (
    partial(time.clock_gettime, getattr(time, "CLOCK_UPTIME_RAW", time.CLOCK_MONOTONIC))
    if hasattr(time, "clock_gettime")
    else time.monotonic
)
"""Seconds on a clock that never jumps and that the processes of one boot share."""

# In a tuple, where what replaces it in modules doesn't find it.
_UNREPLACED = (time.monotonic,)
_TOLERANCE = 1.0


def running_loop() -> asyncio.AbstractEventLoop:
    """The running event loop; `ConfigurationError` where there is none of asyncio, as under trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "no asyncio event loop is running here: the async client needs asyncio (under trio or another event loop,"
            " use DataStorageClient in a thread)"
        ) from None


def has_timers() -> bool:
    """Whether the timers of the running event loop follow this clock."""
    loop = running_loop()
    return time.monotonic is _UNREPLACED[0] and abs(loop.time() - monotonic()) < _TOLERANCE


def timeout(seconds: float) -> AbstractAsyncContextManager[object]:
    """As `asyncio.timeout`, also where the clock of the event loop is stopped."""
    return asyncio.timeout(seconds) if has_timers() else _timeout_by_thread(seconds)


async def sleep(seconds: float) -> None:
    """As `asyncio.sleep`, also where the clock of the event loop is stopped."""
    if has_timers():
        await asyncio.sleep(seconds)
        return
    with contextlib.suppress(TimeoutError):
        async with _timeout_by_thread(seconds):
            await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def _timeout_by_thread(seconds: float) -> AsyncGenerator[None]:
    loop = running_loop()
    ended = False
    async with asyncio.timeout(None) as scope:

        def expire() -> None:
            if not ended:
                scope.reschedule(float("-inf"))

        timer = threading.Timer(seconds, loop.call_soon_threadsafe, [expire])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            ended = True
            timer.cancel()
