"""One way to call a client of either colour, so that a test is written once and holds for both."""

import asyncio
import inspect
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal

from kubernaut_client import AsyncDataStorageClient, DataStorageClient, KubernautError, RetryPolicy
from kubernaut_client.operations import CREATE_WORKFLOW, GET_WORKFLOW, Body, Operation

Colour = Literal["sync", "async"]
WAIT_SECONDS = 60.0

ONCE = RetryPolicy(attempts=1, wait_initial=0, jitter=0)
"""One attempt, no wait."""

IDENTITY = "5f0c8d1e-3c5a-4b9e-9d0f-6a7b8c9d0e1f"

WORKFLOW: Mapping[str, Any] = {
    "workflow_name": "wire-test",
    "version": "1.0.0",
    "name": "Wire test",
    "description": "What is sent in the tests of the wire",
    "content": "apiVersion: v1\n",
    "content_hash": "0" * 64,
    "labels": {
        "signal_type": "OOMKilled",
        "severity": "critical",
        "component": "pod",
        "environment": "production",
        "priority": "P0",
    },
    "execution_engine": "tekton",
    "status": "active",
}
"""A workflow that the client's own checks accept."""

STORED: Mapping[str, Any] = {**WORKFLOW, "workflow_id": IDENTITY, "is_latest_version": True}
"""The same, as the service shows a stored one."""

EVENT: Mapping[str, Any] = {
    "event_id": IDENTITY,
    "event_timestamp": "2026-01-31T12:00:00.5Z",
    "event_date": "2026-01-31",
    "event_type": "workflow.started",
    "version": "1.0",
    "event_category": "workflow",
    "event_action": "started",
    "event_outcome": "success",
    "correlation_id": "c",
    "parent_event_id": None,
    "resource_type": "r",
    "resource_id": "r",
    "namespace": "",
    "cluster_name": "",
    "severity": "info",
    "duration_ms": 0,
    "actor_id": "a",
    "actor_type": "service",
    "event_data": {"a": 1},
}
"""An audit event, as the service shows a stored one."""


class Driver:
    """Makes clients of one colour, calls them and closes them; an async one lives on a loop in a thread of its own."""

    def __init__(self, colour: Colour) -> None:
        self.colour: Colour = colour
        self._clients: list[Any] = []
        self._threads = ThreadPoolExecutor(128, "wire-call")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire-loop", daemon=True)
        if colour == "async":
            self._thread.start()

    @property
    def is_async(self) -> bool:
        return self.colour == "async"

    def client(self, base_url: str | None = None, **options: Any) -> Any:
        """A client that makes one attempt unless told otherwise; closed at the end of the test."""
        options.setdefault("retry", ONCE)
        client = (AsyncDataStorageClient if self.is_async else DataStorageClient)(base_url, **options)
        self._clients.append(client)
        return client

    def start(self, call: Callable[[], Any]) -> Future[Any]:
        """Begin a call; its future has the value or the exception. What is an iterator comes as a list."""
        if self.is_async:
            return asyncio.run_coroutine_threadsafe(_finish(call), self._loop)
        return self._threads.submit(_finished, call)

    def run(self, call: Callable[[], Any]) -> Any:
        """The value of a call, or its exception."""
        return self.start(call).result(WAIT_SECONDS) if self.is_async else _finished(call)

    def error(self, call: Callable[[], Any]) -> Any:
        """The KubernautError that a call must raise."""
        try:
            value = self.run(call)
        except KubernautError as error:
            return error
        raise AssertionError(f"no error, but {value!r}")

    def attempt(self, client: Any, operation: Operation[Any], request: Any) -> Any:
        """One bare attempt: nothing is repeated or settled. Its value, or its exception."""
        call = client._options.call()
        return self.run(lambda: call.attempt(operation, request))

    def failed_attempt(self, client: Any, operation: Operation[Any], request: Any) -> Any:
        """The KubernautError of one bare attempt."""
        call = client._options.call()
        return self.error(lambda: call.attempt(operation, request))

    def failed_create(self, client: Any) -> Any:
        """The KubernautError of one bare POST of `WORKFLOW`."""
        return self.failed_attempt(client, CREATE_WORKFLOW, create_request())

    def failed_get(self, client: Any) -> Any:
        """The KubernautError of one bare GET of `IDENTITY`."""
        return self.failed_attempt(client, GET_WORKFLOW, GET_WORKFLOW.request(IDENTITY))

    def close(self) -> None:
        """Close every client on the loop that it lives on, then the loop."""
        for client in self._clients:
            self.run(client.close)
        self._threads.shutdown()
        if self.is_async:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(WAIT_SECONDS)
        self._loop.close()


def create_request(payload: Mapping[str, Any] = WORKFLOW) -> Any:
    return CREATE_WORKFLOW.request(body=Body(dict(payload)))


async def _finish(call: Callable[[], Any]) -> Any:
    value = call()
    if inspect.isawaitable(value):
        return await value
    if inspect.isasyncgen(value):
        return [item async for item in value]
    return value


def _finished(call: Callable[[], Any]) -> Any:
    value = call()
    return list(value) if inspect.isgenerator(value) else value
