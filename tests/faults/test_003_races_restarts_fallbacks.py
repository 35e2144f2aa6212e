"""A plan against duplicate keys in another service: upserts, retries with backoff, fallbacks, health, no races.

Its troubles are Data Storage's as well: concurrent writers meet `duplicate key value violates unique constraint`, a
restart in the middle leaves nobody knowing what was stored, and a database that is away for a moment breaks programs.
Here they are met on the client's side.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from kubernaut_datastorage.api.audit_write_api import create_audit_event
from kubernaut_datastorage.models import AcceptedResponse

from kubernaut_client import (
    AsyncDataStorageClient,
    BootstrapReport,
    ConnectError,
    DatabaseError,
    DataStorageClient,
    InternalServerError,
    Outcome,
    RetryPolicy,
    ServiceUnavailableError,
)
from kubernaut_client.catalog import export, load
from kubernaut_client.emulator import Emulator
from tests.colours import QUICK, Colour, opened
from tests.faults.tools import EVENTS, Generated, batch, requests, stored_events
from tests.integration.emulator_tools import CATALOG, WORKFLOWS, call, eventually, names
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

WRITERS = 4
PATIENT = RetryPolicy(attempts=20, wait_initial=0.005, wait_max=0.05, jitter=0)
"""For a restart, in which nobody listens for some milliseconds."""


def duplicate(emulator: Emulator) -> int:
    """How a build answers a duplicate key."""
    return 500 if emulator.build == "2025-12-27" else 409


def catalog(count: int = 6) -> list[dict[str, Any]]:
    return [workflow(f"w{number}", version) for number in range(count) for version in ("1.0.0", "1.1.0")]


def check_complete(emulator: Emulator, wanted: list[dict[str, Any]]) -> None:
    """Each version is there once, and of each name the highest is the latest."""
    assert sorted(names(emulator)) == sorted((each["workflow_name"], each["version"]) for each in wanted)
    latest = {row["workflow_name"]: row["version"] for row in emulator.rows(CATALOG) if row["is_latest_version"]}
    assert latest == {each["workflow_name"]: "1.1.0" for each in wanted}


# ---- races: what the service does ------------------------------------------------------------------------------------


def test_wire_one_of_many_writers_wins(build: Emulator) -> None:
    start = Barrier(WRITERS)

    def create(_: int) -> int:
        start.wait(20)
        return call(build, "POST", WORKFLOWS, workflow("a")).status

    with ThreadPoolExecutor(WRITERS) as threads:
        statuses = Counter(threads.map(create, range(WRITERS)))
    assert statuses == {201: 1, duplicate(build): WRITERS - 1}
    assert names(build) == [("a", "1.0.0")]


# ---- races: what the client does -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "action", "fields"),
    [({}, "unchanged", []), ({"description": "Somebody else's."}, "drifted", ["description"])],
)
def test_a_race_that_is_lost_between_look_and_write(
    build: Emulator, colour: Colour, theirs: dict[str, Any], action: str, fields: list[str]
) -> None:
    """Ensure instead of create: whoever stored it, it is there, and a difference is shown and not overwritten."""

    def on_call(record: Any) -> None:
        if record.operation == "listWorkflowVersions" and not names(build):
            assert call(build, "POST", WORKFLOWS, workflow("a", **theirs)).status == 201

    with opened(colour, build.url, retry=QUICK, on_call=on_call) as client:
        result = client.workflows.ensure(workflow("a"))
    assert (result.action, [difference.field for difference in result.differences]) == (action, fields)
    assert [record.status for record in build.writes] == [201, duplicate(build)], "the race took place"
    (row,) = build.rows(CATALOG)
    assert str(row["workflow_id"]) == str(result.workflow.workflow_id)


def check_reports(reports: list[BootstrapReport], wanted: list[dict[str, Any]]) -> None:
    """Every row was created by one of them; for the others it was there."""
    for report in reports:
        report.raise_for_errors(strict=True)
        assert len(report.created) + len(report.unchanged) == len(wanted)
    assert sum(len(report.created) for report in reports) == len(wanted)


def test_threads_bootstrap_the_same_catalog(build: Emulator) -> None:
    start, wanted = Barrier(WRITERS), catalog()
    with DataStorageClient(build.url, retry=QUICK) as client, ThreadPoolExecutor(WRITERS) as threads:

        def bootstrap(_: int) -> BootstrapReport:
            start.wait(20)
            return client.workflows.bootstrap(wanted)

        check_reports(list(threads.map(bootstrap, range(WRITERS))), wanted)
    check_complete(build, wanted)


async def test_tasks_bootstrap_the_same_catalog(build: Emulator) -> None:
    wanted = catalog()
    async with AsyncDataStorageClient(build.url, retry=QUICK) as client:
        reports = await asyncio.gather(*(client.workflows.bootstrap(wanted) for _ in range(WRITERS)))
    check_reports(reports, wanted)
    check_complete(build, wanted)


# ---- restarts: what the service does ---------------------------------------------------------------------------------


@contextmanager
def killed_once(emulator: Emulator, holds: Callable[[], bool]) -> Iterator[None]:
    """A context in which the service is killed, and started again, as soon as something holds."""

    def kill() -> None:
        eventually(holds)
        emulator.restart()

    thread = Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        thread.join(30)


def test_wire_killed_after_the_commit(build: Emulator) -> None:
    """The caller gets no answer; when it tries again, its own row is in the way."""
    build.fault("createWorkflow", stall="after")
    with killed_once(build, lambda: names(build) == [("a", "1.0.0")]):
        assert call(build, "POST", WORKFLOWS, workflow("a")).lost
    assert call(build, "POST", WORKFLOWS, workflow("a")).status == duplicate(build)


# ---- restarts: what the client does ----------------------------------------------------------------------------------


def test_killed_after_the_commit(build: Emulator, colour: Colour) -> None:
    build.fault("createWorkflow", stall="after")
    with (
        opened(colour, build.url, retry=PATIENT) as client,
        killed_once(build, lambda: names(build) == [("a", "1.0.0")]),
    ):
        result = client.workflows.ensure(workflow("a"))
    assert (result.action, result.recovered) == ("created", True), "the row in the way is our own"
    assert str(build.rows(CATALOG)[0]["workflow_id"]) == str(result.workflow.workflow_id)
    assert [record.status for record in build.writes] == [None, duplicate(build)]


def test_killed_before_the_commit(build: Emulator, colour: Colour) -> None:
    build.fault("createWorkflow", stall="before")
    with opened(colour, build.url, retry=PATIENT) as client, killed_once(build, lambda: bool(build.writes)):
        result = client.workflows.ensure(workflow("a"))
    assert (result.action, result.recovered) == ("created", False)
    assert [record.status for record in build.writes] == [None, 201]


def test_killed_in_the_middle_of_a_bootstrap(build: Emulator, colour: Colour) -> None:
    wanted = catalog()

    def progress(done: int, total: int, row: Any) -> None:
        if done in (3, 11):
            build.restart()

    with opened(colour, build.url, retry=PATIENT) as client:
        report = client.workflows.bootstrap(wanted, progress=progress).raise_for_errors(strict=True)
    assert len(report.created) == len(wanted) and {row.by for row in report} <= {"us", "recovered"}
    check_complete(build, wanted)


@pytest.mark.parametrize(("moment", "patches"), [("after", 1), ("before", 2)])
def test_killed_while_a_state_changes(client: Any, emulator: Emulator, moment: Any, patches: int) -> None:
    """An update is repeated only once the row has shown that it wasn't done."""
    row = client.workflows.create(workflow("a"))
    emulator.clear_requests()
    emulator.fault("disableWorkflow", drop=moment)
    assert client.workflows.disable(row.workflow_id, reason="a sprint ends").status == "disabled"
    assert [record.operation for record in emulator.writes] == ["disableWorkflow"] * patches
    assert emulator.rows(CATALOG)[0]["status"] == "disabled"


