"""A catalog goes to files and back: nothing is left to do, and a second service gives the same files."""

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubernaut_client import DataStorageClient
from kubernaut_client.catalog import ExportReport, export, load
from kubernaut_client.emulator import Emulator
from tests.colours import QUICK
from tests.workflows import workflow

DIGEST = "sha256:" + "0" * 64
HOSTILE = [
    "../../etc/passwd", "/etc/passwd", "..\\..\\x", "a/../../b", "...", "CON", "nul.json", "COM1", "-rf", ".hidden",
    "plain", "Plain", "plain.json", "plain.yaml", "é", "e\u0301", "\ufb01", "fi", "x" * 255, "X" * 255, "🙂" * 255,
    "\x1b[31mred", "two\nlines\r", " ", "~", "\u202egnp", "\x7f\x85\x9b31m\u2028\ufeff", "重启", "a&b<c>", "%2e%2e%2f",
    "C:\\x", "trailing. ", "dot.",
]  # fmt: skip


def schema(name: str, version: str) -> str:
    document = {
        "apiVersion": "kubernaut.io/v1alpha1",
        "kind": "WorkflowSchema",
        "metadata": {"workflow_id": name, "version": version, "description": f"Restarts {name}."},
        "labels": {"signal_type": "OOMKilled", "severity": "low", "risk_tolerance": "low"},
        "execution": {"engine": "tekton", "bundle": f"registry.example/{len(name)}@{DIGEST}"},
        "parameters": [{"name": "POD", "type": "string", "required": True, "description": "The pod"}],
    }
    return f"# {version}, ü\n{yaml.safe_dump(document, allow_unicode=True)}"


def contents(name: str, version: str) -> list[str]:
    """Every kind of content that a catalog may hold."""
    document = schema(name, version)
    return [
        document,
        f"Do this, then that, with {version}.",
        json.dumps(yaml.safe_load(document), indent="\t"),
        document,
        f"---\n{document}---\n{document}",
        document.replace("\n", "\r\n"),
        f"{document}kind: WorkflowSchema\n",
        "kind: WorkflowSchema\nbut: nothing else\n",
        "\x1b[31m\x7f\x85\u2028\ufeff\n\t ",
        f"{document}\n\n",
    ]


def catalog() -> list[dict[str, Any]]:
    """300 versions of 100 names, in the order in which they are to be stored."""
    names = HOSTILE + [f"workflow-{i}" for i in range(100 - len(HOSTILE))]
    rows: list[dict[str, Any]] = []
    for i, name in enumerate(names):
        versions = ("1.0.0", "1.1.0-RC.1", "1.1.0") if i % 3 else ("v1", "2.0", "last/../one")
        for j, version in enumerate(versions):
            options = contents(name, version)
            members: dict[str, Any] = {
                "content": options[(i + j) % len(options)],
                "status": {1: "disabled", 2: "deprecated", 3: "archived"}.get(len(rows) % 50, "active"),
            }
            if i % 2:
                members["container_image"] = "image"
                members["container_digest"] = DIGEST
                members["custom_labels"] = {"team": ["b", "a", name], "a": []}
                members["detected_labels"] = {
                    "stateful": True,
                    "pdbProtected": False,
                    "failed_detections": ["stateful"],
                }
                members["parameters"] = {"b": [1, 1.5, None], "a": {"x": True, "ü": "\x1b"}}
            if i % 4 == 3:
                members["approved_at"] = "2026-01-31T12:00:00.123456+01:00"
                members["expected_success_rate"] = 0.12345
                members["expected_duration_seconds"] = 0
                members["content_hash"] = "f" * 64
                members["owner"] = members["maintainer"] = members["created_by"] = name
                members["previous_version"] = members["version_notes"] = members["change_summary"] = version
            rows.append(workflow(name, version, **members) | {"name": name})
    return rows


@pytest.fixture
def client(emulator: Emulator) -> Iterator[DataStorageClient]:
    with DataStorageClient(emulator.url, retry=QUICK) as client:
        yield client


def tree(directory: Path) -> dict[str, bytes]:
    """Every file below a directory; there must be no link."""
    found: dict[str, bytes] = {}
    for path in directory.rglob("*"):
        assert not path.is_symlink()
        if not path.is_dir():
            found[path.relative_to(directory).as_posix()] = path.read_bytes()
    return found


