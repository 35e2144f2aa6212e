"""Bootstraps five real workflows into Data Storage on a real PostgreSQL, twice, on the fixed and the unfixed service.

Needs nothing running: the emulator is started here. Run it by scripts/demo.
"""

import contextlib
import os
import sys
import textwrap
import time
from typing import Literal

from hapi_workflows import workflows

from kubernaut_client import BootstrapReport, ConflictError, DatabaseError, DataStorageClient
from kubernaut_client.emulator import Emulator
from kubernaut_client.models import RemediationWorkflow

BUILDS: dict[Literal["2025-12-30", "2025-12-27"], str] = {
    "2025-12-30": "a duplicate is answered with 409 Conflict",
    "2025-12-27": "a duplicate is answered with 500, like any fault",
}
OOMKILL = "oomkill-increase-memory-limits"
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def main() -> None:
    started = time.monotonic()
    for build, what in BUILDS.items():
        with Emulator(build=build) as emulator, DataStorageClient(emulator.url) as client:
            heading(f"Build of {build}: {what}")
            twice(client, emulator)
            duplicate(client)
            drifted(client, emulator)
            demoting(client, emulator)
            dropped(client, emulator)
            fault(client, emulator)
    took = time.monotonic() - started
    print(f"\nDone in {took:.1f} s; both emulators, their servers and directories are gone.", flush=True)


def twice(client: DataStorageClient, emulator: Emulator) -> None:
    """The main thing: bootstrap, and bootstrap again."""
    for name in ("first", "second"):
        emulator.clear_requests()
        report = client.workflows.bootstrap(workflows()).raise_for_errors()
        step(f"{name} bootstrap", str(report), sent(emulator))
        if name == "first":
            rows(report)


def duplicate(client: DataStorageClient) -> None:
    """A create of what is there already, told from a fault by looking."""
    try:
        client.workflows.create(changed(OOMKILL))
    except ConflictError as error:
        step("create of a duplicate", "ConflictError")
        line("the service says 409" if not error.inferred else "the service says 500; looking showed that it is there")
        line(f"identical to ours: {'yes' if error.identical else 'no'}")


def drifted(client: DataStorageClient, emulator: Emulator) -> None:
    """The same version with another description: reported, never overwritten."""
    workflow = changed(OOMKILL, description="Doubles the memory limit of a workload whose container was killed.")
    emulator.clear_requests()
    report = client.workflows.bootstrap([workflow])
    step("a drifted workflow", str(report), sent(emulator))
    for difference in report.drifted[0].differences:
        line(f"{difference.field} stored: {difference.stored}")
        line(f"{' ' * len(difference.field)} wanted: {difference.wanted}")


def demoting(client: DataStorageClient, emulator: Emulator) -> None:
    """An older version: creating it would take the newer one out of search."""
    emulator.clear_requests()
    report = client.workflows.bootstrap([changed(OOMKILL, version="0.9.0")])
    step("an older version", str(report), sent(emulator))
    for warning in report.demotes[0].warnings:
        line(f"version 0.9.0: {warning}")


def dropped(client: DataStorageClient, emulator: Emulator) -> None:
    """The connection is lost after the commit: nobody told us that it was stored."""
    emulator.clear_requests()
    emulator.fault("createWorkflow", drop="after")
    report = client.workflows.bootstrap([changed(OOMKILL, version="1.1.0")]).raise_for_errors()
    row = report.created[0]
    step("connection lost after the commit", f"{report}, {row.by}", sent(emulator))
    stored = [version.version for version in client.workflows.versions(row.name)]
    line(f"the second write found it there; stored versions: {', '.join(stored)}")


def fault(client: DataStorageClient, emulator: Emulator) -> None:
    """A real fault stays one."""
    problem = {
        "type": "https://kubernaut.ai/problems/database-error",
        "title": "Database Error",
        "status": 500,
        "detail": "Failed to write workflow to database",
    }
    emulator.fault("createWorkflow", status=500, body=problem)
    try:
        client.workflows.create(changed(OOMKILL, version="2.0.0"))
    except DatabaseError as error:
        step("a real fault", f"DatabaseError, outcome {error.outcome}")
        line(str(error))


def changed(name: str, **members: str) -> RemediationWorkflow:
    """One of the five workflows with other members."""
    workflow = next(workflow for workflow in workflows() if workflow.workflow_name == name)
    for member, value in members.items():
        setattr(workflow, member, value)
    return workflow


def sent(emulator: Emulator) -> str:
    """What the emulator's request log says."""
    writes = len(emulator.writes)
    reads = len(emulator.requests) - writes
    return f"sent: {reads} read{'' if reads == 1 else 's'}, {writes} write{'' if writes == 1 else 's'}"


def rows(report: BootstrapReport) -> None:
    for row in report:
        line(f"{row.action} {row.name} {row.version}")


def heading(text: str) -> None:
    print(f"\n{bold(text)}\n{'─' * len(text)}")


def step(name: str, result: str, note: str = "") -> None:
    print(f"\n  {name:<34}{bold(result)}")
    if note:
        line(note)


def line(text: str) -> None:
    print(textwrap.fill(text, 80, initial_indent=" " * 6, subsequent_indent=" " * 8, break_long_words=False))


def bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if COLOUR else text


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        # The reader is gone, as with `| head`. What is still buffered goes nowhere.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
