from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.detectable_label import DetectableLabel, check_detectable_label
from ..models.git_ops_tool import GitOpsTool, check_git_ops_tool
from ..models.service_mesh import ServiceMesh, check_service_mesh
from ..types import UNSET, Unset

T = TypeVar("T", bound="DetectedLabels")


@_attrs_define
class DetectedLabels:
    """Labels found by looking at the cluster. False and empty ones are dropped on storage and in replies.

    Attributes:
        failed_detections (list[DetectableLabel] | Unset): Labels whose detection failed. Stored, and without effect.
        git_ops_managed (bool | Unset): Managed by GitOps.
        git_ops_tool (GitOpsTool | Unset): GitOps tool that manages the resource, or any.
        pdb_protected (bool | Unset): Protected by a PodDisruptionBudget.
        hpa_enabled (bool | Unset): Scaled by a HorizontalPodAutoscaler.
        stateful (bool | Unset): A StatefulSet, or something else with state.
        helm_managed (bool | Unset): Managed by Helm.
        network_isolated (bool | Unset): Under a NetworkPolicy.
        service_mesh (ServiceMesh | Unset): Service mesh of the resource, or any.
    """

    failed_detections: list[DetectableLabel] | Unset = UNSET
    git_ops_managed: bool | Unset = UNSET
    git_ops_tool: GitOpsTool | Unset = UNSET
    pdb_protected: bool | Unset = UNSET
    hpa_enabled: bool | Unset = UNSET
    stateful: bool | Unset = UNSET
    helm_managed: bool | Unset = UNSET
    network_isolated: bool | Unset = UNSET
    service_mesh: ServiceMesh | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        failed_detections: list[str] | Unset = UNSET
        if not isinstance(self.failed_detections, Unset):
            failed_detections = []
            for failed_detections_item_data in self.failed_detections:
                failed_detections_item: str = failed_detections_item_data
                failed_detections.append(failed_detections_item)

        git_ops_managed = self.git_ops_managed

        git_ops_tool: str | Unset = UNSET
        if not isinstance(self.git_ops_tool, Unset):
            git_ops_tool = self.git_ops_tool

        pdb_protected = self.pdb_protected

        hpa_enabled = self.hpa_enabled

        stateful = self.stateful

        helm_managed = self.helm_managed

        network_isolated = self.network_isolated

        service_mesh: str | Unset = UNSET
        if not isinstance(self.service_mesh, Unset):
            service_mesh = self.service_mesh

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if failed_detections is not UNSET:
            field_dict["failed_detections"] = failed_detections
        if git_ops_managed is not UNSET:
            field_dict["gitOpsManaged"] = git_ops_managed
        if git_ops_tool is not UNSET:
            field_dict["gitOpsTool"] = git_ops_tool
        if pdb_protected is not UNSET:
            field_dict["pdbProtected"] = pdb_protected
        if hpa_enabled is not UNSET:
            field_dict["hpaEnabled"] = hpa_enabled
        if stateful is not UNSET:
            field_dict["stateful"] = stateful
        if helm_managed is not UNSET:
            field_dict["helmManaged"] = helm_managed
        if network_isolated is not UNSET:
            field_dict["networkIsolated"] = network_isolated
        if service_mesh is not UNSET:
            field_dict["serviceMesh"] = service_mesh

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        _failed_detections = d.pop("failed_detections", UNSET)
        failed_detections: list[DetectableLabel] | Unset = UNSET
        if _failed_detections is not UNSET:
            failed_detections = []
            for failed_detections_item_data in _failed_detections:
                failed_detections_item = check_detectable_label(failed_detections_item_data)

                failed_detections.append(failed_detections_item)

        git_ops_managed = d.pop("gitOpsManaged", UNSET)

        _git_ops_tool = d.pop("gitOpsTool", UNSET)
        git_ops_tool: GitOpsTool | Unset
        if isinstance(_git_ops_tool, Unset):
            git_ops_tool = UNSET
        else:
            git_ops_tool = check_git_ops_tool(_git_ops_tool)

        pdb_protected = d.pop("pdbProtected", UNSET)

        hpa_enabled = d.pop("hpaEnabled", UNSET)

        stateful = d.pop("stateful", UNSET)

        helm_managed = d.pop("helmManaged", UNSET)

        network_isolated = d.pop("networkIsolated", UNSET)

        _service_mesh = d.pop("serviceMesh", UNSET)
        service_mesh: ServiceMesh | Unset
        if isinstance(_service_mesh, Unset):
            service_mesh = UNSET
        else:
            service_mesh = check_service_mesh(_service_mesh)

        detected_labels = cls(
            failed_detections=failed_detections,
            git_ops_managed=git_ops_managed,
            git_ops_tool=git_ops_tool,
            pdb_protected=pdb_protected,
            hpa_enabled=hpa_enabled,
            stateful=stateful,
            helm_managed=helm_managed,
            network_isolated=network_isolated,
            service_mesh=service_mesh,
        )

        detected_labels.additional_properties = d
        return detected_labels

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
