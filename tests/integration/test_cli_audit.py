"""`audit query` against the emulator: rows and documents of any length, filters, what can't be read, wrong input."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from kubernaut_client.emulator import Emulator
from tests.events import event, moment
from tests.integration.emulator_tools import call as request
from tests.integration.test_audit_walk import INSERT
from tests.unit.cli.tools import COMMAND, Ran, call, environment, in_terminal, nobody, piped

pytestmark = pytest.mark.emulator

EVENTS = "/api/v1/audit/events"
HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\n\u202eevil"


def query(emulator: Emulator, *arguments: str) -> Ran:
    return call("audit", "query", "--url", emulator.url, *arguments)


def store(emulator: Emulator, *events: dict[str, Any]) -> None:
    for each in events:
        assert request(emulator, "POST", EVENTS, each).status == 201


def insert(emulator: Emulator, count: int) -> None:
    """So many events, a microsecond apart, without going through the service."""
    values = {
        "kind": "bulk",
        "newest": datetime.now(UTC),
        "same": 1,
        "apart": timedelta(microseconds=1),
        "last": count - 1,
    }
    with psycopg.connect(emulator.dsn, autocommit=True) as connection:
        connection.execute(INSERT, values)


def ids(ran: Ran) -> list[str]:
    return [each["correlation_id"] for each in ran.document["events"]]


def test_newest_first(emulator: Emulator) -> None:
    store(emulator, event("old", event_timestamp=moment(timedelta(hours=1))), event("new", event_outcome="failure"))
    ran = query(emulator)
    head, first, second = ran.stdout.splitlines()
    assert (ran.code, ran.stderr) == (0, "")
    assert head.split() == ["TIME", "TYPE", "OUTCOME", "SEVERITY", "CORRELATION", "ID"]
    assert first.split()[2:] == ["workflow.started", "failure", "info", "new"]
    assert second.split()[2:] == ["workflow.started", "success", "info", "old"]
    assert '"k"' not in ran.stdout


def test_the_document(emulator: Emulator) -> None:
    sent = event("c", namespace="shop", event_data={"é": [1, None, {"x": True}]})
    store(emulator, sent)
    (found,) = query(emulator, "-ojson").document["events"]
    (row,) = emulator.rows("audit_events")
    assert found == {
        "event_id": str(row["event_id"]),
        **{name: sent[name] for name in ("event_type", "event_category", "event_action", "event_outcome")},
        "event_timestamp": sent["event_timestamp"],
        "correlation_id": "c",
        "severity": "info",
        "actor_type": "service",
        "actor_id": "workflow-service",
        "resource_type": "workflow",
        "resource_id": "c",
        "namespace": "shop",
        "cluster_name": None,
        "parent_event_id": None,
        "version": "1.0",
        "event_data": sent["event_data"],
    }


def test_every_filter_is_sent(emulator: Emulator) -> None:
    other = event("other", event_type="t2", event_category="gateway", event_outcome="failure", severity="low")
    store(emulator, other, event("this", severity="high"))
    for arguments in (
        ("--event-type", "workflow.started"),
        ("--category", "workflow"),
        ("--outcome", "success"),
        ("--severity", "high"),
        ("--correlation-id", "this"),
    ):
        assert ids(query(emulator, *arguments, "-ojson")) == ["this"]
    assert query(emulator, "--severity", "none").stderr == "no event matches\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--since", "90m"), ["now", "hour"]),
        (("--since", "1d"), ["now", "hour"]),
        (("--until", "30m"), ["hour", "days"]),
        (("--since", "3d", "--until", "1h30m"), ["days"]),
        (("--since", "2000-01-01"), ["now", "hour", "days"]),
        (("--until", "2000-01-01T00:00:00"), []),
        (("--since", "2000-01-01T00:00:00+02:00"), ["now", "hour", "days"]),
    ],
)
def test_times(emulator: Emulator, arguments: tuple[str, ...], expected: list[str]) -> None:
    ages = {"days": timedelta(days=2), "hour": timedelta(hours=1), "now": timedelta()}
    store(emulator, *(event(name, event_timestamp=moment(ago)) for name, ago in ages.items()))
    assert ids(query(emulator, *arguments, "-ojson")) == expected


def test_limits(emulator: Emulator) -> None:
    insert(emulator, 101)
    for arguments, count, more in (
        ((), 100, True),
        (("--limit", "3"), 3, True),
        (("--limit", "101"), 101, False),
        (("--all",), 101, False),
        (("--all", "--page-size", "7"), 101, False),
    ):
        emulator.clear_requests()
        ran = query(emulator, *arguments)
        assert ran.code == 0
        assert len(ran.stdout.splitlines()) == count + 1
        assert ran.stderr == (f"there are more than these {count}: see --limit and --all\n" if more else "")
        document = query(emulator, *arguments, "-ojson").document
        assert (len(document["events"]), document["more"], document["exit_code"]) == (count, more, 0)
    assert all("limit=7" in each.path for each in emulator.requests)


def test_nothing(emulator: Emulator) -> None:
    ran = query(emulator)
    assert (ran.code, ran.stdout, ran.stderr) == (0, "", "the audit trail is empty\n")
    document = query(emulator, "-ojson").document
    assert (document["events"], document["more"], document["unreadable"]) == ([], False, [])


def test_data(emulator: Emulator) -> None:
    store(emulator, event("a", event_data={"a": {"b": [1]}}), event("c", event_data={}))
    first, _, second = query(emulator, "--data").stdout.partition("\n\n")
    assert first.splitlines()[0].endswith("Z  workflow.started  success")
    assert first.splitlines()[1].endswith(", correlation id c")
    assert first.splitlines()[2:] == ["  {}"]
    assert json.loads("".join(second.splitlines()[2:])) == {"a": {"b": [1]}}


def test_hostile_words_of_the_service(emulator: Emulator) -> None:
    members = {"event_type": HOSTILE, "severity": "\x1b[31m", "event_data": {HOSTILE: HOSTILE}}
    store(emulator, event(HOSTILE, **members))
    for arguments in ((), ("--data",)):
        shown = in_terminal(
            "audit", "query", "--url", emulator.url, *arguments, columns=200, env={"NO_COLOR": "1"}
        ).stdout
        assert shown.replace("\n", "").isprintable()
        assert "\\x1b]0;owned\\x07" in shown
        assert "\u202e" not in shown
        assert len(shown.splitlines()) == (2 if not arguments else 5)
    ran = query(emulator, "-ojson")
    assert ran.stdout.isascii()
    assert "\x1b" not in ran.stdout
    assert ran.document["events"][0]["event_data"] == {HOSTILE: HOSTILE}


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_on_a_terminal(emulator: Emulator, columns: int) -> None:
    store(emulator, event("c" * 200))
    ran = in_terminal("audit", "query", "--url", emulator.url, columns=columns, env={"NO_COLOR": "1"})
    assert ran.code == 0
    assert all(len(line) <= columns for line in ran.stdout.splitlines())
    assert ("CORRELATION ID" in ran.stdout, "SEVERITY" in ran.stdout) == (columns >= 60, columns >= 100)
    assert "…" not in ran.stdout.splitlines()[1].split("workflow.start")[0]
    assert "workflow.start" in ran.stdout


def bad_page(*names: str) -> dict[str, Any]:
    """A page that holds events that can't be read, behind a good one."""
    good = {**event("good"), "event_id": "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "resource_type": "r", "actor_id": "a"}
    good |= {"resource_id": "r", "actor_type": "service"}
    bad = [{"event_id": name, "event_timestamp": moment(timedelta(hours=1))} for name in names]
    pages = {"limit": 1000, "offset": 0, "total": 1 + len(bad), "has_more": False}
    return {"data": [good, *bad], "pagination": pages}


def test_what_can_not_be_read(emulator: Emulator) -> None:
    names = ("\x1b[31mx", *(f"b-{number}" for number in range(11)))
    emulator.fault("queryAuditEvents", status=200, body=bad_page(*names), count=3)
    ran = query(emulator)
    assert ran.code == 1
    assert "good" in ran.stdout
    *warnings, error = ran.stderr.splitlines()
    assert len(warnings) == 11
    assert warnings[0].startswith("Warning: event \\x1b[31mx: ")
    assert warnings[-1] == "Warning: and 2 more that can't be read"
    assert error.startswith("Error: 12 ")
    document = query(emulator, "-ojson").document
    assert [each["correlation_id"] for each in document["events"]] == ["good"]
    assert len(document["unreadable"]) == 12
    assert document["exit_code"] == 1
    assert document["error"]["type"] == "ResponseDecodeError"


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_times_that_utc_does_not_have(emulator: Emulator, at: str) -> None:
    good, *_ = bad_page()["data"]
    rows = [{**good, "event_timestamp": at}, good]
    body = {"data": rows, "pagination": {"limit": 100, "offset": 0, "total": 2, "has_more": False}}
    emulator.fault("queryAuditEvents", status=200, body=body, count=2)
    ran = query(emulator)
    assert (ran.code, ran.stdout.count("good")) == (1, 1)
    assert "a time that utc has" in ran.stderr
    document = query(emulator, "-ojson").document
    assert (len(document["events"]), len(document["unreadable"]), document["exit_code"]) == (1, 1, 1)


def test_a_failure_on_the_way(emulator: Emulator) -> None:
    """The document is complete, and holds what there was until then."""
    insert(emulator, 5)
    fault: dict[str, Any] = {"status": 500, "body": {"type": "x/internal-error", "title": "No"}}
    emulator.fault("queryAuditEvents", skip=1, count=None, **fault)
    arguments = ("--all", "--page-size", "2", "--attempts", "1")
    ran = query(emulator, *arguments, "-ojson")
    assert (ran.code, len(ran.document["events"]), ran.document["exit_code"]) == (1, 2, 1)
    assert ran.document["error"]["type"] == "InternalServerError"
    emulator.clear_faults()
    emulator.fault("queryAuditEvents", skip=1, count=None, **fault)
    ran = query(emulator, *arguments)
    assert (ran.code, len(ran.stdout.splitlines())) == (1, 3)


def test_nobody_answers() -> None:
    with nobody() as url:
        ran = call("audit", "query", "--url", url, "--attempts", "1", "-ojson")
    assert (ran.code, ran.document["error"]["type"]) == (4, "ConnectError")
    assert "events" not in ran.document


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "yesterday"), "--since: must be a time as in RFC 3339"),
        (("--until", ""), "--until: must"),
        (("--event-type", ""), "--event-type: must not be empty"),
        (("--correlation-id", "x" * 256), "--correlation-id: must"),
        (("--category", "analsis"), "Invalid value for '--category'"),
        (("--since", "1h", "--until", "2h"), "--since: must not be after until"),
        (("--since", "2026-01-02", "--until", "2026-01-01"), "--since: must not be after until"),
        (("--since", "9000-01-01T00:00:00Z"), "--since: 9000-01-01T00:00:00Z is in the future"),
        (("--since", "9000-01-01"), "--since: 9000-01-01 is in the future"),
        (("--severity", "x" * 21), "--severity: must"),
        (("--outcome", "maybe"), "Invalid value for '--outcome'"),
        (("--limit", "0"), "Invalid value for '--limit'"),
        (("--page-size", "1001"), "Invalid value for '--page-size'"),
        (("--all", "--limit", "3"), "--all and --limit exclude each other"),
        (("--no-such-option",), "No such option"),
        (("extra",), "Got unexpected extra argument"),
    ],
)
def test_wrong_input(emulator: Emulator, arguments: tuple[str, ...], words: str) -> None:
    for more in ((), ("-ojson",)):
        ran = query(emulator, *arguments, *more)
        assert ran.code == 2
        assert words in ran.stderr
        assert "(see 'kubernaut-client audit query --help')" in ran.stderr
        assert len(ran.stderr.splitlines()) == 1
    assert emulator.requests == ()


