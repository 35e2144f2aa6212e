from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.stored_workflow import StoredWorkflow


T = TypeVar("T", bound="WorkflowListResponse")


@_attrs_define
class WorkflowListResponse:
    """One page of the catalog.

    Attributes:
        workflows (list[StoredWorkflow]): The page; may be shorter than asked for.
        limit (int): Size of the page that the service applied.
        offset (int): Rows skipped.
        total (int): Rows on all pages.
    """

    workflows: list[StoredWorkflow]
    limit: int
    offset: int
    total: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        workflows = []
        for workflows_item_data in self.workflows:
            workflows_item = workflows_item_data.to_dict()
            workflows.append(workflows_item)

        limit = self.limit

        offset = self.offset

        total = self.total

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "workflows": workflows,
                "limit": limit,
                "offset": offset,
                "total": total,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.stored_workflow import StoredWorkflow  # noqa: PLC0415

        d = dict(src_dict)
        workflows = []
        _workflows = d.pop("workflows")
        for workflows_item_data in _workflows:
            workflows_item = StoredWorkflow.from_dict(workflows_item_data)

            workflows.append(workflows_item)

        limit = d.pop("limit")

        offset = d.pop("offset")

        total = d.pop("total")

        workflow_list_response = cls(
            workflows=workflows,
            limit=limit,
            offset=offset,
            total=total,
        )

        workflow_list_response.additional_properties = d
        return workflow_list_response

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
