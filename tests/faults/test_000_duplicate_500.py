"""27 December 2025: creating a workflow that exists was answered with 500 instead of 409.

Nobody could tell a duplicate from a fault, so test suites threw the whole database away before every run. One build of
the emulator plays the service of that day, the other the one with the fix; the client has to cope with both.
"""

from typing import Any

import pytest

from kubernaut_client import ConflictError, InternalServerError, Outcome
from kubernaut_client.emulator import Emulator
from kubernaut_client.testing import sample_catalog
from tests.integration.emulator_tools import CATALOG, WORKFLOWS, call, names
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

NAME = "oomkill-increase-memory-limits"
FAULT = {
    "type": "https://kubernaut.ai/problems/internal-error",
    "title": "Internal Server Error",
    "status": 500,
    "detail": "Failed to create workflow",
}
CONFLICT = {
    "type": "https://kubernaut.ai/problems/conflict",
    "title": "Workflow Already Exists",
    "status": 409,
    "detail": f"Workflow '{NAME}' version '1.0.0' already exists",
}


def is_unfixed(emulator: Emulator) -> bool:
    return emulator.build == "2025-12-27"


# ---- what the service did --------------------------------------------------------------------------------------------


def test_wire_500_for_a_workflow_that_exists(unfixed_emulator: Emulator) -> None:
    assert call(unfixed_emulator, "POST", WORKFLOWS, workflow(NAME)).status == 201
    answer = call(unfixed_emulator, "POST", WORKFLOWS, workflow(NAME))
    assert (answer.status, answer.json) == (500, FAULT)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert names(unfixed_emulator) == [(NAME, "1.0.0")]


def test_wire_a_real_fault_looks_the_same(unfixed_emulator: Emulator) -> None:
    """An actual server error requires investigation, a duplicate does not: no byte tells one from the other."""
    call(unfixed_emulator, "POST", WORKFLOWS, workflow(NAME))
    duplicate = call(unfixed_emulator, "POST", WORKFLOWS, workflow(NAME))
    with unfixed_emulator.database_down():
        fault = call(unfixed_emulator, "POST", WORKFLOWS, workflow("another"))
    assert (fault.status, fault.body) == (duplicate.status, duplicate.body)


def test_wire_409_after_the_fix(emulator: Emulator) -> None:
    assert call(emulator, "POST", WORKFLOWS, workflow(NAME)).status == 201
    answer = call(emulator, "POST", WORKFLOWS, workflow(NAME))
    assert (answer.status, answer.json) == (409, CONFLICT)
    assert answer.headers["Content-Type"] == "application/problem+json"


# ---- what the client does now ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("members", "identical"), [({}, True), ({"description": "Another one."}, False)])
def test_a_duplicate_is_a_conflict(either: Any, build: Emulator, members: dict[str, Any], identical: bool) -> None:
    first = either.workflows.create(workflow(NAME))
    build.clear_requests()
    with pytest.raises(ConflictError, match="409 Workflow Already Exists") as caught:
        either.workflows.create(workflow(NAME, **members))
    error = caught.value
    assert (error.status, error.problem.title, error.problem.detail) == (409, CONFLICT["title"], CONFLICT["detail"])
    assert error.existing is not None and error.existing.workflow_id == first.workflow_id
    assert (error.identical, error.maybe_ours, error.outcome) == (identical, False, Outcome.REFUSED)
    # Where it had to be concluded, it says so, and from what.
    assert error.inferred is bool(error.evidence) is is_unfixed(build)
    assert [attempt.operation for attempt in error.history] == ["createWorkflow", "listWorkflowVersions"]
    assert len(build.writes) == 1 and names(build) == [(NAME, "1.0.0")]


def test_a_fault_is_no_duplicate(either: Any, build: Emulator) -> None:
    """The same answer as for a duplicate; looking shows that the version isn't there."""
    build.fault("createWorkflow", status=500, body=FAULT)
    with pytest.raises(InternalServerError) as caught:
        either.workflows.create(workflow(NAME))
    assert (caught.value.status, caught.value.outcome) == (500, Outcome.REFUSED)
    assert names(build) == []
    assert either.workflows.create(workflow(NAME)).workflow_name == NAME


def test_a_database_that_is_down_is_no_duplicate(either: Any, build: Emulator) -> None:
    either.workflows.create(workflow(NAME))
    with build.database_down(), pytest.raises(InternalServerError) as caught:
        either.workflows.create(workflow(NAME))
    error = caught.value
    # It can't be looked at either, so nothing is claimed.
    assert (error.status, error.outcome, error.operation) == (500, Outcome.UNKNOWN, "createWorkflow")
    with pytest.raises(ConflictError):
        either.workflows.create(workflow(NAME))


def test_bootstrap_needs_no_empty_database(either: Any, build: Emulator) -> None:
    """The suite's catalog over what an earlier run, or another test, left there: twice, and in any order."""
    catalog = list(sample_catalog())
    left, others = catalog[-1], catalog[:-1]
    assert either.workflows.create(left).workflow_name
    report = either.workflows.bootstrap(catalog).raise_for_errors(strict=True)
    assert (len(report.created), len(report.unchanged)) == (len(others), 1)
    before = build.rows(CATALOG)
    build.clear_requests()
    report = either.workflows.bootstrap(reversed(catalog)).raise_for_errors(strict=True)
    assert len(report.unchanged) == len(catalog) == 5
    assert build.writes == () and build.rows(CATALOG) == before


def test_ensure_never_minds_a_duplicate(either: Any, build: Emulator) -> None:
    actions = [either.workflows.ensure(workflow(NAME)).action for _ in range(3)]
    assert actions == ["created", "unchanged", "unchanged"]
    assert len(build.writes) == 1
