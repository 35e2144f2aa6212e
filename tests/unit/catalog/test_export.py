"""Rows become files: their form, their order, what is warned of, and that nothing lands anywhere else."""

import json
import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_client import CatalogError
from kubernaut_client.catalog import exports, load
from kubernaut_client.catalog.exports import ExportReport, export, payload
from kubernaut_client.catalog.text import SIZE_LIMIT
from kubernaut_client.limits import REMEDIATION_WORKFLOW
from kubernaut_client.models import StoredWorkflow
from tests.workflows import workflow

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SCHEMA = 'kind: WorkflowSchema\nmetadata:\n  workflow_id: a\n  version: "1.0.0"  # ü\n'


def stored(
    name: str = "restart-pod", version: str = "1.0.0", *, minutes: float | None = 0, **members: Any
) -> StoredWorkflow:
    """A row as the service returns it, stored so many minutes after noon; None leaves its time out."""
    row = {"workflow_id": str(uuid4()), "is_latest_version": True, **workflow(name, version, **members)}
    if minutes is not None:
        row["created_at"] = row["updated_at"] = (NOW + timedelta(minutes=minutes)).isoformat()
    return StoredWorkflow.from_dict(row)


def tree(directory: Path) -> dict[str, bytes]:
    """Everything below a directory, links included: relative path → content."""
    found: dict[str, bytes] = {}
    for path in sorted(directory.rglob("*")):
        assert not path.is_symlink()
        if not path.is_dir():
            found[path.relative_to(directory).as_posix()] = path.read_bytes()
    return found


def versions(path: Path) -> list[str]:
    return [member["version"] for member in json.loads(path.read_bytes())]


@pytest.fixture
def place() -> Iterator[Path]:
    """A temporary directory that other users can reach, too."""
    with tempfile.TemporaryDirectory() as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


# The form of the files -----------------------------------------------------------------------------------------------


def test_a_schema_document_is_a_file_beside_its_payload(out: Path) -> None:
    row = stored("a", content=SCHEMA, container_image="image@sha256:1", container_digest="sha256:1")
    report = export([row], out)
    assert report == ExportReport(out, ("a.json", "a/1.0.0.yaml"), 1, ())
    assert tree(out) == {"a.json": (out / "a.json").read_bytes(), "a/1.0.0.yaml": SCHEMA.encode()}
    assert (
        (out / "a.json").read_text("utf-8")
        == f"""[
  {{
    "workflow_name": "a",
    "version": "1.0.0",
    "name": "Restart (a)",
    "description": "Restarts a pod.",
    "content_file": "a/1.0.0.yaml",
    "content_hash": "{row.content_hash}",
    "labels": {{
      "signal_type": "OOMKilled",
      "severity": "critical",
      "component": "pod",
      "environment": "production",
      "priority": "P0"
    }},
    "execution_engine": "tekton",
    "status": "active",
    "container_image": "image@sha256:1",
    "container_digest": "sha256:1"
  }}
]
"""
    )


@pytest.mark.parametrize(
    "content",
    [
        "Plain text, ü and 🙂.", '{"kind": "WorkflowSchema"}', SCHEMA.rstrip("\n"), f"{SCHEMA}\n",
        SCHEMA.replace("\n", "\r\n"), f"\ufeff{SCHEMA}", f"---\n{SCHEMA}", f"{SCHEMA}...\n", f"{SCHEMA}---\n{SCHEMA}",
        SCHEMA.replace("WorkflowSchema", "Workflow"), f"{SCHEMA}kind: WorkflowSchema\n", f"- {SCHEMA}",
        f"{SCHEMA}x: !!python/name:os.system\n", f"{SCHEMA}x: \x07\n", f"{SCHEMA}x: [\n", " ", "\n",
        "\x1b[31mred\x7f\x85\x9b31m\u2028\ufeff\uffff\n", f"{SCHEMA}x: '{'x' * 2**20}'\n",
    ],
    ids=lambda content: ascii(content[:20] + content[-100:]),
)  # fmt: skip
def test_any_other_content_stays_in_the_payload(out: Path, content: str) -> None:
    report = export([stored("a", content=content)], out)
    [file] = report.files
    [found] = json.loads((out / file).read_bytes())
    assert found["content"] == content
    assert found == payload(stored("a", content=content))
    data = (out / file).read_text("utf-8")
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in data.replace("\n", ""))


