from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.workflow_search_filters import WorkflowSearchFilters
    from ..models.workflow_search_result import WorkflowSearchResult


T = TypeVar("T", bound="WorkflowSearchResponse")


@_attrs_define
class WorkflowSearchResponse:
    """What a search found.

    Attributes:
        workflows (list[WorkflowSearchResult]): Best first.
        total_results (int): Number of results returned, not of all matches.
        filters (WorkflowSearchFilters): Labels to search for. The five mandatory ones filter, the others only change
            the score.
    """

    workflows: list[WorkflowSearchResult]
    total_results: int
    filters: WorkflowSearchFilters
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        workflows = []
        for workflows_item_data in self.workflows:
            workflows_item = workflows_item_data.to_dict()
            workflows.append(workflows_item)

        total_results = self.total_results

        filters = self.filters.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "workflows": workflows,
                "total_results": total_results,
                "filters": filters,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.workflow_search_filters import WorkflowSearchFilters  # noqa: PLC0415
        from ..models.workflow_search_result import WorkflowSearchResult  # noqa: PLC0415

        d = dict(src_dict)
        workflows = []
        _workflows = d.pop("workflows")
        for workflows_item_data in _workflows:
            workflows_item = WorkflowSearchResult.from_dict(workflows_item_data)

            workflows.append(workflows_item)

        total_results = d.pop("total_results")

        filters = WorkflowSearchFilters.from_dict(d.pop("filters"))

        workflow_search_response = cls(
            workflows=workflows,
            total_results=total_results,
            filters=filters,
        )

        workflow_search_response.additional_properties = d
        return workflow_search_response

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
