"""How the synchronous client is used; `assert_type` says what each call gives back."""

from collections.abc import Iterator
from typing import Any, assert_type
from uuid import UUID

from kubernaut_client import (
    BootstrapReport,
    CallRecord,
    ConflictError,
    DataStorageClient,
    Difference,
    EnsureResult,
    HealthStatus,
    KubernautError,
    NotFoundError,
    Outcome,
    Plan,
    PlanRow,
    ReportRow,
    RetryPolicy,
)
from kubernaut_client.models import MandatoryLabels, RemediationWorkflow, StoredWorkflow

LABELS = MandatoryLabels(
    signal_type="OOMKilled", severity="critical", component="pod", environment="production", priority="P0"
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
    status="active",
)


def note(record: CallRecord) -> None:
    print(record.operation, record.status, record.elapsed)


def construct() -> None:
    with DataStorageClient("http://localhost:8080", token=lambda: "t", timeout=2, on_call=note) as client:
        assert_type(client, DataStorageClient)
        assert_type(client.with_options(timeout=1.5, retry=RetryPolicy(attempts=1)), DataStorageClient)
        assert_type(client.with_options(headers=None, on_call=None), DataStorageClient)
        assert_type(client.closed, bool)
        assert_type(client.base_url, str)
        assert_type(client.wait_until_ready(timeout=5), HealthStatus)
        assert_type(client.health.check(), HealthStatus)


def workflows(client: DataStorageClient, mapping: dict[str, Any]) -> None:
    assert_type(client.workflows.create(WORKFLOW), StoredWorkflow)
    stored = client.workflows.create(mapping, timeout=1, deadline=5)
    assert_type(stored.workflow_id, UUID)
    assert_type(stored.version, str)
    assert_type(client.workflows.get(stored.workflow_id), StoredWorkflow)
    assert_type(client.workflows.get("6f1c2b3a-5d4e-4f60-8a7b-9c0d1e2f3a4b"), StoredWorkflow)
    walk: Iterator[StoredWorkflow] = client.workflows.list(status="active", priority="P1", page_size=50)
    assert_type(next(walk), StoredWorkflow)
    assert_type(client.workflows.versions("increase-memory"), list[StoredWorkflow])
    assert_type(client.workflows.update(stored.workflow_id, status="deprecated"), StoredWorkflow)
    assert_type(client.workflows.disable(stored.workflow_id, reason="replaced"), StoredWorkflow)
    assert_type(client.workflows.republish(stored.workflow_id, version="1.0.1"), StoredWorkflow)


def bootstrap(client: DataStorageClient, mapping: dict[str, Any]) -> None:
    ensured = client.workflows.ensure(WORKFLOW, allow_demote=True)
    assert_type(ensured, EnsureResult)
    if ensured.action == "drifted":
        assert_type(ensured.differences, tuple[Difference, ...])
    plan = client.workflows.plan([WORKFLOW, mapping])
    assert_type(plan, Plan)
    assert_type(plan.creates, tuple[PlanRow, ...])
    assert_type(client.workflows.apply(plan, on_drift="fail"), BootstrapReport)
    report = client.workflows.bootstrap([WORKFLOW], progress=lambda done, total, row: print(done, total, row.name))
    assert_type(report.created, tuple[ReportRow, ...])
    assert_type(report.raise_for_errors(strict=True), BootstrapReport)


def errors(client: DataStorageClient) -> None:
    try:
        client.workflows.create(WORKFLOW)
    except ConflictError as error:
        assert_type(error.existing, StoredWorkflow | None)
        assert_type(error.identical, bool | None)
        assert_type(error.status, int)
    except NotFoundError as error:
        assert_type(error.inferred, bool)
    except KubernautError as error:
        if error.outcome is Outcome.UNKNOWN:
            print(error.request_id, error.history)
