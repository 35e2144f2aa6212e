"""`doctor` against the emulator, healthy and with each fault: the verdict of every check, and the words of the finding.

Each fault is named for what it is by one check, and no other check blames something else.
"""

import re
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from typing import Any

import pytest
import trustme

from kubernaut_client.emulator import Emulator
from tests.events import event
from tests.integration.emulator_tools import call as request
from tests.integration.workflow_documents import store
from tests.unit.cli.tools import PATIENCE, Ran, call, in_terminal, nobody, piped
from tests.unit.wire.server import Connection, WireServer
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

IDS = "connection proxy service token clock health catalog audit writes queue redis limits build".split()
BEHIND_SERVICE = "clock health catalog audit writes queue redis limits build".split()
DENIED = {"type": "about:blank", "title": "Unauthorized"}


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBERNAUT_TOKEN", "KUBERNAUT_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


def doctor(emulator: Emulator, *arguments: str) -> Ran:
    return call("doctor", "--url", emulator.url, *arguments)


def checks(ran: Ran) -> dict[str, dict[str, Any]]:
    """The checks by their ids; the document says of them what the exit code says, and stderr names the problems."""
    document = ran.document
    found: dict[str, dict[str, Any]] = {check["id"]: check for check in document["checks"]}
    assert list(found) == IDS
    bad = [name for name, check in found.items() if check["verdict"] == "problem"]
    assert document["ok"] is (not bad)
    assert document["exit_code"] == ran.code
    assert ran.code == (4 if "connection" in bad else 1 if bad else 0)
    assert ran.stderr == (f"Error: not well: {', '.join(bad)}\n" if bad else "")
    assert ("error" in document) is bool(bad)
    return found


def verdicts(ran: Ran) -> dict[str, str]:
    return {name: check["verdict"] for name, check in checks(ran).items()}


def expected(**others: str) -> dict[str, str]:
    """The verdicts when all is well and nothing was written, but for some."""
    return {**dict.fromkeys(IDS, "ok"), "writes": "not_checked", "redis": "not_checked", **others}


NOBODY = expected(connection="problem", service="not_checked", token="not_checked") | dict.fromkeys(
    BEHIND_SERVICE, "not_checked"
)
STRANGER = expected(service="problem", token="not_checked") | dict.fromkeys(BEHIND_SERVICE, "not_checked")


def test_healthy(emulator: Emulator) -> None:
    store(emulator, workflow("a"), workflow("b"))
    emulator.clear_requests()
    ran = doctor(emulator, "-ojson")
    assert verdicts(ran) == expected()
    assert checks(ran)["catalog"]["seen"] == "List, get and versions answer. 2 versions are stored."
    assert checks(ran)["writes"]["seen"] == "Whether events can be stored shows only when one is written."
    assert checks(ran)["build"]["seen"].startswith("One of 2025-12-27 to 2026-01-30: ")
    assert ran.document["event"] is None
    assert ran.document["base_url"] == emulator.url
    assert [each.method for each in emulator.requests] == ["GET"] * 8
    assert emulator.rows("audit_events") == []


def test_healthy_after_a_write(emulator: Emulator) -> None:
    ran = doctor(emulator, "--write", "-ojson")
    assert verdicts(ran) == expected(writes="ok")
    sent = ran.document["event"]
    (row,) = emulator.rows("audit_events")
    assert sent == {
        "event_type": "kubernaut-client.doctor",
        "correlation_id": row["correlation_id"],
        "event_id": str(row["event_id"]),
        "stored": True,
    }
    assert row["event_type"] == "kubernaut-client.doctor"
    assert checks(ran)["writes"]["seen"] == f"An event was stored: correlation id {row['correlation_id']}."
    assert [(each.method, each.path) for each in emulator.writes] == [("POST", "/api/v1/audit/events/batch")]


def test_the_unfixed_build_answers_alike(unfixed_emulator: Emulator) -> None:
    ran = doctor(unfixed_emulator, "-ojson")
    assert verdicts(ran) == expected()
    assert "409 or, as before the fix of 2025-12-30, with 500 can't be told" in checks(ran)["build"]["seen"]


