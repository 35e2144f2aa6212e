"""`apply` against the emulator: what is written, what is said of it, and what an interruption leaves."""

import signal
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client import DataStorageClient
from kubernaut_client.emulator import Emulator
from tests.integration.cli_catalog import EXAMPLES, Running, every_action, write
from tests.integration.emulator_tools import eventually, names
from tests.unit.cli.tools import COMMAND, PATIENCE, Ran, call, environment, in_terminal, nobody, piped
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

FAULT: dict[str, Any] = {
    "status": 500,
    "body": {"type": "https://kubernaut.ai/problems/database-error", "title": "Database Error", "status": 500},
}


def many(directory: Path, number: int = 40) -> Path:
    return write(directory, *(workflow(f"workflow-{i:03}") for i in range(number)))


def test_plan_apply_plan(emulator: Emulator) -> None:
    """Five to create, five created, nothing to do."""
    codes: list[int] = []
    last: list[str] = []
    for word in ("plan", "apply", "plan", "apply"):
        ran = piped(word, str(EXAMPLES), "--url", emulator.url)
        codes.append(ran.code)
        last.append(ran.stdout.splitlines()[-1])
    assert codes == [0, 0, 0, 0]
    assert last == [
        "Plan: 5 to create, 0 drifted, 0 unchanged.",
        "Applied: 5 created.",
        "Nothing to do: 5 unchanged.",
        "Nothing to do: 5 unchanged.",
    ]
    assert len(emulator.writes) == 5


def test_progress_in_a_pipe_and_on_a_terminal(emulator: Emulator) -> None:
    ran = piped("apply", str(EXAMPLES), "--url", emulator.url)
    assert ran.stdout == "Plan: 5 to create, 0 drifted, 0 unchanged.\nApplied: 5 created.\n"
    assert [line.split(": ")[1] for line in ran.stderr.splitlines()] == [f"{i} of 5" for i in range(1, 6)]
    emulator.reset()
    shown = in_terminal("apply", str(EXAMPLES), "--url", emulator.url, columns=80, env={"NO_COLOR": "1"})
    before, *bars, after = shown.stdout.split("\r")
    assert before == "Plan: 5 to create, 0 drifted, 0 unchanged.\n"
    assert any(bar.startswith("apply [########################] 5/5 ") for bar in bars)
    assert bars[-1].strip(" ") == "" and after == "Applied: 5 created.\n"
    emulator.reset()
    document = piped("apply", str(EXAMPLES), "--url", emulator.url, "-ojson")
    assert (document.stderr, document.document["summary"]["created"]) == ("", 5)


def test_every_action(emulator: Emulator, tmp_path: Path) -> None:
    files = every_action(emulator, tmp_path / "files")
    emulator.clear_requests()
    refused = call("apply", str(files), "--url", emulator.url, "--on-drift", "fail")
    assert refused.code == 3
    assert refused.stderr == ("Error: nothing was written: 1 drifted, 1 superseded, 1 would demote (--on-drift fail)\n")
    assert refused.stdout.endswith(
        "\nNothing written: 1 not started, 1 drifted, 1 superseded, 1 would demote, 2 unchanged.\n"
    )
    verbose = call("apply", str(files), "--url", emulator.url, "--on-drift", "fail", "-v").stdout
    assert "1 not started:\n  create@1.0.0\n" in verbose
    document = call("apply", str(files), "--url", emulator.url, "--on-drift", "fail", "-ojson").document
    assert (document["exit_code"], document["error"]["type"]) == (3, "BootstrapError")
    assert (document["summary"]["not_started"], document["interrupted"]) == (1, False)
    assert emulator.writes == ()

    ran = piped("apply", str(files), "--url", emulator.url)
    assert (ran.code, ran.stderr) == (3, "apply: 1 of 1: create@1.0.0\n")
    plan = call("plan", str(files), "--url", emulator.url).stdout
    assert ran.stdout == (
        "Plan: 1 to create, 1 drifted, 1 superseded, 1 would demote, 2 unchanged.\n"
        + plan.removesuffix("Plan: 0 to create, 1 drifted, 1 superseded, 1 would demote, 3 unchanged.\n")
        + "Applied: 1 created, 1 drifted, 1 superseded, 1 would demote, 2 unchanged.\n"
    )
    assert len(emulator.writes) == 1

    again = call("apply", str(files), "--url", emulator.url, "--allow-demote", "-v")
    assert again.code == 3
    assert "1 created:\n" not in again.stdout and "unchanged:\n  create@1.0.0\n" in again.stdout
    assert "  demotes@1.0.0  " in again.stdout, "a warning is told of what was created, too"
    assert "search shows it instead of '2.0.0'" in again.stdout and "search would show" not in again.stdout
    assert again.stdout.endswith("\nApplied: 1 created, 1 drifted, 1 superseded, 3 unchanged.\n")


