from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.event_category import EventCategory, check_event_category
from ..models.event_outcome import EventOutcome, check_event_outcome
from ..types import UNSET, Unset

T = TypeVar("T", bound="AuditEventRequest")


@_attrs_define
class AuditEventRequest:
    """An audit event to write.

    Attributes:
        version (str): Version of the event's schema. A batch does not store it.
        event_type (str): Kind of event, such as workflow.started.
        event_timestamp (datetime.datetime): When it happened, with a zone; from 7 days ago to 5 minutes ahead.
        event_category (EventCategory): Service that an audit event comes from.
        event_action (str): What was done, such as started.
        event_outcome (EventOutcome): How the audited action ended.
        correlation_id (str): What ties the events of one remediation together.
        event_data (Any): A JSON object of any shape. Numbers go through 64-bit floating point.
        actor_type (str | Unset): Kind of actor; service if not given.
        actor_id (str | Unset): Who acted; event_category followed by -service if not given.
        resource_type (str | Unset): Kind of resource; event_category if not given.
        resource_id (str | Unset): Which resource; correlation_id if not given.
        parent_event_id (None | Unset | UUID): Event that caused this one. It must exist, unless the event comes in a
            batch.
        namespace (None | str | Unset): Kubernetes namespace.
        cluster_name (None | str | Unset): Kubernetes cluster.
        severity (None | str | Unset): Severity, free text; info if not given.
        duration_ms (int | None | Unset): Duration in milliseconds. 0 is stored as none; beyond 32 bits it wraps around.
            Never comes back.
    """

    version: str
    event_type: str
    event_timestamp: datetime.datetime
    event_category: EventCategory
    event_action: str
    event_outcome: EventOutcome
    correlation_id: str
    event_data: Any
    actor_type: str | Unset = UNSET
    actor_id: str | Unset = UNSET
    resource_type: str | Unset = UNSET
    resource_id: str | Unset = UNSET
    parent_event_id: None | Unset | UUID = UNSET
    namespace: None | str | Unset = UNSET
    cluster_name: None | str | Unset = UNSET
    severity: None | str | Unset = UNSET
    duration_ms: int | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        version = self.version

        event_type = self.event_type

        event_timestamp = self.event_timestamp.isoformat()

        event_category: str = self.event_category

        event_action = self.event_action

        event_outcome: str = self.event_outcome

        correlation_id = self.correlation_id

        event_data = self.event_data

        actor_type = self.actor_type

        actor_id = self.actor_id

        resource_type = self.resource_type

        resource_id = self.resource_id

        parent_event_id: None | str | Unset
        if isinstance(self.parent_event_id, Unset):
            parent_event_id = UNSET
        elif isinstance(self.parent_event_id, UUID):
            parent_event_id = str(self.parent_event_id)
        else:
            parent_event_id = self.parent_event_id

        namespace: None | str | Unset
        if isinstance(self.namespace, Unset):
            namespace = UNSET
        else:
            namespace = self.namespace

        cluster_name: None | str | Unset
        if isinstance(self.cluster_name, Unset):
            cluster_name = UNSET
        else:
            cluster_name = self.cluster_name

        severity: None | str | Unset
        if isinstance(self.severity, Unset):
            severity = UNSET
        else:
            severity = self.severity

        duration_ms: int | None | Unset
        if isinstance(self.duration_ms, Unset):
            duration_ms = UNSET
        else:
            duration_ms = self.duration_ms

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "version": version,
                "event_type": event_type,
                "event_timestamp": event_timestamp,
                "event_category": event_category,
                "event_action": event_action,
                "event_outcome": event_outcome,
                "correlation_id": correlation_id,
                "event_data": event_data,
            }
        )
        if actor_type is not UNSET:
            field_dict["actor_type"] = actor_type
        if actor_id is not UNSET:
            field_dict["actor_id"] = actor_id
        if resource_type is not UNSET:
            field_dict["resource_type"] = resource_type
        if resource_id is not UNSET:
            field_dict["resource_id"] = resource_id
        if parent_event_id is not UNSET:
            field_dict["parent_event_id"] = parent_event_id
        if namespace is not UNSET:
            field_dict["namespace"] = namespace
        if cluster_name is not UNSET:
            field_dict["cluster_name"] = cluster_name
        if severity is not UNSET:
            field_dict["severity"] = severity
        if duration_ms is not UNSET:
            field_dict["duration_ms"] = duration_ms

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        version = d.pop("version")

        event_type = d.pop("event_type")

        event_timestamp = datetime.datetime.fromisoformat(d.pop("event_timestamp"))

        event_category = check_event_category(d.pop("event_category"))

        event_action = d.pop("event_action")

        event_outcome = check_event_outcome(d.pop("event_outcome"))

        correlation_id = d.pop("correlation_id")

        event_data = d.pop("event_data")

        actor_type = d.pop("actor_type", UNSET)

        actor_id = d.pop("actor_id", UNSET)

        resource_type = d.pop("resource_type", UNSET)

        resource_id = d.pop("resource_id", UNSET)

        def _parse_parent_event_id(data: object) -> None | Unset | UUID:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                parent_event_id_type_0 = UUID(data)

                return parent_event_id_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unset | UUID, data)

        parent_event_id = _parse_parent_event_id(d.pop("parent_event_id", UNSET))

        def _parse_namespace(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        namespace = _parse_namespace(d.pop("namespace", UNSET))

        def _parse_cluster_name(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        cluster_name = _parse_cluster_name(d.pop("cluster_name", UNSET))

        def _parse_severity(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        severity = _parse_severity(d.pop("severity", UNSET))

        def _parse_duration_ms(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        duration_ms = _parse_duration_ms(d.pop("duration_ms", UNSET))

        audit_event_request = cls(
            version=version,
            event_type=event_type,
            event_timestamp=event_timestamp,
            event_category=event_category,
            event_action=event_action,
            event_outcome=event_outcome,
            correlation_id=correlation_id,
            event_data=event_data,
            actor_type=actor_type,
            actor_id=actor_id,
            resource_type=resource_type,
            resource_id=resource_id,
            parent_event_id=parent_event_id,
            namespace=namespace,
            cluster_name=cluster_name,
            severity=severity,
            duration_ms=duration_ms,
        )

        audit_event_request.additional_properties = d
        return audit_event_request

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
