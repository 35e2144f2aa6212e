"""docs/audit-writer.md is true: its commands and examples are run, its tables name what is there.

Its other blocks of Python are run by `test_pages`.
"""

import dataclasses
import importlib.util
import json
import logging
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import httpx
import pytest
import yaml

from kubernaut_client import AuditWriter, SpoolError, SpoolReport
from kubernaut_client.emulator import Emulator
from kubernaut_client.spool import directory, inspection
from kubernaut_client.spool.report import AlarmKind
from tests.events import event
from tests.integration.emulator_tools import eventually, read_all
from tests.unit.cli.tools import PATIENCE, environment
from tests.writers import MovedClock, tuning, writer

pytestmark = pytest.mark.emulator

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TEXT = (ROOT / "docs" / "audit-writer.md").read_text("utf-8")
(CONSOLE,) = re.findall(r"```console\n(.*?)```\n", TEXT, re.DOTALL)
# What differs from run to run.
CHANGING = {
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z": "MOMENT",
    r"h\d+m\d+\.\d+s": "AGE",
    r"\d+ KiB": "SIZE",
    r"\d+\.\d s$": "SECONDS",
    r"http://[\w.:-]+": "URL",
    r"request [0-9a-f]{32}": "REQUEST",
}


def constant(text: str) -> str:
    """A text without what differs from run to run."""
    for pattern, name in CHANGING.items():
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return text


