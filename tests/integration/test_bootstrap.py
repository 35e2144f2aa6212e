"""Ensure, plan, apply and bootstrap against the emulator; its request log is the proof of what was sent."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client import (
    APIError,
    AsyncDataStorageClient,
    BootstrapError,
    CallRecord,
    ConfigurationError,
    ConnectError,
    InternalServerError,
    InvalidRequestError,
    Outcome,
    ReportRow,
    RequestTimeoutError,
    ResponseDecodeError,
    RetryPolicy,
)
from kubernaut_client.emulator import Emulator
from tests.colours import COLOURS, QUICK, opened
from tests.workflows import workflow

BUILDS = {"2025-12-30": "emulator", "2025-12-27": "unfixed_emulator", "2025-12-12": "early_emulator"}


@pytest.fixture(params=[(colour, build) for colour in COLOURS for build in BUILDS], ids=" ".join)
def service(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Emulator]]:
    colour, build = request.param
    emulator = request.getfixturevalue(BUILDS[build])
    with opened(colour, emulator.url, retry=QUICK) as client:
        yield client, emulator


def examples() -> list[Any]:
    directory = str(Path(__file__).parents[2] / "examples")
    sys.path.insert(0, directory)
    try:
        from hapi_workflows import workflows  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]
    finally:
        sys.path.remove(directory)
    return workflows()  # type: ignore[no-any-return]


def test_five_workflows_twice(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    report = client.workflows.bootstrap(examples())
    assert (len(report.created), len(report)) == (5, 5)
    assert {row.by for row in report} == {"us"}
    assert len(emulator.writes) == 5
    emulator.clear_requests()
    report = client.workflows.bootstrap(examples()).raise_for_errors(strict=True)
    assert (len(report.unchanged), len(report)) == (5, 5)
    assert not emulator.writes
    assert len(emulator.requests) == 1
    assert report.get("crashloop-fix-configuration").id is not None
    with pytest.raises(KeyError):
        report.get("unknown")


def test_ensure(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    first = client.workflows.ensure(workflow("a", "1.1.0"))
    assert (first.action, first.recovered, first.workflow.version) == ("created", False, "1.1.0")
    emulator.clear_requests()
    again = client.workflows.ensure(workflow("a", "1.1.0"))
    assert (again.action, again.workflow.workflow_id) == ("unchanged", first.workflow.workflow_id)
    drifted = client.workflows.ensure(workflow("a", "1.1.0", description="Another", owner="x"))
    assert (drifted.action, [d.field for d in drifted.differences]) == ("drifted", ["description", "owner"])
    demotes = client.workflows.ensure(workflow("a", "1.0.0"))
    assert (demotes.action, demotes.workflow) == ("demotes", None)
    assert emulator.writes == ()
    assert client.workflows.ensure(workflow("a", "1.0.0"), allow_demote=True).action == "created"
    assert client.workflows.ensure(workflow("a", "1.1.0")).action == "unchanged"


def test_ensure_recovers(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    emulator.fault("createWorkflow", drop="after")
    result = client.workflows.ensure(workflow("a"))
    assert (result.action, result.recovered) == ("created", True)


def test_ensure_meets_somebody_else(service: tuple[Any, Emulator]) -> None:
    """Somebody stores it between our look and our create."""
    client, emulator = service
    client.workflows.create(workflow("a"))
    empty = {"workflow_name": "a", "versions": None, "total": 0}
    headers = {"Content-Type": "application/json"}
    emulator.fault("listWorkflowVersions", status=200, body=empty, headers=headers)
    assert client.workflows.ensure(workflow("a")).action == "unchanged"
    emulator.fault("listWorkflowVersions", status=200, body=empty, headers=headers)
    assert client.workflows.ensure(workflow("a", description="Another")).action == "drifted"


def test_ensure_never_raises_a_conflict(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    client.workflows.create(workflow("a"))
    empty = {"workflow_name": "a", "versions": None, "total": 0}
    answer: dict[str, Any] = {"status": 200, "body": empty, "headers": {"Content-Type": "application/json"}}
    emulator.fault("listWorkflowVersions", **answer)
    emulator.fault("listWorkflowVersions", status=500, body={"title": "x"})
    if emulator.build == "2025-12-30":
        assert client.workflows.ensure(workflow("a")).action == "unchanged", "the second look could read it"
        emulator.fault("listWorkflowVersions", **answer)
        emulator.fault("listWorkflowVersions", status=500, body={"title": "x"}, count=2)
    with pytest.raises(InternalServerError) as fault:
        client.workflows.ensure(workflow("a"))
    assert (fault.value.operation, fault.value.outcome) != ("createWorkflow", Outcome.NOT_SENT)
    emulator.clear_faults()
    if emulator.build == "2025-12-30":
        emulator.fault("createWorkflow", drop="before")
        emulator.fault("listWorkflowVersions", **answer)
        emulator.fault("listWorkflowVersions", status=500, body={"title": "x"}, count=2)
        with pytest.raises(InternalServerError) as lost:
            client.workflows.ensure(workflow("a"))
        assert (lost.value.operation, lost.value.outcome) == ("createWorkflow", Outcome.UNKNOWN)
        emulator.clear_faults()
    conflict = {"type": "https://kubernaut.ai/problems/conflict", "title": "Conflict", "status": 409}
    emulator.fault("createWorkflow", status=409, body=conflict)
    with pytest.raises(APIError) as caught:
        client.workflows.ensure(workflow("unknown"))
    assert type(caught.value) is APIError
    assert caught.value.status == 409


def test_apply_meets_somebody_else(service: tuple[Any, Emulator]) -> None:
    """Somebody does between plan and apply what the plan says, or something else."""
    client, emulator = service
    given = [workflow("same"), workflow("other"), workflow("unreadable")]
    plan = client.workflows.plan(given)
    for row in (workflow("same"), workflow("other", description="Another"), workflow("unreadable")):
        client.workflows.create(row)
    report = client.workflows.apply(plan)
    assert {row.name: (row.action, row.by) for row in report} == {
        "same": ("unchanged", "someone else"),
        "other": ("drifted", "someone else"),
        "unreadable": ("unchanged", "someone else"),
    }
    emulator.clear_requests()
    emulator.fault("listWorkflows", status=500, body={"title": "x"}, count=None)
    with pytest.raises(InternalServerError):
        client.workflows.apply(plan)
    assert emulator.writes == (), "what can't be compared with the catalog isn't applied"


def test_one_deadline_for_all(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    plan = client.workflows.plan([workflow("a"), workflow("b")])
    emulator.fault("createWorkflow", stall="before", count=None)
    report = client.workflows.apply(plan, deadline=0.5)
    assert [type(row.error) for row in report] == [RequestTimeoutError, RequestTimeoutError]
    assert sum(row.seconds for row in report) < 5, "each of them alone has the policy's 30 seconds"
    with pytest.raises(RequestTimeoutError) as caught:
        client.workflows.plan([workflow("a"), workflow("b")], deadline=1e-9)
    assert caught.value.outcome is Outcome.NOT_SENT


def test_a_row_that_cannot_be_read_does_not_stop_the_others(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    client.workflows.bootstrap([workflow("a"), workflow("b")])
    page = {"workflows": [{"workflow_id": 7}], "total": 1, "limit": 100, "offset": 0}
    emulator.fault("listWorkflows", status=200, body=page, headers={"Content-Type": "application/json"})
    assert len(client.workflows.bootstrap([workflow("a"), workflow("b")]).unchanged) == 2
    emulator.fault("listWorkflows", status=200, body=page, headers={"Content-Type": "application/json"})
    with pytest.raises(ResponseDecodeError):
        client.workflows.bootstrap([workflow("a/b"), workflow("b")])


def test_actions(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    client.workflows.bootstrap([workflow("same"), workflow("drift"), workflow("high", "2.0.0"), workflow("old")])
    client.workflows.create(workflow("old", "1.1.0"))
    emulator.clear_requests()
    given = [
        workflow("same"),
        workflow("drift", labels=workflow()["labels"] | {"severity": "low"}),
        workflow("high", "1.0.0"),
        workflow("old"),
        workflow("new", "1.1.0"),
        workflow("new", "1.0.0"),
        workflow("bad", "x" * 51),
    ]
    plan = client.workflows.plan(given)
    actions = {(row.name, row.version[:5]): row.action for row in plan}
    assert actions == {
        ("same", "1.0.0"): "unchanged",
        ("drift", "1.0.0"): "drifted",
        ("high", "1.0.0"): "demotes",
        ("old", "1.0.0"): "superseded",
        ("new", "1.0.0"): "create",
        ("new", "1.1.0"): "create",
        ("bad", "xxxxx"): "invalid",
    }
    assert [row.version for row in plan if row.name == "new"] == ["1.0.0", "1.1.0"]
    assert emulator.writes == ()
    with pytest.raises(BootstrapError) as caught:
        client.workflows.apply(plan, on_drift="fail")
    assert caught.value.outcome is Outcome.NOT_SENT
    assert emulator.writes == ()
    seen: list[tuple[int, int, str]] = []
    report = client.workflows.apply(plan, progress=lambda done, total, row: seen.append((done, total, row.name)))
    assert [entry[:2] for entry in seen] == [(number, 7) for number in range(1, 8)]
    assert str(report) == "2 created, 1 unchanged, 1 superseded, 1 drifted, 1 demotes, 1 failed"
    assert len(emulator.writes) == 2
    assert isinstance(report.failed[0].error, InvalidRequestError)
    assert report.drifted[0].differences[0].field == "labels.severity"
    with pytest.raises(BootstrapError, match="'bad'") as caught:
        report.raise_for_errors()
    assert caught.value.report is report
    assert client.workflows.versions("new")[0].is_latest_version
    assert client.workflows.plan(given).get("new", "1.0.0").action == "unchanged"
    assert emulator.rows("remediation_workflow_catalog").__len__() == 7


def test_drift_is_never_overwritten(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    client.workflows.bootstrap([workflow("a")])
    before = emulator.rows("remediation_workflow_catalog")
    report = client.workflows.bootstrap([workflow("a", content="kind: Other\n")])
    assert {d.field for d in report.drifted[0].differences} == {"content", "content_hash"}
    assert "kind: Other" not in repr(report) and "kind: Other" not in str(report)
    assert emulator.rows("remediation_workflow_catalog") == before
    with pytest.raises(BootstrapError):
        report.raise_for_errors(strict=True)


def test_status_is_a_note(service: tuple[Any, Emulator]) -> None:
    client, _ = service
    report = client.workflows.bootstrap([workflow("a")])
    client.workflows.disable(report.rows[0].id)
    row = client.workflows.plan([workflow("a")]).get("a")
    assert row.action == "unchanged"
    assert any("disabled" in warning for warning in row.warnings)


def test_disabled_latest_hides_the_others(service: tuple[Any, Emulator]) -> None:
    client, _ = service
    client.workflows.bootstrap([workflow("a"), workflow("a", "1.1.0")])
    client.workflows.disable(client.workflows.versions("a")[0].workflow_id)
    row = client.workflows.plan([workflow("a"), workflow("a", "1.1.0")]).get("a", "1.1.0")
    assert any("hides" in warning for warning in row.warnings)
    new = client.workflows.plan([workflow("a", "1.2.0", status="disabled")]).get("a")
    assert any("hides" in warning for warning in new.warnings)


def test_the_row_is_as_it_was_sent(service: tuple[Any, Emulator]) -> None:
    """Everything that can be set comes back equal: a second bootstrap finds nothing to do."""
    client, emulator = service
    full = workflow(
        "a",
        owner="",
        maintainer="me@example.com",
        parameters={"a": 1.0, "b": [True, None, "é"], "c": {}},
        container_image="registry.example.com/x:v1",
        container_digest="sha256:" + "0" * 64,
        custom_labels={"team": ["b", "a", "a"], "empty": []},
        detected_labels={"gitOpsManaged": False, "gitOpsTool": "flux", "failed_detections": ["stateful"]},
        previous_version="0.9",
        version_notes="n",
        change_summary="c",
        approved_by="me",
        approved_at="2026-01-31T12:00:00.123456+02:00",
        expected_success_rate=0.12345,
        expected_duration_seconds=0,
        created_by="me",
    )
    client.workflows.bootstrap([full]).raise_for_errors()
    emulator.clear_requests()
    report = client.workflows.bootstrap([full]).raise_for_errors(strict=True)
    assert len(report.unchanged) == 1
    assert emulator.writes == ()


def test_lost_answers(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    emulator.fault("createWorkflow", drop="after", count=2)
    report = client.workflows.bootstrap([workflow("a"), workflow("b")]).raise_for_errors()
    assert [row.by for row in report] == ["recovered", "us"] or [row.by for row in report] == ["recovered", "recovered"]
    assert len(emulator.rows("remediation_workflow_catalog")) == 2


def test_a_failed_version_stops_the_later_ones_of_its_name(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    problem = {"type": "https://kubernaut.ai/problems/database-error", "title": "Database Error", "status": 500}
    emulator.fault("createWorkflow", status=500, body=problem)
    given = [workflow(name, version) for name in ("a", "b") for version in ("1.0.0", "1.1.0")]
    report = client.workflows.bootstrap(given)
    failed = report.failed[0].name
    assert [(row.name, row.version) for row in report.failed] == [(failed, "1.0.0"), (failed, "1.1.0")]
    assert {row.name for row in report.created} == {"a", "b"} - {failed}
    error = report.get(failed, "1.1.0").error
    assert error is not None and error.outcome is Outcome.NOT_SENT


def test_nobody_there() -> None:
    with Emulator() as emulator:
        url = emulator.url
    with opened("sync", url, retry=QUICK) as client, pytest.raises(ConnectError):
        client.workflows.bootstrap([workflow("a")])


def test_plan_takes_the_cheaper_way(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    for number in range(230):
        client.workflows.create(workflow(f"w{number}"))
    for given, requests in (
        ([workflow("w0")], 1),
        ([workflow("w229"), workflow("w228")], 1),
        ([workflow("w0"), workflow("unknown")], 3),
        ([workflow("w229"), workflow("w1")], 2),
        ([workflow(f"w{number}") for number in range(230)], 3),
    ):
        emulator.clear_requests()
        client.workflows.plan(given)
        assert len(emulator.requests) == requests, given[0]["workflow_name"]


def test_bad_arguments(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    with pytest.raises(InvalidRequestError, match="workflows"):
        client.workflows.bootstrap(workflow("a"))
    with pytest.raises(InvalidRequestError, match="concurrency"):
        client.workflows.bootstrap([], concurrency=0)
    with pytest.raises(InvalidRequestError, match="on_drift"):
        client.workflows.bootstrap([], on_drift="ignore")
    with pytest.raises(InvalidRequestError, match="plan"):
        client.workflows.apply([])
    twice = client.workflows.bootstrap([workflow("a"), workflow("a", description="Another")])
    assert twice.failed and not twice.created
    assert emulator.requests == ()
    assert len(client.workflows.bootstrap([workflow("a"), workflow("a")])) == 1


class Meanwhile:
    """`on_call` that lets somebody else act once, right after the first answer of an operation."""

    def __init__(self, operation: str, action: Callable[[], object]) -> None:
        self._operation = operation
        self._action: Callable[[], object] | None = action

    def __call__(self, record: CallRecord) -> None:
        if record.operation == self._operation and self._action is not None:
            action, self._action = self._action, None
            action()


def test_what_is_stored_between_plan_and_apply_is_compared_again(service: tuple[Any, Emulator]) -> None:
    """A higher version that came meanwhile isn't demoted by a plan that knew nothing of it."""
    client, emulator = service
    client.workflows.create(workflow("there"))
    plan = client.workflows.plan([workflow("there"), workflow("a", "1.0.0"), workflow("b")])
    allowed = client.workflows.plan([workflow("there"), workflow("a", "1.0.0"), workflow("b")], allow_demote=True)
    client.workflows.create(workflow("a", "2.0.0"))
    emulator.clear_requests()
    report = client.workflows.apply(plan)
    assert {row.name: row.action for row in report} == {"there": "unchanged", "a": "demotes", "b": "created"}
    assert len(emulator.writes) == 1
    assert "2.0.0" in report.get("a").warnings[0]
    assert client.workflows.apply(allowed).get("a").action == "created"


