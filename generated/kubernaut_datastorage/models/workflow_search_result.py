from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.detected_labels import DetectedLabels


T = TypeVar("T", bound="WorkflowSearchResult")


@_attrs_define
class WorkflowSearchResult:
    """A workflow that matches. It has no version, no workflow_name and no content; read it by its id.

    Attributes:
        workflow_id (UUID): Id of the workflow version.
        title (str): The workflow's name for people.
        description (str): What the workflow does.
        signal_type (str): Its signal_type label.
        confidence (float): The same as final_score.
        final_score (float): (5 + label_boost - label_penalty) / 10; 0.48 to 0.539 without custom labels.
        rank (int): Position, from 1.
        container_image (str | Unset): Image that holds the workflow.
        container_digest (str | Unset): Digest of the image.
        label_boost (float | Unset): What matching labels add; at most 0.39 without custom labels.
        label_penalty (float | Unset): What contradicting labels take away; at most 0.20.
        custom_labels (Any | Unset): Custom labels of the workflow: a map of string to list of strings. Absent when
            there are none.
        detected_labels (DetectedLabels | Unset): Labels found by looking at the cluster. False and empty ones are
            dropped on storage and in replies.
    """

    workflow_id: UUID
    title: str
    description: str
    signal_type: str
    confidence: float
    final_score: float
    rank: int
    container_image: str | Unset = UNSET
    container_digest: str | Unset = UNSET
    label_boost: float | Unset = UNSET
    label_penalty: float | Unset = UNSET
    custom_labels: Any | Unset = UNSET
    detected_labels: DetectedLabels | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        workflow_id = str(self.workflow_id)

        title = self.title

        description = self.description

        signal_type = self.signal_type

        confidence = self.confidence

        final_score = self.final_score

        rank = self.rank

        container_image = self.container_image

        container_digest = self.container_digest

        label_boost = self.label_boost

        label_penalty = self.label_penalty

        custom_labels = self.custom_labels

        detected_labels: dict[str, Any] | Unset = UNSET
        if not isinstance(self.detected_labels, Unset):
            detected_labels = self.detected_labels.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "workflow_id": workflow_id,
                "title": title,
                "description": description,
                "signal_type": signal_type,
                "confidence": confidence,
                "final_score": final_score,
                "rank": rank,
            }
        )
        if container_image is not UNSET:
            field_dict["container_image"] = container_image
        if container_digest is not UNSET:
            field_dict["container_digest"] = container_digest
        if label_boost is not UNSET:
            field_dict["label_boost"] = label_boost
        if label_penalty is not UNSET:
            field_dict["label_penalty"] = label_penalty
        if custom_labels is not UNSET:
            field_dict["custom_labels"] = custom_labels
        if detected_labels is not UNSET:
            field_dict["detected_labels"] = detected_labels

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.detected_labels import DetectedLabels  # noqa: PLC0415

        d = dict(src_dict)
        workflow_id = UUID(d.pop("workflow_id"))

        title = d.pop("title")

        description = d.pop("description")

        signal_type = d.pop("signal_type")

        confidence = d.pop("confidence")

        final_score = d.pop("final_score")

        rank = d.pop("rank")

        container_image = d.pop("container_image", UNSET)

        container_digest = d.pop("container_digest", UNSET)

        label_boost = d.pop("label_boost", UNSET)

        label_penalty = d.pop("label_penalty", UNSET)

        custom_labels = d.pop("custom_labels", UNSET)

        _detected_labels = d.pop("detected_labels", UNSET)
        detected_labels: DetectedLabels | Unset
        if isinstance(_detected_labels, Unset):
            detected_labels = UNSET
        else:
            detected_labels = DetectedLabels.from_dict(_detected_labels)

        workflow_search_result = cls(
            workflow_id=workflow_id,
            title=title,
            description=description,
            signal_type=signal_type,
            confidence=confidence,
            final_score=final_score,
            rank=rank,
            container_image=container_image,
            container_digest=container_digest,
            label_boost=label_boost,
            label_penalty=label_penalty,
            custom_labels=custom_labels,
            detected_labels=detected_labels,
        )

        workflow_search_result.additional_properties = d
        return workflow_search_result

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