def column(heading: str) -> list[str]:
    """The first column of the table whose head begins so, without backquotes."""
    (table,) = re.findall(rf"^\| {re.escape(heading)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [row.split("|")[1].strip().strip("`") for row in table.splitlines()]


def unstamped(correlation_id: str, **members: Any) -> dict[str, Any]:
    """An event without a time of its own."""
    return event(correlation_id, event_timestamp=..., event_data={"step": 1}, **members)


def stored(emulator: Emulator) -> list[str]:
    """The correlation ids of all events that are in the database."""
    return sorted(row["correlation_id"] for row in emulator.rows("audit_events"))


def left(spool: Path) -> list[str]:
    return sorted(path.name for path in spool.iterdir()) if spool.exists() else []


# ---- what is printed and logged --------------------------------------------------------------------------------------


@pytest.fixture
def spool(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The spool of the page: what a process has left that ended 2.3 hours ago, an event in each state."""
    path = tmp_path / "audit"
    monkeypatch.setattr(directory, "uuid4", lambda: SimpleNamespace(hex="5f0c1e2a9b3d"))
    clock = MovedClock()
    clock.wall_offset = -2.3 * 3600
    audit = writer(emulator.url, path, tuning(clock=clock), on_invalid="quarantine")
    with emulator.clock(timedelta(days=8)):
        audit.emit(unstamped("remediation-1"))
        assert audit.flush(PATIENCE).quarantined == 1
    emulator.fault("createAuditEventsBatch", drop="after")
    look = emulator.fault("queryAuditEvents", status=503, count=None)
    audit.emit(unstamped("remediation-2"))
    eventually(lambda: look.used > 0)
    with emulator.refuse_connections():
        audit.emit(unstamped("remediation-3"))
        audit.emit(unstamped("remediation-4", event_type="workflow.completed"))
        audit.emit(unstamped(""))
        assert audit.close(0) == SpoolReport(quarantined=2, unsettled=1, waiting=2)
    emulator.clear_faults()
    return path


def test_the_commands_print_what_the_page_says(emulator: Emulator, spool: Path, tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    path = f"{python.parent}:{environment()['PATH']}"
    printed = ""
    for line in CONSOLE.splitlines():
        if line.startswith("$ "):
            done = subprocess.run(
                ["sh", "-c", line[2:]],
                cwd=tmp_path,
                env=environment({"PATH": path, "KUBERNAUT_DATASTORAGE_URL": emulator.url}),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                timeout=PATIENCE,
                check=False,
            )
            printed += f"{line}\n{done.stdout}"
    assert constant(printed) == constant(CONSOLE)
    commands = re.findall(r"kubernaut_client\.spool (\w+)", CONSOLE)
    assert set(commands) == {"status", "list", "show", "export", "retry", "drain"}
    assert stored(emulator) == ["remediation-1", "remediation-2", "remediation-3", "remediation-4"]


def test_the_log_says_once_that_the_service_is_away_and_once_that_it_is_back(
    emulator: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "kubernaut_client.spool")
    with writer(emulator.url, tmp_path / "audit", tuning(linger=0.5)) as audit:
        with emulator.refuse_connections():
            for number in range(3):
                audit.emit(unstamped(f"remediation-{number}"))
            eventually(lambda: bool(caplog.records))
        audit.flush(PATIENCE)
    (written,) = re.findall(r"```\n(WARNING .*?)```\n", TEXT, re.DOTALL)
    logged = [f"{record.levelname} {record.name}: {record.getMessage()}" for record in caplog.records]
    assert constant("\n".join(logged)) == constant(written.rstrip("\n"))


def test_the_tables_name_all_there_is() -> None:
    assert column("Kind") == list(get_args(AlarmKind))
    assert column("Count") == [field.name for field in dataclasses.fields(SpoolReport)]


# ---- Kubernetes ------------------------------------------------------------------------------------------------------


def manifests() -> list[dict[str, Any]]:
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```\n", TEXT, re.DOTALL)]


def pods() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The pod of each manifest, and its container."""
    for manifest in manifests():
        pod = manifest["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        yield pod, container


def test_the_spool_is_a_directory_below_the_mount_and_has_room() -> None:
    service, job = manifests()
    (pod, container), (drain, draining) = pods()
    variables = {each["name"]: each["value"] for each in container["env"]}
    assert set(variables) == {"KUBERNAUT_DATASTORAGE_URL", "AUDIT_SPOOL"}
    (mount,) = container["volumeMounts"]
    assert Path(variables["AUDIT_SPOOL"]).parent == Path(mount["mountPath"])
    (claim,) = service["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == mount["name"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "2Gi", "the default, and what comes on top"
    assert pod["terminationGracePeriodSeconds"] > 5
    assert service["spec"]["selector"]["matchLabels"] == service["spec"]["template"]["metadata"]["labels"]
    assert (job["kind"], draining["image"]) == ("Job", container["image"])
    assert draining["volumeMounts"] == container["volumeMounts"] and drain["securityContext"] == pod["securityContext"]
    (volume,) = drain["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == f"{claim['metadata']['name']}-remediation-1"
    assert variables["AUDIT_SPOOL"] in draining["command"]


def test_the_job_delivers_what_is_left(emulator: Emulator, tmp_path: Path) -> None:
    with emulator.refuse_connections():
        audit = writer(emulator.url, tmp_path / "audit")
        audit.emit(unstamped("remediation-1"))
        audit.close(0)
    (_, (_, container)) = pods()
    words = [str(tmp_path / "audit") if word.startswith("/") else word for word in container["command"]]
    assert words[0] == "python"
    subprocess.run(
        [sys.executable, *words[1:]],
        env=environment({"KUBERNAUT_DATASTORAGE_URL": emulator.url}),
        check=True,
        timeout=PATIENCE,
    )
    assert (stored(emulator), left(tmp_path / "audit")) == (["remediation-1"], [])


def test_a_mount_is_refused_and_a_directory_below_it_is_not(emulator: Emulator, tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    mount.chmod(0o2777)  # an emptyDir, after fsGroup
    with pytest.raises(SpoolError, match=r"others can write to .* use a directory below it"):
        AuditWriter(emulator.url, spool=mount)
    with AuditWriter(emulator.url, spool=mount / "audit") as audit:
        audit.emit(unstamped("remediation-1"))
        assert (mount / "audit").stat().st_mode & 0o777 == 0o700
        (mount / "audit").chmod(0o2770)  # the next time it is mounted, after fsGroup
    with AuditWriter(emulator.url, spool=mount / "audit") as audit:
        audit.emit(unstamped("remediation-2"))
    assert stored(emulator) == ["remediation-1", "remediation-2"]


# ---- the examples ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("audit_*.py")))
def test_the_examples_of_the_page_are_the_files(name: str) -> None:
    (block,) = re.findall(rf"```python\n# examples/{name}\n(.*?)```\n", TEXT, re.DOTALL)
    assert block == (EXAMPLES / name).read_text("utf-8")


def variables(emulator: Emulator, spool: Path) -> dict[str, str]:
    return environment({"KUBERNAUT_DATASTORAGE_URL": emulator.url, "AUDIT_SPOOL": str(spool)})


@contextmanager
def plain_service(emulator: Emulator, spool: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "audit_service.py")],
        env=variables(emulator, spool),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def started(process: "subprocess.Popen[str]", remediation: str) -> None:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{remediation}\n")
    process.stdin.flush()
    assert process.stdout.readline() == f"started {remediation}\n"


def test_a_plain_service_delivers_all_at_sigterm(emulator: Emulator, tmp_path: Path) -> None:
    with plain_service(emulator, tmp_path / "audit") as process:
        started(process, "remediation-1")
        started(process, "remediation-2")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert (stored(emulator), left(tmp_path / "audit")) == (["remediation-1", "remediation-2"], [])


def test_a_plain_service_that_was_killed_delivers_when_it_is_started_again(emulator: Emulator, tmp_path: Path) -> None:
    with emulator.refuse_connections(), plain_service(emulator, tmp_path / "audit") as process:
        started(process, "remediation-1")
        process.kill()
        assert process.wait(PATIENCE) == -signal.SIGKILL
    assert stored(emulator) == [] and left(tmp_path / "audit") != []
    with plain_service(emulator, tmp_path / "audit") as process:
        started(process, "remediation-2")
        eventually(lambda: len(stored(emulator)) == 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert (stored(emulator), left(tmp_path / "audit")) == (["remediation-1", "remediation-2"], [])


async def test_fastapi(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIT_SPOOL", str(tmp_path / "audit"))
    monkeypatch.setenv("KUBERNAUT_DATASTORAGE_URL", emulator.url)
    spec = importlib.util.spec_from_file_location("audit_fastapi", EXAMPLES / "audit_fastapi.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    transport = httpx.ASGITransport(app=module.app)
    async with (
        module.app.router.lifespan_context(module.app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        with emulator.refuse_connections():
            answer = await client.post("/remediations/remediation-1")
            assert (answer.status_code, answer.json()) == (202, {"status": "started"})
            # The service could never store that, and the request is none the worse for it.
            assert (await client.post(f"/remediations/{'x' * 256}")).status_code == 202
            assert (await client.get("/audit")).json()["waiting"] == 1
        assert (await client.post("/remediations/remediation-2")).status_code == 202
        eventually(lambda: len(stored(emulator)) == 2)
    assert stored(emulator) == ["remediation-1", "remediation-2"]
    assert len(left(tmp_path / "audit")) == 2, "the file with the event that is set apart, and its lock"


# ---- gunicorn --------------------------------------------------------------------------------------------------------


@contextmanager
def gunicorn(emulator: Emulator, place: Path, spool: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The command of the page, at a socket in `place`."""
    (line,) = re.findall(r"`(gunicorn --preload .*?)`", TEXT)
    bound = ["--bind", f"unix:{place}/http", "--pythonpath", str(EXAMPLES), "--no-control-socket"]
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *line.split(), *bound],
            env=variables(emulator, spool),
            stdin=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def connect(place: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE)
    try:
        connection.connect(f"{place}/http")
    except OSError:
        connection.close()
        raise
    return connection