def test_a_payload_has_what_a_create_takes_in_the_order_of_the_contract() -> None:
    row = stored(
        custom_labels={"team": ["b", "a"]},
        detected_labels={"stateful": True, "gitOpsTool": "flux", "failed_detections": ["stateful"]},
        parameters={"b": 1, "a": [1.5, None, True]},
        approved_at="2026-01-01T12:00:00+01:00",
        expected_success_rate=0.123,
        expected_duration_seconds=5,
        owner="x",
        created_by="y",
        updated_by="z",
        total_executions=1,
        disabled_reason="",
        status_reason="",
        deprecation_notice="x",
    )
    found = payload(row)
    names = [*REMEDIATION_WORKFLOW.required, *REMEDIATION_WORKFLOW.optional]
    assert list(found) == [name for name in names if name in found]
    assert REMEDIATION_WORKFLOW.check(found) == found
    assert not found.keys() & REMEDIATION_WORKFLOW.ignored
    assert found["approved_at"] == "2026-01-01T11:00:00Z"
    assert found["parameters"] == {"b": 1, "a": [1.5, None, True]}
    assert list(found["detected_labels"]) == ["failed_detections", "gitOpsTool", "stateful"]
    assert len(found) == 17


def test_empty_maps_of_labels_are_left_out() -> None:
    assert payload(stored(custom_labels={}, detected_labels={})) == payload(stored())


# Order ---------------------------------------------------------------------------------------------------------------


def test_versions_come_in_the_order_of_creation(out: Path) -> None:
    rows = [stored("a", f"1.{i}.0", minutes=i, is_latest_version=i == 11) for i in range(12)][::-1]
    assert export(rows, out).warnings == ()
    assert versions(out / "a.json") == [f"1.{i}.0" for i in range(12)]


def test_times_decide_whatever_order_the_rows_come_in(out: Path) -> None:
    rows = [
        stored("a", "x", minutes=3),
        stored("a", "z", minutes=1, is_latest_version=False),
        stored("a", "y", minutes=2, is_latest_version=False),
    ]
    export(rows, out)
    assert versions(out / "a.json") == ["z", "y", "x"]


@pytest.mark.parametrize("minutes", [0, None])
def test_without_times_that_differ_the_last_row_is_the_oldest(out: Path, minutes: float | None) -> None:
    export([stored("a", version, minutes=minutes) for version in ("x", "z", "y")], out)
    assert versions(out / "a.json") == ["y", "z", "x"]


def test_the_order_of_apply_where_a_higher_version_came_first(out: Path) -> None:
    rows = [
        stored("a", "1.0.0", minutes=2),
        stored("a", "1.1.0", minutes=1, is_latest_version=False),
        stored("b", "odd", minutes=1, is_latest_version=False),
        stored("b", "1.0.0", minutes=2),
    ]
    report = export(rows, out)
    assert versions(out / "a.json") == ["1.0.0", "1.1.0"]
    assert versions(out / "b.json") == ["1.0.0", "odd"]
    assert report.warnings == (
        "a: search shows version 1.0.0; applied to an empty service, 1.1.0 would be the latest",
        "b: search shows version 1.0.0; applied to an empty service, odd would be the latest",
    )


def test_two_latest_versions_are_told(out: Path) -> None:
    """Two writers who race can leave both marked."""
    [warning] = export([stored("a", "1.1.0", minutes=1), stored("a", "1.0.0")], out).warnings
    assert warning == "a: search shows version 1.0.0 and 1.1.0; applied to an empty service, 1.1.0 would be the latest"


def test_the_same_row_twice_is_one(out: Path) -> None:
    report = export([stored("a"), stored("a")], out)
    assert (report.workflows, len(json.loads((out / "a.json").read_bytes()))) == (1, 1)


def test_one_version_with_two_contents_is_refused(out: Path) -> None:
    with pytest.raises(CatalogError, match=r"a@1\.0\.0: is given twice"):
        export([stored("a"), stored("a", content="other")], out)
    assert not out.exists()