def exported(client: DataStorageClient, directory: Path) -> ExportReport:
    """An export, with what must hold of every one."""
    report = export(client.workflows.list(), directory)
    assert sorted(tree(directory)) == list(report.files)
    assert list(directory.parent.glob(".*")) == []
    seen = {unicodedata.normalize("NFKC", file).casefold() for file in report.files}
    assert len(seen) == len(report.files)
    for name, data in tree(directory).items():
        assert name.isascii() and name.isprintable()
        assert not any(byte < 32 and byte != 10 for byte in data)
    return report


def nothing_to_do(client: DataStorageClient, emulator: Emulator, directory: Path) -> None:
    """A plan of the directory finds every row as it is, and applying it writes nothing."""
    emulator.clear_requests()
    plan = client.workflows.plan(load(directory))
    assert [(row.name, row.version, row.action, row.differences) for row in plan if row.action != "unchanged"] == []
    client.workflows.apply(plan).raise_for_errors(strict=True)
    assert emulator.writes == ()


def test_a_catalog_of_300_to_files_and_back(client: DataStorageClient, emulator: Emulator, tmp_path: Path) -> None:
    rows = catalog()
    assert len(rows) == 300
    for row in rows:
        client.workflows.create(row)
    first = client.workflows.versions("workflow-0")[0]
    client.workflows.disable(first.workflow_id, reason="not kept", updated_by="me")

    one = exported(client, tmp_path / "one")
    assert (one.workflows, len(list((tmp_path / "one").glob("*.json")))) == (300, 100)
    documents = [file for file in one.files if file.endswith(".yaml")]
    assert 0 < len(documents) < 300
    assert [warning for warning in one.warnings if "can't be" in warning] == []
    nothing_to_do(client, emulator, tmp_path / "one")

    emulator.reset()
    client.workflows.bootstrap(load(tmp_path / "one")).raise_for_errors(strict=True)
    two = exported(client, tmp_path / "two")
    assert tree(tmp_path / "two") == tree(tmp_path / "one")
    assert (two.files, two.warnings) == (one.files, one.warnings)
    nothing_to_do(client, emulator, tmp_path / "two")


def test_contents_are_what_was_stored(client: DataStorageClient, emulator: Emulator, tmp_path: Path) -> None:
    contents_before = {(row["workflow_name"], row["version"]): row["content"] for row in catalog()[:60]}
    for row in catalog()[:60]:
        client.workflows.create(row)
    export(client.workflows.list(), tmp_path / "out")
    found = {(row.workflow_name, row.version): row.content for row in load(tmp_path / "out")}
    assert found == contents_before


def test_versions_stored_in_another_order(client: DataStorageClient, emulator: Emulator, tmp_path: Path) -> None:
    """Files are in the order of apply, so that the second export is the first one again."""
    for version in ("1.1.0", "odd", "1.0.0"):
        client.workflows.create(workflow("a", version))
    report = exported(client, tmp_path / "one")
    assert report.warnings == ("a: search shows version 1.0.0; applied to an empty service, odd would be the latest",)
    nothing_to_do(client, emulator, tmp_path / "one")
    emulator.reset()
    client.workflows.bootstrap(load(tmp_path / "one")).raise_for_errors(strict=True)
    assert exported(client, tmp_path / "two").warnings == ()
    assert tree(tmp_path / "two") == tree(tmp_path / "one")
    assert [row.version for row in client.workflows.versions("a")] == ["odd", "1.1.0", "1.0.0"]


def test_contents_too_large_for_one_file(client: DataStorageClient, emulator: Emulator, tmp_path: Path) -> None:
    for i in range(4):
        client.workflows.create(workflow("a", f"1.{i}.0", content=str(i) * 400_000))
    report = exported(client, tmp_path / "one")
    assert report.files == tuple(f"a/1.{i}.0.json" for i in range(4))
    nothing_to_do(client, emulator, tmp_path / "one")
    emulator.reset()
    client.workflows.bootstrap(load(tmp_path / "one")).raise_for_errors(strict=True)
    exported(client, tmp_path / "two")
    assert tree(tmp_path / "two") == tree(tmp_path / "one")


def test_a_document_with_an_image_that_the_row_has_not(
    client: DataStorageClient, emulator: Emulator, tmp_path: Path
) -> None:
    client.workflows.create(workflow("a", content=schema("a", "1.0.0")))
    report = exported(client, tmp_path / "out")
    assert report.files == ("a.json", "a/1.0.0.yaml")
    nothing_to_do(client, emulator, tmp_path / "out")
    [found] = load(tmp_path / "out")
    assert not found.container_image
