"""`workflows rollback`: what is stored, what search finds, and what is left to do in the files."""

import signal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client import ConflictError, DataStorageClient
from kubernaut_client._sync.workflows import Workflows
from kubernaut_client.catalog import load
from kubernaut_client.cli.workflow_rollback import next_version
from kubernaut_client.emulator import Emulator
from tests.integration.cli_catalog import Running, schema
from tests.integration.emulator_tools import eventually
from tests.integration.workflow_documents import FULL, store
from tests.unit.cli.tools import Ran, call, in_terminal, nobody
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

CATALOG = "remediation_workflow_catalog"


def document(version: str, words: str) -> str:
    """A document of one length of waiting, with comments, which must outlast what is done to its version."""
    text = schema("restart-pod", version, f"Restarts a pod after {words}.")
    return "# Restarts a pod, gently.\n" + text.replace(f'"{version}"\n', f'"{version}"  # quoted\n')


def run(emulator: Emulator, *arguments: str) -> Ran:
    return call("workflows", "rollback", *arguments, "--url", emulator.url)


def refused(emulator: Emulator, *arguments: str) -> tuple[int, str]:
    """Code and message of a run that must send nothing."""
    emulator.clear_requests()
    ran = run(emulator, *arguments)
    assert ran.stdout == ""
    assert emulator.writes == ()
    return ran.code, ran.stderr.removeprefix("Error: ").removesuffix("\n")


def found(emulator: Emulator) -> list[str]:
    """What search's own condition selects in the database, as name@version."""
    rows = [row for row in emulator.rows(CATALOG) if row["is_latest_version"] and row["status"] == "active"]
    return [f"{row['workflow_name']}@{row['version']}" for row in rows]


def apply(emulator: Emulator, place: Path, version: str, words: str) -> Path:
    """Store a document by its file, as engineers do."""
    file = place / "restart-pod.yaml"
    file.write_text(document(version, words), "utf-8")
    with DataStorageClient(emulator.url) as client:
        assert [row.action for row in client.workflows.bootstrap(load(file)).rows] == ["created"]
    return file


def planned(emulator: Emulator, file: Path) -> tuple[int, list[tuple[str, str]]]:
    """Exit code, and the actions of the versions that the file has."""
    ran = call("plan", str(file), "--url", emulator.url, "-ojson")
    return ran.code, [(row["version"], row["action"]) for row in ran.document["rows"]]


def test_the_way_back(emulator: Emulator, tmp_path: Path) -> None:
    apply(emulator, tmp_path, "1.0.0", "ten seconds")
    file = apply(emulator, tmp_path, "1.1.0", "no time at all")
    file.write_text(document("1.0.0", "ten seconds"), "utf-8")  # git revert
    assert planned(emulator, file) == (3, [("1.0.0", "superseded")])
    assert found(emulator) == ["restart-pod@1.1.0"]

    ran = run(emulator, "restart-pod", "--to", "1.0.0", "--notes", "loops")
    assert ran == Ran(
        0,
        "Stored restart-pod@1.0.0 again as 1.1.1\n"
        "Search found: 1.1.0\n"
        "Search finds: 1.1.1\n"
        "Left to do in git: put the file at the content of 1.0.0 with metadata.version 1.1.1, and commit. "
        "Until then 'plan' says superseded.\n"
        "This prints what the file holds then:\n"
        "  kubernaut-client workflows get restart-pod@1.1.1 --content\n",
        "",
    )
    assert found(emulator) == ["restart-pod@1.1.1"]
    old, newer, row = emulator.rows(CATALOG)
    assert [each["is_latest_version"] for each in (old, newer, row)] == [False, False, True]
    assert row["content"] == document("1.1.1", "ten seconds")
    assert row["content_hash"] == sha256(row["content"].encode()).hexdigest()
    assert (row["version"], row["previous_version"], row["version_notes"]) == ("1.1.1", "1.1.0", "loops")
    for name in ("workflow_name", "name", "description", "labels", "container_image", "container_digest", "status"):
        assert row[name] == old[name]

    assert planned(emulator, file) == (3, [("1.0.0", "superseded")])
    content = call("workflows", "get", "restart-pod@1.1.1", "--content", "--url", emulator.url).stdout
    file.write_text(content, "utf-8")
    assert planned(emulator, file) == (0, [("1.1.1", "unchanged")])