DATABASE_DOWN = expected(health="problem") | dict.fromkeys(("catalog", "audit", "build", "writes"), "not_checked")


def test_database_down(emulator: Emulator) -> None:
    with emulator.database_down():
        ran = doctor(emulator, "-ojson")
    named = checks(ran)
    assert verdicts(ran) == DATABASE_DOWN
    assert named["health"]["seen"].startswith("The service says unhealthy, database_unreachable: ")
    assert named["health"]["meaning"].startswith("It doesn't reach its database.")
    assert named["catalog"]["seen"] == "It can't be read while the database is down: see health."
    assert named["redis"]["seen"].startswith("While the database is down, a single event shows whether Redis is up")
    assert ran.document["event"] is None
    assert emulator.writes == ()


def test_database_down_and_a_single_event(emulator: Emulator) -> None:
    """One event and no batch, which is queued: so Redis is up."""
    with emulator.database_down():
        ran = doctor(emulator, "--write", "-ojson")
        again = doctor(emulator, "--write", "-ojson")
    assert verdicts(ran) == {**DATABASE_DOWN, "redis": "ok"}
    sent = ran.document["event"]
    assert checks(ran)["redis"]["seen"].endswith(f"correlation id {sent['correlation_id']}.")
    assert checks(ran)["queue"]["seen"].endswith("The event of this run waits there now.")
    assert (sent["event_id"], sent["stored"]) == (None, False)
    assert [(each.method, each.path) for each in emulator.writes] == [("POST", "/api/v1/audit/events")] * 2
    assert verdicts(again) == {**DATABASE_DOWN, "redis": "ok", "queue": "problem"}
    assert checks(again)["queue"]["seen"] == "1 event waits in Redis. The event of this run waits there now."


def test_database_and_redis_down(emulator: Emulator) -> None:
    with emulator.database_down(), emulator.redis_down():
        ran = doctor(emulator, "--write", "-ojson")
    assert verdicts(ran) == {**DATABASE_DOWN, "redis": "problem"}
    assert "Failed to write audit event to database and DLQ" in checks(ran)["redis"]["seen"]
    assert checks(ran)["redis"]["meaning"].startswith("The service doesn't reach Redis, either.")
    assert ran.document["event"]["stored"] is False
    assert [(each.method, each.path) for each in emulator.writes] == [("POST", "/api/v1/audit/events")]


def test_redis_down(emulator: Emulator) -> None:
    """The service doesn't tell, as long as its database is well: so this isn't known, and isn't said to be well."""
    with emulator.redis_down():
        ran = doctor(emulator, "--write", "-ojson")
    assert verdicts(ran) == expected(writes="ok")
    assert checks(ran)["redis"] == {
        "id": "redis",
        "verdict": "not_checked",
        "seen": "Whether Redis is up can't be seen from outside: neither health nor a write tells while the database is"
        " well.",
        "meaning": "With both down, single events and notifications are lost to the service.",
        "advice": "Ask it where it runs: redis-cli ping.",
    }


@pytest.mark.parametrize("write", [False, True])
def test_migration_missing(emulator: Emulator, write: bool) -> None:
    with emulator.migration_missing():
        ran = doctor(emulator, "-ojson", *["--write"] * write)
    named = checks(ran)
    assert verdicts(ran) == expected(catalog="problem", build="not_checked", writes="ok" if write else "not_checked")
    assert named["catalog"]["seen"] == (
        "List, get and versions all answer 500 (Internal Server Error: Failed to list workflows), while health and the"
        " audit query are well."
    )
    assert "a migration is missing, as number 018" in named["catalog"]["meaning"]
    assert named["catalog"]["advice"].startswith("Apply all migrations that belong to the service's version.")


def test_no_partition_shows_by_a_write_only(emulator: Emulator) -> None:
    month = datetime.now(UTC)
    with emulator.no_partition():
        assert verdicts(doctor(emulator, "-ojson")) == expected()
        ran = doctor(emulator, "--write", "-ojson")
    named = checks(ran)
    assert verdicts(ran) == expected(writes="problem")
    assert named["writes"]["seen"].endswith(f"and has no event of {month:%Y-%m}.")
    assert f"audit_events has no partition for {month:%Y-%m}" in named["writes"]["meaning"]
    assert f"PARTITION OF audit_events FOR VALUES FROM ('{month:%Y-%m}-01') TO (" in named["writes"]["advice"]
    assert ran.document["event"]["stored"] is False