# Warnings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["disabled", "deprecated", "archived"])
def test_the_reason_of_a_status_is_not_kept(out: Path, status: str) -> None:
    report = export([stored("a", status=status, disabled_reason="secret", disabled_by="me")], out)
    assert report.warnings == (f"a@1.0.0: is {status}; why, since when and by whom isn't kept",)
    [found] = json.loads((out / "a.json").read_bytes())
    assert found["status"] == status
    assert "disabled_reason" not in found


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"parameters": [1]}, "parameters: must be a mapping, not list"),
        ({"content_hash": "abc"}, "content_hash: must have 64 characters, has 3"),
        (
            {"detected_labels": {"gitOpsTool": "other"}},
            "detected_labels.gitOpsTool: must be one of argocd, flux, *, not 'other'",
        ),
        ({"version": "x" * 51}, "version: must have at most 50 characters, has 51"),
        ({"workflow_name": ".."}, "workflow_name: must not be '.' or '..': no URL can name it"),
    ],
)
def test_what_a_create_would_refuse_is_in_the_file_as_it_is(out: Path, members: dict[str, Any], sentence: str) -> None:
    row = stored("a", **{"is_latest_version": True, **members})
    report = export([row], out)
    [file] = report.files
    assert file.endswith(".json.refused")
    assert [warning.partition(": ")[2] for warning in report.warnings] == [
        f"can't be created again: {sentence}; it is in {file}, which isn't loaded"
    ]
    [found] = json.loads((out / report.files[0]).read_bytes())
    assert {name: found[name] for name in members} == members


def test_labels_that_are_missing(out: Path) -> None:
    row = stored("a")
    del row.labels.priority
    row.labels.priority = None  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    assert export([row], out).warnings == (
        "a@1.0.0: can't be created again: labels.priority: is missing; it is in a.json.refused, which isn't loaded",
    )


def test_what_a_newer_service_adds_is_left_out_and_named(out: Path) -> None:
    row = stored(
        "a", labels=workflow()["labels"] | {"cluster": "x"}, detected_labels={"mesh": "y", "vm": False}, flag=True
    )
    assert export([row], out).warnings == (
        "a@1.0.0: a create has no place for flag, labels.cluster, detected_labels.mesh: left out",
    )
    data = (out / "a.json").read_bytes()
    export([stored("a")], out.with_name("plain"))
    assert (out.with_name("plain") / "a.json").read_bytes() == data


def test_warnings_show_no_control_character(out: Path) -> None:
    name, version = "\x1b[31m\n\u202e" * 20, "\x1b[2J\r"
    report = export(
        [stored(name, version, status="disabled"), stored(name, "\x9b", minutes=1, is_latest_version=False)], out
    )
    assert len(report.warnings) == 2
    for warning in report.warnings:
        assert warning.isprintable()
        assert len(warning) < 300


# Large ones ----------------------------------------------------------------------------------------------------------


def test_versions_that_are_too_large_together_are_files_of_their_own(out: Path) -> None:
    rows = [stored("a", f"1.{i}.0", minutes=i, content="x" * 400_000, is_latest_version=i == 3) for i in range(3)]
    rows.append(stored("a", "1.3.0", minutes=3, content=SCHEMA))
    report = export(rows[::-1], out)
    assert report.files == ("a/1.0.0.json", "a/1.1.0.json", "a/1.2.0.json", "a/1.3.0.json", "a/1.3.0.yaml")
    assert (report.workflows, report.warnings) == (4, ())
    [found] = json.loads((out / "a/1.3.0.json").read_bytes())
    assert found["content_file"] == "1.3.0.yaml"


def test_a_content_that_is_too_large_with_json_escapes_only_is_a_text_file(out: Path) -> None:
    rows = [stored("a", version, content='"\n' * 300_000, is_latest_version=False) for version in ("1.1.0", "1.0.0")]
    report = export(rows, out)
    assert report.files == ("a/1.0.0.json", "a/1.0.0.txt", "a/1.1.0.json", "a/1.1.0.txt")
    assert report.warnings == ()
    assert [found.to_dict() for found in load(out)] == [payload(row) for row in rows[::-1]]


