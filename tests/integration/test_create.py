"""The create procedure against the emulator: every branch of it, on both builds and in both colours."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kubernaut_client import (
    ConflictError,
    ConnectionDroppedError,
    DatabaseError,
    InternalServerError,
    KubernautError,
    Outcome,
    ResponseDecodeError,
    RetryPolicy,
    ServerError,
)
from kubernaut_client.emulator import Emulator
from kubernaut_client.models import UNSET
from tests.colours import QUICK, Colour, opened
from tests.workflows import workflow

INTERNAL = {
    "type": "https://kubernaut.ai/problems/internal-error",
    "title": "Internal Server Error",
    "status": 500,
    "detail": "Failed to create workflow",
}


@pytest.fixture
def unfixed(unfixed_emulator: Emulator, colour: Colour) -> Iterator[Any]:
    with opened(colour, unfixed_emulator.url, retry=QUICK) as client:
        yield client


def stored(emulator: Emulator) -> list[tuple[str, str]]:
    return [(row["workflow_name"], row["version"]) for row in emulator.rows("remediation_workflow_catalog")]


def test_created(client: Any, emulator: Emulator) -> None:
    row = client.workflows.create(workflow("a", owner="team", expected_success_rate=0.9))
    assert (row.workflow_name, row.version, row.is_latest_version, row.owner) == ("a", "1.0.0", True, "team")
    assert row.created_at is UNSET and row.updated_at is UNSET and row.total_executions is UNSET
    assert stored(emulator) == [("a", "1.0.0")]
    assert len(emulator.requests) == 1


def test_duplicate_on_the_fixed_build(client: Any, emulator: Emulator) -> None:
    client.workflows.create(workflow("a"))
    with pytest.raises(ConflictError) as caught:
        client.workflows.create(workflow("a"))
    error = caught.value
    assert (error.status, error.inferred, error.identical, error.maybe_ours) == (409, False, True, False)
    assert error.outcome is Outcome.REFUSED
    assert error.existing is not None and error.existing.workflow_name == "a"
    assert error.operation == "createWorkflow"
    assert [attempt.operation for attempt in error.history] == ["createWorkflow", "listWorkflowVersions"]


def test_duplicate_with_other_content(client: Any) -> None:
    client.workflows.create(workflow("a"))
    with pytest.raises(ConflictError) as caught:
        client.workflows.create(workflow("a", description="Another one."))
    assert caught.value.identical is False


def test_duplicate_on_the_unfixed_build(unfixed: Any, unfixed_emulator: Emulator) -> None:
    unfixed.workflows.create(workflow("a"))
    for members, identical in (({}, True), ({"description": "Another one."}, False)):
        with pytest.raises(ConflictError) as caught:
            unfixed.workflows.create(workflow("a", **members))
        error = caught.value
        assert (error.inferred, error.identical, error.maybe_ours) == (True, identical, False)
        assert error.existing is not None and error.existing.version == "1.0.0"
        assert error.evidence
    assert stored(unfixed_emulator) == [("a", "1.0.0")]


def test_fault_that_looks_like_a_duplicate(unfixed: Any, unfixed_emulator: Emulator) -> None:
    unfixed_emulator.fault("createWorkflow", status=500, body=INTERNAL)
    with pytest.raises(InternalServerError) as caught:
        unfixed.workflows.create(workflow("a"))
    assert caught.value.outcome is Outcome.REFUSED
    assert len(unfixed_emulator.writes) == 1
    assert stored(unfixed_emulator) == []


def test_fault_whose_look_up_fails(client: Any, emulator: Emulator) -> None:
    emulator.fault("createWorkflow", status=500, body=INTERNAL)
    emulator.fault("listWorkflowVersions", status=500, body=INTERNAL, count=None)
    with pytest.raises(InternalServerError) as caught:
        client.workflows.create(workflow("a"))
    error = caught.value
    assert (error.operation, error.outcome) == ("createWorkflow", Outcome.UNKNOWN)
    assert [(attempt.operation, attempt.status) for attempt in error.history][-1] == ("listWorkflowVersions", 500)


def test_database_down(client: Any, emulator: Emulator) -> None:
    with emulator.database_down(), pytest.raises(InternalServerError) as caught:
        client.workflows.create(workflow("a"))
    assert caught.value.outcome is Outcome.UNKNOWN
    client.workflows.create(workflow("a"))


def test_database_error_is_no_duplicate(client: Any, emulator: Emulator) -> None:
    client.workflows.create(workflow("a"))
    problem = {"type": "https://kubernaut.ai/problems/database-error", "title": "Database Error", "status": 500}
    emulator.fault("createWorkflow", status=500, body=problem)
    with pytest.raises(DatabaseError) as caught:
        client.workflows.create(workflow("a"))
    assert caught.value.outcome is Outcome.UNKNOWN


def test_answer_lost_after_the_commit(
    client: Any, emulator: Emulator, unfixed: Any, unfixed_emulator: Emulator
) -> None:
    for each, service in ((client, emulator), (unfixed, unfixed_emulator)):
        service.fault("createWorkflow", drop="after")
        row = each.workflows.create(workflow("a"))
        assert stored(service) == [("a", "1.0.0")]
        assert str(row.workflow_id) == str(service.rows("remediation_workflow_catalog")[0]["workflow_id"])
        assert len(service.writes) == 2


def test_answer_lost_before_the_commit(client: Any, emulator: Emulator) -> None:
    emulator.fault("createWorkflow", drop="before")
    client.workflows.create(workflow("a"))
    assert stored(emulator) == [("a", "1.0.0")]


def test_every_answer_lost_after_the_commit(client: Any, emulator: Emulator) -> None:
    emulator.fault("createWorkflow", drop="after", count=None)
    row = client.workflows.create(workflow("a"))
    assert row.workflow_name == "a"
    assert len(emulator.writes) == QUICK.attempts


def test_every_answer_lost_before_the_commit(client: Any, emulator: Emulator) -> None:
    emulator.fault("createWorkflow", drop="before", count=None)
    with pytest.raises(ConnectionDroppedError) as caught:
        client.workflows.create(workflow("a"))
    assert caught.value.outcome is Outcome.UNKNOWN
    assert caught.value.operation == "createWorkflow"
    assert stored(emulator) == []


def test_every_answer_lost_and_somebody_else_stored_it(client: Any, emulator: Emulator) -> None:
    client.workflows.create(workflow("a", description="Somebody else's."))
    emulator.fault("createWorkflow", drop="before", count=None)
    with pytest.raises(ConflictError) as caught:
        client.workflows.create(workflow("a"))
    error = caught.value
    assert (error.inferred, error.identical, error.maybe_ours) == (True, False, False)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_gateway_answers_instead(client: Any, emulator: Emulator, status: int) -> None:
    emulator.fault("createWorkflow", status=status, body="<html>upstream</html>", headers={"Content-Type": "text/html"})
    assert client.workflows.create(workflow("a")).workflow_name == "a"


def test_gateway_answers_always(client: Any, emulator: Emulator) -> None:
    emulator.fault("createWorkflow", status=503, body="<html>upstream</html>", count=None)
    with pytest.raises(ServerError) as caught:
        client.workflows.create(workflow("a"))
    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("body", ['{"workflow_id": "3f25', "<html>welcome</html>", "", "[]"])
def test_unreadable_success_of_a_row_that_is_there(client: Any, emulator: Emulator, body: str) -> None:
    client.workflows.create(workflow("a"))
    headers = {"Content-Type": "application/json"}
    emulator.fault("createWorkflow", status=201, body=body, headers=headers)
    assert client.workflows.create(workflow("a")).workflow_name == "a"


def test_unreadable_success_of_a_row_that_is_not_there(client: Any, emulator: Emulator) -> None:
    emulator.fault("createWorkflow", status=201, body="{", headers={"Content-Type": "application/json"})
    with pytest.raises(ResponseDecodeError) as caught:
        client.workflows.create(workflow("a"))
    assert caught.value.outcome is Outcome.APPLIED
    emulator.fault("createWorkflow", status=200, body="welcome", headers={"Content-Type": "text/html"})
    with pytest.raises(ResponseDecodeError) as caught:
        client.workflows.create(workflow("a"))
    assert caught.value.outcome is Outcome.UNKNOWN


def test_conflict_after_a_lost_answer_whose_row_differs(client: Any, emulator: Emulator) -> None:
    client.workflows.create(workflow("a", description="Somebody else's."))
    emulator.fault("createWorkflow", drop="before")
    with pytest.raises(ConflictError) as caught:
        client.workflows.create(workflow("a"))
    assert (caught.value.identical, caught.value.maybe_ours) == (False, False)


def test_conflict_whose_row_cannot_be_read(client: Any, emulator: Emulator) -> None:
    client.workflows.create(workflow("a"))
    emulator.fault("listWorkflowVersions", status=500, body=INTERNAL, count=None)
    with pytest.raises(ConflictError) as caught:
        client.workflows.create(workflow("a"))
    assert (caught.value.existing, caught.value.identical, caught.value.maybe_ours) == (None, None, False)
    emulator.clear_faults()
    emulator.fault("createWorkflow", drop="before")
    emulator.fault("listWorkflowVersions", status=500, body=INTERNAL, count=None)
    with pytest.raises(ConflictError) as caught:
        client.workflows.create(workflow("a"))
    assert caught.value.maybe_ours
    assert caught.value.outcome is Outcome.UNKNOWN


def test_stalled_after_the_commit(client: Any, emulator: Emulator) -> None:
    emulator.fault("createWorkflow", stall="after", count=None)
    row = client.workflows.create(workflow("a"), timeout=0.3, deadline=5)
    assert row.workflow_name == "a"


def test_stalled_until_the_deadline_still_looks(client: Any, emulator: Emulator) -> None:
    emulator.fault("createWorkflow", stall="after", count=None)
    row = client.workflows.create(workflow("a"), timeout=5, deadline=1.5)
    assert row.workflow_name == "a"


def test_one_attempt_is_settled_too(client: Any, emulator: Emulator) -> None:
    emulator.fault("createWorkflow", drop="after")
    once = client.with_options(retry=RetryPolicy(attempts=1))
    assert once.workflows.create(workflow("a")).workflow_name == "a"
    assert len(emulator.writes) == 1


@pytest.mark.parametrize(
    "name", ["a b", "a+b", "a:b@c&d=e$f,g;h", "ü-日本", "100%", "a#b?c", 'q"uote', "it's(*)!~[x]", "a/b", "%2F", "a\\b"]
)
def test_names_are_found_again(client: Any, unfixed: Any, name: str) -> None:
    for each in (client, unfixed):
        each.workflows.create(workflow(name))
        assert [row.workflow_name for row in each.workflows.versions(name)] == [name]
        with pytest.raises(ConflictError) as caught:
            each.workflows.create(workflow(name))
        assert caught.value.identical is True


def test_wire_form(client: Any, emulator: Emulator) -> None:
    client.workflows.create(workflow("ü", approved_at="2026-01-31T12:00:00.5+02:00", owner=None))
    body = emulator.requests[0].body
    assert b'"approved_at":"2026-01-31T10:00:00.500000Z"' in body
    assert b"owner" not in body and "ü".encode() in body


@pytest.mark.parametrize(
    "credentials",
    [
        {"token": "t"},
        {"token": "500"},
        {"token": "error"},
        {"token": "internal-error"},
        {"headers": {"X-Auth-Source": "internal"}},
        {"headers": {"Cookie": "a=Failed to create; b=1"}},
    ],
    ids=str,
)
def test_a_credential_that_the_answer_holds_changes_nothing(
    credentials: dict[str, Any], emulator: Emulator, unfixed_emulator: Emulator, colour: Colour
) -> None:
    for service in (emulator, unfixed_emulator):
        with opened(colour, service.url, retry=QUICK, **credentials) as client:
            client.workflows.create(workflow("a"))
            with pytest.raises(ConflictError) as caught:
                client.workflows.create(workflow("a"))
            assert (caught.value.outcome, caught.value.identical) == (Outcome.REFUSED, True)
            assert stored(service) == [("a", "1.0.0")]
            with service.database_down():
                error = seen_while_down(client)
            with opened(colour, service.url, retry=QUICK) as plain, service.database_down():
                assert seen_while_down(plain) == error


def seen_while_down(client: Any) -> list[tuple[type[KubernautError], Outcome]]:
    seen: list[tuple[type[KubernautError], Outcome]] = []
    calls: tuple[Callable[[], Any], ...] = (
        lambda: client.workflows.create(workflow("b")),
        lambda: client.workflows.versions("a"),
    )
    for call in calls:
        with pytest.raises(KubernautError) as caught:
            call()
        seen.append((type(caught.value), caught.value.outcome))
    return seen
