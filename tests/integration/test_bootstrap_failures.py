"""An apply that is interrupted, loses its token, or is let in nowhere: what ends it, and what is in the report."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client import (
    APIError,
    AsyncDataStorageClient,
    CallRecord,
    ConfigurationError,
    ConnectError,
    ConnectionDroppedError,
    Outcome,
    ReportRow,
    RetryPolicy,
    TransportError,
)
from kubernaut_client.emulator import Emulator
from tests.colours import COLOURS, QUICK, opened
from tests.workflows import workflow

ONCE = RetryPolicy(attempts=1)


@pytest.fixture(params=COLOURS)
def open_client(request: pytest.FixtureRequest, emulator: Emulator) -> Callable[..., Any]:
    return lambda **options: opened(request.param, emulator.url, **{"retry": QUICK, **options})


class Source:
    """A token source that fails at some of its calls, counted from 1."""

    def __init__(self, *failing: int, error: BaseException | None = None) -> None:
        self.calls = 0
        self.failing: Any = failing
        self.error = error or RuntimeError("the token service restarts")
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            self.calls += 1
            if self.calls in self.failing:
                raise self.error
        return "token"


def test_a_token_source_that_fails_once_is_asked_again(open_client: Callable[..., Any]) -> None:
    given = [workflow(f"w{number}") for number in range(30)]
    with open_client(token=Source(15)) as client:
        report = client.workflows.bootstrap(given).raise_for_errors()
    assert len(report.created) == 30


def test_without_another_attempt_it_is_a_failure_of_its_row(open_client: Callable[..., Any]) -> None:
    given = [workflow(f"w{number}") for number in range(30)]
    with open_client(token=Source(15), retry=ONCE) as client:
        report = client.workflows.bootstrap(given)
        assert len(report.created) == 29
        (row,) = report.failed
        assert isinstance(row.error, ConnectError)
        assert row.error.outcome is Outcome.NOT_SENT
        assert "token failed: RuntimeError" in str(row.error)
        assert row.error.operation == "createWorkflow"
        assert client.workflows.bootstrap(given).get(row.name).action == "created"


def test_a_token_file_that_is_being_rotated(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    monkeypatch.setenv("KUBERNAUT_TOKEN_FILE", str(file))
    states: Iterator[Callable[[], object]] = iter(
        [file.unlink, lambda: file.write_text(""), lambda: file.write_text("two")]
    )

    def rotate(record: CallRecord) -> None:
        next(states, int)()

    with opened(
        "sync", emulator.url, retry=RetryPolicy(attempts=4, wait_initial=0, jitter=0), on_call=rotate
    ) as client:
        assert client.health.check().ok
        created = client.workflows.create(workflow("a"))
        assert created.workflow_name == "a"


REFUSALS: list[dict[str, Any]] = [
    {"status": 401, "body": {"title": "Unauthorized", "status": 401}},
    {"status": 403, "body": {"title": "Forbidden", "status": 403}},
    {"status": 405},
    {"status": 302, "body": ""},
    {"status": 503, "body": "no upstream"},
    {"drop": "before"},
]


@pytest.mark.parametrize("fault", REFUSALS, ids=str)
def test_what_every_row_would_meet_stops_it(emulator: Emulator, open_client: Callable[..., Any], fault: Any) -> None:
    given = [workflow(f"w{number}") for number in range(300)]
    emulator.fault("createWorkflow", **fault, count=None)
    with open_client(retry=ONCE) as client:
        report = client.workflows.bootstrap(given, concurrency=4)
    assert len(report) == len(report.failed) == 300
    assert 4 <= len(emulator.writes) <= 7, (
        "as many as are in progress, and what was begun before the last of them ended"
    )
    sent = [row for row in report if isinstance(row.error, APIError | ConnectionDroppedError)]
    assert len(sent) == len(emulator.writes)
    assert all(row.error.outcome is Outcome.NOT_SENT for row in report if row not in sent)


def test_one_row_that_is_refused_does_not_stop_it(emulator: Emulator, open_client: Callable[..., Any]) -> None:
    """Failures about what was sent never do, others only in a row."""
    given = [workflow(f"w{number}") for number in range(40)]
    problem = {"type": "https://kubernaut.ai/problems/bad-request", "title": "Bad Request", "status": 400}
    emulator.fault("createWorkflow", status=400, body=problem, count=20)
    with open_client() as client:
        report = client.workflows.bootstrap(given, concurrency=2)
        assert (len(report.created), len(report.failed)) == (20, 20)
        emulator.fault("createWorkflow", status=403, body={"title": "Forbidden"}, skip=5, count=1)
        report = client.workflows.bootstrap(given, concurrency=2)
        assert (len(report.created), len(report.failed)) == (19, 1)


def test_a_client_that_is_closed_in_the_middle(emulator: Emulator) -> None:
    given = [workflow(f"w{number}") for number in range(30)]
    with opened("sync", emulator.url, retry=QUICK) as client:

        def progress(done: int, total: int, row: ReportRow) -> None:
            client.close()

        report = client.workflows.bootstrap(given, progress=progress)
    assert len(report) == 30
    assert report.created
    assert any(isinstance(row.error, ConfigurationError) for row in report.failed)


# Interrupts ----------------------------------------------------------------------------------------------------------


class Meets:
    """`progress` that raises at its third row; a token source that fails from then on."""

    def __init__(self, error: BaseException) -> None:
        self.seen: list[ReportRow] = []
        self.over = threading.Event()
        self._error = error

    def progress(self, done: int, total: int, row: ReportRow) -> None:
        self.seen.append(row)
        if len(self.seen) == 3:
            self.over.set()
            raise self._error

    def token(self) -> str:
        if self.over.is_set():
            raise RuntimeError("the token service is down")
        return "token"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_while_the_token_source_fails(emulator: Emulator, kind: type[BaseException]) -> None:
    meets = Meets(kind())
    with opened("sync", emulator.url, retry=ONCE, token=meets.token) as client, pytest.raises(kind):
        client.workflows.bootstrap([workflow(f"w{number}") for number in range(60)], progress=meets.progress)
    stored = {row["workflow_name"] for row in emulator.rows("remediation_workflow_catalog")}
    assert {row.name for row in meets.seen if row.action == "created"} == stored
    assert {type(row.error) for row in meets.seen if row.action == "failed"} <= {ConnectError}
    assert len({row.name for row in meets.seen}) == len(meets.seen)


def test_a_token_source_that_raises_an_interrupt(emulator: Emulator) -> None:
    source = Source(*range(10, 100), error=KeyboardInterrupt())
    seen: list[ReportRow] = []
    with opened("sync", emulator.url, retry=ONCE, token=source) as client, pytest.raises(KeyboardInterrupt):
        client.workflows.bootstrap(
            [workflow(f"w{number}") for number in range(60)], progress=lambda _, __, row: seen.append(row)
        )
    stored = {row["workflow_name"] for row in emulator.rows("remediation_workflow_catalog")}
    assert {row.name for row in seen if row.action == "created"} == stored


async def test_cancellation_while_token_sources_fail_in_their_cleanup(emulator: Emulator) -> None:
    """Each attempt in progress waits for its token, and its source fails when it is cancelled."""
    seen: list[ReportRow] = []
    calls = 0
    waiting = asyncio.Event()

    async def token() -> str:
        nonlocal calls
        calls += 1
        if calls > 3:
            waiting.set()
            try:
                await asyncio.Event().wait()
            finally:
                raise RuntimeError("in its cleanup")
        return "token"

    def progress(done: int, total: int, row: ReportRow) -> None:
        seen.append(row)

    async with AsyncDataStorageClient(emulator.url, token=token, retry=ONCE) as client:
        task = asyncio.ensure_future(
            client.workflows.bootstrap([workflow(f"w{number}") for number in range(9)], progress=progress)
        )
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    stored = {row["workflow_name"] for row in emulator.rows("remediation_workflow_catalog")}
    assert {row.name for row in seen if row.action == "created"} == stored
    assert [row for row in seen if row.action == "failed"], "what was in progress is told"


async def test_a_call_that_is_cancelled_while_its_token_source_fails(emulator: Emulator) -> None:
    waiting = asyncio.Event()

    async def token() -> str:
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("in its cleanup")

    async with AsyncDataStorageClient(emulator.url, token=token) as client:
        task = asyncio.ensure_future(client.workflows.create(workflow()))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert emulator.requests == ()


# What the plan didn't know -------------------------------------------------------------------------------------------


def test_a_plan_for_one_name_is_compared_again(open_client: Callable[..., Any], emulator: Emulator) -> None:
    with open_client() as client:
        plan = client.workflows.plan([workflow("a")])
        client.workflows.create(workflow("a", "2.0.0"))
        emulator.clear_requests()
        assert client.workflows.apply(plan).get("a").action == "demotes"
        assert emulator.writes == ()


def test_another_content_that_is_stored_while_the_answer_is_lost(emulator: Emulator) -> None:
    """The first attempt is lost before it is stored, and somebody stores something else before the second."""
    emulator.fault("createWorkflow", drop="before")

    def meanwhile(record: CallRecord) -> None:
        if isinstance(record.error, TransportError):
            with opened("sync", emulator.url) as other:
                other.workflows.create(workflow("a", description="Another"))

    with opened("sync", emulator.url, retry=QUICK, on_call=meanwhile) as client:
        report = client.workflows.bootstrap([workflow("a")])
    assert [(row.action, row.by) for row in report] == [("drifted", "someone else")]


@pytest.fixture(autouse=True)
def no_threads_are_left() -> Iterator[None]:
    yield
    workers = [thread for thread in threading.enumerate() if thread.name == "kubernaut_client worker"]
    for thread in workers:
        thread.join(20)
        assert not thread.is_alive()