# ---- a database that is away: what the service does ------------------------------------------------------------------


def test_wire_without_a_database(emulator: Emulator) -> None:
    with emulator.database_down():
        assert call(emulator, "POST", WORKFLOWS, workflow("a")).status == 500
        health = call(emulator, "GET", "/health")
        assert (health.status, health.json["database"]) == (503, "unreachable")
        assert call(emulator, "GET", "/health/live").status == 200
        assert call(emulator, "POST", EVENTS, batch("rr-1")[0]).status == 202
        with emulator.redis_down():
            assert call(emulator, "POST", EVENTS, batch("rr-1")[0]).status == 500
    assert call(emulator, "POST", WORKFLOWS, workflow("a")).status == 201


# ---- a database that is away: what the client does -------------------------------------------------------------------


def test_a_bootstrap_outlives_the_database(either: Any, build: Emulator) -> None:
    """It reports instead of failing; health says why and when it is over; the same call again finishes the work."""
    wanted = catalog(5)

    def progress(done: int, total: int, row: Any) -> None:
        if done == 3:
            build.stop_database()

    report = either.workflows.bootstrap(wanted, concurrency=1, progress=progress)
    assert (len(report.created), len(report.failed)) == (3, 7)
    # What was sent, and the higher versions of those names, which were not.
    assert {row.error.outcome for row in report.failed} == {Outcome.UNKNOWN, Outcome.NOT_SENT}
    check, live = either.health.check(), either.health.live()
    assert (check.ok, check.reason, live.ok) == (False, "database_unreachable", True)
    build.start_database()
    assert either.wait_until_ready(timeout=20).ok
    report = either.workflows.bootstrap(wanted).raise_for_errors(strict=True)
    assert (len(report.created), len(report.unchanged)) == (7, 3)
    check_complete(build, wanted)


