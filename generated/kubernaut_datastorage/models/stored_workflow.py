from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.workflow_status import WorkflowStatus, check_workflow_status
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.detected_labels import DetectedLabels
    from ..models.mandatory_labels import MandatoryLabels


T = TypeVar("T", bound="StoredWorkflow")


@_attrs_define
class StoredWorkflow:
    """A workflow version as it comes back. What isn't set is absent, never null.

    Attributes:
        workflow_id (UUID): Id that the service gave to this version.
        workflow_name (str): Name of the workflow.
        version (str): Version.
        name (str): Name for people.
        description (str): What the workflow does.
        content (str): The WorkflowSchema document.
        content_hash (str): The hash that was sent with the content.
        labels (MandatoryLabels): The five labels of every workflow. Others are dropped without a word.
        execution_engine (str): Engine that runs the workflow.
        status (WorkflowStatus): Life cycle of a workflow version.
        is_latest_version (bool): Whether this version was the last of its name to be stored; two racing writers can
            both leave true.
        owner (str | Unset): Who owns the workflow.
        maintainer (str | Unset): Who maintains the workflow.
        parameters (Any | Unset): Parameters of the workflow, a JSON object of any shape.
        container_image (str | Unset): Image that holds the workflow.
        container_digest (str | Unset): Digest of the image.
        custom_labels (Any | Unset): Labels of your own: a map of string to list of strings. Absent when there are none.
        detected_labels (DetectedLabels | Unset): Labels found by looking at the cluster. False and empty ones are
            dropped on storage and in replies.
        status_reason (str | Unset): Reason of the last change of status; may be empty.
        disabled_at (datetime.datetime | Unset): When it was last disabled; stays after it is active again.
        disabled_by (str | Unset): Who last disabled it; may be empty.
        disabled_reason (str | Unset): Why it was last disabled; may be empty.
        previous_version (str | Unset): Version that this one follows.
        deprecation_notice (str | Unset): Never stored; only the reply to a create echoes it.
        version_notes (str | Unset): Notes on this version.
        change_summary (str | Unset): What changed.
        approved_by (str | Unset): Who approved this version.
        approved_at (datetime.datetime | Unset): When it was approved.
        expected_success_rate (float | Unset): Expected share of successful runs, 0 to 1, in three decimals.
        expected_duration_seconds (int | Unset): Expected time of a run in seconds.
        actual_success_rate (float | Unset): Share of successful runs. No route of the service changes it.
        total_executions (int | Unset): Runs. No route of the service changes it.
        successful_executions (int | Unset): Successful runs. No route of the service changes it.
        created_at (datetime.datetime | Unset): When it was stored. The year 1 in the reply to a create.
        updated_at (datetime.datetime | Unset): When it was last changed. The year 1 in the reply to a create, stale in
            the reply to a change.
        created_by (str | Unset): Who stored this version.
        updated_by (str | Unset): Who last changed it; may be empty, stale in the reply to a change.
    """

    workflow_id: UUID
    workflow_name: str
    version: str
    name: str
    description: str
    content: str
    content_hash: str
    labels: MandatoryLabels
    execution_engine: str
    status: WorkflowStatus
    is_latest_version: bool
    owner: str | Unset = UNSET
    maintainer: str | Unset = UNSET
    parameters: Any | Unset = UNSET
    container_image: str | Unset = UNSET
    container_digest: str | Unset = UNSET
    custom_labels: Any | Unset = UNSET
    detected_labels: DetectedLabels | Unset = UNSET
    status_reason: str | Unset = UNSET
    disabled_at: datetime.datetime | Unset = UNSET
    disabled_by: str | Unset = UNSET
    disabled_reason: str | Unset = UNSET
    previous_version: str | Unset = UNSET
    deprecation_notice: str | Unset = UNSET
    version_notes: str | Unset = UNSET
    change_summary: str | Unset = UNSET
    approved_by: str | Unset = UNSET
    approved_at: datetime.datetime | Unset = UNSET
    expected_success_rate: float | Unset = UNSET
    expected_duration_seconds: int | Unset = UNSET
    actual_success_rate: float | Unset = UNSET
    total_executions: int | Unset = UNSET
    successful_executions: int | Unset = UNSET
    created_at: datetime.datetime | Unset = UNSET
    updated_at: datetime.datetime | Unset = UNSET
    created_by: str | Unset = UNSET
    updated_by: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        workflow_id = str(self.workflow_id)

        workflow_name = self.workflow_name

        version = self.version

        name = self.name

        description = self.description

        content = self.content

        content_hash = self.content_hash

        labels = self.labels.to_dict()

        execution_engine = self.execution_engine

        status: str = self.status

        is_latest_version = self.is_latest_version

        owner = self.owner

        maintainer = self.maintainer

        parameters = self.parameters

        container_image = self.container_image

        container_digest = self.container_digest

        custom_labels = self.custom_labels

        detected_labels: dict[str, Any] | Unset = UNSET
        if not isinstance(self.detected_labels, Unset):
            detected_labels = self.detected_labels.to_dict()

        status_reason = self.status_reason

        disabled_at: str | Unset = UNSET
        if not isinstance(self.disabled_at, Unset):
            disabled_at = self.disabled_at.isoformat()

        disabled_by = self.disabled_by

        disabled_reason = self.disabled_reason

        previous_version = self.previous_version

        deprecation_notice = self.deprecation_notice

        version_notes = self.version_notes

        change_summary = self.change_summary

        approved_by = self.approved_by

        approved_at: str | Unset = UNSET
        if not isinstance(self.approved_at, Unset):
            approved_at = self.approved_at.isoformat()

        expected_success_rate = self.expected_success_rate

        expected_duration_seconds = self.expected_duration_seconds

        actual_success_rate = self.actual_success_rate

        total_executions = self.total_executions

        successful_executions = self.successful_executions

        created_at: str | Unset = UNSET
        if not isinstance(self.created_at, Unset):
            created_at = self.created_at.isoformat()

        updated_at: str | Unset = UNSET
        if not isinstance(self.updated_at, Unset):
            updated_at = self.updated_at.isoformat()

        created_by = self.created_by

        updated_by = self.updated_by

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "workflow_id": workflow_id,
                "workflow_name": workflow_name,
                "version": version,
                "name": name,
                "description": description,
                "content": content,
                "content_hash": content_hash,
                "labels": labels,
                "execution_engine": execution_engine,
                "status": status,
                "is_latest_version": is_latest_version,
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
        if status_reason is not UNSET:
            field_dict["status_reason"] = status_reason
        if disabled_at is not UNSET:
            field_dict["disabled_at"] = disabled_at
        if disabled_by is not UNSET:
            field_dict["disabled_by"] = disabled_by
        if disabled_reason is not UNSET:
            field_dict["disabled_reason"] = disabled_reason
        if previous_version is not UNSET:
            field_dict["previous_version"] = previous_version
        if deprecation_notice is not UNSET:
            field_dict["deprecation_notice"] = deprecation_notice
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
        if actual_success_rate is not UNSET:
            field_dict["actual_success_rate"] = actual_success_rate
        if total_executions is not UNSET:
            field_dict["total_executions"] = total_executions
        if successful_executions is not UNSET:
            field_dict["successful_executions"] = successful_executions
        if created_at is not UNSET:
            field_dict["created_at"] = created_at
        if updated_at is not UNSET:
            field_dict["updated_at"] = updated_at
        if created_by is not UNSET:
            field_dict["created_by"] = created_by
        if updated_by is not UNSET:
            field_dict["updated_by"] = updated_by

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.detected_labels import DetectedLabels  # noqa: PLC0415
        from ..models.mandatory_labels import MandatoryLabels  # noqa: PLC0415

        d = dict(src_dict)
        workflow_id = UUID(d.pop("workflow_id"))

        workflow_name = d.pop("workflow_name")

        version = d.pop("version")

        name = d.pop("name")

        description = d.pop("description")

        content = d.pop("content")

        content_hash = d.pop("content_hash")

        labels = MandatoryLabels.from_dict(d.pop("labels"))

        execution_engine = d.pop("execution_engine")

        status = check_workflow_status(d.pop("status"))

        is_latest_version = d.pop("is_latest_version")

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

        status_reason = d.pop("status_reason", UNSET)

        _disabled_at = d.pop("disabled_at", UNSET)
        disabled_at: datetime.datetime | Unset
        if isinstance(_disabled_at, Unset):
            disabled_at = UNSET
        else:
            disabled_at = datetime.datetime.fromisoformat(_disabled_at)

        disabled_by = d.pop("disabled_by", UNSET)

        disabled_reason = d.pop("disabled_reason", UNSET)

        previous_version = d.pop("previous_version", UNSET)

        deprecation_notice = d.pop("deprecation_notice", UNSET)

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

        actual_success_rate = d.pop("actual_success_rate", UNSET)

        total_executions = d.pop("total_executions", UNSET)

        successful_executions = d.pop("successful_executions", UNSET)

        _created_at = d.pop("created_at", UNSET)
        created_at: datetime.datetime | Unset
        if isinstance(_created_at, Unset):
            created_at = UNSET
        else:
            created_at = datetime.datetime.fromisoformat(_created_at)

        _updated_at = d.pop("updated_at", UNSET)
        updated_at: datetime.datetime | Unset
        if isinstance(_updated_at, Unset):
            updated_at = UNSET
        else:
            updated_at = datetime.datetime.fromisoformat(_updated_at)

        created_by = d.pop("created_by", UNSET)

        updated_by = d.pop("updated_by", UNSET)

        stored_workflow = cls(
            workflow_id=workflow_id,
            workflow_name=workflow_name,
            version=version,
            name=name,
            description=description,
            content=content,
            content_hash=content_hash,
            labels=labels,
            execution_engine=execution_engine,
            status=status,
            is_latest_version=is_latest_version,
            owner=owner,
            maintainer=maintainer,
            parameters=parameters,
            container_image=container_image,
            container_digest=container_digest,
            custom_labels=custom_labels,
            detected_labels=detected_labels,
            status_reason=status_reason,
            disabled_at=disabled_at,
            disabled_by=disabled_by,
            disabled_reason=disabled_reason,
            previous_version=previous_version,
            deprecation_notice=deprecation_notice,
            version_notes=version_notes,
            change_summary=change_summary,
            approved_by=approved_by,
            approved_at=approved_at,
            expected_success_rate=expected_success_rate,
            expected_duration_seconds=expected_duration_seconds,
            actual_success_rate=actual_success_rate,
            total_executions=total_executions,
            successful_executions=successful_executions,
            created_at=created_at,
            updated_at=updated_at,
            created_by=created_by,
            updated_by=updated_by,
        )

        stored_workflow.additional_properties = d
        return stored_workflow

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