def listens(place: Path) -> bool:
    """The socket is there before anybody listens at it."""
    try:
        connect(place).close()
    except OSError:
        return False
    return True


def ask(connection: socket.socket, remediation: str) -> None:
    """Ask for a remediation."""
    connection.sendall(f"GET /{remediation} HTTP/1.1\r\nHost: service\r\nConnection: close\r\n\r\n".encode())
    assert read_all(connection).startswith(b"HTTP/1.1 202 ")


def test_gunicorn_with_preload(emulator: Emulator, place: Path) -> None:
    """The master makes the writer and forks; each worker emits; one of them is killed; all is stored once."""
    spool = place / "audit"
    with gunicorn(emulator, place, spool) as master:
        eventually(lambda: listens(place) or master.poll() is not None)
        assert master.poll() is None, (place / "log").read_text()
        with emulator.refuse_connections():
            # A worker reads from the first one until something comes, so the other answers meanwhile.
            with connect(place) as first, connect(place) as second:
                ask(second, "remediation-1")
                ask(first, "remediation-2")
            one, other = {json.loads(entry.body)["event_data"]["worker"] for entry in inspection.entries(spool)}
            assert master.pid not in (one, other)
            os.kill(one, signal.SIGKILL)
            with connect(place) as third:
                ask(third, "remediation-3")
        eventually(lambda: len(stored(emulator)) == 3)
        with connect(place) as last:
            ask(last, "remediation-4")
        master.send_signal(signal.SIGTERM)
        assert master.wait(PATIENCE) == 0, (place / "log").read_text()
    assert stored(emulator) == ["remediation-1", "remediation-2", "remediation-3", "remediation-4"]
    assert left(spool) == []