@pytest.mark.parametrize("content", ['"' * 600_000, '"\r\n' * 300_000, f"---\n{SCHEMA}" + '#"\n' * 300_000], ids=len)
def test_no_content_becomes_a_text_file_that_is_read_otherwise(out: Path, content: str) -> None:
    report = export([stored("a", content=content)], out)
    assert report.files == ("a/1.0.0.json.refused",)
    assert json.loads((out / "a/1.0.0.json.refused").read_bytes())[0]["content"] == content
    assert report.warnings == (
        "a/1.0.0.json.refused: isn't loaded: is larger than 1 MiB (1048576 bytes), the limit of a document: split it",
    )


def test_a_content_that_no_catalog_file_can_hold_is_written_and_told(out: Path) -> None:
    report = export([stored("a", content="x" * 2**20)], out)
    assert report.warnings == (
        "a/1.0.0.json.refused: isn't loaded: is larger than 1 MiB (1048576 bytes), the limit of a document: split it",
    )
    assert json.loads((out / "a/1.0.0.json.refused").read_bytes())[0]["content"] == "x" * 2**20


@pytest.mark.parametrize(("levels", "warnings"), [(97, 0), (98, 1), (99, 1)])
def test_parameters_nested_more_deeply_than_a_file_may_be_are_told(out: Path, levels: int, warnings: int) -> None:
    parameters: Any = []
    for _ in range(levels - 1):
        parameters = [parameters]
    report = export([stored("a", parameters={"x": parameters})], out)
    sentence = "must not be nested deeper than 100 levels; it is in a.json.refused, which isn't loaded"
    assert list(report.warnings) == [f"a@1.0.0: can't be loaded: {sentence}"] * warnings
    with pytest.raises(CatalogError, match="holds no catalog file") if warnings else nullcontext():
        load(out)


# Where files land ----------------------------------------------------------------------------------------------------


HOSTILE = [
    "../../etc/passwd", "/etc/passwd", "..\\..\\x", "a/../../b", "a\0b", "..", ".", "CON", "nul.json", "-rf", ".hidden",
    "a", "A", "a.json", "a.yaml", "é", "e\u0301", "x" * 255, "🙂" * 255, "\x1b[31m", "two\nlines", " ", "~", "\ud800",
]  # fmt: skip


PAYLOADS = (".json", ".json.refused")


def test_hostile_names_and_versions_stay_in_the_directory(tmp_path: Path, out: Path) -> None:
    rows = [
        stored(name, version[:50], content=SCHEMA if i % 2 else "text", minutes=i)
        for i, name in enumerate(HOSTILE)
        for version in ("1.0.0", *HOSTILE[:8])
    ]
    report = export(rows, out)
    assert sorted(tree(out)) == list(report.files)
    assert list(tmp_path.iterdir()) == [out]
    assert report.workflows == len(HOSTILE) * 9
    names = {json.loads(data)[0]["workflow_name"] for path, data in tree(out).items() if path.endswith(PAYLOADS)}
    assert names == set(HOSTILE)
    for path, data in tree(out).items():
        if path.endswith(PAYLOADS):
            for member in json.loads(data):
                content = member.get("content") or (out / member["content_file"]).read_text("utf-8")
                assert content in (SCHEMA, "text")


TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
LINES = st.sampled_from(
    [
        "kind: WorkflowSchema",
        "kind: Other",
        "---",
        "...",
        "# text",
        "",
        "x: 1",
        "y: |",
        "  text",
        "- a",
        "z: [",
        "\t",
        "\r",
        "{",
    ]
)
CONTENT = (
    TEXT | st.lists(LINES, min_size=1).map("\n".join).filter(bool) | st.lists(LINES).map(lambda x: "\n".join(x) + "\n")
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.tuples(TEXT.filter(lambda name: name not in (".", "..")), TEXT),
        st.fixed_dictionaries(
            {"content": CONTENT, "description": TEXT},
            optional={
                "parameters": st.dictionaries(TEXT, JSON, max_size=3),
                "custom_labels": st.dictionaries(TEXT, st.lists(TEXT, max_size=2), max_size=2),
                "container_image": TEXT | st.just(""),
                "status": st.sampled_from(["active", "disabled"]),
                "content_hash": st.just("f" * 64),
            },
        ),
        min_size=1,
        max_size=5,
    )
)
def test_load_reads_what_was_exported(workflows: dict[tuple[str, str], dict[str, Any]]) -> None:
    rows = [stored(name, version, **members) for (name, version), members in workflows.items()]
    with tempfile.TemporaryDirectory() as directory:
        report = export(rows, Path(directory, "out"))
        found = {(row.workflow_name, row.version): row.to_dict() for row in load(Path(directory, "out"))}
    assert report.workflows == len(rows)
    assert found == {(row.workflow_name, row.version): payload(row) for row in rows}


