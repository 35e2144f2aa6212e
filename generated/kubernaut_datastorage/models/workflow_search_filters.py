from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.search_priority import SearchPriority, check_search_priority
from ..models.severity import Severity, check_severity
from ..models.workflow_status import WorkflowStatus, check_workflow_status
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.detected_labels import DetectedLabels


T = TypeVar("T", bound="WorkflowSearchFilters")


@_attrs_define
class WorkflowSearchFilters:
    """Labels to search for. The five mandatory ones filter, the others only change the score.

    Attributes:
        signal_type (str): Exact, and case-sensitive.
        severity (Severity): Severity of the signal that a workflow is for.
        component (str): Exact, or a workflow stored with `*`.
        environment (str): Exact; a workflow stored with `*` is found only by `*`.
        priority (SearchPriority): Business priority to search for.
        custom_labels (Any | Unset): A map of string to list of strings: every value that the workflow has under the
            same key adds 0.005 to the score, a stored `*` 0.003. Values with a double quote or a control character give a
            500.
        detected_labels (DetectedLabels | Unset): Labels found by looking at the cluster. False and empty ones are
            dropped on storage and in replies.
        status (list[WorkflowStatus] | Unset): Echoed in the reply and otherwise ignored.
    """

    signal_type: str
    severity: Severity
    component: str
    environment: str
    priority: SearchPriority
    custom_labels: Any | Unset = UNSET
    detected_labels: DetectedLabels | Unset = UNSET
    status: list[WorkflowStatus] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        signal_type = self.signal_type

        severity: str = self.severity

        component = self.component

        environment = self.environment

        priority: str = self.priority

        custom_labels = self.custom_labels

        detected_labels: dict[str, Any] | Unset = UNSET
        if not isinstance(self.detected_labels, Unset):
            detected_labels = self.detected_labels.to_dict()

        status: list[str] | Unset = UNSET
        if not isinstance(self.status, Unset):
            status = []
            for status_item_data in self.status:
                status_item: str = status_item_data
                status.append(status_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "signal_type": signal_type,
                "severity": severity,
                "component": component,
                "environment": environment,
                "priority": priority,
            }
        )
        if custom_labels is not UNSET:
            field_dict["custom_labels"] = custom_labels
        if detected_labels is not UNSET:
            field_dict["detected_labels"] = detected_labels
        if status is not UNSET:
            field_dict["status"] = status

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.detected_labels import DetectedLabels  # noqa: PLC0415

        d = dict(src_dict)
        signal_type = d.pop("signal_type")

        severity = check_severity(d.pop("severity"))

        component = d.pop("component")

        environment = d.pop("environment")

        priority = check_search_priority(d.pop("priority"))

        custom_labels = d.pop("custom_labels", UNSET)

        _detected_labels = d.pop("detected_labels", UNSET)
        detected_labels: DetectedLabels | Unset
        if isinstance(_detected_labels, Unset):
            detected_labels = UNSET
        else:
            detected_labels = DetectedLabels.from_dict(_detected_labels)

        _status = d.pop("status", UNSET)
        status: list[WorkflowStatus] | Unset = UNSET
        if _status is not UNSET:
            status = []
            for status_item_data in _status:
                status_item = check_workflow_status(status_item_data)

                status.append(status_item)

        workflow_search_filters = cls(
            signal_type=signal_type,
            severity=severity,
            component=component,
            environment=environment,
            priority=priority,
            custom_labels=custom_labels,
            detected_labels=detected_labels,
            status=status,
        )

        workflow_search_filters.additional_properties = d
        return workflow_search_filters

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
