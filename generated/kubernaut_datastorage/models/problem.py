from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.problem_field_errors import ProblemFieldErrors


T = TypeVar("T", bound="Problem")


@_attrs_define
class Problem:
    """A problem document (RFC 9457). No member is certain.

    Attributes:
        type_ (str | Unset): URI whose last segment names the problem.
        title (str | Unset): The problem in short.
        status (int | Unset): The HTTP status.
        detail (str | Unset): What happened. The validator appends its schema and the data sent, which can be kilobytes.
        instance (str | Unset): Path or part of the request; no URI.
        field_errors (ProblemFieldErrors | Unset): Reason by field.
        resource (str | Unset): What the problem is about, such as notification_audit.
        field (str | Unset): Member that is in conflict.
        value (str | Unset): Value that is in conflict.
        retry (bool | Unset): Whether it makes sense to repeat the request.
    """

    type_: str | Unset = UNSET
    title: str | Unset = UNSET
    status: int | Unset = UNSET
    detail: str | Unset = UNSET
    instance: str | Unset = UNSET
    field_errors: ProblemFieldErrors | Unset = UNSET
    resource: str | Unset = UNSET
    field: str | Unset = UNSET
    value: str | Unset = UNSET
    retry: bool | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        type_ = self.type_

        title = self.title

        status = self.status

        detail = self.detail

        instance = self.instance

        field_errors: dict[str, Any] | Unset = UNSET
        if not isinstance(self.field_errors, Unset):
            field_errors = self.field_errors.to_dict()

        resource = self.resource

        field = self.field

        value = self.value

        retry = self.retry

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if type_ is not UNSET:
            field_dict["type"] = type_
        if title is not UNSET:
            field_dict["title"] = title
        if status is not UNSET:
            field_dict["status"] = status
        if detail is not UNSET:
            field_dict["detail"] = detail
        if instance is not UNSET:
            field_dict["instance"] = instance
        if field_errors is not UNSET:
            field_dict["field_errors"] = field_errors
        if resource is not UNSET:
            field_dict["resource"] = resource
        if field is not UNSET:
            field_dict["field"] = field
        if value is not UNSET:
            field_dict["value"] = value
        if retry is not UNSET:
            field_dict["retry"] = retry

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.problem_field_errors import ProblemFieldErrors  # noqa: PLC0415

        d = dict(src_dict)
        type_ = d.pop("type", UNSET)

        title = d.pop("title", UNSET)

        status = d.pop("status", UNSET)

        detail = d.pop("detail", UNSET)

        instance = d.pop("instance", UNSET)

        _field_errors = d.pop("field_errors", UNSET)
        field_errors: ProblemFieldErrors | Unset
        if isinstance(_field_errors, Unset):
            field_errors = UNSET
        else:
            field_errors = ProblemFieldErrors.from_dict(_field_errors)

        resource = d.pop("resource", UNSET)

        field = d.pop("field", UNSET)

        value = d.pop("value", UNSET)

        retry = d.pop("retry", UNSET)

        problem = cls(
            type_=type_,
            title=title,
            status=status,
            detail=detail,
            instance=instance,
            field_errors=field_errors,
            resource=resource,
            field=field,
            value=value,
            retry=retry,
        )

        problem.additional_properties = d
        return problem

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
