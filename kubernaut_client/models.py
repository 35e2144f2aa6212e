"""The generated models that callers touch; `UNSET` marks a member that was not set or that the service did not tell."""

from kubernaut_datastorage.models import (
    AuditEvent,
    AuditEventRequest,
    DetectedLabels,
    MandatoryLabels,
    NotificationAudit,
    NotificationAuditResponse,
    RemediationWorkflow,
    StoredWorkflow,
    WorkflowSearchResponse,
    WorkflowSearchResult,
)
from kubernaut_datastorage.types import UNSET, Unset

__all__ = [
    "UNSET",
    "AuditEvent",
    "AuditEventRequest",
    "DetectedLabels",
    "MandatoryLabels",
    "NotificationAudit",
    "NotificationAuditResponse",
    "RemediationWorkflow",
    "StoredWorkflow",
    "Unset",
    "WorkflowSearchResponse",
    "WorkflowSearchResult",
]
