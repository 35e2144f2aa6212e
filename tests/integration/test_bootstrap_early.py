"""Plan, apply and bootstrap on the build of 2025-12-12, whose list shows only the latest version of each name."""

from collections.abc import Iterator
from typing import Any

import pytest

from kubernaut_client import CallRecord
from kubernaut_client.emulator import Emulator
from tests.audit_events import event
from tests.colours import COLOURS, QUICK, opened
from tests.workflows import workflow

TWO = [workflow(name, version) for name in ("a", "b", "c") for version in ("1.0.0", "1.1.0")]


@pytest.fixture(params=COLOURS)
def service(request: pytest.FixtureRequest, early_emulator: Emulator) -> Iterator[tuple[Any, Emulator]]:
    with opened(request.param, early_emulator.url, retry=QUICK) as client:
        yield client, early_emulator


def test_two_versions_of_a_name_twice(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    assert len(client.workflows.bootstrap(TWO).raise_for_errors(strict=True).created) == 6
    emulator.clear_requests()
    assert len(client.workflows.bootstrap(TWO).raise_for_errors(strict=True).unchanged) == 6
    assert emulator.writes == ()
    assert len(emulator.requests) <= 4, "a page, and a look at each name"


def test_what_would_demote_still_does(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    client.workflows.bootstrap([workflow("a", "2.0.0"), workflow("b")])
    emulator.clear_requests()
    report = client.workflows.bootstrap([workflow("a", "1.0.0"), workflow("b")])
    assert {row.name: row.action for row in report} == {"a": "demotes", "b": "unchanged"}
    assert emulator.writes == ()


def test_drift_of_a_version_that_the_list_hides(service: tuple[Any, Emulator]) -> None:
    client, _ = service
    client.workflows.bootstrap(TWO)
    report = client.workflows.bootstrap([workflow("a", "1.0.0", description="Another"), *TWO[1:]])
    assert report.get("a", "1.0.0").action == "drifted"
    assert len(report.unchanged) == 5


def test_a_version_that_was_stored_out_of_order(service: tuple[Any, Emulator]) -> None:
    """The list shows the lower one; the higher one is found out by creating it, and nothing fails."""
    client, emulator = service
    client.workflows.bootstrap([workflow("a", "1.1.0"), workflow("z")])
    client.workflows.create(workflow("a", "1.0.0"))
    report = client.workflows.bootstrap([*TWO[:2], workflow("z")]).raise_for_errors()
    assert [row.action for row in report] == ["unchanged"] * 3
    assert len(emulator.rows("remediation_workflow_catalog")) == 3


def test_versions_that_somebody_else_stores_meanwhile(service: tuple[Any, Emulator]) -> None:
    """Right after the plan's walk another process stores all of it; a conflict is explained by a look at its name."""
    client, emulator = service
    done: list[int] = []

    def meanwhile(record: CallRecord) -> None:
        if record.operation == "listWorkflows" and not done:
            done.append(1)
            with opened("sync", emulator.url) as other:
                other.workflows.bootstrap(TWO)

    report = client.with_options(on_call=meanwhile).workflows.bootstrap(TWO).raise_for_errors(strict=True)
    assert len(report.unchanged) == 6
    assert {row.by for row in report} == {"someone else"}
    assert len(emulator.rows("remediation_workflow_catalog")) == 6


def test_a_real_fault_is_not_taken_for_a_duplicate(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    glued = "https://api.kubernaut.io/problems/https://kubernaut.dev/problems/internal-error"
    emulator.fault("createWorkflow", status=500, body={"type": glued, "title": "Internal Server Error", "status": 500})
    report = client.workflows.bootstrap(TWO)
    failed = [row for row in report.failed if row.version == "1.0.0"]
    assert len(failed) == 1
    error = failed[0].error
    assert error is not None
    assert (type(error).__name__, str(error.outcome)) == ("InternalServerError", "refused")
    assert len(report.created) == 4


def test_events_are_known_again_after_a_lost_answer(service: tuple[Any, Emulator]) -> None:
    """Rows of this build have no version and no action, and two members under other names."""
    client, emulator = service
    emulator.fault("createAuditEvent", drop="after")
    assert client.audit.write(event(namespace="n", cluster_name="c")).recovered
    emulator.fault("createAuditEventsBatch", drop="after")
    assert len(client.audit.write_batch([event(namespace="n"), event()]).stored) == 2
    assert len(emulator.rows("audit_events")) == 3
    found = list(client.audit.query())
    assert [row.namespace for row in found if row.namespace] == ["n", "n"]
    assert {(row.version, row.event_action) for row in found} == {("1.0", "")}
