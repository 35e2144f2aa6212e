"""Misspelt members of enumerations: plain strings type-check, misspellings don't."""

from uuid import UUID

from kubernaut_client import AsyncDataStorageClient, DataStorageClient, EnsureResult
from kubernaut_client.models import MandatoryLabels, RemediationWorkflow

LABELS = MandatoryLabels(
    signal_type="OOMKilled",
    severity="critcal",  # wrong: mypy[arg-type] pyright[reportArgumentType]
    component="pod",
    environment="production",
    priority="P00",  # wrong: mypy[arg-type] pyright[reportArgumentType]
)
WORKFLOW = RemediationWorkflow(
    workflow_name="increase-memory",
    version="1.0.0",
    name="Increase memory",
    description="Raises the memory limit",
    content="steps: []\n",
    content_hash="0" * 64,
    labels=LABELS,
    execution_engine="tekton",
    status="actve",  # wrong: mypy[arg-type] pyright[reportArgumentType]
)


def workflows(client: DataStorageClient, identity: UUID) -> None:
    client.workflows.update(identity, status="actve")  # wrong: mypy[arg-type] pyright[reportArgumentType]
    client.workflows.list(status="disbled")  # wrong: mypy[arg-type] pyright[reportArgumentType]
    client.workflows.list(priority="p0")  # wrong: mypy[arg-type] pyright[reportArgumentType]
    client.workflows.bootstrap([WORKFLOW], on_drift="ignore")  # wrong: mypy[arg-type] pyright[reportArgumentType]


async def asynchronous(client: AsyncDataStorageClient, identity: UUID) -> None:
    await client.workflows.update(identity, status="actve")  # wrong: mypy[arg-type] pyright[reportArgumentType]


def actions(result: EnsureResult) -> bool:
    return result.action == "create"  # wrong: mypy[comparison-overlap] pyright[reportUnnecessaryComparison]