def test_writes_that_fail_though_there_is_a_partition(emulator: Emulator) -> None:
    assert request(emulator, "POST", "/api/v1/audit/events", event()).status == 201
    problem = {"type": "https://kubernaut.ai/problems/database-error", "title": "Database Error", "detail": "x"}
    emulator.fault("createAuditEventsBatch", status=500, body=problem)
    ran = doctor(emulator, "--write", "-ojson")
    assert verdicts(ran) == expected(writes="problem")
    assert checks(ran)["writes"]["meaning"].startswith("There is a partition for ")


@pytest.mark.parametrize(
    ("fault", "verdict", "stored", "words"),
    [
        ({"drop": "after"}, "ok", True, "An event was stored"),
        ({"drop": "before"}, "problem", None, "An event was sent, and no answer came"),
        ({"status": 400, "body": {"type": "x/validation-error", "title": "No"}}, "problem", False, "was refused"),
    ],
)
def test_a_write_whose_answer_is_another(
    emulator: Emulator, fault: dict[str, Any], verdict: str, stored: bool | None, words: str
) -> None:
    emulator.fault("createAuditEventsBatch", **fault)
    ran = doctor(emulator, "--write", "-ojson")
    assert verdicts(ran) == expected(writes=verdict)
    assert words in checks(ran)["writes"]["seen"]
    assert ran.document["event"]["stored"] is stored
    assert len(emulator.rows("audit_events")) == (1 if stored else 0)


@pytest.mark.parametrize(
    ("fault", "words", "stored"),
    [
        ({"status": 502, "html": True}, "and answered with 502 (text/html).", None),
        ({"status": 503, "html": True}, "and answered with 503 (text/html).", None),
        ({"status": 500, "html": True, "commit": True}, "An event was stored", True),
        ({"status": 500, "html": True}, "and answered with 500 (text/html).", None),
        ({"status": 504, "body": "upstream request timeout"}, "and answered with 504 (text/plain).", None),
        ({"status": 200, "page": "<html>log in"}, "and answered with 200 (text/html).", None),
        ({"status": 404, "body": "404 page not found"}, "was answered with 404 (text/plain), and isn't stored.", False),
        ({"status": 405}, "was answered with 405, and isn't stored.", False),
        ({"status": 413, "html": True}, "was answered with 413 (text/html), and isn't stored.", False),
        (
            {"status": 302, "headers": {"location": "/login?state=secret"}},
            "was answered with 302, to /login, and isn't stored.",
            False,
        ),
    ],
)
def test_a_write_that_something_before_the_service_answers(
    emulator: Emulator, fault: dict[str, Any], words: str, stored: bool | None
) -> None:
    emulator.fault("createAuditEventsBatch", **fault)
    ran = doctor(emulator, "--write", "-ojson")
    assert verdicts(ran) == expected(writes="ok" if stored else "problem")
    check = checks(ran)["writes"]
    assert words in check["seen"]
    assert stored or "something before" in check["meaning"]
    assert ("may or may not" in (check["meaning"] or "")) is (stored is None)
    assert "partition" not in f"{check['meaning']}{check['advice']}"
    assert ran.document["event"]["stored"] is stored
    assert "secret" not in ran.stdout
    assert len(emulator.rows("audit_events")) == (1 if stored else 0)


@pytest.mark.parametrize("single", [False, True])
def test_a_write_too_many(emulator: Emulator, single: bool) -> None:
    emulator.fault("createAuditEvent" if single else "createAuditEventsBatch", status=429)
    with emulator.database_down() if single else nullcontext():
        ran = doctor(emulator, "--write", "-ojson")
    well = {**DATABASE_DOWN, "redis": "not_checked"} if single else expected(writes="not_checked")
    assert verdicts(ran) == {**well, "limits": "problem"}
    assert checks(ran)["writes"]["seen"] == "The event was refused: see limits."
    assert checks(ran)["limits"]["seen"] == "429 was answered: too many requests."


