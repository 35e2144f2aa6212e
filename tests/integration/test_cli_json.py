"""The keys of every JSON document are those that docs/cli-json.md lists: no more, no less, and of those types.

A new command adds a section there, and a function to `SCENARIOS` here that runs it in every way that brings other keys.
"""

import json
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client.emulator import Emulator
from tests.events import event
from tests.integration import workflow_documents
from tests.integration.cli_catalog import every_action, schema, write
from tests.integration.emulator_tools import call as request
from tests.unit.cli.keys import EVERY, differences, documented
from tests.unit.cli.test_group import all_commands
from tests.unit.cli.tools import COMMAND, PATIENCE, call, nobody, piped
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

Documents = Iterator[dict[str, Any]]
ODD = "d" * 501  # a description that is a warning


def validate(emulator: Emulator) -> Documents:
    with tempfile.TemporaryDirectory() as place:
        base = write(Path(place, "base"), schema("a"), schema("b", "2.0.0"), schema("gone"))
        odd = write(Path(place, "odd"), schema("a", description=ODD), schema("b"), workflow("c", content_hash="0" * 64))
        bad = write(Path(place, "bad"), "kind: WorkflowSchema\n", "\t")
        yield call("validate", str(base), "-ojson").document
        yield call("validate", str(odd), "--base", str(base), "-ojson").document
        yield call("validate", str(bad), "-ojson").document


def plan(emulator: Emulator) -> Documents:
    with tempfile.TemporaryDirectory() as place:
        odd = write(Path(place, "odd"), schema("a", description=ODD), workflow("c", content_hash="0" * 64))
        yield call("plan", str(odd), "--url", emulator.url, "-ojson").document
        files = every_action(emulator, Path(place, "files"))
        yield call("plan", str(files), "--url", emulator.url, "-ojson").document
        yield call("plan", str(files), "-ojson").document
        with nobody() as url:
            yield call("plan", str(files), "--url", url, "--attempts", "1", "-ojson").document


def apply(emulator: Emulator) -> Documents:
    with tempfile.TemporaryDirectory() as place:
        odd = write(Path(place, "odd"), schema("a", description=ODD), workflow("c", content_hash="0" * 64))
        emulator.fault("createWorkflow", status=400, body={"title": "x"})
        yield call("apply", str(odd), "--url", emulator.url, "-ojson").document
        files = every_action(emulator, Path(place, "files"))
        yield call("apply", str(files), "--url", emulator.url, "--on-drift", "fail", "-ojson").document
        yield call("apply", str(files), "--url", emulator.url, "-ojson").document
        yield call("apply", str(Path(place, "nothing")), "-ojson").document


def export(emulator: Emulator) -> Documents:
    with tempfile.TemporaryDirectory() as place:
        every_action(emulator, Path(place, "files"))
        yield call("export", str(Path(place, "export")), "--url", emulator.url, "-ojson").document
        yield call("export", str(Path(place, "export")), "--url", emulator.url, "-ojson").document


def config(emulator: Emulator) -> Documents:
    yield call("config", "--url", emulator.url, "-ojson").document
    yield call("config", "--url", "nonsense", "-ojson").document


def health(emulator: Emulator) -> Documents:
    yield call("health", "--url", emulator.url, "-ojson").document
    emulator.fault("healthCheck", status=503, body={"status": "unhealthy", "error": "x"})
    yield call("health", "--url", emulator.url, "-ojson").document
    with nobody() as url:
        yield call("health", "--url", url, "-ojson").document


def wait(emulator: Emulator) -> Documents:
    yield call("wait", "--url", emulator.url, "-ojson").document
    with nobody() as url:
        yield call("wait", "--url", url, "--for", "0.1", "-ojson").document


def doctor(emulator: Emulator) -> Documents:
    yield call("doctor", "--url", emulator.url, "-ojson").document
    yield call("doctor", "--url", emulator.url, "--write", "-ojson").document
    emulator.fault("createAuditEventsBatch", drop="before")
    yield call("doctor", "--url", emulator.url, "--write", "-ojson").document
    with emulator.database_down():
        yield call("doctor", "--url", emulator.url, "--write", "-ojson").document
    with nobody() as url:
        yield call("doctor", "--url", url, "-ojson").document


def audit_query(emulator: Emulator) -> Documents:
    yield call("audit", "query", "--url", emulator.url, "-ojson").document
    full = event("a", namespace="n", cluster_name="c")
    assert request(emulator, "POST", "/api/v1/audit/events", full).status == 201
    (row,) = call("audit", "query", "--url", emulator.url, "-ojson").document["events"]
    child = event("b", parent_event_id=row["event_id"])
    assert request(emulator, "POST", "/api/v1/audit/events", child).status == 201
    yield call("audit", "query", "--url", emulator.url, "-ojson").document
    bare = {**row, "event_timestamp": row["event_timestamp"], "severity": ""}
    page = {"data": [bare, {}], "pagination": {"has_more": False}}
    emulator.fault("queryAuditEvents", status=200, body=page)
    yield call("audit", "query", "--url", emulator.url, "-ojson").document


def run_emulator(emulator: Emulator) -> Documents:
    process = subprocess.Popen([*COMMAND, "emulator", "-ojson"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        text = ""
        while not text.endswith("\n}\n"):
            line = process.stdout.readline()
            assert line, text
            text += line
        yield json.loads(text)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=PATIENCE)[0] == ""
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()
    yield call("emulator", "--port", str(emulator.port), "-ojson").document


SCENARIOS: dict[str, Callable[[Emulator], Documents]] = {
    "validate": validate,
    "plan": plan,
    "apply": apply,
    "export": export,
    "config": config,
    "health": health,
    "wait": wait,
    "doctor": doctor,
    "audit query": audit_query,
    "emulator": run_emulator,
    **workflow_documents.SCENARIOS,
}


def test_every_command_is_here_and_in_the_page() -> None:
    assert sorted(SCENARIOS) == sorted(all_commands())
    assert sorted(documented()) == sorted([EVERY, *SCENARIOS])


@pytest.mark.parametrize("command", SCENARIOS)
def test_the_keys_are_those_of_the_page(command: str, emulator: Emulator) -> None:
    documents = list(SCENARIOS[command](emulator))
    assert documents
    assert differences(command, documents) == []
    assert {document["command"] for document in documents} == {command}


def test_a_key_that_is_missing_or_new_is_noticed(emulator: Emulator) -> None:
    document = call("wait", "--url", emulator.url, "-ojson").document
    del document["attempts"]
    document |= {"brand_new": 1, "ready": "yes"}
    assert differences("wait", [document]) == [
        "attempts was never seen",
        "brand_new is in no table",
        "ready is ['string'], listed as ['boolean']",
    ]


@pytest.mark.parametrize("command", SCENARIOS)
def test_wrong_usage_is_a_document_in_every_command(command: str) -> None:
    ran = call(*command.split(), "--no-such-option", "--output", "json")
    document = ran.document
    assert (ran.code, document["exit_code"], document["command"]) == (2, 2, command)
    assert document["error"]["type"] == "UsageError"
    assert len(ran.stderr.splitlines()) == 1


def test_a_pipe_and_this_process_print_the_same(emulator: Emulator) -> None:
    arguments = ("health", "--url", emulator.url, "--output", "json")
    assert piped(*arguments) == call(*arguments)
