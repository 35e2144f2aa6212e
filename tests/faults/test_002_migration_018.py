"""11 December 2025: workflow search failed, because migration 018 had not been applied in one environment.

The column was still `execution_bundle`, and the service reads `container_image`. Its health was good and its audit
routes worked; every route of the catalog gave a 500 without the reason, and a PATCH even claimed that the workflow
didn't exist.
"""

from functools import partial
from typing import Any

import pytest
from kubernaut_datastorage.api.audit_write_api import query_audit_events
from kubernaut_datastorage.api.workflow_catalog_api import search_workflows
from kubernaut_datastorage.models import WorkflowSearchRequest

from kubernaut_client import InternalServerError, Outcome
from kubernaut_client.emulator import Emulator
from tests.events import event
from tests.faults.tools import EVENTS, Generated
from tests.integration.emulator_tools import CATALOG, WORKFLOWS, call, names
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

SEARCH = {"query": "OOMKilled", "top_k": 5, "filters": workflow()["labels"]}


def stored(emulator: Emulator) -> str:
    """Store a workflow while all is well; its id."""
    return str(call(emulator, "POST", WORKFLOWS, workflow("there")).json["workflow_id"])


# ---- what the service did --------------------------------------------------------------------------------------------


def test_wire_every_route_of_the_catalog_fails(emulator: Emulator) -> None:
    path = f"{WORKFLOWS}/{stored(emulator)}"
    with emulator.migration_missing():
        assert {"execution_bundle", "container_image"} & set(emulator.rows(CATALOG)[0]) == {"execution_bundle"}
        for method, url, body, failed in (
            ("POST", f"{WORKFLOWS}/search", SEARCH, "Failed to search workflows"),
            ("GET", WORKFLOWS, None, "Failed to list workflows"),
            ("GET", path, None, "Failed to get workflow"),
            ("GET", f"{WORKFLOWS}/by-name/there/versions", None, "Failed to list workflow versions"),
            ("POST", WORKFLOWS, workflow("new"), "Failed to create workflow"),
        ):
            answer = call(emulator, method, url, body)
            assert (answer.status, answer.json["title"], answer.json["detail"]) == (
                500,
                "Internal Server Error",
                failed,
            )
            assert b"execution_bundle" not in answer.body, "the reason stays in the service's own log"


def test_wire_a_patch_lies(emulator: Emulator) -> None:
    identity = stored(emulator)
    with emulator.migration_missing():
        answer = call(emulator, "PATCH", f"{WORKFLOWS}/{identity}", {"status": "disabled"})
        assert (answer.status, answer.json["detail"]) == (404, f"Workflow not found: {identity}")


def test_wire_nothing_else_shows_it(emulator: Emulator) -> None:
    with emulator.migration_missing():
        assert call(emulator, "GET", "/health").json == {"status": "healthy", "database": "connected"}
        assert call(emulator, "GET", "/health/ready").json == {"status": "ready"}
        assert call(emulator, "POST", EVENTS, event()).status == 201
        assert call(emulator, "GET", EVENTS).status == 200


def test_wire_applied_while_the_service_runs(emulator: Emulator) -> None:
    """The next read over each connection that has failed fails once more."""
    with emulator.migration_missing():
        assert call(emulator, "POST", f"{WORKFLOWS}/search", SEARCH).status == 500
    assert [call(emulator, "POST", f"{WORKFLOWS}/search", SEARCH).status for _ in range(2)] == [500, 200]


# ---- what the client does now ----------------------------------------------------------------------------------------


def test_search_fails_as_a_fault_of_the_service(send: Generated, emulator: Emulator) -> None:
    with emulator.migration_missing(), pytest.raises(InternalServerError) as caught:
        send(search_workflows, body=WorkflowSearchRequest.from_dict(SEARCH))
    error = caught.value
    assert (error.status, error.problem.slug) == (500, "internal-error")
    assert str(error).startswith("500 Internal Server Error: Failed to search workflows (searchWorkflows, request ")


def test_a_workflow_that_is_there_is_never_said_to_be_absent(client: Any, emulator: Emulator) -> None:
    """The 404 of a PATCH isn't believed before the row has been asked for."""
    identity = stored(emulator)
    with emulator.migration_missing():
        with pytest.raises(InternalServerError):
            client.workflows.get(identity)
        for operation, change in (
            ("updateWorkflow", partial(client.workflows.update, status="deprecated")),
            ("disableWorkflow", partial(client.workflows.disable, reason="a test")),
        ):
            with pytest.raises(InternalServerError) as caught:
                change(identity)
            assert (caught.value.operation, caught.value.status) == (operation, 500)
            history = [(attempt.operation, attempt.status) for attempt in caught.value.history]
            assert history == [(operation, 404), ("getWorkflowByID", 500)]
    assert [row["status"] for row in emulator.rows(CATALOG)] == ["active"]


def test_nothing_is_taken_for_a_duplicate(client: Any, emulator: Emulator) -> None:
    stored(emulator)
    for name in ("there", "new"):
        with emulator.migration_missing(), pytest.raises(InternalServerError) as caught:
            client.workflows.create(workflow(name))
        # The look-up fails in the same way, so it stays open what the create did.
        assert (caught.value.operation, caught.value.outcome) == ("createWorkflow", Outcome.UNKNOWN)
    assert names(emulator) == [("there", "1.0.0")]


def test_a_bootstrap_stops_before_it_writes(client: Any, emulator: Emulator) -> None:
    catalog = [workflow("there"), workflow("new")]
    stored(emulator)
    emulator.clear_requests()
    with emulator.migration_missing():
        for run in (client.workflows.plan, client.workflows.bootstrap):
            with pytest.raises(InternalServerError, match="500 Internal Server Error: Failed to list workflows"):
                run(catalog)
        with pytest.raises(InternalServerError, match="Failed to list workflow versions"):
            client.workflows.ensure(catalog[1])
    assert emulator.writes == ()
    emulator.clear_faults()
    report = client.workflows.bootstrap(catalog).raise_for_errors()
    assert (len(report.created), len(report.unchanged)) == (1, 1)


def test_what_fails_tells_where_to_look(client: Any, send: Generated, emulator: Emulator) -> None:
    """Health and audit are well, all of the catalog is not: so it is the catalog's table, not the database."""
    with emulator.migration_missing():
        assert client.health.check().ok and client.health.ready().ok
        assert send(query_audit_events).status_code == 200
        for read in (lambda: list(client.workflows.list()), lambda: client.workflows.versions("there")):
            with pytest.raises(InternalServerError):
                read()
    with emulator.database_down():
        assert client.health.check().reason == "database_unreachable"


def test_applied_while_the_service_runs(client: Any, emulator: Emulator) -> None:
    """The last failed look-up of the service is bridged: its 404 is looked into, and the PATCH sent again."""
    identity = stored(emulator)
    with emulator.migration_missing(), pytest.raises(InternalServerError):
        client.workflows.get(identity)
    emulator.clear_requests()
    assert client.workflows.disable(identity, reason="a test").status == "disabled"
    answers = [(record.operation, record.status) for record in emulator.requests]
    assert answers == [("disableWorkflow", 404), ("getWorkflowByID", 200), ("disableWorkflow", 200)]
    assert client.workflows.get(identity).status == "disabled"