@pytest.mark.parametrize("status", [401, 403])
def test_reading_is_allowed_and_writing_is_not(emulator: Emulator, status: int) -> None:
    emulator.fault("createAuditEventsBatch", status=status, body=DENIED)
    ran = doctor(emulator, "--write", "-ojson")
    assert verdicts(ran) == expected(writes="not_checked", token="problem")
    assert checks(ran)["token"]["seen"] == f"Reading is allowed, writing isn't: {status} (Unauthorized)."


def test_the_date_is_that_of_an_ingress(emulator: Emulator) -> None:
    """Its clock and the one here agree, and the service's own is behind."""
    emulator.fault("*", count=None, headers={"Date": formatdate(usegmt=True)})
    with emulator.clock(-timedelta(minutes=10)):
        ran = doctor(emulator, "--write", "-ojson")
    assert verdicts(ran) == expected(writes="not_checked", clock="problem")
    assert "timestamp is in the future" in checks(ran)["clock"]["seen"]
    assert checks(ran)["writes"]["seen"] == "The event was refused: see clock."
    assert emulator.rows("audit_events") == []


def test_the_service_goes_away_before_the_write(emulator: Emulator) -> None:
    asked = threading.Event()

    def note(request: object) -> bool:
        asked.set()
        return True

    # The last question before the event; its answer takes long enough for the port to be closed meanwhile.
    emulator.fault("getMetrics", when=note, delay=0.5)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(piped, "doctor", "--url", emulator.url, "--write", "-ojson")
        assert asked.wait(PATIENCE)
        with emulator.refuse_connections():
            ran = running.result(PATIENCE)
    assert verdicts(ran) == expected(connection="problem", writes="not_checked")
    assert checks(ran)["connection"]["seen"].endswith("an event couldn't be sent: Connection refused.")
    assert checks(ran)["writes"]["seen"] == "The event couldn't be sent: see connection."
    assert ran.document["event"]["stored"] is False


@pytest.mark.parametrize(
    ("operation", "fault", "seen"),
    [
        ("readinessCheck", {"status": 503, "html": True}, "/health/ready gives no answer that can be used: 503"),
        ("readinessCheck", {"drop": "before"}, "/health/ready gives no answer that can be used: Server disconnected"),
        ("healthCheck", {"status": 200, "page": "<html>"}, "/health gives no answer that can be used: 200 (text/html)"),
        ("livenessCheck", {"drop": "before"}, "/health/live gives no answer that can be used: Server disconnected"),
        ("livenessCheck", {"status": 503, "html": True}, "/health/live gives no answer that can be used: 503"),
    ],
)
def test_a_health_route_that_is_mute(emulator: Emulator, operation: str, fault: dict[str, Any], seen: str) -> None:
    emulator.fault(operation, **fault)
    ran = doctor(emulator, "-ojson")
    assert verdicts(ran) == expected(health="problem")
    assert checks(ran)["health"]["seen"].startswith(seen)
    assert ".." not in ran.stdout


@pytest.mark.parametrize("operation", ["livenessCheck", "healthCheck", "readinessCheck"])
def test_health_that_is_told_in_part(emulator: Emulator, operation: str) -> None:
    emulator.fault(operation, status=401)
    ran = doctor(emulator, "-ojson")
    assert verdicts(ran) == expected(health="not_checked", token="problem")


@pytest.mark.parametrize(
    ("operation", "body", "check"),
    [
        ("listWorkflows", {"workflows": "x"}, "catalog"),
        ("listWorkflowVersions", {"versions": {}}, "catalog"),
        ("queryAuditEvents", {"data": "x"}, "audit"),
    ],
)
def test_a_page_without_a_list(emulator: Emulator, operation: str, body: dict[str, Any], check: str) -> None:
    emulator.fault(operation, status=200, body=body)
    ran = doctor(emulator, "-ojson")
    unknown = {"build": "not_checked"} if check == "audit" else {}
    assert verdicts(ran) == expected(**{check: "problem", **unknown})
    assert checks(ran)[check]["seen"].endswith("answers 200 (application/json) without a list.")


