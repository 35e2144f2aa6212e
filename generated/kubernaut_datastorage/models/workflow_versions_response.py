from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.stored_workflow import StoredWorkflow


T = TypeVar("T", bound="WorkflowVersionsResponse")


@_attrs_define
class WorkflowVersionsResponse:
    """The versions of one name.

    Attributes:
        workflow_name (str): The name asked for.
        versions (list[StoredWorkflow] | None): Newest first; null, not empty, for an unknown name.
        total (int): Number of versions.
    """

    workflow_name: str
    versions: list[StoredWorkflow] | None
    total: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        workflow_name = self.workflow_name

        versions: list[dict[str, Any]] | None
        if isinstance(self.versions, list):
            versions = []
            for versions_type_0_item_data in self.versions:
                versions_type_0_item = versions_type_0_item_data.to_dict()
                versions.append(versions_type_0_item)

        else:
            versions = self.versions

        total = self.total

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "workflow_name": workflow_name,
                "versions": versions,
                "total": total,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.stored_workflow import StoredWorkflow  # noqa: PLC0415

        d = dict(src_dict)
        workflow_name = d.pop("workflow_name")

        def _parse_versions(data: object) -> list[StoredWorkflow] | None:
            if data is None:
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                versions_type_0 = []
                _versions_type_0 = data
                for versions_type_0_item_data in _versions_type_0:
                    versions_type_0_item = StoredWorkflow.from_dict(versions_type_0_item_data)

                    versions_type_0.append(versions_type_0_item)

                return versions_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[StoredWorkflow] | None, data)

        versions = _parse_versions(d.pop("versions"))

        total = d.pop("total")

        workflow_versions_response = cls(
            workflow_name=workflow_name,
            versions=versions,
            total=total,
        )

        workflow_versions_response.additional_properties = d
        return workflow_versions_response

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
