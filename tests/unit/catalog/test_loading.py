"""What is loaded: paths, documents, contents, payloads and models, and what a catalog says of them."""

import io
import json
import os
import pickle
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from kubernaut_client import CatalogError
from kubernaut_client.catalog import Catalog, CatalogProblem, Source, load, yamltext
from kubernaut_client.catalog.text import Reading, Text
from kubernaut_client.models import UNSET, RemediationWorkflow
from tests.unit.catalog.files import GOOD, PAYLOAD, good, payload, report, write
from tests.workflows import workflow

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "catalog"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def version(number: str, text: str = GOOD) -> str:
    return good(("1.0.0", number), text=text)


def only(catalog: Catalog) -> dict[str, Any]:
    """The request body of the one workflow of a catalog."""
    (found,) = catalog
    return found.to_dict()


def loaded(here: Path, text: str | bytes, name: str = "a.yaml") -> dict[str, Any]:
    write(here, {name: text})
    return only(load(name))


# A WorkflowSchema document -------------------------------------------------------------------------------------------


def test_a_document_becomes_a_request_body(here: Path) -> None:
    digest = "sha256:" + "0" * 63 + "1"
    assert loaded(here, GOOD) == {
        "workflow_name": "restart-pod",
        "version": "1.0.0",
        "name": "Restart pod",
        "description": "Restarts a pod.",
        "content": GOOD,
        "content_hash": sha256(GOOD.encode()).hexdigest(),
        "labels": {
            "signal_type": "OOMKilled",
            "severity": "high",
            "component": "pod",
            "environment": "production",
            "priority": "P1",
        },
        "execution_engine": "tekton",
        "status": "active",
        "container_image": f"registry.example.com/restart-pod:v1@{digest}",
        "container_digest": digest,
    }


def test_the_display_name_is_an_annotation(here: Path) -> None:
    text = good(("labels:\n", '  annotations: {kubernaut.io/display-name: "Restart: a pod"}\nlabels:\n'))
    assert loaded(here, text)["name"] == "Restart: a pod"


@pytest.mark.parametrize(
    ("name", "readable"),
    [("restart-pod", "Restart pod"), ("a__b-c", "A b c"), ("x", "X"), ("--", "--"), ("OOM kill", "OOM kill")],
)
def test_without_one_the_name_is_made_readable(here: Path, name: str, readable: str) -> None:
    assert loaded(here, good(("workflow_id: restart-pod", f"workflow_id: '{name}'")))["name"] == readable


@pytest.mark.parametrize("priority", ["p0", "P0", "p3", "*"])
def test_a_priority_in_lower_case_is_meant_in_upper_case(here: Path, priority: str) -> None:
    assert loaded(here, good(("P1", f"'{priority}'")))["labels"]["priority"] == priority.upper()


def test_the_engine_is_tekton_and_an_image_needs_no_digest(here: Path) -> None:
    without = loaded(here, good((GOOD[GOOD.index("execution:") : GOOD.index("parameters:")], "")))
    assert without["execution_engine"] == "tekton"
    assert "container_image" not in without
    plain = loaded(here, good((GOOD[GOOD.index("@sha256") : GOOD.index("\nparameters:")], "")))
    assert plain["container_image"] == "registry.example.com/restart-pod:v1"
    assert "container_digest" not in plain


def test_anchors_and_a_merge_key_of_other_keys_are_taken(here: Path) -> None:
    text = good(("labels:\n", "shared: &shared {environment: test, business_category: cost}\nlabels:\n  <<: *shared\n"))
    text = good(("  environment: production\n", ""), text=text)
    assert loaded(here, text)["labels"]["environment"] == "test"


def test_values_that_the_service_never_sees_may_be_anything(here: Path) -> None:
    assert loaded(here, GOOD + "    default: 2026-01-31\nextra: [1.5, null, {a: 0x1F}, .nan]\n")["version"] == "1.0.0"


