"""Both programs with every closed, full and ascii stream: an answer or a quiet end, and the documented exit code."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from kubernaut_client import AuditWriter
from kubernaut_client.emulator import Emulator
from tests.events import event
from tests.integration.emulator_tools import call as request
from tests.integration.workflow_documents import store
from tests.unit.cli.tools import COMMAND, environment
from tests.workflows import workflow

pytestmark = [pytest.mark.emulator, pytest.mark.slow]

NAME = "wörkflow-再"
SPOOL = [sys.executable, "-m", "kubernaut_client.spool"]


class Run(NamedTuple):
    """A command with a place for the service's URL, and what it comes to with streams that work."""

    words: tuple[str, ...]
    code: int = 0
    writes: bool = False


RUNS = [
    Run(()),
    Run(("--help",)),
    Run(("--version",)),
    Run(("validate", "files")),
    Run(("validate", "nowhere"), 2),
    Run(("plan", "files", "URL")),
    Run(("plan", "files", "--check", "URL"), 3),
    Run(("apply", "files", "URL"), writes=True),
    Run(("export", "out", "URL")),
    Run(("workflows", "list", "URL")),
    Run(("workflows", "get", NAME, "URL")),
    Run(("workflows", "get", NAME, "--content", "URL")),
    Run(("workflows", "versions", NAME, "URL")),
    Run(("workflows", "disable", NAME, "URL"), writes=True),
    Run(("audit", "query", "URL", "--data")),
    Run(("health", "URL")),
    Run(("health", "--url", "http://127.0.0.1:1"), 4),
    Run(("wait", "URL")),
    Run(("doctor", "URL")),
    Run(("config", "URL")),
    Run(("no-such-command",), 2),
]
SPOOL_RUNS = [
    Run(("--help",)),
    Run(("status", "spool-ö")),
    Run(("status", "spool-ö", "--json")),
    Run(("list", "spool-ö")),
    Run(("export", "spool-ö")),
    Run(("status", "files"), 2),
    Run(("show", "spool-ö", "gone:1"), 1),
    Run(("no-such-command",), 2),
]
REDIRECTS = ["<&- 2>&-", ">/dev/full", ">&- 2>/dev/full"]


@pytest.fixture
def here(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files").mkdir()
    text = "kind: WorkflowSchema\nversion: ü\n"
    (tmp_path / "files" / "ö.json").write_text(json.dumps(workflow("neu-ß", content=text), ensure_ascii=False), "utf-8")
    store(emulator, workflow(NAME, content=text))
    assert request(emulator, "POST", "/api/v1/audit/events", event(event_data={"ö": "ü"})).status == 201
    return emulator


def run(program: list[str], emulator: Emulator, words: tuple[str, ...], redirect: str = "", **variables: str) -> Run:
    given = [part for word in words for part in (["--url", emulator.url] if word == "URL" else [word])]
    done = subprocess.run(
        ["sh", "-c", f'"$@" {redirect}', "sh", *program, *given],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(variables),
        check=False,
        timeout=60,
    )
    assert b"Traceback" not in done.stderr + done.stdout
    assert b"Exception ignored" not in done.stderr
    return Run(words, done.returncode, bool(done.stdout))


def expected(each: Run, redirect: str) -> int:
    """The first of 2, 4, 5, 1, 3, 0 that fits, as stdout that can't be written is a failure."""
    lost = ">&-" in redirect.split() or ">/dev/full" in redirect.split()
    if not lost or each.code in (2, 4):
        return each.code
    return 5 if each.writes else 1


@pytest.mark.parametrize("redirect", REDIRECTS)
@pytest.mark.parametrize("each", RUNS, ids=lambda each: " ".join(each.words))
def test_a_stream_that_is_closed_or_full(here: Emulator, each: Run, redirect: str) -> None:
    assert run(COMMAND, here, each.words, redirect).code == expected(each, redirect)


@pytest.mark.parametrize("each", RUNS, ids=lambda each: " ".join(each.words))
def test_streams_in_ascii(here: Emulator, each: Run) -> None:
    done = run(COMMAND, here, each.words, PYTHONIOENCODING="ascii")
    assert done.code == each.code


@pytest.mark.parametrize("command", ["validate", "plan", "apply"])
def test_a_catalog_from_a_closed_stream(here: Emulator, command: str) -> None:
    service = () if command == "validate" else ("URL",)
    assert run(COMMAND, here, (command, "-", *service), "<&-").code == 2


@pytest.fixture
def spool(here: Emulator) -> Emulator:
    """A spool with an event that waits: nothing can be connected to at the URL of its writer."""
    with AuditWriter("http://127.0.0.1:1", spool="spool-ö") as writer:
        writer.emit(event(event_data={"ö": "ü"}))
        writer.close(timeout=0)
    return here


@pytest.mark.parametrize("redirect", ["", *REDIRECTS])
@pytest.mark.parametrize("each", SPOOL_RUNS, ids=lambda each: " ".join(each.words))
def test_the_command_of_the_spool(spool: Emulator, each: Run, redirect: str) -> None:
    assert run(SPOOL, spool, each.words, redirect, PYTHONIOENCODING="ascii").code == expected(each, redirect)
