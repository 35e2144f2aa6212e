"""The documents of `workflows ...`: each command run in every way that brings other keys or types."""

from collections.abc import Callable, Iterator
from typing import Any

from kubernaut_client.emulator import Emulator
from tests.integration.emulator_tools import WORKFLOWS
from tests.integration.emulator_tools import call as request
from tests.unit.cli.tools import call
from tests.workflows import workflow

Documents = Iterator[dict[str, Any]]
FULL: dict[str, Any] = {
    "custom_labels": {"team": ["platform"]},
    "detected_labels": {"gitOpsTool": "flux"},
    "parameters": {"seconds": 1},
    "owner": "platform",
    "maintainer": "ops@example.com",
    "container_image": "registry.example/restart:1",
    "container_digest": f"sha256:{'0' * 64}",
    "previous_version": "0.9.0",
    "version_notes": "better",
    "change_summary": "waits",
    "approved_by": "jane",
    "approved_at": "2025-12-01T00:00:00Z",
    "expected_success_rate": 0.95,
    "expected_duration_seconds": 60,
    "created_by": "joe",
}


def store(emulator: Emulator, *workflows: dict[str, Any]) -> None:
    """Store workflows as they are, without the client; a name for people is cut where it is too long."""
    for each in workflows:
        assert request(emulator, "POST", WORKFLOWS, each | {"name": each["name"][:255]}).status == 201


def run(emulator: Emulator, *arguments: str) -> dict[str, Any]:
    return call("workflows", *arguments, "--url", emulator.url, "-ojson").document


def list_(emulator: Emulator) -> Documents:
    yield run(emulator, "list")
    store(emulator, workflow())
    yield run(emulator, "list")


def get(emulator: Emulator) -> Documents:
    store(emulator, workflow("a"), workflow("b", **FULL))
    yield run(emulator, "get", "a")
    run(emulator, "disable", "b", "--reason", "x", "--by", "y")
    yield run(emulator, "get", "b")
    yield run(emulator, "get", "b", "--content")
    yield run(emulator, "get", "c")


def versions(emulator: Emulator) -> Documents:
    store(emulator, workflow())
    yield run(emulator, "versions", "restart-pod")
    run(emulator, "disable", "restart-pod")
    yield run(emulator, "versions", "restart-pod")


def search(emulator: Emulator) -> Documents:
    labels: dict[str, str] = workflow()["labels"]
    arguments = [word for name, value in labels.items() for word in (f"--{name.replace('_', '-')}", value)]
    store(emulator, workflow("a"), workflow("b", **FULL))
    yield run(emulator, "search", *arguments, "--label", "team=platform", "--detected", "gitOpsTool=flux")
    emulator.fault("getWorkflowByID", status=500, body={"title": "x"})
    yield run(emulator, "search", *arguments)


def disable(emulator: Emulator) -> Documents:
    store(emulator, workflow(version="1.0.0"), workflow(version="1.1.0"))
    yield run(emulator, "disable", "restart-pod@1.0.0")
    yield run(emulator, "disable", "restart-pod", "--reason", "x", "--by", "y")
    yield run(emulator, "disable", "restart-pod")


def enable(emulator: Emulator) -> Documents:
    store(emulator, workflow(version="1.0.0"), workflow(version="1.1.0"))
    yield run(emulator, "enable", "restart-pod")
    run(emulator, "disable", "restart-pod")
    yield run(emulator, "enable", "restart-pod@1.0.0")
    yield run(emulator, "enable", "restart-pod")


def deprecate(emulator: Emulator) -> Documents:
    store(emulator, workflow(version="1.0.0"), workflow(version="1.1.0"))
    yield run(emulator, "deprecate", "restart-pod@1.0.0")
    yield run(emulator, "deprecate", "restart-pod")


def rollback(emulator: Emulator) -> Documents:
    store(emulator, workflow(version="1.0.0"), workflow(version="1.1.0"))
    yield run(emulator, "rollback", "restart-pod", "--to", "1.0.0")
    yield run(emulator, "rollback", "restart-pod", "--to", "1.0.0")
    emulator.fault("listWorkflowVersions", skip=2, status=500, body={"title": "x"}, count=None)
    yield run(emulator, "rollback", "restart-pod", "--to", "1.1.0")


SCENARIOS: dict[str, Callable[[Emulator], Documents]] = {
    "workflows list": list_,
    "workflows get": get,
    "workflows versions": versions,
    "workflows search": search,
    "workflows disable": disable,
    "workflows enable": enable,
    "workflows deprecate": deprecate,
    "workflows rollback": rollback,
}
