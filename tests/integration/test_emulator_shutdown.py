"""The end of the service in good order: what readiness says, what still answers, what becomes of dead letters."""

import http.client
import threading
from contextlib import closing
from typing import Any

import pytest

from kubernaut_client.emulator import Emulator
from tests.events import event, notification
from tests.integration.emulator_tools import WORKFLOWS, call, closed, eventually, names, raw, read_all, request_bytes
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

EVENTS = "/api/v1/audit/events"
SEARCH = {"filters": workflow()["labels"]}
LONG = 600.0  # seconds; nothing here waits for their end


class Stopping:
    """A shutdown in a thread of its own."""

    def __init__(self, emulator: Emulator, **times: float) -> None:
        self._thread = threading.Thread(target=emulator.shutdown, kwargs=times)
        self._thread.start()
        eventually(lambda: [fault.state for fault in emulator.faults] == ["shut down"])

    @property
    def under_way(self) -> bool:
        return self._thread.is_alive()

    def join(self) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()


def refused(emulator: Emulator) -> bool:
    """Whether nobody listens."""
    try:
        call(emulator, "GET", "/health/live")
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it arrived in the moment of closing
        return False
    return False


def test_readiness_says_no_first_and_all_else_goes_on(emulator: Emulator) -> None:
    stopping = Stopping(emulator, delay=LONG)
    ready = call(emulator, "GET", "/health/ready")
    assert (ready.status, ready.body) == (503, b'{"status":"not_ready","reason":"shutting_down"}')
    assert ready.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert call(emulator, "GET", "/health").json == {"status": "healthy", "database": "connected"}
    assert call(emulator, "POST", WORKFLOWS, workflow("late")).status == 201
    with emulator.database_down():
        assert call(emulator, "GET", "/health/ready").json["reason"] == "shutting_down"
    assert stopping.under_way
    emulator.clear_faults()
    stopping.join()
    assert call(emulator, "GET", "/health/ready").json == {"status": "ready"}
    assert emulator.faults == () and names(emulator) == [("late", "1.0.0")]


def test_dead_letters_and_searches_are_written_at_the_end(emulator: Emulator) -> None:
    with emulator.no_partition():
        assert call(emulator, "POST", EVENTS, event("rr-1")).status == 202
    assert call(emulator, "POST", EVENTS, event("rr-2", version="12345678901")).status == 202
    with emulator.database_down():
        assert call(emulator, "POST", "/api/v1/audit/notifications", notification("n-1")).status == 202
    assert call(emulator, "POST", f"{WORKFLOWS}/search", {**SEARCH, "remediation_id": "rr-3"}).status == 200
    assert len(emulator.dead_letters()) == 3
    emulator.shutdown(delay=0)
    assert refused(emulator)
    # What can't be stored is deleted all the same.
    assert emulator.dead_letters() == ()
    assert {row["correlation_id"] for row in emulator.rows("audit_events")} == {"rr-1", "rr-3"}
    assert [row["notification_id"] for row in emulator.rows("notification_audit")] == ["n-1"]


def test_what_is_under_way_is_finished(emulator: Emulator) -> None:
    emulator.fault("createWorkflow", hold=0.3)
    whole = request_bytes("POST", WORKFLOWS, workflow("b"), "Expect: 100-continue")
    head, _, body = whole.partition(b"\r\n\r\n")
    with (
        closing(http.client.HTTPConnection(emulator.host, emulator.port)) as idle,
        raw(emulator, request_bytes("POST", WORKFLOWS, workflow("a"))) as busy,
        raw(emulator, head + b"\r\n\r\n") as half,
    ):
        idle.request("GET", "/health/live")
        idle.getresponse().read()
        assert half.recv(100).startswith(b"HTTP/1.1 100 ")
        eventually(lambda: len(emulator.requests) == 2)
        stopping = Stopping(emulator, delay=0)
        eventually(lambda: refused(emulator))
        assert idle.sock is not None and closed(idle.sock)
        half.sendall(body)
        for connection in (busy, half):
            answer = read_all(connection)
            assert answer.startswith(b"HTTP/1.1 201 ") and b"\r\nConnection: close\r\n" in answer
    stopping.join()
    assert sorted(names(emulator)) == [("a", "1.0.0"), ("b", "1.0.0")]