def test_an_empty_directory_is_taken_and_stays_the_same(out: Path) -> None:
    """It can be a mount point, which nothing can replace."""
    out.mkdir(mode=0o750)
    before = out.stat()
    export([stored("a")], out)
    after = out.stat()
    assert (after.st_ino, after.st_mode, after.st_uid) == (before.st_ino, before.st_mode, before.st_uid)
    assert sorted(tree(out)) == ["a.json", "a/1.0.0.yaml"]
    assert sorted(os.listdir(out)) == ["a", "a.json"]


def test_an_empty_directory_in_one_that_is_read_only(place: Path) -> None:
    out = place / "out"
    out.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(out, NOBODY, -1)
    place.chmod(0o555)
    with as_nobody():
        export([stored("a")], out)
        assert sorted(tree(out)) == ["a.json", "a/1.0.0.yaml"]


def test_an_empty_directory_that_is_filled_meanwhile_is_left_alone(out: Path) -> None:
    def rows() -> Iterator[StoredWorkflow]:
        yield stored("a")
        (out / "a.json").write_text("theirs")

    out.mkdir()
    assert refused(out, rows()) == "Directory not empty"
    assert tree(out) == {"a.json": b"theirs"}
    assert os.listdir(out) == ["a.json"]


@pytest.mark.parametrize("error", [OSError("failed"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("moved", [0, 1, 2])
def test_a_move_into_an_empty_directory_that_fails_is_undone(
    out: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, moved: int
) -> None:
    calls: list[Path] = []
    rename = Path.rename

    def failing(path: Path, target: Path) -> None:
        calls.append(path)
        if len(calls) == moved + 1:
            raise error
        rename(path, target)

    out.mkdir()
    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(CatalogError if isinstance(error, OSError) else KeyboardInterrupt):
        export([stored("a"), stored("b")], out)
    assert len(calls) == 2 * moved + 1
    assert os.listdir(out) == []


def test_the_umask_holds_for_a_new_directory(out: Path) -> None:
    before = os.umask(0o027)
    try:
        export([stored("a")], out)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (out, out / "a")} == {0o750}
    assert (out / "a.json").stat().st_mode & 0o777 == 0o640


def test_no_rows_give_an_empty_directory(out: Path) -> None:
    assert export([], str(out)) == ExportReport(out, (), 0, ())
    assert tree(out) == {}


def test_a_content_has_a_file_of_its_own_only_if_it_must(tmp_path: Path) -> None:
    """Where the payload is as large as a document may be, and one byte larger."""

    def files(content: str) -> dict[str, int]:
        out = tmp_path / str(len(content))
        others = [stored("a", version, content="y" * (SIZE_LIMIT // 2)) for version in ("1.1.0", "1.2.0")]
        export([stored("a", content=f"{content}\n"), *others], out)
        return {name: len(data) for name, data in tree(out).items() if "1.0.0" in name}

    frame = files("x")["a/1.0.0.json"] - 1
    assert files("x" * (SIZE_LIMIT - frame)) == {"a/1.0.0.json": SIZE_LIMIT}
    assert set(files("x" * (SIZE_LIMIT - frame + 1))) == {"a/1.0.0.json", "a/1.0.0.txt"}


def refused(directory: str | Path, rows: Any = None) -> str:
    """The reason for which an export is refused, which names the directory."""
    with pytest.raises(CatalogError) as caught:
        export([stored("a")] if rows is None else rows, directory)
    [problem] = caught.value.errors
    assert str(caught.value) == str(problem)
    assert str(problem).startswith(ascii(str(directory))[1:-1][:200])
    return str(problem.reason)


def test_a_directory_that_holds_something_is_left_alone(tmp_path: Path, out: Path) -> None:
    out.mkdir()
    (out / ".keep").touch()
    assert refused(out) == "is not empty: name a new directory"
    assert tree(tmp_path) == {"out/.keep": b""}


def test_a_directory_that_is_filled_meanwhile_is_left_alone(tmp_path: Path, out: Path) -> None:
    def rows() -> Iterator[StoredWorkflow]:
        yield stored("a")
        out.mkdir()
        (out / "theirs").touch()

    assert refused(out, rows()) == "Directory not empty"
    assert tree(tmp_path) == {"out/theirs": b""}


def test_a_file_is_no_directory(tmp_path: Path, out: Path) -> None:
    out.write_text("mine")
    assert refused(out) == "is not a directory"
    assert refused(out / "below") == "Not a directory"
    assert tree(tmp_path) == {"out": b"mine"}


@pytest.mark.parametrize("leads_to", ["elsewhere", "nowhere"])
def test_a_link_is_not_followed(tmp_path: Path, out: Path, leads_to: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    out.symlink_to(leads_to)
    assert refused(out) == "is a symbolic link: name the directory that it leads to"
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert not (tmp_path / "nowhere").exists()


def test_a_parent_that_is_missing(out: Path) -> None:
    assert refused(out / "below") == "No such file or directory"


@pytest.mark.parametrize("name", [".", "../out"])
def test_the_current_directory_is_taken_if_it_is_empty(out: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    out.mkdir()
    monkeypatch.chdir(out)
    export([stored("a")], name)
    assert os.listdir() == os.listdir(out)
    assert sorted(os.listdir()) == ["a", "a.json"]
    assert refused(Path(name)).startswith("is not empty")


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 256], ids=ascii)
def test_a_name_that_no_directory_can_have(tmp_path: Path, name: str) -> None:
    assert refused(f"{tmp_path}/{name}") in ("is no path", "File name too long")
    assert list(tmp_path.iterdir()) == []


def test_a_long_name_of_the_directory(tmp_path: Path) -> None:
    export([stored("a")], tmp_path / ("x" * 255))
    assert len(tree(tmp_path)) == 2


NOBODY = 65534


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's rights, which no mode of a directory restricts."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_parent_that_is_read_only(place: Path) -> None:
    place.chmod(0o555)
    with as_nobody():
        assert refused(place / "out") == "Permission denied"
    assert list(place.iterdir()) == []


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path, out: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        reason = refused(out, [stored("a", content="x" * 100), stored("b", content="x" * 10_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert reason == "File too large"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_rows_that_fail_leave_nothing_behind(tmp_path: Path, out: Path, error: type[BaseException]) -> None:
    def rows() -> Iterator[StoredWorkflow]:
        yield stored("a")
        raise error

    with pytest.raises(error):
        export(rows(), out)
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_while_writing_leaves_nothing_behind(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, target: Path) -> None:
        assert sorted(tree(path)) == ["a.json", "a/1.0.0.yaml"]
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export([stored("a")], out)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_of_someone_else_is_neither_written_nor_removed(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "token_hex", lambda _: "0")
    (tmp_path / ".kubernaut-export-0").mkdir()
    (tmp_path / ".kubernaut-export-0/theirs").touch()
    assert refused(out) == "File exists"
    assert tree(tmp_path) == {".kubernaut-export-0/theirs": b""}


def test_what_can_not_be_created_does_not_keep_the_rest_from_being_loaded(out: Path) -> None:
    rows = [
        stored("a", "1.1.0", content=SCHEMA, content_hash="abc", is_latest_version=True),
        stored("a", content=SCHEMA, is_latest_version=False),
        stored("..", content=SCHEMA),
        stored("b"),
    ]
    report = export(rows, out)
    refused = [file for file in report.files if file.endswith(".json.refused")]
    assert (report.workflows, len(refused)) == (4, 2)
    assert [json.loads((out / file).read_bytes())[0]["content"] for file in refused] == [SCHEMA, SCHEMA]
    assert [(entry.workflow_name, entry.version) for entry in load(out)] == [("a", "1.0.0"), ("b", "1.0.0")]
    assert "a: search shows version 1.1.0; applied to an empty service, 1.0.0 would be the latest" in report.warnings


def test_no_path(out: Path) -> None:
    with pytest.raises(CatalogError, match=r"^'': is no path$"):
        export([], "")