def test_a_single_name_is_compared_again_too(service: tuple[Any, Emulator]) -> None:
    """It is asked for by its name, so its plan knows nothing of the rest of the catalog."""
    client, emulator = service
    plan = client.workflows.plan([workflow("a", "1.0.0")])
    client.workflows.create(workflow("a", "2.0.0"))
    emulator.clear_requests()
    with pytest.raises(BootstrapError) as caught:
        client.workflows.apply(plan, on_drift="fail")
    assert caught.value.outcome is Outcome.NOT_SENT
    assert [row.action for row in client.workflows.apply(plan)] == ["demotes"]
    assert emulator.writes == ()


def test_other_content_that_the_repeat_of_a_lost_create_meets_is_drift(service: tuple[Any, Emulator]) -> None:
    """Another process stores the same version between the attempt whose answer is lost and its repeat."""
    client, emulator = service
    emulator.fault("createWorkflow", drop="before")
    with opened("sync", emulator.url, retry=QUICK) as other:
        meanwhile = Meanwhile("createWorkflow", lambda: other.workflows.create(workflow("a", description="Another")))
        report = client.with_options(on_call=meanwhile).workflows.bootstrap([workflow("a")])
    (row,) = report
    assert (row.action, row.by, [each.field for each in row.differences]) == (
        "drifted",
        "someone else",
        ["description"],
    )