def test_json_may_hold_a_document(here: Path) -> None:
    text = json.dumps(
        {
            "apiVersion": "kubernaut.io/v1alpha1",
            "kind": "WorkflowSchema",
            "metadata": {"workflow_id": "a", "version": "1.0.0", "description": "d"},
            "labels": dict.fromkeys(("signal_type", "component", "environment"), "x")
            | {"severity": "low", "risk_tolerance": "low", "priority": "p2"},
            "parameters": [{"name": "A", "type": "string", "description": "d"}],
        }
    )
    found = loaded(here, text, "a.json")
    assert found["content"] == text + "\n"
    assert found["labels"]["priority"] == "P2"
    listed = loaded(here, f"[\n  {text}\n]", "b.json")
    assert listed["content"] == text + "\n"
    assert listed["content_hash"] == found["content_hash"]


# The content ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        GOOD.encode(),
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("\n", "\r").encode(),
        b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode(),
        GOOD.rstrip("\n").encode(),
        (GOOD + "\n\n\n").encode(),
        ("---\n" + GOOD).encode(),
        ("--- # the workflow\n" + GOOD + "...\n").encode(),
        ("%YAML 1.1\n# a comment on the directive\n---\n" + GOOD).encode(),
        ("---\n" + GOOD + "---\n").encode(),
        ("---\r\n" + GOOD.replace("\n", "\r\n") + "...\r\n# the end\r\n").encode(),
    ],
)
def test_the_same_document_has_the_same_content(here: Path, data: bytes) -> None:
    found = loaded(here, data)
    assert found["content"] == GOOD
    assert found["content_hash"] == sha256(GOOD.encode()).hexdigest()


def test_comments_of_a_document_are_its_content(here: Path) -> None:
    text = "# Copyright\n\n" + GOOD + "# The end\n"
    assert loaded(here, text)["content"] == text


def test_each_document_of_a_stream_is_cut_at_its_markers(here: Path) -> None:
    one, two, three = GOOD + "# after\n", "# before\n" + version("1.1.0"), version("1.2.0")
    write(here, {"a.yaml": f"# of the stream\n---\n{one}---\n{two}...\n# between\n---\n{three}...\n---\n---\n"})
    catalog = load("a.yaml")
    assert [entry.workflow.content for entry in catalog.entries] == [one, two, three]
    lines = [entry.source.line for entry in catalog.entries if entry.source]
    assert lines == [3, 3 + one.count("\n") + 1, 3 + one.count("\n") + two.count("\n") + 4]


def test_a_marker_inside_a_block_text_is_none(here: Path) -> None:
    text = good(("Restarts a pod.", "|\n    Restarts\n    --- # not a marker\n    a pod."))
    found = loaded(here, text)
    assert found["content"] == text
    assert found["description"] == "Restarts\n--- # not a marker\na pod.\n"


def test_a_document_may_start_on_the_line_of_its_marker(here: Path) -> None:
    inside = """\
{apiVersion: v1, kind: WorkflowSchema, metadata: {workflow_id: a, version: '1.0.0', description: ü😀},
 labels: {signal_type: x, severity: low, risk_tolerance: low, environment: x, priority: P0, component: x},
parameters: [{name: A, type: string, description: d}]}"""
    assert loaded(here, f"--- {inside}\n...\n")["content"] == inside + "\n"


def test_items_of_a_list_are_documents(here: Path) -> None:
    indented = ["".join(f"  {line}\n" for line in text.splitlines()) for text in (GOOD, version("1.1.0"))]
    write(here, {"a.yaml": f"# all\n-\n{indented[0]}# next\n-{indented[1][1:]}"})
    catalog = load("a.yaml")
    assert [found.content for found in catalog] == [GOOD + "# next\n", version("1.1.0")]
    assert [entry.source for entry in catalog.entries] == [Source("a.yaml", 3), Source("a.yaml", 25)]