def test_a_part_fails(emulator: Emulator, tmp_path: Path) -> None:
    files = write(tmp_path / "files", workflow("a"), workflow("b"), workflow("a", "1.1.0"))
    emulator.fault("createWorkflow", count=None, **FAULT)
    failed = call("apply", str(files), "--url", emulator.url)
    assert failed.code == 1
    assert failed.stdout.splitlines()[-1] == "Failed: 1 failed, 2 may be stored."
    emulator.clear_faults()
    emulator.fault("createWorkflow", **FAULT)
    ran = call("apply", str(files), "--url", emulator.url, "--concurrency", "1")
    assert ran.code == 5
    assert "    (it may be stored; the next apply finds out)\n" in ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("Applied in part: ")
    assert ran.stderr.splitlines()[-1].startswith("Error: ")
    document = call("apply", str(files), "--url", emulator.url, "-ojson").document
    assert (document["exit_code"], document["summary"]["failed"], "error" in document) == (0, 0, False)
    assert sorted(names(emulator)) == [("a", "1.0.0"), ("a", "1.1.0"), ("b", "1.0.0")]


def test_a_failure_in_json(emulator: Emulator, tmp_path: Path) -> None:
    files = write(tmp_path / "files", workflow("a"))
    emulator.fault("createWorkflow", count=None, **FAULT)
    document = call("apply", str(files), "--url", emulator.url, "-ojson").document
    (row,) = document["rows"]
    assert (row["action"], row["id"], row["by"]) == ("failed", None, None)
    assert (row["error"]["type"], row["error"]["outcome"]) == ("DatabaseError", "unknown")
    assert row["error"]["request_id"] is not None
    assert (document["error"]["type"], document["exit_code"]) == ("BootstrapError", 1)


def test_what_fails_for_the_same_reason_is_said_once(emulator: Emulator, tmp_path: Path) -> None:
    files = write(tmp_path / "files", *(workflow("a", f"1.{i}.0") for i in range(30)))
    emulator.fault("createWorkflow", status=400, body={"title": "Bad"})
    ran = call("apply", str(files), "--url", emulator.url)
    assert ran.code == 1
    assert "30 failed:\n" in ran.stdout
    assert ran.stdout.count("not sent: version '1.0.0' before it failed\n") == 1
    assert ran.stdout.count("\n  a@1.") == 30
    assert ran.stdout.count("  as a@1.1.0\n") == 28


def test_nobody_there_and_bad_input(tmp_path: Path) -> None:
    files = many(tmp_path / "files")
    with nobody() as url:
        ran = piped("apply", str(files), "--url", url, "--attempts", "1", "-ojson")
    assert (ran.code, ran.document["error"]["outcome"]) == (4, "not_sent")
    assert call("apply", str(files), "--concurrency", "0").code == 2
    bad = write(tmp_path / "bad", "a: [")
    assert call("apply", str(files), str(bad)).code == 2


def test_the_service_goes_away_between_plan_and_write(emulator: Emulator, tmp_path: Path) -> None:
    files = many(tmp_path / "files")
    emulator.fault("createWorkflow", count=None, drop="before")
    emulator.fault("listWorkflows", skip=1, count=None, drop="before")
    emulator.fault("listWorkflowVersions", count=None, drop="before")
    ran = call("apply", str(files), "--url", emulator.url, "--attempts", "1", "-ojson")
    assert ran.code == 4
    assert ran.document["summary"]["failed"] + ran.document["summary"]["not_started"] == 40
    emulator.clear_faults()
    assert call("apply", str(files), "--url", emulator.url).stdout.endswith("\nApplied: 40 created.\n")


@pytest.mark.parametrize("stall", ["before", "after"])
@pytest.mark.parametrize("how", [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)], ids=str)
def test_interrupted_and_run_again(
    stall: Any, how: tuple[signal.Signals, ...], emulator: Emulator, tmp_path: Path
) -> None:
    """Twenty are stored, some are on their way, the rest isn't begun; the next run finishes."""
    files = many(tmp_path / "files")
    emulator.fault("createWorkflow", skip=20, count=None, stall=stall)
    with Running("apply", str(files), "--url", emulator.url, "--concurrency", "4") as running:
        assert running.process.stderr is not None
        assert any(line == "apply: 20 of 40\n" for line in running.process.stderr)
        eventually(lambda: emulator.faults[0].used == 4)
        for number in how[1:]:
            running.process.send_signal(number)
        ran = running.stopped(how[0])
    assert ran.code == 5
    assert ran.stdout.endswith("\nInterrupted: 20 created, 4 may be stored, 16 not started.\n")
    assert ran.stdout.count("(it may be stored; the next apply finds out)\n") == 1
    assert ran.stdout.count("\n  workflow-") == 4, "what is on its way is named"
    assert ran.stderr.endswith("Error: interrupted: run it again to finish\n")
    emulator.clear_faults()
    again = call("apply", str(files), "--url", emulator.url)
    stored = 20 if stall == "before" else 24
    assert again.code == 0
    assert again.stdout.endswith(f"\nApplied: {40 - stored} created, {stored} unchanged.\n")
    assert Counter(names(emulator)) == Counter((f"workflow-{i:03}", "1.0.0") for i in range(40))


