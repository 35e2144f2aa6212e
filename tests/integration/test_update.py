"""Changing the status of a workflow against the emulator: the update procedure, and republishing."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest

from kubernaut_client import (
    APIError,
    ConnectionDroppedError,
    InternalServerError,
    InvalidRequestError,
    NotFoundError,
    Outcome,
    RequestTimeoutError,
    ResponseDecodeError,
)
from kubernaut_client.emulator import Emulator
from kubernaut_client.models import UNSET
from tests.colours import QUICK
from tests.workflows import workflow

NOT_FOUND = {"type": "https://kubernaut.ai/problems/not-found", "title": "Not Found", "status": 404, "detail": "x"}


def disabled(emulator: Emulator) -> tuple[str, str | None, str | None]:
    row = emulator.rows("remediation_workflow_catalog")[0]
    return row["status"], row["disabled_by"], row["disabled_reason"]


def test_disable_and_enable(client: Any, emulator: Emulator) -> None:
    row = client.workflows.create(workflow("a"))
    result = client.workflows.disable(row.workflow_id, reason="broken", updated_by="ops")
    assert (result.status, result.disabled_by, result.disabled_reason) == ("disabled", "ops", "broken")
    assert result.updated_at is UNSET and result.disabled_at is UNSET and result.status_reason is UNSET
    assert disabled(emulator) == ("disabled", "ops", "broken")
    assert client.workflows.update(row.workflow_id, status="active").status == "active"
    again = client.workflows.update(row.workflow_id, status="disabled", disabled_by="me", disabled_reason="why")
    assert again.status == "disabled"
    assert disabled(emulator) == ("disabled", "me", "why")
    assert client.workflows.update(row.workflow_id, status="deprecated").status == "deprecated"


def test_unknown_id(client: Any, emulator: Emulator) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: client.workflows.update(uuid4(), status="active"),
        lambda: client.workflows.disable(uuid4(), reason="x"),
    ]
    for call in calls:
        emulator.clear_requests()
        with pytest.raises(NotFoundError) as caught:
            call()
        assert caught.value.inferred
        assert caught.value.operation in ("updateWorkflow", "disableWorkflow")
        assert len(emulator.writes) == 1, "a PATCH is never repeated before the row was looked at"


def test_404_of_a_failed_look_up(client: Any, emulator: Emulator) -> None:
    row = client.workflows.create(workflow("a"))
    emulator.fault("disableWorkflow", status=404, body=NOT_FOUND)
    assert client.workflows.disable(row.workflow_id, reason="x").status == "disabled"
    assert len(emulator.writes) == 3
    assert disabled(emulator)[0] == "disabled"


def test_404_in_an_outage(client: Any, emulator: Emulator) -> None:
    row = client.workflows.create(workflow("a"))
    with emulator.database_down(), pytest.raises(InternalServerError) as caught:
        client.workflows.disable(row.workflow_id)
    assert caught.value.operation == "disableWorkflow"
    assert [attempt.status for attempt in caught.value.history] == [404, 500]
    assert caught.value.outcome is Outcome.REFUSED


def test_404_again_and_again(client: Any, emulator: Emulator) -> None:
    row = client.workflows.create(workflow("a"))
    emulator.fault("updateWorkflow", status=404, body=NOT_FOUND, count=None)
    with pytest.raises(APIError) as caught:
        client.workflows.update(row.workflow_id, status="archived")
    assert not isinstance(caught.value, NotFoundError), "the row is there"
    assert (caught.value.status, caught.value.outcome) == (404, Outcome.REFUSED)
    assert len(emulator.writes) == 1 + QUICK.attempts
    assert disabled(emulator)[0] == "active"


def test_answer_lost_after_the_commit(client: Any, emulator: Emulator) -> None:
    row = client.workflows.create(workflow("a"))
    emulator.fault("disableWorkflow", drop="after")
    result = client.workflows.disable(row.workflow_id, reason="x", updated_by="me")
    assert (result.status, result.disabled_by) == ("disabled", "me")
    assert len(emulator.writes) == 2, "one create, one PATCH: it wasn't repeated"


def test_answer_lost_before_the_commit(client: Any, emulator: Emulator) -> None:
    row = client.workflows.create(workflow("a"))
    emulator.fault("disableWorkflow", drop="before")
    assert client.workflows.disable(row.workflow_id).status == "disabled"
    assert disabled(emulator)[0] == "disabled"


def test_always_lost(client: Any, emulator: Emulator) -> None:
    row = client.workflows.create(workflow("a"))
    emulator.fault("disableWorkflow", drop="before", count=None)
    with pytest.raises(ConnectionDroppedError) as caught:
        client.workflows.disable(row.workflow_id)
    assert caught.value.outcome is Outcome.UNKNOWN


def test_the_look_up_does_not_decide_what_the_patch_did(client: Any, emulator: Emulator) -> None:
    """Lost, then a 404 that was a failed look-up, then a look that fails: it may have been carried out."""
    row = client.workflows.create(workflow("a"))
    emulator.fault("disableWorkflow", drop="before")
    emulator.fault("disableWorkflow", status=404, body=NOT_FOUND)
    emulator.fault("getWorkflowByID", status=500, body={"title": "x"}, skip=1)
    with pytest.raises(InternalServerError) as caught:
        client.workflows.disable(row.workflow_id)
    assert caught.value.outcome is Outcome.UNKNOWN


def test_timed_out(client: Any, emulator: Emulator) -> None:
    row = client.workflows.create(workflow("a"))
    emulator.fault("disableWorkflow", stall="before")
    with pytest.raises(RequestTimeoutError) as caught:
        client.workflows.disable(row.workflow_id, timeout=0.3)
    assert caught.value.outcome is Outcome.UNKNOWN
    assert len(emulator.writes) == 2, "what may still be carried out isn't sent again"
    emulator.fault("disableWorkflow", stall="after")
    assert client.workflows.disable(row.workflow_id, timeout=0.3).status == "disabled"


def test_lost_and_then_unreachable_stays_unknown(client: Any, emulator: Emulator) -> None:
    row = client.workflows.create(workflow("a"))
    emulator.fault("disableWorkflow", drop="after")
    emulator.fault("getWorkflowByID", status=500, body={"title": "x"}, count=None)
    with pytest.raises(ConnectionDroppedError) as caught:
        client.workflows.disable(row.workflow_id)
    assert caught.value.outcome is Outcome.UNKNOWN


def test_unreadable_success(client: Any, emulator: Emulator) -> None:
    row = client.workflows.create(workflow("a"))
    emulator.fault("disableWorkflow", status=200, body="{", headers={"Content-Type": "application/json"})
    with pytest.raises(ResponseDecodeError) as caught:
        client.workflows.disable(row.workflow_id)
    assert caught.value.outcome is Outcome.APPLIED


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"status": "actve"}, "status"),
        ({"status": "disabled", "disabled_by": "x" * 256}, "disabled_by"),
        ({"status": "active", "disabled_reason": "x"}, "disabled_reason"),
        ({"status": "disabled", "disabled_reason": "a\0b"}, "disabled_reason"),
    ],
)
def test_bad_input(client: Any, emulator: Emulator, members: Any, field: str) -> None:
    with pytest.raises(InvalidRequestError, match=field):
        client.workflows.update(uuid4(), **members)
    assert emulator.requests == ()


def test_republish(client: Any, emulator: Emulator) -> None:
    old = client.workflows.create(
        workflow(
            "a",
            owner="team",
            parameters={"x": [1, None]},
            custom_labels={"team": ["a", "b"]},
            detected_labels={"gitOpsManaged": True, "gitOpsTool": "argocd"},
            approved_by="me",
            approved_at="2026-01-31T12:00:00Z",
            expected_success_rate=0.987,
        )
    )
    client.workflows.create(workflow("a", "1.1.0", content="kind: Newer\n"))
    back = client.workflows.republish(old.workflow_id, version="1.1.1", version_notes="back to 1.0.0")
    row = client.workflows.get(back.workflow_id)
    assert (row.version, row.is_latest_version, row.previous_version) == ("1.1.1", True, "1.1.0")
    assert (row.content, row.content_hash) == (workflow("a")["content"], workflow("a")["content_hash"])
    assert (row.owner, row.approved_by, row.version_notes) == ("team", "me", "back to 1.0.0")
    assert (row.parameters, row.custom_labels) == ({"x": [1, None]}, {"team": ["a", "b"]})
    assert row.detected_labels.git_ops_tool == "argocd"
    other = client.workflows.republish(old.workflow_id, version="1.2.0", content="kind: Other\n")
    row = client.workflows.get(other.workflow_id)
    assert row.content_hash == sha256(b"kind: Other\n").hexdigest()
    assert row.approved_by is UNSET and row.approved_at is UNSET
    for version, field in (("1.2.0", "version"), ("0.1", "version"), ("", "version"), ("x" * 51, "version")):
        with pytest.raises(InvalidRequestError, match=field):
            client.workflows.republish(old.workflow_id, version=version)