# Payloads ------------------------------------------------------------------------------------------------------------


def test_a_payload_is_taken_as_it_is(here: Path) -> None:
    text = payload(('"any text"', '"\\ufeffany\\r\\ntext\\u001b \\ud83d\\ude00"'))
    found = loaded(here, text, "a.json")
    content = "\ufeffany\r\ntext\x1b \U0001f600"
    assert found == {
        **json.loads(PAYLOAD),
        "content": content,
        "status": "active",
        "content_hash": sha256(content.encode()).hexdigest(),
    }


def test_a_payload_may_be_yaml(here: Path) -> None:
    text = payload(('"tekton"', '"tekton", "approved_at": 2026-01-31T12:00:00+01:00, "status": "disabled"'))
    found = loaded(here, text)
    assert found["approved_at"] == "2026-01-31T11:00:00+00:00"
    assert found["status"] == "disabled"


def test_a_payload_with_every_member(here: Path) -> None:
    full = workflow(
        owner="a",
        maintainer="b",
        parameters={"a": [1, 2.5, None, True, {"b": "c"}]},
        container_image="i",
        container_digest="d",
        custom_labels={"team": ["x"]},
        detected_labels={"gitOpsManaged": True, "failed_detections": ["stateful"]},
        previous_version="0.9.0",
        version_notes="n",
        change_summary="s",
        approved_by="c",
        approved_at="2026-01-31T12:00:00+00:00",
        expected_success_rate=0.5,
        expected_duration_seconds=60,
        created_by="d",
    )
    assert loaded(here, json.dumps(full), "a.json") == full


def test_a_hash_of_something_else_is_kept_with_a_warning(here: Path) -> None:
    write(here, {"a.json": payload(('"tekton"', f'"tekton", "content_hash": "{"0" * 64}"'))})
    catalog = load("a.json")
    assert only(catalog)["content_hash"] == "0" * 64
    expected = (
        "a.json:14:33: content_hash: is not the SHA-256 of the content; it is kept, as the service never compares it"
    )
    assert [str(warning) for warning in catalog.warnings] == [expected]


def test_a_content_file_gives_what_the_payload_leaves_out(here: Path) -> None:
    given = {"content_file": "d/b.yaml", "owner": "team", "description": "Mine.", "labels": {"severity": "low"}}
    write(here, {"p/a.json": json.dumps(given), "p/d/b.yaml": b"\xef\xbb\xbf---\r\n" + GOOD.encode()})
    catalog = load(here)
    found = only(catalog)
    write(here, {"c.yaml": GOOD})
    derived = only(load("c.yaml"))
    assert found == {
        **derived,
        "owner": "team",
        "description": "Mine.",
        "labels": {**derived["labels"], "severity": "low"},
    }
    assert catalog.source("restart-pod", "1.0.0") == Source(str(here / "p" / "a.json"), 1)


def test_a_complete_payload_takes_nothing_from_its_content_file(here: Path) -> None:
    bad = good(("severity: high", "severity: urgent"), ("parameters:", "others:"))
    text = payload(('"content": "any text"', '"content_file": "b.yaml"'))
    write(here, {"a.json": text, "b.yaml": bad})
    found = only(load("."))
    assert found["content"] == bad
    assert found["labels"]["severity"] == "high"
    assert "container_image" not in found


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (b"plain\r\ntext", "plain\ntext\n"),
        (b"kind: Pipeline\n---\nkind: Task\n\n\n", "kind: Pipeline\n---\nkind: Task\n"),
        (b"---\nkind: Pipeline\n", "---\nkind: Pipeline\n"),
        (b"not: [yaml\n", "not: [yaml\n"),
        (b"---\nkind: WorkflowSchema\nkind: WorkflowSchema\n", "kind: WorkflowSchema\nkind: WorkflowSchema\n"),
        (b"- kind: WorkflowSchema\n", "- kind: WorkflowSchema\n"),
    ],
)
def test_a_content_file_may_hold_any_text(here: Path, data: bytes, content: str) -> None:
    write(here, {"a.json": payload(('"content": "any text"', '"content_file": "b.yaml"')), "b.yaml": data})
    found = only(load("."))
    assert found["content"] == content
    assert found["content_hash"] == sha256(content.encode()).hexdigest()