def test_duplicates_are_settled_by_one_walk(emulator: Emulator) -> None:
    """Somebody stores a part of the catalog after it was compared: the 409s are explained by reading what is new."""
    given = [workflow(f"w{number}") for number in range(40)]
    with opened("sync", emulator.url, retry=QUICK) as other:
        meanwhile = Meanwhile("createWorkflow", lambda: other.workflows.bootstrap(given[:20]))
        with opened("sync", emulator.url, retry=QUICK, on_call=meanwhile) as client:
            report = client.workflows.bootstrap(given, concurrency=1)
    assert len(report.created) + len(report.unchanged) == 40
    assert {row.by for row in report.unchanged} == {"someone else"}
    assert 409 in {request.status for request in emulator.requests}
    assert not [request for request in emulator.requests if request.operation == "listWorkflowVersions"]
    assert len([request for request in emulator.requests if request.method == "GET"]) <= 5


def test_a_higher_version_stored_meanwhile_is_not_demoted(emulator: Emulator) -> None:
    """A walk shows it while the lower one is still to be sent."""
    given = [workflow("a", "1.0.0"), workflow("a", "1.1.0")]
    with opened("sync", emulator.url, retry=QUICK) as other:

        def action() -> None:
            other.workflows.create(given[0])
            other.workflows.create(workflow("a", "3.0.0"))

        meanwhile = Meanwhile("listWorkflows", action)
        with opened("sync", emulator.url, retry=QUICK, on_call=meanwhile) as client:
            report = client.workflows.bootstrap([workflow("z"), *given])
        again = other.workflows.plan([workflow("z"), *given])
    assert {(row.name, row.version): row.action for row in report} == {
        ("z", "1.0.0"): "created",
        ("a", "1.0.0"): "superseded",
        ("a", "1.1.0"): "demotes",
    }
    assert report.get("a", "1.0.0").by == "someone else"
    assert again.get("a", "1.0.0").action == "superseded", "the next plan says the same"