def test_again_does_nothing(emulator: Emulator, tmp_path: Path) -> None:
    apply(emulator, tmp_path, "1.0.0", "ten seconds")
    apply(emulator, tmp_path, "1.1.0", "no time at all")
    assert run(emulator, "restart-pod", "--to", "1.0.0", "--as", "2.0.0").code == 0
    for options in ([], ["--as", "2.0.0"]):
        emulator.clear_requests()
        ran = run(emulator, "restart-pod", "--to", "1.0.0", *options)
        assert ran.code == 0
        assert ran.stdout.startswith(
            "Nothing to do: search finds restart-pod@2.0.0 already, which is 1.0.0 stored again\n"
        )
        assert "Left to do in git" in ran.stdout
        assert emulator.writes == ()
    assert run(emulator, "restart-pod", "--to", "2.0.0") == Ran(
        0, "Nothing to do: search finds restart-pod@2.0.0 already\n", ""
    )
    # Forth again, and back again.
    assert run(emulator, "restart-pod", "--to", "1.1.0").stdout.startswith("Stored restart-pod@1.1.0 again as 2.0.1\n")
    assert run(emulator, "restart-pod", "--to", "1.0.0").stdout.startswith("Stored restart-pod@1.0.0 again as 2.0.2\n")
    assert len(emulator.rows(CATALOG)) == 5


def test_a_new_version_with_the_old_content_is_no_copy(emulator: Emulator, tmp_path: Path) -> None:
    apply(emulator, tmp_path, "1.0.0", "ten seconds")
    apply(emulator, tmp_path, "1.1.0", "ten seconds")
    assert run(emulator, "restart-pod", "--to", "1.0.0").stdout.startswith("Stored restart-pod@1.0.0 again as 1.1.1\n")


def test_all_that_describes_it_comes_back(emulator: Emulator) -> None:
    store(emulator, workflow(**FULL), workflow(version="1.1.0", content="other"))
    assert run(emulator, "restart-pod", "--to", "1.0.0").code == 0
    old, _, row = emulator.rows(CATALOG)
    for name in ("custom_labels", "detected_labels", "parameters", "owner", "maintainer", "container_image"):
        assert row[name] == old[name] is not None
    assert run(emulator, "restart-pod", "--to", "1.0.0").stdout.startswith("Nothing to do: ")


@pytest.mark.parametrize("content", ["just words 1.0.0\n", '{"kind": "Other", "metadata": {"version": "1.0.0"}}'])
def test_plain_content_stays_as_it_is(content: str, emulator: Emulator) -> None:
    store(emulator, workflow(content=content, content_hash="0" * 64), workflow(version="1.1.0"))
    assert run(emulator, "restart-pod", "--to", "1.0.0").code == 0
    row = emulator.rows(CATALOG)[2]
    assert (row["version"], row["content"], row["content_hash"]) == ("1.1.1", content, "0" * 64)


def test_a_search_that_finds_none_finds_it_again(emulator: Emulator) -> None:
    store(emulator, workflow(version="1.0.0", status="disabled"), workflow(version="1.1.0", status="disabled"))
    assert found(emulator) == []
    ran = run(emulator, "restart-pod", "--to", "1.0.0", "-ojson")
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.document["search"] == {"before": [], "after": ["1.1.1"], "reason": None}
    assert found(emulator) == ["restart-pod@1.1.1"]


def test_an_old_version_that_was_disabled_is_said_to_be(emulator: Emulator) -> None:
    store(emulator, workflow(version="1.0.0", status="disabled"), workflow(version="1.1.0", status="disabled"))
    ran = run(emulator, "restart-pod", "--to", "1.0.0")
    assert ran.stderr == "Warning: restart-pod@1.0.0 is disabled; 1.1.1 is active\n"
    assert "Search found: no version: the latest one, 1.1.0, is disabled, and search looks at no other\n" in ran.stdout


