"""Workflows for tests, as request bodies."""

from hashlib import sha256
from typing import Any


def workflow(name: str = "restart-pod", version: str = "1.0.0", **members: Any) -> dict[str, Any]:
    """A complete request body; `members` replace or add."""
    content = members.pop("content", f"apiVersion: kubernaut.io/v1alpha1\nkind: WorkflowSchema\n# {name} {version}\n")
    return {
        "workflow_name": name,
        "version": version,
        "name": f"Restart ({name})",
        "description": "Restarts a pod.",
        "content": content,
        "content_hash": sha256(content.encode()).hexdigest(),
        "labels": {
            "signal_type": "OOMKilled",
            "severity": "critical",
            "component": "pod",
            "environment": "production",
            "priority": "P0",
        },
        "execution_engine": "tekton",
        "status": "active",
        **members,
    }
