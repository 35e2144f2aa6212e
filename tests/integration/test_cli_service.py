"""`health` and `wait` against the emulator and against nobody: codes, words, and what a terminal and a pipe show."""

import re
import signal
import ssl
import subprocess
from collections.abc import Iterator
from threading import Timer

import pytest

from kubernaut_client.emulator import Emulator
from tests.unit.cli.tools import COMMAND, PATIENCE, call, environment, in_terminal, nobody, piped

pytestmark = pytest.mark.emulator

WELL = """\
CHECK   STATUS   REASON  DETAIL
live    alive    -       -
health  healthy  -       -
ready   ready    -       -
"""
SHUTTING_DOWN = {"status": "not_ready", "reason": "shutting_down"}


@pytest.fixture
def silence() -> Iterator[str]:
    with nobody() as url:
        yield url


def test_healthy(emulator: Emulator) -> None:
    ran = piped("health", "--url", emulator.url)
    assert (ran.code, ran.stdout, ran.stderr) == (0, WELL, "")
    ran = piped("health", "-ojson", env={"KUBERNAUT_DATASTORAGE_URL": emulator.url})
    assert (ran.code, ran.stderr) == (0, "")
    document = ran.document
    assert (document["ok"], document["base_url"], document["exit_code"]) == (True, emulator.url, 0)
    assert document["checks"]["ready"] == {"ok": True, "status": "ready", "reason": None, "error": None}


@pytest.mark.parametrize("columns", [40, 100])
def test_healthy_on_a_terminal(columns: int, emulator: Emulator) -> None:
    ran = in_terminal("health", "--url", emulator.url, columns=columns, env={"NO_COLOR": "1"})
    assert (ran.code, ran.stdout) == (0, WELL)
    colored = in_terminal("health", "--url", emulator.url, columns=columns)
    assert "\x1b[32mhealthy\x1b[0m" in colored.stdout
    assert re.sub(r"\x1b\[\d+m", "", colored.stdout) == WELL


def test_database_down(emulator: Emulator) -> None:
    with emulator.database_down():
        ran = call("health", "--url", emulator.url)
        narrow = in_terminal("health", "--url", emulator.url, columns=40, env={"NO_COLOR": "1"})
    assert ran.code == 1
    assert ran.stdout.splitlines()[1].startswith("live    alive")
    assert ran.stdout.splitlines()[2].startswith("health  unhealthy  database_unreachable  ")
    assert ran.stderr == f"Error: {emulator.url} answers but isn't well: database_unreachable\n"
    assert narrow.code == 1
    table, _, _ = narrow.stdout.partition("Error:")
    assert all(len(line) <= 40 for line in table.splitlines())
    assert "…" in table


def test_not_ready(emulator: Emulator) -> None:
    emulator.fault("readinessCheck", status=503, body=SHUTTING_DOWN)
    ran = call("health", "--url", emulator.url, "-ojson")
    assert (ran.code, ran.document["ok"]) == (1, False)
    assert ran.document["checks"]["health"]["ok"] is True
    assert ran.document["checks"]["ready"]["reason"] == "shutting_down"
    assert ran.document["error"]["type"] == "NotReadyError"


def test_words_of_the_service_are_escaped(emulator: Emulator) -> None:
    for _ in range(2):
        emulator.fault("healthCheck", status=503, body={"status": "\x1b[31m", "error": "\x9b\u202e\x07"})
    ran = piped("health", "--url", emulator.url)
    narrow = in_terminal("health", "--url", emulator.url, columns=40, env={"NO_COLOR": "1"})
    for run in (ran, narrow):
        assert run.code == 1
        assert (run.stdout + run.stderr).replace("\n", "").isprintable()
        assert "\\x1b[" in run.stdout


def test_nobody_answers(silence: str) -> None:
    ran = call("health", "--url", silence)
    assert (ran.code, ran.stdout) == (4, "")
    assert ran.stderr == (
        f"Error: cannot connect to {silence}: is it running? Set --url or KUBERNAUT_DATASTORAGE_URL; "
        "'kubernaut-client doctor' finds out more (ConnectionRefusedError: [Errno 111] Connection refused)\n"
    )
    document = call("health", "--url", silence, "--output", "json").document
    assert (document["exit_code"], document["base_url"]) == (4, silence)
    assert (document["error"]["type"], document["error"]["outcome"]) == ("ConnectError", "not_sent")
    assert document["checks"]["live"]["reason"] == "no answer"
    assert document["checks"]["health"] is document["checks"]["ready"] is None


def test_a_service_that_never_answers_is_asked_once(emulator: Emulator) -> None:
    emulator.fault("livenessCheck", drop="before")
    ran = call("health", "--url", emulator.url)
    assert ran.code == 4
    assert [record.operation for record in emulator.requests] == ["livenessCheck"]


def test_the_wrong_url(emulator: Emulator) -> None:
    ran = call("health", "--url", f"{emulator.url}/nowhere")
    assert ran.code == 1
    assert "is --url right?" in ran.stderr


