from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.workflow_search_filters import WorkflowSearchFilters


T = TypeVar("T", bound="WorkflowSearchRequest")


@_attrs_define
class WorkflowSearchRequest:
    """What to search for.

    Attributes:
        filters (WorkflowSearchFilters): Labels to search for. The five mandatory ones filter, the others only change
            the score.
        top_k (int | Unset): At most so many results, 1 to 100; 10 if not given.
        min_score (float | Unset): Results with at least this final_score, 0 to 1; 0 if not given. Without custom labels
            no score exceeds 0.539.
        include_disabled (bool | Unset): Also find disabled, deprecated and archived workflows; false if not given.
        remediation_id (str | Unset): Becomes the correlation_id of the audit event that the service writes about this
            search.
    """

    filters: WorkflowSearchFilters
    top_k: int | Unset = UNSET
    min_score: float | Unset = UNSET
    include_disabled: bool | Unset = UNSET
    remediation_id: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        filters = self.filters.to_dict()

        top_k = self.top_k

        min_score = self.min_score

        include_disabled = self.include_disabled

        remediation_id = self.remediation_id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "filters": filters,
            }
        )
        if top_k is not UNSET:
            field_dict["top_k"] = top_k
        if min_score is not UNSET:
            field_dict["min_score"] = min_score
        if include_disabled is not UNSET:
            field_dict["include_disabled"] = include_disabled
        if remediation_id is not UNSET:
            field_dict["remediation_id"] = remediation_id

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.workflow_search_filters import WorkflowSearchFilters  # noqa: PLC0415

        d = dict(src_dict)
        filters = WorkflowSearchFilters.from_dict(d.pop("filters"))

        top_k = d.pop("top_k", UNSET)

        min_score = d.pop("min_score", UNSET)

        include_disabled = d.pop("include_disabled", UNSET)

        remediation_id = d.pop("remediation_id", UNSET)

        workflow_search_request = cls(
            filters=filters,
            top_k=top_k,
            min_score=min_score,
            include_disabled=include_disabled,
            remediation_id=remediation_id,
        )

        workflow_search_request.additional_properties = d
        return workflow_search_request

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