@pytest.mark.parametrize("broken", ["listWorkflows", "listWorkflowVersions"])
def test_a_duplicate_that_no_walk_explains_is_looked_at(emulator: Emulator, broken: str) -> None:
    """The list fails, or the look at a name does: one of them is enough; no duplicate is taken for a fault."""
    with opened("sync", emulator.url, retry=QUICK) as other:

        def action() -> None:
            other.workflows.create(workflow("a"))
            emulator.fault(broken, status=500, body={"title": "x"}, count=1)

        meanwhile = Meanwhile("listWorkflows", action)
        with opened("sync", emulator.url, retry=QUICK, on_call=meanwhile) as client:
            report = client.workflows.bootstrap([workflow("a"), workflow("b")])
    assert {row.name: (row.action, row.by) for row in report} == {
        "a": ("unchanged", "someone else"),
        "b": ("created", "us"),
    }


def test_a_duplicate_that_can_not_be_looked_at_fails_as_what_it_is(emulator: Emulator) -> None:
    with opened("sync", emulator.url, retry=QUICK) as other:

        def action() -> None:
            other.workflows.create(workflow("a"))
            for operation in ("listWorkflows", "listWorkflowVersions"):
                emulator.fault(operation, status=500, body={"title": "x"}, count=None)

        meanwhile = Meanwhile("listWorkflows", action)
        with opened("sync", emulator.url, retry=QUICK, on_call=meanwhile) as client:
            report = client.workflows.bootstrap([workflow("a"), workflow("a", "1.1.0"), workflow("b")])
    assert {(row.name, row.version): row.action for row in report} == {
        ("a", "1.0.0"): "failed",
        ("a", "1.1.0"): "failed",
        ("b", "1.0.0"): "created",
    }
    assert isinstance(report.get("a", "1.0.0").error, InternalServerError)


