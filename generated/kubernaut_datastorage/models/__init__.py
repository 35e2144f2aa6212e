"""Contains all the data models used in inputs/outputs"""

from .accepted_response import AcceptedResponse
from .audit_event import AuditEvent
from .audit_event_request import AuditEventRequest
from .audit_event_response import AuditEventResponse
from .audit_events_pagination import AuditEventsPagination
from .audit_events_query_response import AuditEventsQueryResponse
from .batch_audit_event_response import BatchAuditEventResponse
from .detectable_label import DetectableLabel
from .detected_labels import DetectedLabels
from .event_category import EventCategory
from .event_outcome import EventOutcome
from .git_ops_tool import GitOpsTool
from .mandatory_labels import MandatoryLabels
from .notification_audit import NotificationAudit
from .notification_audit_response import NotificationAuditResponse
from .notification_channel import NotificationChannel
from .notification_status import NotificationStatus
from .priority import Priority
from .problem import Problem
from .problem_field_errors import ProblemFieldErrors
from .remediation_workflow import RemediationWorkflow
from .search_priority import SearchPriority
from .service_mesh import ServiceMesh
from .severity import Severity
from .stored_workflow import StoredWorkflow
from .workflow_disable_request import WorkflowDisableRequest
from .workflow_list_response import WorkflowListResponse
from .workflow_search_filters import WorkflowSearchFilters
from .workflow_search_request import WorkflowSearchRequest
from .workflow_search_response import WorkflowSearchResponse
from .workflow_search_result import WorkflowSearchResult
from .workflow_status import WorkflowStatus
from .workflow_update_request import WorkflowUpdateRequest
from .workflow_versions_response import WorkflowVersionsResponse

__all__ = (
    "AcceptedResponse",
    "AuditEvent",
    "AuditEventRequest",
    "AuditEventResponse",
    "AuditEventsPagination",
    "AuditEventsQueryResponse",
    "BatchAuditEventResponse",
    "DetectableLabel",
    "DetectedLabels",
    "EventCategory",
    "EventOutcome",
    "GitOpsTool",
    "MandatoryLabels",
    "NotificationAudit",
    "NotificationAuditResponse",
    "NotificationChannel",
    "NotificationStatus",
    "Priority",
    "Problem",
    "ProblemFieldErrors",
    "RemediationWorkflow",
    "SearchPriority",
    "ServiceMesh",
    "Severity",
    "StoredWorkflow",
    "WorkflowDisableRequest",
    "WorkflowListResponse",
    "WorkflowSearchFilters",
    "WorkflowSearchRequest",
    "WorkflowSearchResponse",
    "WorkflowSearchResult",
    "WorkflowStatus",
    "WorkflowUpdateRequest",
    "WorkflowVersionsResponse",
)
