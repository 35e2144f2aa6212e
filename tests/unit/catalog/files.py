"""A catalog file for tests, and what loading says of a directory."""

from pathlib import Path

import pytest

from kubernaut_client import CatalogError, Outcome
from kubernaut_client.catalog import load

GOOD = """\
apiVersion: kubernaut.io/v1alpha1
kind: WorkflowSchema
metadata:
  workflow_id: restart-pod
  version: "1.0.0"
  description: Restarts a pod.
labels:
  signal_type: OOMKilled
  severity: high
  risk_tolerance: low
  environment: production
  priority: P1
  component: pod
execution:
  engine: tekton
  bundle: registry.example.com/restart-pod:v1@sha256:0000000000000000000000000000000000000000000000000000000000000001
parameters:
  - name: POD
    type: string
    required: true
    description: Pod to restart
"""

PAYLOAD = """\
{
  "workflow_name": "restart-pod",
  "version": "1.0.0",
  "name": "Restart pod",
  "description": "Restarts a pod.",
  "content": "any text",
  "labels": {
    "signal_type": "OOMKilled",
    "severity": "high",
    "component": "pod",
    "environment": "production",
    "priority": "P1"
  },
  "execution_engine": "tekton"
}
"""


def good(*changes: tuple[str, str], text: str = GOOD) -> str:
    """A good document with changes; each must find what it replaces."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def payload(*changes: tuple[str, str]) -> str:
    """A good payload with changes."""
    return good(*changes, text=PAYLOAD)


def write(directory: Path, files: dict[str, str | bytes]) -> None:
    """Write files below a directory."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def report(*paths: Path | str) -> list[str]:
    """The lines of the report on what can't be loaded; an error of another kind, or none, fails the test."""
    with pytest.raises(CatalogError) as caught:
        load(*paths)
    error = caught.value
    assert error.outcome is Outcome.NOT_SENT
    assert str(error).isprintable()
    assert len(str(error)) <= 500
    lines = [str(problem) for problem in error.errors]
    assert all(line.isprintable() and len(line) < 1500 for line in lines)
    return lines
