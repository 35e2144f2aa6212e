"""One way to use both clients in a test: an async client used like the sync one, over an event loop of its own."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from kubernaut_client import AsyncDataStorageClient, DataStorageClient, RetryPolicy

Colour = Literal["sync", "async"]
COLOURS: tuple[Colour, ...] = ("sync", "async")
QUICK = RetryPolicy(wait_initial=0, jitter=0)
"""Three attempts without a wait between them."""


class Blocking:
    """An object of the async API whose methods block: coroutines are run, async iterators become iterators."""

    def __init__(self, target: Any, runner: asyncio.Runner) -> None:
        self._target = target
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if inspect.ismethod(value):
            return self._blocking(value)
        if type(value).__module__.startswith("kubernaut_client.") and name in (
            "workflows",
            "audit",
            "notifications",
            "health",
        ):
            return Blocking(value, self._runner)
        return value

    def _blocking(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            result = method(*arguments, **options)
            if inspect.isawaitable(result):
                return self._runner.run(_finish(result))
            if hasattr(result, "__aiter__"):
                return self._iterate(result)
            return Blocking(result, self._runner) if isinstance(result, AsyncDataStorageClient) else result

        return call

    def _iterate(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        while True:
            try:
                yield self._runner.run(_finish(anext(items)))
            except StopAsyncIteration:
                return


async def _finish(awaitable: Any) -> Any:
    return await awaitable


@contextmanager
def opened(colour: Colour, url: str, **options: Any) -> Iterator[Any]:
    """A client of either colour, closed at the end; the async one is wrapped to block."""
    if colour == "sync":
        with DataStorageClient(url, **options) as client:
            yield client
        return
    with asyncio.Runner() as runner:
        each = AsyncDataStorageClient(url, **options)
        try:
            yield Blocking(each, runner)
        finally:
            runner.run(each.close())
