"""Calls that can't work: what is missing, misspelt, of another type, or of the other colour."""

from typing import Any
from uuid import UUID

from kubernaut_client import AsyncDataStorageClient, DataStorageClient, RetryPolicy
from kubernaut_client.models import StoredWorkflow


async def token() -> str:
    return "t"


DataStorageClient("http://localhost:8080", token=token)  # wrong: mypy[arg-type] pyright[reportArgumentType]
DataStorageClient("http://localhost:8080", timeout=None)  # wrong: mypy[arg-type] pyright[reportArgumentType]
DataStorageClient("http://localhost:8080", "token")  # wrong: mypy[call-arg] pyright[reportCallIssue]
RetryPolicy(3)  # wrong: mypy[call-arg] pyright[reportCallIssue]


def workflows(client: DataStorageClient, identity: UUID, mapping: dict[str, Any]) -> None:
    client.workflows.get(7)  # wrong: mypy[arg-type] pyright[reportArgumentType]
    client.workflows.get(identity, timout=1)  # wrong: mypy[call-arg] pyright[reportCallIssue]
    client.workflows.update(identity)  # wrong: mypy[call-arg] pyright[reportCallIssue]
    client.workflows.bootstrap(mapping)  # wrong: mypy[arg-type] pyright[reportArgumentType]
    client.workflows.bootstrap([mapping], True)  # wrong: mypy[call-arg] pyright[reportCallIssue]


async def asynchronous(client: AsyncDataStorageClient, identity: UUID) -> StoredWorkflow:
    client.workflows.get(identity)  # wrong: mypy[unused-coroutine] pyright[reportUnusedCoroutine]
    return client.workflows.get(identity)  # wrong: mypy[return-value] pyright[reportReturnType]
