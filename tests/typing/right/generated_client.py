"""`client.raw`: the generated functions over our own session."""

from typing import assert_type
from uuid import UUID

from kubernaut_datastorage.api.workflow_catalog_api import create_workflow, get_workflow_by_id
from kubernaut_datastorage.models import RemediationWorkflow, StoredWorkflow

from kubernaut_client import DataStorageClient
from kubernaut_client.models import UNSET, DetectedLabels, Unset


def raw(client: DataStorageClient, workflow: RemediationWorkflow, identity: UUID) -> None:
    created = create_workflow.sync_detailed(client=client.raw, body=workflow)
    if isinstance(created.parsed, StoredWorkflow):
        assert_type(created.parsed.workflow_id, UUID)
    found = get_workflow_by_id.sync_detailed(identity, client=client.raw)
    if isinstance(found.parsed, StoredWorkflow):
        assert_type(found.parsed.owner, str | Unset)


def unset(labels: DetectedLabels) -> bool:
    return labels.hpa_enabled is UNSET