def test_interrupted_in_json(emulator: Emulator, tmp_path: Path) -> None:
    files = many(tmp_path / "files")
    emulator.fault("createWorkflow", skip=20, count=None, stall="before")
    with Running("apply", str(files), "--url", emulator.url, "--concurrency", "4", "-ojson") as running:
        eventually(lambda: bool(emulator.faults) and emulator.faults[0].used == 4)
        ran = running.stopped(signal.SIGINT)
    document = ran.document
    assert (ran.code, document["exit_code"], document["interrupted"]) == (5, 5, True)
    assert document["error"]["type"] == "Interrupted"
    assert (document["summary"]["created"], document["summary"]["failed"]) == (20, 4)
    outcomes = Counter(row["error"] and row["error"]["outcome"] for row in document["rows"])
    assert outcomes == {None: 36, "unknown": 4}


def test_interrupted_before_anything_was_written(emulator: Emulator, tmp_path: Path) -> None:
    files = many(tmp_path / "files")
    emulator.fault("listWorkflows", count=None, stall="before")
    with Running("apply", str(files), "--url", emulator.url) as running:
        eventually(lambda: emulator.faults[0].used == 1)
        ran = running.stopped(signal.SIGTERM)
    assert ran == Ran(1, "", "Error: interrupted\n")
    emulator.clear_faults()
    emulator.fault("createWorkflow", count=None, stall="before")
    with Running("apply", str(files), "--url", emulator.url) as running:
        eventually(lambda: emulator.faults[0].used == 8)
        ran = running.stopped(signal.SIGINT)
    assert ran.code == 1
    assert ran.stdout.endswith("\nInterrupted: 8 may be stored, 32 not started.\n")


def test_signals_are_as_before_afterwards(emulator: Emulator) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert call("apply", str(EXAMPLES), "--url", emulator.url).code == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(call, "apply", str(EXAMPLES), "--url", emulator.url).result().code == 0


def test_several_at_once(emulator: Emulator, tmp_path: Path) -> None:
    files = many(tmp_path / "files", 60)
    processes = [Running("apply", str(files), "--url", emulator.url, "-ojson") for _ in range(3)]
    try:
        ran = [Ran(0, *running.process.communicate(timeout=PATIENCE)) for running in processes]
    finally:
        for running in processes:
            running.__exit__()
    assert [running.process.returncode for running in processes] == [0, 0, 0]
    summaries = [each.document["summary"] for each in ran]
    assert sum(summary["created"] for summary in summaries) == 60
    assert all(summary["created"] + summary["unchanged"] == 60 for summary in summaries)
    assert len(names(emulator)) == 60


def test_stored_by_someone_else_meanwhile(emulator: Emulator, tmp_path: Path) -> None:
    files = write(tmp_path / "files", workflow("a"), workflow("b"))
    with DataStorageClient(emulator.url) as client:
        client.workflows.create(workflow("a"))
    empty = {"workflows": [], "limit": 100, "offset": 0, "total": 0}
    emulator.fault("listWorkflows", status=200, body=empty, headers={"Content-Type": "application/json"})
    emulator.fault(
        "listWorkflowVersions",
        count=4,
        status=200,
        body={"workflow_name": "a", "versions": [], "total": 0},
        headers={"Content-Type": "application/json"},
    )
    ran = call("apply", str(files), "--url", emulator.url)
    assert (ran.code, ran.stdout.splitlines()[-1]) == (
        0,
        "Applied: 1 created, 1 stored by someone else meanwhile.",
    )


def test_a_reader_that_goes_away(emulator: Emulator, tmp_path: Path) -> None:
    files = many(tmp_path / "files")
    with subprocess.Popen(
        [*COMMAND, "apply", str(files), "--url", emulator.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("Plan: 40 to create")
        process.stdout.close()
        assert all(line.startswith("apply: ") for line in process.stderr)
        assert process.wait(PATIENCE) == 0
    assert len(names(emulator)) == 40
