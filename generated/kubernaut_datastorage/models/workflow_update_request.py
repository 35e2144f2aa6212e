from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.workflow_status import WorkflowStatus, check_workflow_status
from ..types import UNSET, Unset

T = TypeVar("T", bound="WorkflowUpdateRequest")


@_attrs_define
class WorkflowUpdateRequest:
    """A change of status. All members may be left out; none may be null.

    Attributes:
        status (WorkflowStatus | Unset): Life cycle of a workflow version.
        disabled_by (str | Unset): Who disables it; ignored unless status is disabled.
        disabled_reason (str | Unset): Why it is disabled; ignored unless status is disabled.
    """

    status: WorkflowStatus | Unset = UNSET
    disabled_by: str | Unset = UNSET
    disabled_reason: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status: str | Unset = UNSET
        if not isinstance(self.status, Unset):
            status = self.status

        disabled_by = self.disabled_by

        disabled_reason = self.disabled_reason

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if status is not UNSET:
            field_dict["status"] = status
        if disabled_by is not UNSET:
            field_dict["disabled_by"] = disabled_by
        if disabled_reason is not UNSET:
            field_dict["disabled_reason"] = disabled_reason

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        _status = d.pop("status", UNSET)
        status: WorkflowStatus | Unset
        if isinstance(_status, Unset):
            status = UNSET
        else:
            status = check_workflow_status(_status)

        disabled_by = d.pop("disabled_by", UNSET)

        disabled_reason = d.pop("disabled_reason", UNSET)

        workflow_update_request = cls(
            status=status,
            disabled_by=disabled_by,
            disabled_reason=disabled_reason,
        )

        workflow_update_request.additional_properties = d
        return workflow_update_request

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