# many ----------------------------------------------------------------------------------------------------------------

PEAK = """
import resource, sys
from kubernaut_client.cli import main
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def peak(emulator: Emulator, *arguments: str) -> tuple[int, int]:
    """Lines on stdout and KiB of memory of a run of its own."""
    command = [sys.executable, "-c", PEAK, "audit", "query", "--url", emulator.url, "--all", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    return done.stdout.count("\n"), int(done.stderr)


@pytest.mark.parametrize("arguments", [(), ("-ojson",), ("--data",)])
def test_memory_does_not_grow(emulator: Emulator, arguments: tuple[str, ...]) -> None:
    insert(emulator, 2_000)
    _, few = peak(emulator, *arguments)
    insert(emulator, 8_000)
    lines, many = peak(emulator, *arguments)
    assert lines > 10_000
    # All rows together take more than that.
    assert many - few < 8_000


def test_a_reader_that_goes_away(emulator: Emulator) -> None:
    insert(emulator, 15_000)
    for arguments in ((), ("-ojson",), ("--data",)):
        emulator.clear_requests()
        process = subprocess.Popen(
            [*COMMAND, "audit", "query", "--url", emulator.url, "--all", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        with process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 0
        assert len(emulator.requests) < 8


def test_a_pipe_and_this_process_print_the_same(emulator: Emulator) -> None:
    insert(emulator, 3)
    arguments = ("audit", "query", "--url", emulator.url)
    for more in ((), ("-ojson",), ("--data",)):
        assert piped(*arguments, *more) == call(*arguments, *more)