@pytest.mark.parametrize("name", ["b.yaml", "b.txt"])
def test_a_content_file_is_read_once_however_many_name_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whether the walk comes by it (`.yaml`) or not (`.txt`), and whatever way leads to it."""
    paths = [name, f"./{name}", f"d/../{name}"]
    given = [{"content_file": path, "version": f"{number}.0.0"} for number, path in enumerate(paths)]
    write(here, {"a.json": json.dumps(given), name: GOOD, "d/c.yaml": version("9.0.0")})
    texts: list[str] = []

    def counted(text: Text) -> Reading:
        texts.append(text.text)
        return yamltext.read_yaml(text)

    monkeypatch.setattr(sys.modules["kubernaut_client.catalog.loading"], "read_yaml", counted)
    assert [found.version for found in load(".")] == ["0.0.0", "1.0.0", "2.0.0", "9.0.0"]
    assert texts.count(GOOD) == 1


def test_what_is_wrong_with_a_content_file_is_told_once(here: Path) -> None:
    given = [{"content_file": "b.yaml", "version": "1.0.0"}, {"content_file": "b.yaml"}, {"content_file": "b.yaml"}]
    given[1]["owner"] = "x" * 256
    bad = good(("type: string", "type: float"), ('"1.0.0"', "1.0"), ("kind: ", "kind: WorkflowSchema\nkind: "))
    write(here, {"a.json": json.dumps(given), "b.yaml": bad})
    assert report("a.json") == [
        "a.json:1:77: owner: must have at most 255 characters, has 256",
        "b.yaml:3:1: kind: key 'kind' is given twice, first in line 2: keep one",
        "b.yaml:6:3: metadata.version: must be text, not the number 1.0: quote it",
        "b.yaml:6:3: metadata.version: must be text, not the number 1.0: quote it",
        "b.yaml:20:5: parameters[0].type: must be one of string, integer, boolean, array, not 'float'",
    ]


def test_a_content_file_that_is_a_directory_is_closed(here: Path) -> None:
    write(here, {"a.json": payload(('"content": "any text"', '"content_file": "d"')), "d/b.txt": ""})
    before = len(os.listdir("/dev/fd"))
    assert report("a.json") == ["a.json:6:3: content_file: 'd' can't be read: Is a directory"]
    assert len(os.listdir("/dev/fd")) == before


def test_a_content_file_that_is_named_is_read_for_itself_too(here: Path) -> None:
    write(here, {"a.json": '{"content_file": "b.yaml", "version": "2.0.0"}', "b.yaml": GOOD})
    assert [found.version for found in load(".")] == ["2.0.0"]
    assert [found.version for found in load("a.json", "b.yaml")] == ["2.0.0", "1.0.0"]
    assert [found.version for found in load("b.yaml", ".")] == ["1.0.0", "2.0.0"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "must be a path relative to this file, not ''"),
        ("\0", "must be a path relative to this file, not '\\x00'"),
        ("\ud800", "must be a path relative to this file, not '\\ud800'"),
        ("/b.txt", "must be a path relative to this file, not '/b.txt'"),
        (".", "'.' can't be read: Is a directory"),
        ("d/../../p/../b.txt", "must stay in the directory of this file, 'd/../../p/../b.txt' leaves it"),
        ("out/b.txt", "must stay in the directory of this file, 'out/b.txt' leaves it"),
        ("pipe", "'pipe' is not a regular file (- is standard input)"),
        ("x" * 5000, f"'{'x' * 58}… can't be read: File name too long"),
        ("x\n\x1b", "'x\\n\\x1b' does not exist"),
    ],
)
def test_names_of_content_files_that_are_refused(here: Path, name: str, reason: str) -> None:
    members = {"content_file": name, **workflow()}
    del members["content"]
    write(here, {"p/a.json": json.dumps(members), "b.txt": "x"})
    (here / "p" / "out").symlink_to(here)
    os.mkfifo(here / "p" / "pipe")
    assert report("p/a.json") == [f"p/a.json:1:2: content_file: {reason}"]


def test_a_content_file_may_be_named_by_any_path_below(here: Path) -> None:
    text = payload(('"content": "any text"', '"content_file": "./d/../d/b.txt"'))
    write(here, {"a.json": text, "d/b.txt": "x"})
    (here / "c").symlink_to(here / "d")
    assert only(load("a.json"))["content"] == "x\n"
    write(here, {"a.json": text.replace("./d/../d/b.txt", "c/b.txt")})
    assert only(load("."))["content"] == "x\n"


def test_payloads_that_name_each_other_are_not_lost(here: Path) -> None:
    names = {"a": "b", "b": "a"}
    write(here, {f"{n}.json": version(f"1.{o}", payload(('"content": "any text"', f'"content_file": "{o}.json"')))
                 for n, o in names.items()})  # fmt: skip
    assert [found.version for found in load(".")] == ["1.b", "1.a"]


# Paths ---------------------------------------------------------------------------------------------------------------


def test_the_five_examples() -> None:
    catalog = load(EXAMPLES)
    assert len(catalog) == 5
    assert catalog.warnings == ()
    assert list(catalog.names) == [path.stem for path in sorted(EXAMPLES.glob("*.yaml"))]
    for name in catalog.names:
        path = EXAMPLES / f"{name}.yaml"
        (found,) = catalog.by_name(name)
        assert found.content == path.read_text("utf-8")
        assert catalog.source(name, "1.0.0") == Source(str(path), 1)


def test_a_directory_is_read_by_path_without_what_is_hidden(here: Path) -> None:
    names = ["b.yml", "a/z.YAML", "a/b/c.yaml", "c/.hidden.yaml", ".git/d.yaml", "README.md", "a.yaml", "c/x.txt"]
    write(here, {name: version(f"1.{number}.0") for number, name in enumerate(names)})
    sources = [str(entry.source) for entry in load(".").entries]
    assert sources == ["./a/b/c.yaml:1", "./a/z.YAML:1", "./a.yaml:1", "./b.yml:1"]


def test_links_inside_are_followed_and_a_directory_is_read_once(here: Path) -> None:
    write(here, {"catalog/real/a.yaml": GOOD, "catalog/other/b.yaml": version("2.0.0"), "catalog/x.txt": ""})
    for number in range(30):
        (here / "catalog" / f"d{number}").symlink_to(here / "catalog" / "real")
    (here / "catalog" / "e.yaml").symlink_to(here / "catalog" / "other" / "b.yaml")
    (here / "catalog" / "gone").symlink_to(here / "nowhere")
    assert [str(entry.source) for entry in load("catalog").entries] == ["catalog/d0/a.yaml:1", "catalog/e.yaml:1"]


def test_bad_paths(here: Path) -> None:
    write(here, {"a.txt": GOOD, "d/README.md": "", "e/f.yaml/README.md": "", "loop/a.yaml": GOOD})
    os.mkfifo(here / "pipe.yaml")
    (here / "loop" / "down").mkdir()
    (here / "loop" / "down" / "up").symlink_to(here / "loop")
    (here / "self.yaml").symlink_to("self.yaml")
    (here / "gone.yaml").symlink_to("nowhere")
    suffixes = ".yaml, .yml, .json"
    cases = {
        "missing": "missing: does not exist",
        "missing.yaml": "missing.yaml: does not exist",
        "": "'': is no path",
        "nul\0.yaml": "nul\\x00.yaml: is no path: it holds a character that no path can have",
        "a.txt": f"a.txt: is no catalog file: its name must end in {suffixes}",
        "a.txt/b.yaml": "a.txt/b.yaml: can't be read: Not a directory",
        "d": f"d: holds no catalog file ({suffixes})",
        "e": f"e: holds no catalog file ({suffixes})",
        "loop": "loop/down/up: is a symbolic link to a directory that it is in: remove it",
        "self.yaml": "self.yaml: is a symbolic link that leads back to itself: remove it",
        "gone.yaml": "gone.yaml: is a symbolic link to nothing",
        "pipe.yaml": "pipe.yaml: is not a regular file (- is standard input)",
        "/dev/null": f"/dev/null: is no catalog file: its name must end in {suffixes}",
        "x" * 300 + ".yaml": "x" * 300 + ".yaml: can't be read: File name too long",
    }
    for path, line in cases.items():
        assert report(path) == [line]
    assert sorted(report(*cases)) == sorted(cases.values())


def test_bad_files_in_a_directory(here: Path) -> None:
    os.mkfifo(here / "pipe.yaml")
    (here / "self").symlink_to("self")
    (here / "gone.yaml").symlink_to("nowhere")
    assert report(".") == [
        "./gone.yaml: is a symbolic link to nothing",
        "./pipe.yaml: is not a regular file (- is standard input)",
        "./self: is a symbolic link that leads back to itself: remove it",
    ]


def test_a_file_that_may_not_be_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so the refusal is made up."""
    write(here, {"a.yaml": GOOD, "b.yaml": version("2.0.0")})
    opened = os.open

    def refusing(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path).endswith("a.yaml"):
            raise PermissionError(13, "Permission denied", path)
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refusing)
    assert report(".") == ["./a.yaml: can't be read: Permission denied"]


