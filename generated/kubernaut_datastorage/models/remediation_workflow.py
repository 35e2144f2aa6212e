from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.workflow_status import WorkflowStatus, check_workflow_status
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.detected_labels import DetectedLabels
    from ..models.mandatory_labels import MandatoryLabels


T = TypeVar("T", bound="RemediationWorkflow")


@_attrs_define
class RemediationWorkflow:
    """A workflow version to store. Nothing here may be null; leave out what you don't set.

    Attributes:
        workflow_name (str): Name of the workflow; unique together with version.
        version (str): Version; any text, usually a semantic version.
        name (str): Name for people; the title in search results.
        description (str): What the workflow does, for people and for the model that chooses.
        content (str): The WorkflowSchema document. The service neither parses nor checks it.
        content_hash (str): SHA-256 of content in lower-case hexadecimal. The service counts 64 characters and compares
            nothing.
        labels (MandatoryLabels): The five labels of every workflow. Others are dropped without a word.
        execution_engine (str): Engine that runs the workflow, such as tekton. May be empty.
        status (WorkflowStatus): Life cycle of a workflow version.
        owner (str | Unset): Who owns the workflow.
        maintainer (str | Unset): Who maintains the workflow.
        parameters (Any | Unset): Parameters of the workflow, a JSON object of any shape.
        container_image (str | Unset): Image that holds the workflow.
        container_digest (str | Unset): Digest of the image, `sha256:` and 64 hexadecimal digits.
        custom_labels (Any | Unset): Labels of your own: a map of string to list of strings. Keys take part in a search
            only if made of letters, digits, `_` and `-`.
        detected_labels (DetectedLabels | Unset): Labels found by looking at the cluster. False and empty ones are
            dropped on storage and in replies.
        previous_version (str | Unset): Version that this one follows.
        version_notes (str | Unset): Notes on this version.
        change_summary (str | Unset): What changed.
        approved_by (str | Unset): Who approved this version.
        approved_at (datetime.datetime | Unset): When it was approved. The zone is mandatory.
        expected_success_rate (float | Unset): Expected share of successful runs, 0 to 1; stored with three decimals.
        expected_duration_seconds (int | Unset): Expected time of a run in seconds.
        created_by (str | Unset): Who stores this version.
    """

    workflow_name: str
    version: str
    name: str
    description: str
    content: str
    content_hash: str
    labels: MandatoryLabels
    execution_engine: str
    status: WorkflowStatus
    owner: str | Unset = UNSET
    maintainer: str | Unset = UNSET
    parameters: Any | Unset = UNSET
    container_image: str | Unset = UNSET
    container_digest: str | Unset = UNSET
    custom_labels: Any | Unset = UNSET
    detected_labels: DetectedLabels | Unset = UNSET
    previous_version: str | Unset = UNSET
    version_notes: str | Unset = UNSET
    change_summary: str | Unset = UNSET
    approved_by: str | Unset = UNSET
    approved_at: datetime.datetime | Unset = UNSET
    expected_success_rate: float | Unset = UNSET
    expected_duration_seconds: int | Unset = UNSET
    created_by: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        workflow_name = self.workflow_name

        version = self.version

        name = self.name

        description = self.description

        content = self.content

        content_hash = self.content_hash

        labels = self.labels.to_dict()

        execution_engine = self.execution_engine

        status: str = self.status

        owner = self.owner

        maintainer = self.maintainer

        parameters = self.parameters

        container_image = self.container_image

        container_digest = self.container_digest

        custom_labels = self.custom_labels

        detected_labels: dict[str, Any] | Unset = UNSET
        if not isinstance(self.detected_labels, Unset):
            detected_labels = self.detected_labels.to_dict()

        previous_version = self.previous_version

        version_notes = self.version_notes

        change_summary = self.change_summary

        approved_by = self.approved_by

        approved_at: str | Unset = UNSET
        if not isinstance(self.approved_at, Unset):
            approved_at = self.approved_at.isoformat()

        expected_success_rate = self.expected_success_rate

        expected_duration_seconds = self.expected_duration_seconds

        created_by = self.created_by

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "workflow_name": workflow_name,
                "version": version,
                "name": name,
                "description": description,
                "content": content,
                "content_hash": content_hash,
                "labels": labels,
                "execution_engine": execution_engine,
                "status": status,
            }
        )
        if owner is not UNSET:
            field_dict["owner"] = owner
        if maintainer is not UNSET:
            field_dict["maintainer"] = maintainer
        if parameters is not UNSET:
            field_dict["parameters"] = parameters
        if container_image is not UNSET:
            field_dict["container_image"] = container_image
        if container_digest is not UNSET:
            field_dict["container_digest"] = container_digest
        if custom_labels is not UNSET:
            field_dict["custom_labels"] = custom_labels
        if detected_labels is not UNSET:
            field_dict["detected_labels"] = detected_labels
        if previous_version is not UNSET:
            field_dict["previous_version"] = previous_version
        if version_notes is not UNSET:
            field_dict["version_notes"] = version_notes
        if change_summary is not UNSET:
            field_dict["change_summary"] = change_summary
        if approved_by is not UNSET:
            field_dict["approved_by"] = approved_by
        if approved_at is not UNSET:
            field_dict["approved_at"] = approved_at
        if expected_success_rate is not UNSET:
            field_dict["expected_success_rate"] = expected_success_rate
        if expected_duration_seconds is not UNSET:
            field_dict["expected_duration_seconds"] = expected_duration_seconds
        if created_by is not UNSET:
            field_dict["created_by"] = created_by

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.detected_labels import DetectedLabels  # noqa: PLC0415
        from ..models.mandatory_labels import MandatoryLabels  # noqa: PLC0415

        d = dict(src_dict)
        workflow_name = d.pop("workflow_name")

        version = d.pop("version")

        name = d.pop("name")

        description = d.pop("description")

        content = d.pop("content")

        content_hash = d.pop("content_hash")

        labels = MandatoryLabels.from_dict(d.pop("labels"))

        execution_engine = d.pop("execution_engine")

        status = check_workflow_status(d.pop("status"))

        owner = d.pop("owner", UNSET)

        maintainer = d.pop("maintainer", UNSET)

        parameters = d.pop("parameters", UNSET)

        container_image = d.pop("container_image", UNSET)

        container_digest = d.pop("container_digest", UNSET)

        custom_labels = d.pop("custom_labels", UNSET)

        _detected_labels = d.pop("detected_labels", UNSET)
        detected_labels: DetectedLabels | Unset
        if isinstance(_detected_labels, Unset):
            detected_labels = UNSET
        else:
            detected_labels = DetectedLabels.from_dict(_detected_labels)

        previous_version = d.pop("previous_version", UNSET)

        version_notes = d.pop("version_notes", UNSET)

        change_summary = d.pop("change_summary", UNSET)

        approved_by = d.pop("approved_by", UNSET)

        _approved_at = d.pop("approved_at", UNSET)
        approved_at: datetime.datetime | Unset
        if isinstance(_approved_at, Unset):
            approved_at = UNSET
        else:
            approved_at = datetime.datetime.fromisoformat(_approved_at)

        expected_success_rate = d.pop("expected_success_rate", UNSET)

        expected_duration_seconds = d.pop("expected_duration_seconds", UNSET)

        created_by = d.pop("created_by", UNSET)

        remediation_workflow = cls(
            workflow_name=workflow_name,
            version=version,
            name=name,
            description=description,
            content=content,
            content_hash=content_hash,
            labels=labels,
            execution_engine=execution_engine,
            status=status,
            owner=owner,
            maintainer=maintainer,
            parameters=parameters,
            container_image=container_image,
            container_digest=container_digest,
            custom_labels=custom_labels,
            detected_labels=detected_labels,
            previous_version=previous_version,
            version_notes=version_notes,
            change_summary=change_summary,
            approved_by=approved_by,
            approved_at=approved_at,
            expected_success_rate=expected_success_rate,
            expected_duration_seconds=expected_duration_seconds,
            created_by=created_by,
        )

        remediation_workflow.additional_properties = d
        return remediation_workflow

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
