from typing import Literal, cast

WorkflowStatus = Literal["active", "archived", "deprecated", "disabled"]

WORKFLOW_STATUS_VALUES: set[WorkflowStatus] = {
    "active",
    "archived",
    "deprecated",
    "disabled",
}


def check_workflow_status(value: str) -> WorkflowStatus:
    """Return the value as it came; one from a newer service passes through"""
    return cast(WorkflowStatus, value)