def test_names_of_files_do_not_reach_the_terminal_raw(here: Path) -> None:
    write(here, {"\x1b[31m\nred.yaml": "", os.fsdecode(b"\xff.yaml"): ""})
    assert report(".") == ["./\\x1b[31m\\nred.yaml: is empty", "./\\udcff.yaml: is empty"]


def test_a_deep_directory(here: Path) -> None:
    path = here
    for _ in range(400):
        path = path / "d"
    path.mkdir(parents=True)
    write(path, {"a.yaml": GOOD})
    assert len(load(".")) == 1


# Standard input ------------------------------------------------------------------------------------------------------


class Trickle(io.RawIOBase):
    """A stream that gives a byte at a time."""

    def __init__(self, data: bytes) -> None:
        self._rest = io.BytesIO(data)

    def read(self, size: int = -1, /) -> bytes:
        return self._rest.read(min(size, 1))


@pytest.mark.parametrize("text", [GOOD, PAYLOAD, f"[{PAYLOAD}]"])
def test_standard_input(text: str) -> None:
    for stream in (io.BytesIO(text.encode()), Trickle(text.encode())):
        catalog = load("-", stdin=cast("BinaryIO", stream))
        assert only(catalog)["workflow_name"] == "restart-pod"
        assert str(catalog.source("restart-pod", "1.0.0")) == "-:1"