async def test_cancelled_and_run_again(emulator: Emulator) -> None:
    """Cancellation comes through at once; what was in progress was told to `progress` before, as unknown."""
    told: list[Any] = []
    given = [workflow(f"w{number}") for number in range(6)]
    emulator.fault("createWorkflow", hold=20, skip=2, count=None)
    held = asyncio.Event()

    def progress(done: int, total: int, row: ReportRow) -> None:
        told.append(row)
        held.set()

    async with AsyncDataStorageClient(emulator.url, retry=QUICK) as client:
        task = asyncio.ensure_future(client.workflows.bootstrap(given, concurrency=2, progress=progress))
        while len(told) < 2:
            await held.wait()
            held.clear()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [row.action for row in told[:2]] == ["created", "created"]
        assert {row.error.outcome for row in told[2:]} <= {Outcome.UNKNOWN}
        emulator.clear_faults()
        report = await client.workflows.bootstrap(given)
        report.raise_for_errors(strict=True)
    assert len(emulator.rows("remediation_workflow_catalog")) == 6


def test_a_thousand_twice(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    given = [workflow(f"w{number}") for number in range(1000)]
    report = client.workflows.bootstrap(given).raise_for_errors()
    assert len(report.created) == len(emulator.writes) == 1000
    emulator.clear_requests()
    report = client.workflows.bootstrap(given).raise_for_errors(strict=True)
    assert len(report.unchanged) == 1000
    assert emulator.writes == ()
    assert len(emulator.requests) <= 11


def test_what_was_ours_is_ours_although_it_could_not_be_looked_at_at_once(emulator: Emulator) -> None:
    """The answer is lost, the repeat meets a 409, the look at the name fails: a walk shows the row that we stored."""
    emulator.fault("createWorkflow", drop="after")
    emulator.fault("listWorkflowVersions", status=500, body={"title": "x"}, count=1)
    with opened("sync", emulator.url, retry=QUICK) as client:
        report = client.workflows.bootstrap([workflow("a"), workflow("b")]).raise_for_errors()
    assert sorted(str(row.by) for row in report) == ["recovered", "us"]
    assert len(emulator.rows("remediation_workflow_catalog")) == 2


def test_what_may_be_ours_and_holds_other_content_is_drift(emulator: Emulator) -> None:
    """As above, but the row that the walk shows is another process's."""
    with opened("sync", emulator.url, retry=QUICK) as other:
        other.workflows.create(workflow("there"))
        emulator.fault("createWorkflow", drop="before")
        emulator.fault("listWorkflowVersions", status=500, body={"title": "x"}, count=1)
        meanwhile = Meanwhile("createWorkflow", lambda: other.workflows.create(workflow("a", description="Another")))
        with opened("sync", emulator.url, retry=QUICK, on_call=meanwhile) as client:
            report = client.workflows.bootstrap([workflow("a"), workflow("there")])
    row = report.get("a")
    assert (row.action, row.by, [each.field for each in row.differences]) == (
        "drifted",
        "someone else",
        ["description"],
    )


FAULT = {"type": "https://kubernaut.ai/problems/internal-error", "title": "Internal Server Error", "status": 500}


def test_nothing_is_written_that_could_not_be_compared(service: tuple[Any, Emulator]) -> None:
    """One failure of the list, and a higher version that the plan didn't know."""
    client, emulator = service
    client.workflows.create(workflow("base"))
    plan = client.workflows.plan([workflow("d"), workflow("e")])
    client.workflows.create(workflow("d", "2.0.0"))
    emulator.clear_requests()
    emulator.fault("listWorkflows", status=500, body=FAULT)
    with pytest.raises(InternalServerError):
        client.workflows.apply(plan)
    assert emulator.writes == ()
    assert {row.name: row.action for row in client.workflows.apply(plan)} == {"d": "demotes", "e": "created"}


def test_a_walk_that_broke_off_is_made_again(emulator: Emulator) -> None:
    """The rows that its second page would have shown aren't taken for read."""
    given = [workflow(f"w{number}") for number in range(3)]
    with opened("sync", emulator.url, retry=QUICK) as client:
        client.workflows.create(workflow("base"))
        plan = client.workflows.plan([workflow("x", "1.0.0"), workflow("x", "1.1.0"), *given])
        client.workflows.create(workflow("x", "2.0.0"))
        for number in range(110):
            client.workflows.create(workflow(f"other{number}"))
        emulator.fault("listWorkflows", status=500, body=FAULT, skip=1)
        with pytest.raises(InternalServerError):
            client.workflows.apply(plan)
        report = client.workflows.apply(plan)
    assert [row.action for row in report if row.name == "x"] == ["demotes", "demotes"]
    assert len(report.created) == 3


def test_the_outcome_of_a_write_is_not_that_of_the_look_at_it(emulator: Emulator) -> None:
    """It was stored, the answer was lost, and nothing can be looked at: unknown, not refused."""
    with opened("sync", emulator.url, retry=QUICK) as client:
        seen: list[Any] = []

        def progress(done: int, total: int, row: ReportRow) -> None:
            seen.append(row)

        plan = client.workflows.plan([workflow("l1"), workflow("l2")])
        lost = Meanwhile("listWorkflows", lambda: break_reading(emulator))
        with opened("sync", emulator.url, retry=QUICK, on_call=lost) as broken:
            report = broken.workflows.apply(plan, progress=progress)
    assert {row.name: row.error.outcome for row in report.failed} == {
        row.name: Outcome.UNKNOWN for row in report.failed
    }
    assert len(report.failed) == 1
    stored = {row["workflow_name"] for row in emulator.rows("remediation_workflow_catalog")}
    assert report.failed[0].name in stored


def break_reading(emulator: Emulator) -> None:
    emulator.fault("createWorkflow", drop="after")
    for operation in ("listWorkflows", "listWorkflowVersions"):
        emulator.fault(operation, status=500, body=FAULT, count=None)


def test_a_progress_that_fails_costs_nothing(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    def progress(done: int, total: int, row: ReportRow) -> None:
        raise ValueError("SECRET")

    with opened("sync", emulator.url, retry=QUICK) as client:
        report = client.workflows.bootstrap([workflow("a"), workflow("b")], progress=progress)
    assert len(report.created) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "progress raised ValueError; the bootstrap goes on"
    ] * 2


def test_an_interruption_in_progress_tells_no_row_twice(emulator: Emulator) -> None:
    told: list[tuple[str, str]] = []

    def progress(done: int, total: int, row: ReportRow) -> None:
        told.append((row.name, row.action))
        if len(told) == 3:
            raise KeyboardInterrupt

    with opened("sync", emulator.url, retry=QUICK) as client, pytest.raises(KeyboardInterrupt):
        client.workflows.bootstrap([workflow(f"w{number}") for number in range(9)], progress=progress)
    assert len({name for name, _ in told}) == len(told)
    stored = {row["workflow_name"] for row in emulator.rows("remediation_workflow_catalog")}
    assert stored == {name for name, action in told if action == "created"}


def test_drift_that_came_meanwhile_stops_what_must_not_drift(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    plan = client.workflows.plan([workflow("a"), workflow("b")])
    client.workflows.create(workflow("a", description="Another"))
    emulator.clear_requests()
    with pytest.raises(BootstrapError) as caught:
        client.workflows.apply(plan, on_drift="fail")
    assert emulator.writes == ()
    assert caught.value.report is not None
    assert [row.name for row in caught.value.report.drifted] == ["a"]
    assert [row.action for row in client.workflows.apply(plan)] == ["drifted", "created"]


def test_a_service_that_does_not_answer_is_not_waited_for_again_and_again(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    plan = client.workflows.plan([workflow(f"w{number}") for number in range(30)])
    emulator.fault("createWorkflow", stall="before", count=None)
    fast = client.with_options(timeout=0.2, retry=RetryPolicy(attempts=1))
    report = fast.workflows.apply(plan, concurrency=3)
    assert len(report.failed) == 30
    timeouts = [row for row in report if isinstance(row.error, RequestTimeoutError)]
    assert 3 <= len(timeouts) <= 6, "what was in progress, and what had been begun meanwhile"
    assert {row.error.outcome for row in report if row not in timeouts} == {Outcome.NOT_SENT}


def test_bad_options_are_no_failed_rows(service: tuple[Any, Emulator]) -> None:
    client, emulator = service
    client.workflows.create(workflow("there"))
    plan = client.workflows.plan([workflow("a"), workflow("b")])

    async def progress(done: int, total: int, row: ReportRow) -> None:
        raise AssertionError("never called")

    emulator.clear_requests()
    for options, field in (({"timeout": -1}, "timeout"), ({"progress": progress}, "progress"), ({"progress": 1}, "p")):
        with pytest.raises(InvalidRequestError, match=field):
            client.workflows.apply(plan, **options)
    assert emulator.requests == ()
    client.close()
    with pytest.raises(ConfigurationError, match="closed"):
        client.workflows.apply(plan)


def test_one_name_is_asked_for_whatever_the_catalog_holds(emulator: Emulator) -> None:
    """A conflict of a single name doesn't walk a large catalog."""
    with opened("sync", emulator.url, retry=QUICK) as client:
        for number in range(130):
            client.workflows.create(workflow(f"other{number}"))
        meanwhile = Meanwhile("listWorkflowVersions", lambda: client.workflows.create(workflow("a")))
        with opened("sync", emulator.url, retry=QUICK, on_call=meanwhile) as another:
            emulator.clear_requests()
            report = another.workflows.bootstrap([workflow("a")])
    assert [(row.action, row.by) for row in report] == [("unchanged", "someone else")]
    assert not [request for request in emulator.requests if request.operation == "listWorkflows"]


def test_versions_that_were_stored_out_of_order_are_pointed_at(service: tuple[Any, Emulator]) -> None:
    client, _ = service
    client.workflows.create(workflow("t", "2.0.0"))
    client.workflows.create(workflow("t", "1.0.0"))
    plan = client.workflows.plan([workflow("t", "1.0.0"), workflow("t", "2.0.0")])
    assert [row.action for row in plan] == ["unchanged", "unchanged"]
    assert plan.get("t", "1.0.0").warnings == ()
    assert plan.get("t", "2.0.0").warnings == ("search shows '1.0.0', which is lower and was stored later",)