def test_a_web_page_where_the_service_should_be(emulator: Emulator) -> None:
    for operation in ("livenessCheck", "readinessCheck"):
        emulator.fault(operation, status=200, body="<html>", content_type="text/html", count=None)
    ran = call("health", "--url", emulator.url)
    assert ran.code == 1
    assert "is --url right?" in ran.stderr
    assert "base_url" not in ran.stdout + ran.stderr
    ran = call("wait", "--for", "1", "--url", emulator.url)
    assert ran.code == 1
    words = "answers, but not as Data Storage does: is --url right?"
    assert [line.partition("s: ")[2] for line in ran.stderr.splitlines()] == [words, words]
    emulator.clear_faults()
    emulator.fault("readinessCheck", status=200, body={"hello": "world"}, count=None)
    assert call("wait", "--for", "1", "--url", emulator.url).stderr.endswith(f"s: {words}\n")


def test_a_web_page_for_any_command(emulator: Emulator) -> None:
    emulator.fault("listWorkflows", status=200, body="<html>", content_type="text/html", count=None)
    ran = call("workflows", "list", "--url", emulator.url)
    assert ran.code == 1
    assert "is --url right?" in ran.stderr
    assert "base_url" not in ran.stderr


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_not_taken(status: int, emulator: Emulator) -> None:
    for operation in ("livenessCheck", "readinessCheck"):
        emulator.fault(operation, status=status, body="no", count=None)
    for arguments in (["health"], ["wait", "--for", "1"]):
        ran = call(*arguments, "--url", emulator.url)
        assert ran.code == 1
        assert f"{status}: is the token right? set --token-file" in ran.stderr
        assert "--url" not in ran.stderr


def test_the_token_is_sent_and_not_shown(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNAUT_TOKEN", "SECRET-TOKEN")
    emulator.fault("livenessCheck", status=401, body="who is SECRET-TOKEN?")
    ran = call("-vv", "health", "--url", emulator.url)
    assert ran.code == 1
    assert "debug: livenessCheck attempt 1: AuthenticationError" in ran.stderr
    assert "SECRET" not in ran.stdout + ran.stderr
    assert all(record.headers["authorization"] == "Bearer SECRET-TOKEN" for record in emulator.requests)


def test_wait_for_what_is_ready(emulator: Emulator) -> None:
    ran = call("wait", "--url", emulator.url)
    assert (ran.code, ran.stderr) == (0, "")
    assert re.fullmatch(rf"{emulator.url} is ready after \d+\.\d s\n", ran.stdout)


def test_wait_tells_each_change_once(emulator: Emulator) -> None:
    emulator.fault("readinessCheck", drop="before", count=2)
    emulator.fault("readinessCheck", status=503, body=SHUTTING_DOWN, count=2)
    emulator.fault("readinessCheck", status=404, body="no")
    ran = call("wait", "--url", emulator.url)
    assert ran.code == 0
    told = [line.partition(": ")[2] for line in ran.stderr.splitlines()]
    assert told == [
        "no answer (ConnectionDroppedError)",
        "not ready: shutting_down",
        "answers 404: is it the right URL?",
    ]


def test_wait_in_vain(emulator: Emulator, silence: str) -> None:
    emulator.fault("readinessCheck", status=503, body=SHUTTING_DOWN, count=None)
    ran = call("wait", "--for", "0.5", "--url", emulator.url, "-ojson")
    assert ran.code == 1
    assert (ran.document["ready"], ran.document["state"]) == (False, "not ready: shutting_down")
    assert ran.document["error"]["message"] == "not ready within 0.5 s: not ready: shutting_down"
    ran = call("wait", "--for", "0.5", "--url", silence)
    assert (ran.code, ran.stdout) == (4, "")
    assert ran.stderr.splitlines()[-1].startswith(f"Error: not ready within 0.5 s: cannot connect to {silence}: ")


def test_wait_until_it_comes_up(silence: str, emulator: Emulator) -> None:
    emulator.fault("readinessCheck", status=503, body=SHUTTING_DOWN, count=None)
    timer = Timer(0.3, emulator.clear_faults)
    timer.start()
    try:
        assert call("wait", "--url", emulator.url).code == 0
    finally:
        timer.join()


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon", "86401"])
def test_wait_for_no_time(value: str) -> None:
    ran = call("wait", "--for", value, "--url", "http://localhost:1")
    assert (ran.code, ran.stdout) == (2, "")
    assert "Invalid value for '--for'" in ran.stderr


def test_ctrl_c_is_one_line(silence: str) -> None:
    process = subprocess.Popen(
        [*COMMAND, "wait", "--url", silence, "-ojson"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline().endswith("no answer (ConnectError)\n")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=PATIENCE)
        assert (process.returncode, stderr) == (1, "Error: interrupted\n")
        assert '"type": "Interrupted"' in stdout
    finally:
        process.kill()
        process.wait()


def test_a_certificate_that_is_not_trusted() -> None:
    import trustme

    from tests.unit.wire.server import WireServer

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with WireServer(lambda connection: None, tls=context) as server:
        ran = call("health", "--url", server.url)
    assert ran.code == 4
    assert "--ca-file" in ran.stderr