def test_an_id_that_nobody_has_is_found(emulator: Emulator) -> None:
    emulator.fault("getWorkflowByID", status=200, body={})
    ran = doctor(emulator, "-ojson")
    assert verdicts(ran) == expected(catalog="problem", build="not_checked")
    assert checks(ran)["catalog"]["seen"] == "Get answers 200 (application/json) for an id that nobody has."


def test_a_time_before_the_year_1(emulator: Emulator) -> None:
    page = {"data": [{"event_timestamp": "0001-01-01T00:00:00+05:00"}], "pagination": {"limit": 50}}
    emulator.fault("queryAuditEvents", status=200, body=page)
    ran = doctor(emulator, "-ojson")
    assert verdicts(ran) == expected()
    assert checks(ran)["audit"]["seen"] == "The audit trail can be read."


@pytest.mark.parametrize("path", ["/api/v1", "/data-storage"])
def test_wrong_base_path(emulator: Emulator, path: str) -> None:
    ran = call("doctor", "--url", f"{emulator.url}{path}/", "--write", "-ojson")
    assert verdicts(ran) == STRANGER
    assert checks(ran)["service"] == {
        "id": "service",
        "verdict": "problem",
        "seen": f"{path}/health/live answers 404 (text/plain).",
        "meaning": f"Data Storage answers at {emulator.url}: the path {path} is too much.",
        "advice": f"Use --url {emulator.url}.",
    }
    assert ran.document["base_url"] == f"{emulator.url}{path}"
    assert emulator.writes == ()


def test_a_login_page(emulator: Emulator) -> None:
    emulator.fault("*", count=None, status=200, page="<html>\x1b[31mlog in</html>")
    ran = doctor(emulator, "--write", "-ojson")
    assert verdicts(ran) == STRANGER
    assert checks(ran)["service"]["seen"] == "/health/live answers 200 (text/html)."
    assert checks(ran)["service"]["meaning"].startswith("A web page, as a login page or an ingress has")
    assert len(emulator.requests) == 2


def test_a_redirect_to_a_login_page(emulator: Emulator) -> None:
    emulator.fault("*", count=None, status=302, headers={"Location": "https://login.example/auth?state=secret"})
    ran = doctor(emulator, "-ojson")
    assert verdicts(ran) == STRANGER
    assert checks(ran)["service"]["seen"] == "/health/live answers 302, to https://login.example/auth."
    assert "secret" not in ran.stdout


def test_a_gateway_without_a_service(emulator: Emulator) -> None:
    emulator.fault("*", count=None, html=True)
    ran = doctor(emulator, "-ojson")
    assert verdicts(ran) == STRANGER
    assert "finds no service behind it" in checks(ran)["service"]["meaning"]


@pytest.mark.parametrize(("minutes", "side"), [(10, "ahead of"), (-10, "behind")])
def test_the_clock_is_off(emulator: Emulator, minutes: int, side: str) -> None:
    """The event that is written has the service's time, so that its refusal can't be blamed on the write."""
    with emulator.clock(timedelta(minutes=minutes)):
        ran = doctor(emulator, "--write", "-ojson")
    assert verdicts(ran) == expected(clock="problem", writes="ok")
    assert checks(ran)["clock"]["seen"] == f"The service's clock is 10 minutes {side} the one here."


