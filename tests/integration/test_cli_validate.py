"""`validate`: offline, every problem a line, and what a base says that the service can't follow."""

import io
import shutil
import sys
from pathlib import Path

import pytest

from tests.integration.cli_catalog import EXAMPLES, schema, write
from tests.unit.cli.tools import call, piped
from tests.workflows import workflow


def test_valid_without_any_service() -> None:
    ran = piped("validate", str(EXAMPLES), env={"KUBERNAUT_DATASTORAGE_URL": "http://127.0.0.1:1"})
    assert (ran.code, ran.stdout, ran.stderr) == (0, "Valid: 5 workflows in 5 files.\n", "")
    assert call("validate", str(EXAMPLES), "-ojson").document == {
        "schema_version": 1,
        "command": "validate",
        "base_url": None,
        "exit_code": 0,
        "workflows": 5,
        "names": 5,
        "files": 5,
        "warnings": [],
        "changes": [],
    }


def test_a_warning_is_no_problem(tmp_path: Path) -> None:
    files = write(tmp_path / "files", schema("a", description="d" * 501))
    ran = call("validate", str(files))
    assert (ran.code, ran.stdout) == (0, "Valid: 1 workflow in 1 file.\n")
    assert ran.stderr.startswith(f"Warning: {files}/0000.yaml:6:3: metadata.description: ")


def test_all_problems_of_all_files(tmp_path: Path) -> None:
    twice = f"kind: WorkflowSchema\n{schema('c')}"
    files = write(tmp_path / "files", schema("a").replace("critical", "urgent"), twice, schema("b"))
    empty = tmp_path / "empty"
    empty.mkdir()
    ran = call("validate", str(files), str(empty), str(tmp_path / "missing"))
    assert (ran.code, ran.stdout) == (2, "")
    lines = ran.stderr.splitlines()
    assert [line.partition(str(tmp_path))[2].split(": ")[0] for line in lines[:4]] == [
        "/empty",
        "/files/0000.yaml:9:3",
        "/files/0001.yaml:2:1",
        "/missing",
    ]
    assert lines[4] == "Error: 4 problems in 4 files, nothing was sent"
    document = call("validate", str(files), str(empty), str(tmp_path / "missing"), "-ojson").document
    assert document["exit_code"] == 2
    assert [problem["field"] for problem in document["error"]["problems"]] == [None, "labels.severity", "kind", None]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(schema("a").encode())))
    assert call("validate", "-").stdout == "Valid: 1 workflow in 1 file.\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a: [")))
    assert call("validate", "-").stderr.startswith("-:")


def test_a_base(tmp_path: Path) -> None:
    base = write(tmp_path / "base", schema("changed"), schema("down", "1.1.0"), schema("gone"), schema("same"))
    now = write(tmp_path / "now", schema("changed", description="Other."), schema("down"), schema("same"))
    ran = call("validate", str(now), "--base", str(base))
    assert (ran.code, ran.stdout) == (2, "")
    *lines, last = ran.stderr.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        [f"{now}/0000.yaml:1", "changed@1.0.0"],
        [f"{now}/0001.yaml:1", "down@1.0.0"],
        [f"{base}/0002.yaml:1", "gone@1.0.0"],
    ]
    assert "description, content, content_hash changed under the same version: " in lines[0]
    assert last == "Error: 3 changes that the service can't follow"
    document = call("validate", str(now), "--base", str(base), "-ojson").document
    assert [change["kind"] for change in document["changes"]] == [
        "content-changed",
        "version-down",
        "removed",
    ]
    assert (document["error"]["type"], document["exit_code"]) == ("CatalogError", 2)
    assert document["changes"][2]["file"] is None
    assert document["changes"][2]["base_file"] == f"{base}/0002.yaml"


def test_a_base_that_can_be_followed(tmp_path: Path) -> None:
    base = shutil.copytree(EXAMPLES, tmp_path / "base")
    now = write(shutil.copytree(base, tmp_path / "now"), schema("new"))
    updated = now / "oomkill-scale-down-replicas.yaml"
    updated.write_text(updated.read_text("utf-8").replace('"1.0.0"', '"1.0.1"').replace("Scales", "Shrinks"), "utf-8")
    ran = call("validate", str(now), "--base", str(base))
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout == "Valid: 6 workflows in 6 files, nothing that the service can't follow.\n"
    bad = call("validate", str(now), "--base", str(tmp_path / "missing"))
    assert (bad.code, bad.stdout) == (2, "")


def test_hostile_words_are_escaped(tmp_path: Path) -> None:
    name = "\x1b[31m\n\u202e\x9b"
    base = write(tmp_path / "base", workflow(name))
    now = write(tmp_path / f"now{name.replace(chr(10), '')}", workflow(name, description="x"))
    ran = piped("validate", str(now), "--base", str(base))
    assert ran.code == 2
    assert len(ran.stderr.splitlines()) == 4  # two warnings about the name, the change, and how many there are
    assert not set(ran.stderr + ran.stdout) & set("\x1b\x9b\u202e")


def test_standard_input_is_read_once(tmp_path: Path) -> None:
    files = write(tmp_path / "files", schema("a"))
    for arguments in (("-", "--base", "-"), ("-", str(files), "-")):
        ran = call("validate", *arguments)
        assert (ran.code, ran.stdout) == (2, "")
        assert ran.stderr.startswith("Error: -: is given twice, but standard input can be read only once")
