from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.priority import Priority, check_priority
from ..models.severity import Severity, check_severity

T = TypeVar("T", bound="MandatoryLabels")


@_attrs_define
class MandatoryLabels:
    """The five labels of every workflow. Others are dropped without a word.

    Attributes:
        signal_type (str): Signal that the workflow is for, such as OOMKilled.
        severity (Severity): Severity of the signal that a workflow is for.
        component (str): Kind of Kubernetes resource, such as pod; `*` for any.
        environment (str): Environment, such as production. May be empty. `*` matches only a search for `*`.
        priority (Priority): Business priority, or any. A workflow stored with `*` can't be found by a search, which
            takes no `*`.
    """

    signal_type: str
    severity: Severity
    component: str
    environment: str
    priority: Priority
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        signal_type = self.signal_type

        severity: str = self.severity

        component = self.component

        environment = self.environment

        priority: str = self.priority

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

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        signal_type = d.pop("signal_type")

        severity = check_severity(d.pop("severity"))

        component = d.pop("component")

        environment = d.pop("environment")

        priority = check_priority(d.pop("priority"))

        mandatory_labels = cls(
            signal_type=signal_type,
            severity=severity,
            component=component,
            environment=environment,
            priority=priority,
        )

        mandatory_labels.additional_properties = d
        return mandatory_labels

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