def test_no_token_anywhere(emulator: Emulator) -> None:
    emulator.fault("*", count=None, status=401, body=DENIED)
    ran = doctor(emulator, "--write", "-ojson")
    assert verdicts(ran) == {**STRANGER, "service": "not_checked", "token": "problem"}
    assert checks(ran)["token"] == {
        "id": "token",
        "verdict": "problem",
        "seen": "401 (Unauthorized) was answered.",
        "meaning": "It wants a token, and none is set.",
        "advice": "Set --token-file, KUBERNAUT_TOKEN or KUBERNAUT_TOKEN_FILE.",
    }


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_not_accepted(emulator: Emulator, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a newer build does it: health and metrics are open."""
    monkeypatch.setenv("KUBERNAUT_TOKEN", "tell-nobody")
    for operation in ("listWorkflows", "getWorkflowByID", "listWorkflowVersions", "queryAuditEvents"):
        emulator.fault(operation, count=None, status=status, body=DENIED)
    ran = doctor(emulator, "--write", "-ojson")
    assert verdicts(ran) == expected(token="problem", catalog="not_checked", audit="not_checked", build="not_checked")
    assert checks(ran)["writes"]["seen"] == "No event was sent: see token."
    assert checks(ran)["token"]["meaning"].startswith("The token isn't" if status == 401 else "Whoever this is")
    assert "tell-nobody" not in ran.stdout + ran.stderr


def test_connection_refused(emulator: Emulator) -> None:
    with emulator.refuse_connections():
        ran = doctor(emulator, "--write", "-ojson")
    assert verdicts(ran) == NOBODY
    assert checks(ran)["connection"]["seen"] == f"No answer from {emulator.url}: Connection refused."
    assert checks(ran)["connection"]["meaning"].startswith("The host is there, and nothing listens on that port")


def test_no_such_host() -> None:
    ran = call("doctor", "--url", "http://no-such-host.invalid", "-ojson")
    assert verdicts(ran) == NOBODY
    assert checks(ran)["connection"]["meaning"] == "The host's name isn't known here."


def test_tls_where_there_is_none(emulator: Emulator) -> None:
    url = emulator.url.replace("http:", "https:")
    ran = call("doctor", "--url", url, "-ojson")
    assert verdicts(ran) == NOBODY
    assert checks(ran)["connection"]["advice"] == f"Use http: --url {emulator.url}."


def test_a_certificate_that_is_not_trusted() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with WireServer(lambda connection: None, tls=context) as server:
        ran = call("doctor", "--url", server.url, "-ojson")
    assert verdicts(ran) == NOBODY
    assert "--ca-file" in checks(ran)["connection"]["advice"]


def test_a_server_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        ran = call("doctor", "--url", url, "--timeout", "0.2", "-ojson")
    assert verdicts(ran) == NOBODY
    assert checks(ran)["connection"]["seen"].startswith(f"No answer from {url}: nothing within 0.2 s")


def test_a_server_that_closes() -> None:
    def close(connection: Connection) -> None:
        connection.request()

    with WireServer(close) as server:
        ran = call("doctor", "--url", server.url, "-ojson")
    assert verdicts(ran) == NOBODY
    assert checks(ran)["connection"]["meaning"].startswith("Something takes the connection and closes it")


def test_a_proxy_that_nobody_listens_on() -> None:
    with nobody() as url:
        proxy = url.replace("//", "//user:password@")
        arguments = ("doctor", "--url", "http://data-storage.kubernaut.svc:8080", "-ojson")
        ran = piped(*arguments, env={"HTTP_PROXY": proxy, "http_proxy": proxy, "no_proxy": "", "NO_PROXY": ""})
    assert verdicts(ran) == NOBODY
    found = checks(ran)["connection"]
    assert f"through the proxy {url.replace('//', '//***@')}: Connection refused." in found["seen"]
    assert "add it to NO_PROXY" in found["advice"]
    assert "password" not in ran.stdout


def test_events_waiting_in_redis(emulator: Emulator) -> None:
    with emulator.no_partition():
        for _ in range(3):
            assert request(emulator, "POST", "/api/v1/audit/events", event()).status == 202
    ran = doctor(emulator, "-ojson")
    assert verdicts(ran) == expected(queue="problem")
    assert checks(ran)["queue"]["seen"] == "3 events wait in Redis."
    assert "never kill it" in checks(ran)["queue"]["advice"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"status": 404}, "aren't at this address: 404."),
        ({"drop": "before"}, "aren't at this address: "),
        ({"html": True, "status": 200}, "aren't at this address: 200 (text/html)."),
        ({"status": 200, "body": "envoy_x 3\n"}, "aren't those of Data Storage"),
        ({"status": 200, "body": ""}, "aren't those of Data Storage"),
    ],
)
def test_metrics_elsewhere(emulator: Emulator, fault: dict[str, Any], words: str) -> None:
    emulator.fault("getMetrics", **fault)
    ran = doctor(emulator, "-ojson")
    assert verdicts(ran) == expected(queue="not_checked")
    assert words in checks(ran)["queue"]["seen"]


def test_shutting_down(emulator: Emulator) -> None:
    body = {"status": "not_ready", "reason": "shutting_down"}
    emulator.fault("readinessCheck", status=503, body=body)
    ran = doctor(emulator, "-ojson")
    assert verdicts(ran) == expected(health="problem")
    assert checks(ran)["health"]["seen"] == "The service is shutting down."


def test_too_often_and_too_slow(emulator: Emulator) -> None:
    emulator.fault("listWorkflowVersions", status=429, body={"type": "x/rate-limited", "title": "Too Many Requests"})
    ran = doctor(emulator, "-ojson")
    assert verdicts(ran) == expected(limits="problem", catalog="not_checked")
    emulator.fault("queryAuditEvents", delay=1.2)
    ran = doctor(emulator, "--timeout", "2", "-ojson")
    assert verdicts(ran) == expected(limits="problem")


def test_a_newer_build(emulator: Emulator) -> None:
    emulator.fault(
        "listWorkflows",
        status=200,
        body=b'{"workflows":[{"workflowId":"x"}],"total":1}',
        content_type="application/json",
    )
    missing = {"type": "https://kubernaut.ai/problems/not-found", "title": "Not Found"}
    emulator.fault("getWorkflowByID", status=404, body=missing)
    ran = doctor(emulator, "-ojson")
    assert verdicts(ran) == expected(build="problem")
    assert checks(ran)["build"]["meaning"] == "A build of 2026-02-17 or later, whose catalog this client can't read."


# as a person sees it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_on_a_terminal(emulator: Emulator, columns: int) -> None:
    with emulator.migration_missing():
        ran = in_terminal("doctor", "--url", emulator.url, columns=columns, env={"NO_COLOR": "1"})
        colored = in_terminal("doctor", "--url", emulator.url, columns=columns)
    assert ran.code == 1
    lines = ran.stdout.splitlines()
    assert all(len(line) <= columns and line == line.rstrip() for line in lines)
    assert lines[-1] == "Error: not well: catalog"
    assert "problem      catalog" in ran.stdout
    words = " ".join(ran.stdout.split())
    assert "-> Apply all migrations that belong to the service's version." in words
    # All is shown, however narrow it is.
    assert "neither health nor a write tells while the database is well." in words
    assert "\x1b[31mproblem    \x1b[0m" in colored.stdout
    uncolored = re.sub(r"\x1b\[\d+m", "", colored.stdout)
    assert re.sub(r"\d\.\d{3}", "", uncolored) == re.sub(r"\d\.\d{3}", "", ran.stdout)


def test_what_is_unchecked_for_one_reason_is_one_line(emulator: Emulator) -> None:
    with nobody() as url:
        ran = piped("doctor", "--url", url)
    assert ran.code == 4
    assert (
        "not checked  service, token, clock, health, catalog, audit, writes, queue, redis, limits, build\n"
        in ran.stdout
    )
    assert ran.stdout.count("Nobody answers: see connection.") == 1
    ran = piped("doctor", "--url", emulator.url)
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout.endswith("\n\nAll that was checked is well. Not checked: writes, redis.\n")


def test_hostile_words_of_the_service(emulator: Emulator) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\r\nproblem  all"
    emulator.fault(
        "healthCheck", status=503, body='{"status":"unhealthy","database":"unreachable","error":"' + evil + '"}'
    )
    for operation in ("listWorkflows", "getWorkflowByID", "listWorkflowVersions"):
        emulator.fault(operation, status=500, body={"type": "x/internal-error", "title": evil, "detail": evil})
    ran = in_terminal("doctor", "--url", emulator.url, columns=200, env={"NO_COLOR": "1"})
    assert "\x1b" not in ran.stdout
    assert "\x07" not in ran.stdout
    assert "\nproblem  all" not in ran.stdout
    assert "\\x1b]0;owned" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--wriet",), "No such option '--wriet'"),
        (("--url", "nonsense"), "--url must start with http://"),
        (("extra",), "Got unexpected extra argument"),
        ((), "no service is named"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], words: str) -> None:
    ran = piped("doctor", *arguments)
    assert (ran.code, ran.stdout) == (2, "")
    assert words in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
