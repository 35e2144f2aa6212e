"""How the asynchronous client is used; `assert_type` says what each call gives back."""

from collections.abc import AsyncIterator
from typing import Any, assert_type

from kubernaut_client import AsyncDataStorageClient, BootstrapReport, EnsureResult, HealthStatus, Plan
from kubernaut_client.models import StoredWorkflow


async def fresh_token() -> str:
    return "t"


async def construct() -> None:
    async with AsyncDataStorageClient("http://localhost:8080", token=fresh_token) as client:
        assert_type(client, AsyncDataStorageClient)
        assert_type(await client.wait_until_ready(timeout=5), HealthStatus)
        assert_type(await client.health.check(), HealthStatus)


async def workflows(client: AsyncDataStorageClient, mapping: dict[str, Any]) -> None:
    stored = await client.workflows.create(mapping)
    assert_type(stored, StoredWorkflow)
    assert_type(await client.workflows.get(stored.workflow_id, deadline=5), StoredWorkflow)
    walk: AsyncIterator[StoredWorkflow] = client.workflows.list(environment="production")
    async for row in walk:
        assert_type(row, StoredWorkflow)
    assert_type(await client.workflows.versions("increase-memory"), list[StoredWorkflow])
    assert_type(await client.workflows.update(stored.workflow_id, status="disabled"), StoredWorkflow)
    assert_type(await client.workflows.disable(stored.workflow_id), StoredWorkflow)


async def bootstrap(client: AsyncDataStorageClient, mapping: dict[str, Any]) -> None:
    assert_type(await client.workflows.ensure(mapping), EnsureResult)
    plan = await client.workflows.plan([mapping])
    assert_type(plan, Plan)
    assert_type(await client.workflows.apply(plan), BootstrapReport)
    assert_type(await client.workflows.bootstrap([mapping]), BootstrapReport)