def test_what_takes_too_long_is_ended(emulator: Emulator) -> None:
    emulator.fault("createWorkflow", stall="after")
    with raw(emulator, request_bytes("POST", WORKFLOWS, workflow("a"))) as stalled:
        eventually(lambda: names(emulator) == [("a", "1.0.0")])
        emulator.shutdown(delay=0, deadline=0.2)
        assert closed(stalled)
    assert refused(emulator)


def test_restart_after_a_shutdown(emulator: Emulator) -> None:
    port = emulator.port
    call(emulator, "POST", WORKFLOWS, workflow("a"))
    emulator.shutdown(delay=0)
    emulator.shutdown(delay=LONG)  # it has stopped already
    assert refused(emulator) and repr(emulator).endswith(f":{port}>")
    emulator.restart()
    assert emulator.port == port and emulator.faults == ()
    assert call(emulator, "GET", "/health/ready").json == {"status": "ready"}
    assert call(emulator, "POST", WORKFLOWS, workflow("a")).status == 409


def test_restart_kills_what_runs(emulator: Emulator) -> None:
    emulator.fault("createWorkflow", stall="after")
    emulator.fault("createWorkflow", hold=LONG)
    with (
        raw(emulator, request_bytes("POST", WORKFLOWS, workflow("a"))) as committed,
        raw(emulator, request_bytes("POST", WORKFLOWS, workflow("b"))) as waiting,
    ):
        eventually(lambda: len(emulator.requests) == 2 and names(emulator) != [])
        emulator.restart()
        assert closed(committed) and closed(waiting)
    assert call(emulator, "GET", "/health/ready").status == 200
    assert names(emulator) == [("a", "1.0.0")] and len(emulator.requests) == 3


@pytest.mark.parametrize("end", ["reset", "restart", "clear_faults"])
def test_a_shutdown_is_called_back(emulator: Emulator, end: str) -> None:
    for delay in (LONG, 0):
        stopping = Stopping(emulator, delay=delay)
        if not delay:
            eventually(lambda: refused(emulator))
        getattr(emulator, end)()
        stopping.join()
        assert call(emulator, "GET", "/health/ready").status == 200 and emulator.faults == ()


def test_stop_in_the_middle_of_a_shutdown() -> None:
    emulator = Emulator()
    for _ in range(2):
        emulator.start()
        assert call(emulator, "GET", "/health/ready").status == 200
        stopping = Stopping(emulator, delay=LONG)
        emulator.stop()
        stopping.join()


def test_both_reasons_to_refuse_must_go(emulator: Emulator) -> None:
    with emulator.refuse_connections():
        emulator.shutdown(delay=0)
        assert {fault.state for fault in emulator.faults} == {"connections refused", "shut down"}
        emulator.restart()
        assert refused(emulator)
    assert not refused(emulator)
    emulator.shutdown(delay=0)
    with emulator.refuse_connections():
        pass
    assert refused(emulator)


def test_control_shuts_down_and_starts_again(emulator: Emulator) -> None:
    times = {"delay": 0, "deadline": 5, "restart_after": 0.2}
    answer = call(emulator, "POST", "/_emulator/shutdown", times)
    assert (answer.status, answer.json) == (200, times)
    eventually(lambda: refused(emulator))
    eventually(lambda: not refused(emulator))
    assert call(emulator, "GET", "/_emulator/faults").json == {"faults": []}
    assert call(emulator, "POST", "/_emulator/shutdown", {"delay": LONG}).json["deadline"] == 30
    assert call(emulator, "GET", "/health/ready").json["reason"] == "shutting_down"
    assert call(emulator, "POST", "/_emulator/reset", {}).status == 200
    assert call(emulator, "GET", "/health/ready").status == 200


@pytest.mark.parametrize("times", [{"delay": -1}, {"deadline": float("nan")}, {"delay": "1"}, {"delay": 10**400}])
def test_bad_times(emulator: Emulator, times: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(times))} must be a number of seconds"):
        emulator.shutdown(**times)
    assert emulator.faults == ()