def test_standard_input_is_read_once() -> None:
    assert len(load("-", "-", stdin=io.BytesIO(GOOD.encode()))) == 1


def test_the_standard_input_of_the_process() -> None:
    program = "from kubernaut_client.catalog import load; print(load('-'))"
    done = subprocess.run([sys.executable, "-c", program], input=GOOD, capture_output=True, text=True, check=True)
    assert done.stdout == "<Catalog of 1 workflow>\n"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.stdin = None; {program}"], capture_output=True, text=True, check=False
    )
    assert "-: standard input is closed: give a path" in done.stderr


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", "-: is empty"),
        (b'{"workflow_name": NaN}', "-:1:19: is not JSON: NaN is no number of JSON"),
        (b"{kind: x, kind: y}", "-:1:11: kind: key 'kind' is given twice, first in line 1: keep one"),
        (b"x" * (2**24 + 1), "-: is larger than 16 MiB (16777216 bytes): split it"),
        (b"x: " + b"x" * 2**20, "-:1:1: is larger than 1 MiB (1048576 bytes), the limit of a document: split it"),
        (b'{"content_file": "a"}', "-:1:2: content_file: needs a payload that is in a file: give content instead"),
    ],
)
def test_bad_standard_input(data: bytes, line: str) -> None:
    with pytest.raises(CatalogError) as caught:
        load("-", stdin=io.BytesIO(data))
    assert line in [str(problem) for problem in caught.value.errors]


