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

T = TypeVar("T", bound="AuditEvent")


@_attrs_define
class AuditEvent:
    """An audit event as it comes back.

    Attributes:
        event_id (UUID): Id of the event.
        event_timestamp (datetime.datetime): When it happened, to the microsecond.
        event_type (str): Kind of event.
        version (str): Version of the event's schema; 1.0 if it came in a batch.
        event_category (EventCategory): Service that an audit event comes from.
        event_action (str): What was done.
        event_outcome (EventOutcome): How the audited action ended.
        correlation_id (str): What ties the events of one remediation together.
        resource_type (str): Kind of resource.
        resource_id (str): Which resource.
        actor_id (str): Who acted.
        actor_type (str): Kind of actor.
        event_data (Any): A JSON object of any shape.
        event_date (datetime.date | None | Unset): Day of event_timestamp in UTC.
        parent_event_id (None | Unset | UUID): Event that caused this one.
        parent_event_date (datetime.date | None | Unset): Always null.
        namespace (str | Unset): Kubernetes namespace; empty if none.
        cluster_name (str | Unset): Kubernetes cluster; empty if none.
        severity (str | Unset): Severity; empty if none.
        duration_ms (int | Unset): Always 0, whatever is stored.
        error_code (str | Unset): Always empty.
        error_message (str | Unset): Always empty.
        retention_days (int | Unset): Always 0, whatever is stored.
        is_sensitive (bool | Unset): Always false, whatever is stored.
    """

    event_id: UUID
    event_timestamp: datetime.datetime
    event_type: str
    version: str
    event_category: EventCategory
    event_action: str
    event_outcome: EventOutcome
    correlation_id: str
    resource_type: str
    resource_id: str
    actor_id: str
    actor_type: str
    event_data: Any
    event_date: datetime.date | None | Unset = UNSET
    parent_event_id: None | Unset | UUID = UNSET
    parent_event_date: datetime.date | None | Unset = UNSET
    namespace: str | Unset = UNSET
    cluster_name: str | Unset = UNSET
    severity: str | Unset = UNSET
    duration_ms: int | Unset = UNSET
    error_code: str | Unset = UNSET
    error_message: str | Unset = UNSET
    retention_days: int | Unset = UNSET
    is_sensitive: bool | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        event_id = str(self.event_id)

        event_timestamp = self.event_timestamp.isoformat()

        event_type = self.event_type

        version = self.version

        event_category: str = self.event_category

        event_action = self.event_action

        event_outcome: str = self.event_outcome

        correlation_id = self.correlation_id

        resource_type = self.resource_type

        resource_id = self.resource_id

        actor_id = self.actor_id

        actor_type = self.actor_type

        event_data = self.event_data

        event_date: None | str | Unset
        if isinstance(self.event_date, Unset):
            event_date = UNSET
        elif isinstance(self.event_date, datetime.date):
            event_date = self.event_date.isoformat()
        else:
            event_date = self.event_date

        parent_event_id: None | str | Unset
        if isinstance(self.parent_event_id, Unset):
            parent_event_id = UNSET
        elif isinstance(self.parent_event_id, UUID):
            parent_event_id = str(self.parent_event_id)
        else:
            parent_event_id = self.parent_event_id

        parent_event_date: None | str | Unset
        if isinstance(self.parent_event_date, Unset):
            parent_event_date = UNSET
        elif isinstance(self.parent_event_date, datetime.date):
            parent_event_date = self.parent_event_date.isoformat()
        else:
            parent_event_date = self.parent_event_date

        namespace = self.namespace

        cluster_name = self.cluster_name

        severity = self.severity

        duration_ms = self.duration_ms

        error_code = self.error_code

        error_message = self.error_message

        retention_days = self.retention_days

        is_sensitive = self.is_sensitive

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "event_id": event_id,
                "event_timestamp": event_timestamp,
                "event_type": event_type,
                "version": version,
                "event_category": event_category,
                "event_action": event_action,
                "event_outcome": event_outcome,
                "correlation_id": correlation_id,
                "resource_type": resource_type,
                "resource_id": resource_id,
                "actor_id": actor_id,
                "actor_type": actor_type,
                "event_data": event_data,
            }
        )
        if event_date is not UNSET:
            field_dict["event_date"] = event_date
        if parent_event_id is not UNSET:
            field_dict["parent_event_id"] = parent_event_id
        if parent_event_date is not UNSET:
            field_dict["parent_event_date"] = parent_event_date
        if namespace is not UNSET:
            field_dict["namespace"] = namespace
        if cluster_name is not UNSET:
            field_dict["cluster_name"] = cluster_name
        if severity is not UNSET:
            field_dict["severity"] = severity
        if duration_ms is not UNSET:
            field_dict["duration_ms"] = duration_ms
        if error_code is not UNSET:
            field_dict["error_code"] = error_code
        if error_message is not UNSET:
            field_dict["error_message"] = error_message
        if retention_days is not UNSET:
            field_dict["retention_days"] = retention_days
        if is_sensitive is not UNSET:
            field_dict["is_sensitive"] = is_sensitive

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        event_id = UUID(d.pop("event_id"))

        event_timestamp = datetime.datetime.fromisoformat(d.pop("event_timestamp"))

        event_type = d.pop("event_type")

        version = d.pop("version")

        event_category = check_event_category(d.pop("event_category"))

        event_action = d.pop("event_action")

        event_outcome = check_event_outcome(d.pop("event_outcome"))

        correlation_id = d.pop("correlation_id")

        resource_type = d.pop("resource_type")

        resource_id = d.pop("resource_id")

        actor_id = d.pop("actor_id")

        actor_type = d.pop("actor_type")

        event_data = d.pop("event_data")

        def _parse_event_date(data: object) -> datetime.date | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                event_date_type_0 = datetime.date.fromisoformat(data)

                return event_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.date | None | Unset, data)

        event_date = _parse_event_date(d.pop("event_date", UNSET))

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

        def _parse_parent_event_date(data: object) -> datetime.date | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                parent_event_date_type_0 = datetime.date.fromisoformat(data)

                return parent_event_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.date | None | Unset, data)

        parent_event_date = _parse_parent_event_date(d.pop("parent_event_date", UNSET))

        namespace = d.pop("namespace", UNSET)

        cluster_name = d.pop("cluster_name", UNSET)

        severity = d.pop("severity", UNSET)

        duration_ms = d.pop("duration_ms", UNSET)

        error_code = d.pop("error_code", UNSET)

        error_message = d.pop("error_message", UNSET)

        retention_days = d.pop("retention_days", UNSET)

        is_sensitive = d.pop("is_sensitive", UNSET)

        audit_event = cls(
            event_id=event_id,
            event_timestamp=event_timestamp,
            event_type=event_type,
            version=version,
            event_category=event_category,
            event_action=event_action,
            event_outcome=event_outcome,
            correlation_id=correlation_id,
            resource_type=resource_type,
            resource_id=resource_id,
            actor_id=actor_id,
            actor_type=actor_type,
            event_data=event_data,
            event_date=event_date,
            parent_event_id=parent_event_id,
            parent_event_date=parent_event_date,
            namespace=namespace,
            cluster_name=cluster_name,
            severity=severity,
            duration_ms=duration_ms,
            error_code=error_code,
            error_message=error_message,
            retention_days=retention_days,
            is_sensitive=is_sensitive,
        )

        audit_event.additional_properties = d
        return audit_event

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