def test_retries_are_few_and_back_off(emulator: Emulator, colour: Colour) -> None:
    policy = RetryPolicy(attempts=4, wait_initial=0.01, jitter=0)
    with opened(colour, emulator.url, retry=policy) as client:
        emulator.fault("listWorkflowVersions", status=503, count=3)
        assert client.workflows.versions("a") == []
        assert [record.status for record in emulator.requests] == [503, 503, 503, 200]
        emulator.clear_requests()
        emulator.fault("listWorkflowVersions", status=503, count=None)
        with pytest.raises(ServiceUnavailableError) as caught:
            client.workflows.versions("a")
    assert [attempt.delay for attempt in caught.value.history] == [0, 0.01, 0.02, 0.04]
    assert len(emulator.requests) == 4


def test_a_fault_that_would_stay_is_not_repeated(client: Any, emulator: Emulator) -> None:
    with emulator.database_down(), pytest.raises(InternalServerError) as caught:
        client.workflows.versions("a")
    assert len(caught.value.history) == 1


# ---- fallbacks -------------------------------------------------------------------------------------------------------


def test_the_catalog_falls_back_to_files(either: Any, build: Emulator, tmp_path: Path) -> None:
    """What the service held is in files that need no service, and that make a new one the same."""
    wanted = catalog(4)
    either.workflows.bootstrap(wanted).raise_for_errors()
    assert export(either.workflows.list(), tmp_path / "catalog").workflows == len(wanted)
    build.reset()
    with build.refuse_connections():
        files = load(tmp_path / "catalog")
        assert len(files) == len(wanted)
        with pytest.raises(ConnectError) as caught:
            either.workflows.bootstrap(files)
        assert caught.value.outcome is Outcome.NOT_SENT
        health = either.health.check()
        assert (health.ok, health.reason) == (False, "no answer")
    report = either.workflows.bootstrap(files).raise_for_errors(strict=True)
    assert len(report.created) == len(wanted)
    check_complete(build, wanted)


def test_an_event_falls_back_to_the_queue(send: Generated, emulator: Emulator) -> None:
    """202 is no failure, and an event that was queued isn't sent again."""
    (event,) = requests(batch("rr-1", 1))
    with emulator.database_down():
        answer = send(create_audit_event, body=event)
        assert isinstance(answer.parsed, AcceptedResponse) and answer.status_code == 202
        assert len(emulator.writes) == len(emulator.dead_letters()) == 1
        with emulator.redis_down(), pytest.raises(DatabaseError) as caught:
            send(create_audit_event, body=event)
        assert caught.value.outcome is Outcome.UNKNOWN
    emulator.shutdown(delay=0)
    emulator.restart()
    assert stored_events(emulator) == [("rr-1", 0)]
