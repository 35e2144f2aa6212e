"""Many appliers at once, and appliers that are interrupted: whatever happens, the catalog ends up complete, once."""

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client import DataStorageClient
from kubernaut_client.emulator import Emulator
from tests.workflows import workflow


def catalog(names: int, versions: int) -> list[dict[str, Any]]:
    return [workflow(f"w{name}", f"1.{version}.0") for name in range(names) for version in range(versions)]


@contextmanager
def applier(emulator: Emulator, file: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is about to start."""
    command = [sys.executable, str(Path(__file__).with_name("applier.py")), emulator.url, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def written(place: Path, names: int, versions: int) -> Path:
    file = place / "workflows.json"
    file.write_text(json.dumps(catalog(names, versions)), "utf-8")
    return file


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    return iter(process.stdout.readline, "")


def check(emulator: Emulator, names: int, versions: int) -> None:
    """Each version once, and the highest of every name is the only latest one."""
    rows = emulator.rows("remediation_workflow_catalog")
    assert len(rows) == len({(row["workflow_name"], row["version"]) for row in rows}) == names * versions
    latest = [(row["workflow_name"], row["version"]) for row in rows if row["is_latest_version"]]
    assert sorted(latest) == sorted((f"w{name}", f"1.{versions - 1}.0") for name in range(names))


@pytest.mark.parametrize(
    ("build", "names", "versions", "most"),
    [
        ("emulator", 1000, 1, 1.5),
        ("emulator", 250, 4, 2.0),
        ("unfixed_emulator", 500, 2, 2.0),
        ("early_emulator", 500, 2, 2.0),
    ],
)
def test_eight_processes_apply_the_same_at_once(
    request: pytest.FixtureRequest, tmp_path: Path, build: str, names: int, versions: int, most: float
) -> None:
    emulator: Emulator = request.getfixturevalue(build)
    file = written(tmp_path, names, versions)
    with ExitStack() as stack:
        processes = [stack.enter_context(applier(emulator, file)) for _ in range(8)]
        for process in processes:
            go(process)
        outputs = [list(lines(process)) for process in processes]
    reports: list[dict[str, Any]] = [json.loads(output[-1]) for output in outputs]
    assert [report["errors"] for report in reports] == [[]] * 8
    assert sum(report.get("created", 0) for report in reports) == names * versions, "each is created once, by one"
    assert all(report.get("created", 0) + report.get("unchanged", 0) == names * versions for report in reports)
    check(emulator, names, versions)
    assert len(emulator.requests) <= most * names * versions


NAMES, VERSIONS = 24, 3


@pytest.mark.parametrize("seed", range(20))
def test_killed_and_run_again(emulator: Emulator, tmp_path: Path, seed: int) -> None:
    """`kill -9` after a random number of rows, with others in progress."""
    rows = random.Random(seed).randrange(NAMES * VERSIONS)
    with applier(emulator, written(tmp_path, NAMES, VERSIONS)) as process:
        go(process)
        for _ in range(rows):
            assert next(lines(process)).startswith("created ")
        process.send_signal(signal.SIGKILL)
    with DataStorageClient(emulator.url) as client:
        report = client.workflows.bootstrap(catalog(NAMES, VERSIONS)).raise_for_errors(strict=True)
        assert len(report.created) + len(report.unchanged) == NAMES * VERSIONS
        check(emulator, NAMES, VERSIONS)
        emulator.clear_requests()
        assert len(client.workflows.bootstrap(catalog(NAMES, VERSIONS)).unchanged) == NAMES * VERSIONS
    assert emulator.writes == ()


def test_interrupted_and_run_again(emulator: Emulator, tmp_path: Path) -> None:
    """Ctrl-C: what was stored has been told to `progress` before KeyboardInterrupt comes through."""
    # Slow enough that the signal comes before the end.
    emulator.fault("createWorkflow", delay=0.2, count=None)
    with applier(emulator, written(tmp_path, NAMES, VERSIONS)) as process:
        go(process)
        told = [next(lines(process)) for _ in range(5)]
        process.send_signal(signal.SIGINT)
        told += list(lines(process))
    emulator.clear_faults()
    assert told.pop() == "interrupted\n"
    created = {tuple(line.split()[1:]) for line in told if line.startswith("created ")}
    # What had no answer after a second is told as failed, outcome unknown.
    unknown = {tuple(line.split()[1:]) for line in told if line.startswith("failed ")}
    stored = {(row["workflow_name"], row["version"]) for row in emulator.rows("remediation_workflow_catalog")}
    assert created <= stored <= created | unknown
    assert len(stored) < NAMES * VERSIONS
    with DataStorageClient(emulator.url) as client:
        client.workflows.bootstrap(catalog(NAMES, VERSIONS)).raise_for_errors(strict=True)
    check(emulator, NAMES, VERSIONS)