def test_standard_input_that_was_closed() -> None:
    stream = io.BytesIO()
    stream.close()
    with pytest.raises(CatalogError, match="-: standard input is closed"):
        load("-", stdin=stream)


def test_standard_input_without_end() -> None:
    with open("/dev/zero", "rb") as stream, pytest.raises(CatalogError, match="-: is larger than 16 MiB"):
        load("-", stdin=stream)


def test_standard_input_that_does_not_block_is_not_cut_short() -> None:
    """Another process may have set a shared pipe so; what isn't there yet is no end."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    os.write(theirs, f"{GOOD}---\n".encode())
    why = "-: standard input can't be read: it is set not to block"
    with open(ours, "rb") as stream, open(theirs, "wb"), pytest.raises(CatalogError, match=why):
        load("-", stdin=stream)


def test_a_content_file_has_a_limit(here: Path) -> None:
    write(here, {"a.json": payload(('"content": "any text"', '"content_file": "large.txt"'))})
    with (here / "large.txt").open("wb") as file:
        file.truncate(2**40)
    assert report("a.json") == [
        "a.json:6:3: content_file: 'large.txt' is larger than 16 MiB (16777216 bytes): split it"
    ]


# Objects -------------------------------------------------------------------------------------------------------------


def test_models_and_mappings_are_mixed_with_paths(here: Path) -> None:
    write(here, {"a.yaml": GOOD})
    model = RemediationWorkflow.from_dict(workflow("b"))
    mapping = workflow("c")
    del mapping["status"], mapping["content_hash"]
    catalog = load(model, "a.yaml", mapping)
    assert catalog.names == ("b", "restart-pod", "c")
    assert catalog.entries[0].workflow is model
    assert [entry.source for entry in catalog.entries] == [None, Source("a.yaml", 1), None]
    assert catalog.by_name("c")[0].to_dict() == workflow("c")


def test_bad_objects() -> None:
    model = RemediationWorkflow.from_dict(workflow(owner="x" * 300))
    model.labels.severity = cast("Any", "urgent")
    given: list[Any] = [model, {"workflow_name": "x", "content_file": "y"}, {"kind": "Pod"}, 5, None, [GOOD]]
    with pytest.raises(CatalogError) as caught:
        load(*given)
    lines = [str(problem) for problem in caught.value.errors]
    assert [line for line in lines if "is missing" not in line] == [
        "argument 1: labels.severity: must be one of critical, high, medium, low, not 'urgent'",
        "argument 1: owner: must have at most 255 characters, has 300",
        "argument 2: content_file: needs a payload that is in a file: give content instead",
        "argument 3: kind: must be WorkflowSchema, not 'Pod'",
        "argument 4: must be a path, a RemediationWorkflow or a mapping, not int",
        "argument 5: must be a path, a RemediationWorkflow or a mapping, not NoneType",
        "argument 6: must be a path, a RemediationWorkflow or a mapping, not list",
    ]


# The catalog ---------------------------------------------------------------------------------------------------------


def test_a_catalog_is_a_collection_of_workflows(here: Path) -> None:
    write(here, {"a.yaml": f"{GOOD}---\n{version('1.10.0')}", "b.yaml": version("1.9.0"), "c.json": PAYLOAD.replace(
        "restart-pod", "other")})  # fmt: skip
    catalog = load(".")
    assert len(catalog) == len(list(catalog)) == len(catalog.entries) == 4
    assert catalog.names == ("restart-pod", "other")
    assert [found.version for found in catalog.by_name("restart-pod")] == ["1.0.0", "1.9.0", "1.10.0"]
    assert catalog.by_name("unknown") == ()
    assert catalog.source("restart-pod", "1.9.0") == Source("./b.yaml", 1)
    assert repr(catalog) == "<Catalog of 4 workflows>"
    for name, number in (("restart-pod", "2.0.0"), ("unknown", "1.0.0")):
        with pytest.raises(KeyError, match=f"{name}@{number}"):
            catalog.source(name, number)
    assert "Restarts" not in repr(catalog.entries)


def test_nothing_is_an_empty_catalog() -> None:
    catalog = load()
    assert (len(catalog), catalog.names, catalog.warnings) == (0, (), ())


def test_the_same_twice_is_one(here: Path) -> None:
    write(here, {"a.yaml": GOOD, "b.yaml": "---\n" + GOOD, "c.yaml": f"{GOOD}---\n{GOOD}"})
    assert [str(entry.source) for entry in load("a.yaml", ".", "a.yaml").entries] == ["a.yaml:1"]


def test_versions_may_descend_from_file_to_file(here: Path) -> None:
    write(here, {"a.yaml": version("2.0.0"), "b.yaml": GOOD, "c.yaml": f"{version('latest')}---\n{version('0.1')}"})
    assert len(load(".")) == 4


def test_warnings(here: Path) -> None:
    text = good(("1.0.0", "latest"), ("Restarts a pod.", "x" * 501), (GOOD[GOOD.index("@") : GOOD.index("\npar")], ""))
    write(here, {"a.yaml": text})
    assert [str(warning) for warning in load("a.yaml").warnings] == [
        "a.yaml:5:3: metadata.version: 'latest' can't be ordered (1.2.3 can): the version stored last is the latest",
        "a.yaml:6:3: metadata.description: has 501 characters, more than the 500 of the format",
        "a.yaml:16:3: execution.bundle: has no digest (@sha256:…): what it names can change",
    ]


def test_the_error_counts_and_shows_the_first(here: Path) -> None:
    write(here, {"b.yaml": "", "a.yaml": good(("high", "urgent"), ("1.0.0", ""))})
    with pytest.raises(CatalogError) as caught:
        load("b.yaml", "a.yaml")
    assert str(caught.value) == "3 problems in 2 files: a.yaml:5:3: metadata.version: must not be empty"
    assert caught.value.errors[2] == CatalogProblem("b.yaml", None, None, None, "is empty")
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.errors == caught.value.errors
    with pytest.raises(CatalogError, match=r"^1 problem: b.yaml: is empty$"):
        load("b.yaml")


def test_a_workflow_sets_only_what_it_was_given(here: Path) -> None:
    write(here, {"a.yaml": GOOD})
    (found,) = load("a.yaml")
    assert found.parameters is UNSET
    assert found.owner is UNSET


def test_without_pyyaml_the_extra_is_named() -> None:
    program = "import sys; sys.modules['yaml'] = None; import kubernaut_client.catalog"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    expected = 'ImportError: kubernaut_client.catalog needs PyYAML: pip install "kubernaut-client[catalog]"'
    assert done.stderr.splitlines()[-1] == expected


def test_a_directory_without_files_may_be_allowed(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    assert len(load(tmp_path / "base", allow_empty=True)) == 0
    with pytest.raises(CatalogError, match="nowhere"):
        load(tmp_path / "nowhere", allow_empty=True)