def test_what_can_not_be_done(emulator: Emulator) -> None:
    store(emulator, workflow("a"), workflow("a", "1.1.0"), workflow("b", status="disabled"))
    assert refused(emulator, "c", "--to", "1.0.0") == (1, "no workflow is named c")
    assert refused(emulator, "a", "--to", "0.9.0") == (1, "a has no version 0.9.0; stored: 1.1.0, 1.0.0")
    assert refused(emulator, "b", "--to", "1.0.0") == (
        1,
        "b@1.0.0 is the latest version and disabled; to have it found again: kubernaut-client workflows enable b@1.0.0",
    )
    assert refused(emulator, "a", "--to", "")[1] == "a has no version ''; stored: 1.1.0, 1.0.0"
    for as_ in ("1.0.5", "1.1", "nightly", "''"):
        code, message = refused(emulator, "a", "--to", "1.0.0", "--as", as_.strip("'"))
        assert code == 2
        assert message.startswith(f"--as: must be higher than 1.1.0, the highest stored version, not {as_}")
    assert refused(emulator, "a", "--to", "1.0.0", "--as", "1.1.0")[1].startswith("--as: 1.1.0 is stored already")
    assert refused(emulator, "a", "--to", "1.0.0", "--as", f"9.{'0' * 50}")[1].startswith("--as: ")
    code, message = refused(emulator, "a", "--to", "1.1.0", "--as", "foo")
    assert (code, message.partition(",")[0]) == (2, "--as: must be higher than 1.1.0")
    assert refused(emulator, "a")[0] == 2
    with nobody() as url:
        assert call("workflows", "rollback", "a", "--to", "1", "--url", url).code == 4


def test_versions_that_can_not_be_ordered(emulator: Emulator) -> None:
    store(emulator, workflow(version="blue"), workflow(version="green"))
    code, message = refused(emulator, "restart-pod", "--to", "blue")
    assert code == 2
    assert message.startswith(
        "no next version can be made: the stored versions can't be ordered (green); name one with --as"
    )
    assert refused(emulator, "restart-pod", "--to", "blue", "--as", "green")[0] == 2
    assert run(emulator, "restart-pod", "--to", "blue", "--as", "blue-again").code == 0
    assert found(emulator) == ["restart-pod@blue-again"]


def test_a_version_that_would_be_too_long(emulator: Emulator) -> None:
    store(emulator, workflow(version="1.0.0"), workflow(version="1.1.0-" + "x" * 44))
    code, message = refused(emulator, "restart-pod", "--to", "1.0.0")
    assert (code, message.partition(";")[0]) == (2, "no next version can be made: it is too long")


def test_a_version_that_can_not_be_rewritten(emulator: Emulator) -> None:
    content = 'kind: WorkflowSchema\nmetadata:\n  version: &v "1.0.0"\n  description: *v\n'
    store(emulator, workflow(content=content), workflow(version="1.1.0"))
    code, message = refused(emulator, "restart-pod", "--to", "1.0.0")
    assert code == 1
    assert message.startswith("the version in the content of restart-pod@1.0.0 can't be changed: metadata.version: ")


@pytest.mark.parametrize(
    ("versions", "following"),
    [
        (["1.0.0", "1.1.0"], "1.1.1"),
        (["1.10.0", "1.9.0"], "1.10.1"),
        (["v1.2"], "v1.2.1"),
        (["2"], "2.0.1"),
        (["1.1.0", "nightly"], "1.1.1"),
        (["1.1.0+build.7"], "1.1.1"),
        (["1.1.0", "1.2.0-rc.1"], "1.2.0-rc.1.1"),
        (["1.2.0-rc.1.1", "1.2.0-rc.1"], "1.2.0-rc.1.1.1"),
        (["1.2.0-rc+7"], "1.2.0-rc.1"),
        (["1.2.0-rc.1", "1.2.0"], "1.2.1"),
        (["nightly", ""], None),
    ],
)
def test_the_next_version(versions: list[str], following: str | None) -> None:
    assert next_version(versions) == following


