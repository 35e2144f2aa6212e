"""Where no event loop of asyncio runs, as under trio, every coroutine of ours fails with one clear error."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from kubernaut_datastorage.api.health import health_check

from kubernaut_client import AsyncDataStorageClient, AuditWriter, ConfigurationError
from tests.events import event, notification
from tests.unit.wire.driver import IDENTITY, WORKFLOW


def by_hand(call: Callable[[], Any]) -> None:
    """Run a coroutine to its first wait, which is how another event loop would begin it."""
    value = call()
    if inspect.isasyncgen(value):
        value = value.__anext__()
    try:
        value.send(None)
    except StopIteration:
        raise AssertionError("it ended") from None
    raise AssertionError("it waits")


CALLS: dict[str, Callable[[Any], Any]] = {
    "create": lambda client: client.workflows.create(WORKFLOW),
    "get": lambda client: client.workflows.get(IDENTITY),
    "list": lambda client: client.workflows.list(),
    "versions": lambda client: client.workflows.versions("x"),
    "search": lambda client: client.workflows.search(
        signal_type="OOMKilled", severity="critical", component="pod", environment="production", priority="P0"
    ),
    "update": lambda client: client.workflows.update(IDENTITY, status="active"),
    "disable": lambda client: client.workflows.disable(IDENTITY, reason="r", updated_by="u"),
    "republish": lambda client: client.workflows.republish(IDENTITY, version="2.0.0"),
    "ensure": lambda client: client.workflows.ensure(WORKFLOW),
    "plan": lambda client: client.workflows.plan([WORKFLOW]),
    "bootstrap": lambda client: client.workflows.bootstrap([WORKFLOW]),
    "write": lambda client: client.audit.write(event()),
    "write_batch": lambda client: client.audit.write_batch([event()]),
    "query": lambda client: client.audit.query(),
    "wait_for": lambda client: client.audit.wait_for(),
    "notify": lambda client: client.notifications.create(notification()),
    "check": lambda client: client.health.check(),
    "ready": lambda client: client.health.ready(),
    "live": lambda client: client.health.live(),
    "health.wait_until_ready": lambda client: client.health.wait_until_ready(1),
    "wait_until_ready": lambda client: client.wait_until_ready(1),
    "raw": lambda client: health_check.asyncio_detailed(client=client.raw),
    "enter": lambda client: client.__aenter__(),
    "close": lambda client: client.close(),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("own", [False, True], ids=["our connections", "a client of the caller's"])
def test_client(name: str, own: bool) -> None:
    client = AsyncDataStorageClient("http://127.0.0.1:9", http_client=httpx.AsyncClient() if own else None)
    with pytest.raises(ConfigurationError, match="needs asyncio"):
        by_hand(lambda: CALLS[name](client))


@pytest.mark.parametrize("name", ["__aenter__", "aflush", "aclose"])
def test_audit_writer(name: str, tmp_path: Path) -> None:
    with AuditWriter("http://127.0.0.1:9", spool=tmp_path) as writer:
        with pytest.raises(ConfigurationError, match="needs asyncio"):
            by_hand(getattr(writer, name))
        assert not writer.closed
        writer.close(0)