def test_someone_else_was_faster(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    store(emulator, workflow(version="1.0.0"), workflow(version="1.1.0"))
    republish = Workflows.republish

    def late(workflows: Workflows, *arguments: Any, **options: Any) -> Any:
        store(emulator, workflow(version="1.1.1"))
        return republish(workflows, *arguments, **options)

    monkeypatch.setattr(Workflows, "republish", late)
    ran = run(emulator, "restart-pod", "--to", "1.0.0")
    assert (ran.code, ran.stdout) == (2, "")
    assert "must be higher than '1.1.1', which is stored" in ran.stderr


def test_a_lost_answer_is_settled(emulator: Emulator) -> None:
    store(emulator, workflow(version="1.0.0"), workflow(version="1.1.0"))
    emulator.fault("createWorkflow", drop="after")
    ran = run(emulator, "restart-pod", "--to", "1.0.0")
    assert (ran.code, ran.stderr) == (0, "")
    assert [row["version"] for row in emulator.rows(CATALOG)] == ["1.0.0", "1.1.0", "1.1.1"]


def test_a_conflict_is_a_failure(emulator: Emulator) -> None:
    store(emulator, workflow(version="1.0.0"), workflow(version="1.1.0"))
    emulator.fault("createWorkflow", status=409, body={"title": "Workflow Already Exists"})
    ran = run(emulator, "restart-pod", "--to", "1.0.0", "-ojson")
    assert (ran.code, ran.document["error"]["type"]) == (1, ConflictError.__name__)


def test_a_look_that_fails_after_it_was_stored(emulator: Emulator) -> None:
    store(emulator, workflow(version="1.0.0"), workflow(version="1.1.0"))
    emulator.fault("listWorkflowVersions", skip=2, status=500, body={"title": "x"}, count=None)
    ran = run(emulator, "restart-pod", "--to", "1.0.0")
    assert ran.code == 5
    assert ran.stdout.startswith("Stored restart-pod@1.0.0 again as 1.1.1\n")
    assert "Search finds: not known (the look-up failed)\n" in ran.stdout
    assert ran.stderr.startswith("Error: 500 x")
    store(emulator, workflow("b"), workflow("b", "1.1.0"))
    emulator.clear_faults()
    emulator.fault("listWorkflowVersions", skip=2, status=500, body={"title": "x"}, count=None)
    ran = run(emulator, "b", "--to", "1.0.0", "-ojson")
    assert (ran.code, ran.document["version"]) == (5, "1.1.1")
    assert ran.document["search"] == {"before": ["1.1.0"], "after": None, "reason": None}


@pytest.mark.parametrize("columns", [40, 80])
def test_on_a_terminal(columns: int, emulator: Emulator) -> None:
    store(emulator, workflow(version="1.0.0"), workflow(version="1.1.0"))
    ran = in_terminal("workflows", "rollback", "restart-pod", "--to", "1.0.0", "--url", emulator.url, columns=columns)
    assert ran.code == 0
    lines = ran.stdout.splitlines()
    assert lines[0] == "Stored restart-pod@1.0.0 again as \x1b[32m1.1.1\x1b[0m"
    assert all(len(line) <= columns for line in lines[1:-1] if "\x1b" not in line)


@pytest.mark.parametrize("stall", ["before", "after"])
def test_interrupted_while_it_is_sent(stall: Any, emulator: Emulator) -> None:
    store(emulator, workflow("a"), workflow("a", "1.1.0"))
    emulator.fault("createWorkflow", count=None, stall=stall)
    arguments = ("workflows", "rollback", "a", "--to", "1.0.0", "--url", emulator.url)
    with Running(*arguments, "-ojson") as running:
        eventually(lambda: emulator.faults[0].used == 1)
        ran = running.stopped(signal.SIGINT)
    error = ran.document["error"]
    assert (ran.code, error["type"], error["outcome"]) == (1, "Interrupted", "unknown")
    assert ran.stderr == "Error: interrupted while it was sent: it may be stored; run it again to find out\n"
    emulator.clear_faults()
    again = call(*arguments, "-ojson")
    assert (again.code, again.document["stored"]) == (0, stall == "before")
