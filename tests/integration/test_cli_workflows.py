"""`workflows list|get|versions|disable|enable|deprecate` against the emulator: words, codes, and what was sent."""

import signal
import subprocess
from typing import Any
from uuid import uuid4

import attrs
import pytest

from kubernaut_client.cli.text import width_of
from kubernaut_client.cli.workflow_get import MEMBERS
from kubernaut_client.emulator import Emulator
from kubernaut_client.models import StoredWorkflow
from tests.integration.cli_catalog import Running
from tests.integration.emulator_tools import eventually
from tests.integration.workflow_documents import FULL, store
from tests.unit.cli.tools import COMMAND, PATIENCE, Ran, call, environment, in_terminal, nobody, piped
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

CATALOG = "remediation_workflow_catalog"
HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "two\nlines\r",
    "\u202eevil\u2069\u200b",
    "\x9b31m\x07\x7f\u2028",
    "n" * 255,
    "日本語" * 80,
    "--status",
    "it's $(touch x) `y`",
    "a@b@1.0.0",
    "a/b",
]


def run(emulator: Emulator, *arguments: str) -> Ran:
    return call("workflows", *arguments, "--url", emulator.url)


def terminal(emulator: Emulator, columns: int, *arguments: str) -> list[str]:
    ran = in_terminal("workflows", *arguments, "--url", emulator.url, columns=columns, env={"NO_COLOR": "1"})
    assert ran.code == 0
    return ran.stdout.splitlines()


def words(ran: Ran) -> list[list[str]]:
    assert (ran.code, ran.stderr) == (0, "")
    return [line.split() for line in ran.stdout.splitlines()]


def column(emulator: Emulator, name: str) -> dict[str, Any]:
    return {f"{row['workflow_name']}@{row['version']}": row[name] for row in emulator.rows(CATALOG)}


# list ----------------------------------------------------------------------------------------------------------------


def test_list(emulator: Emulator) -> None:
    store(emulator, workflow("a"), workflow("b"), workflow("b", "1.1.0", status="disabled"))
    ran = run(emulator, "list")
    rows = words(ran)
    assert rows[0] == ["NAME", "VERSION", "STATUS", "LATEST", "CREATED"]
    assert [row[:4] for row in rows[1:]] == [
        ["b", "1.1.0", "disabled", "yes"],
        ["b", "1.0.0", "active", "-"],
        ["a", "1.0.0", "active", "yes"],
    ]
    assert all(row[5].endswith("Z") for row in rows[1:])
    document = call("workflows", "list", "--url", emulator.url, "-ojson").document
    assert [row["version"] for row in document["workflows"]] == ["1.1.0", "1.0.0", "1.0.0"]
    assert document["workflows"][0]["created_at"].endswith("Z")
    assert "content" not in document["workflows"][0]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--status", "disabled"], ["b"]),
        (["--environment", "staging"], ["c"]),
        (["--priority", "p2"], ["d"]),
        (["--component", "node"], ["e"]),
        (["--limit", "2"], ["e", "d"]),
        (["--limit", "1", "--priority", "P0"], ["e"]),
    ],
)
def test_list_filters(options: list[str], names: list[str], emulator: Emulator) -> None:
    labels = workflow()["labels"]
    store(
        emulator,
        workflow("a"),
        workflow("b", status="disabled"),
        workflow("c", labels=labels | {"environment": "staging"}),
        workflow("d", labels=labels | {"priority": "P2"}),
        workflow("e", labels=labels | {"component": "node"}),
    )
    assert [row[0] for row in words(run(emulator, "list", *options))[1:]] == names


def test_list_of_nothing(emulator: Emulator) -> None:
    assert run(emulator, "list") == Ran(0, "", "the catalog is empty\n")
    assert run(emulator, "list", "--component", "x") == Ran(0, "", "no workflow matches\n")


@pytest.mark.parametrize(
    "options", [["--limit", "0"], ["--status", "Active"], ["--priority", "P9"], ["--component", ""], ["x"]]
)
def test_list_of_what_can_not_be(options: list[str], emulator: Emulator) -> None:
    ran = run(emulator, "list", *options)
    assert (ran.code, ran.stdout) == (2, "")
    assert emulator.requests == ()


def test_a_limit_asks_for_no_more(emulator: Emulator) -> None:
    store(emulator, *(workflow(f"w{number:03}") for number in range(250)))
    emulator.clear_requests()
    assert len(words(run(emulator, "list", "--limit", "3"))) == 4
    assert [request.path.partition("?")[2] for request in emulator.requests] == ["limit=3&offset=0"]
    emulator.clear_requests()
    assert len(words(run(emulator, "list", "--limit", "120"))) == 121
    assert len(emulator.requests) == 2
    assert len(words(run(emulator, "list"))) == 251


def test_a_list_is_printed_while_it_is_read(emulator: Emulator) -> None:
    store(emulator, *(workflow(f"w{number:03}") for number in range(150)))
    emulator.fault("listWorkflows", skip=1, stall="before")
    process = subprocess.Popen(
        [*COMMAND, "workflows", "list", "--url", emulator.url, "--timeout", "60", "--attempts", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        assert process.stdout is not None
        first = [process.stdout.readline().split()[0] for _ in range(101)]
        assert first == ["NAME", *(f"w{number:03}" for number in range(149, 49, -1))]
        process.send_signal(signal.SIGINT)
        rest, stderr = process.communicate(timeout=PATIENCE)
        assert (process.returncode, rest, stderr) == (1, "", "Error: interrupted\n")
    finally:
        process.kill()
        process.wait()


def test_a_reader_that_goes_away_ends_the_reading(emulator: Emulator) -> None:
    store(emulator, *(workflow(f"w{number:04}") for number in range(1500)))
    emulator.clear_requests()
    shell = '"$@" | head -1; exit "${PIPESTATUS[0]}"'
    arguments = [*COMMAND, "workflows", "list", "--url", emulator.url]
    done = subprocess.run(
        ["bash", "-c", shell, "bash", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=environment(),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["NAME", "VERSION", "STATUS", "LATEST", "CREATED"]
    assert len(emulator.requests) < 15, "the rest of the catalog is read for nobody"


def test_a_page_that_does_not_come(emulator: Emulator) -> None:
    store(emulator, *(workflow(f"w{number:03}") for number in range(120)))
    for options in ([], ["-ojson"]):
        emulator.fault("listWorkflows", skip=1, status=500, body={"title": "Internal Server Error"})
        ran = run(emulator, "list", *options)
        assert ran.code == 1
        rows = ran.document["workflows"] if options else ran.stdout.splitlines()[1:]
        assert len(rows) == 100
        assert ran.stderr.startswith("Error: 500 Internal Server Error")
        emulator.fault("listWorkflows", status=500, body={"title": "Internal Server Error"})
        assert "w1" not in run(emulator, "list", *options).stdout


def test_rows_that_can_not_be_read(emulator: Emulator) -> None:
    store(emulator, workflow("good"))
    row = call("workflows", "get", "good", "--url", emulator.url, "-ojson").document["workflow"]
    good = {name: value for name, value in row.items() if value is not None}
    page = {"workflows": [good, {"version": 1}], "limit": 100, "offset": 0, "total": 2}
    for _ in range(2):
        emulator.fault("listWorkflows", status=200, body=page)
    ran = run(emulator, "list")
    assert (ran.code, ran.stdout.splitlines()[1].split()[0]) == (1, "good")
    assert ran.stderr.startswith("Error: 1 row(s) can't be read")
    document = call("workflows", "list", "--url", emulator.url, "-ojson").document
    assert [row["workflow_name"] for row in document["workflows"]] == ["good"]
    assert document["error"]["type"] == "ResponseDecodeError"


# What a workflow is called ------------------------------------------------------------------------------------------


def test_names_versions_and_ids(emulator: Emulator) -> None:
    store(emulator, workflow("a"), workflow("a", "2.0.0"), workflow("a@2.0.0", "x@y"), workflow("@", "1"))
    ids = column(emulator, "workflow_id")

    def found(reference: str) -> str:
        document = call("workflows", "get", reference, "--url", emulator.url, "-ojson").document["workflow"]
        return f"{document['workflow_name']}@{document['version']}"

    assert found("a") == "a@2.0.0"
    assert found("a@1.0.0") == "a@1.0.0"
    assert found("a@2.0.0") == "a@2.0.0@x@y", "the whole text is a name"
    assert found("@") == "@@1"
    assert found("@@1") == "@@1"
    for name, identity in ids.items():
        assert found(str(identity)) == name
        assert found(str(identity).upper()) == name


def test_a_long_name_with_a_version(emulator: Emulator) -> None:
    store(emulator, workflow("n" * 255))
    assert run(emulator, "get", f"{'n' * 255}@1.0.0").code == 0


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("b", "no workflow is named b"),
        ("b@1", "no workflow is named b, nor b@1"),
        ("a@3", "a has no version 3; stored: 2.0.0, 1.0.0"),
        ("a@3\x1b[2J", "a has no version 3\\x1b[2J; stored: 2.0.0, 1.0.0"),
    ],
)
@pytest.mark.parametrize("command", ["get", "disable", "enable", "deprecate"])
def test_what_is_not_there(command: str, reference: str, message: str, emulator: Emulator) -> None:
    store(emulator, workflow("a"), workflow("a", "2.0.0"))
    emulator.clear_requests()
    ran = run(emulator, command, reference)
    assert ran == Ran(1, "", f"Error: {message}\n")
    assert emulator.writes == ()
    document = call("workflows", command, reference, "--url", emulator.url, "-ojson").document
    assert (document["error"]["type"], document["exit_code"]) == ("NotFoundError", 1)


def test_many_versions_are_listed_in_part(emulator: Emulator) -> None:
    store(emulator, *(workflow("a", f"1.0.{patch}") for patch in range(12)))
    assert run(emulator, "get", "a@2").stderr.endswith("1.0.3, 1.0.2 and 2 more\n")


@pytest.mark.parametrize("command", ["get", "disable", "enable", "deprecate"])
def test_an_id_that_is_not_there(command: str, emulator: Emulator) -> None:
    identity = uuid4()
    ran = run(emulator, command, str(identity))
    assert (ran.code, ran.stdout) == (1, "")
    assert f"Workflow not found: {identity}" in ran.stderr
    assert emulator.writes == ()


@pytest.mark.parametrize("reference", ["", ".", "..", "a@", "@1", "@", "n" * 256, "a\0b", "\udcff"])
@pytest.mark.parametrize("command", ["get", "disable"])
def test_what_is_no_name(command: str, reference: str, emulator: Emulator) -> None:
    ran = run(emulator, command, reference)
    assert (ran.code, ran.stdout) == (2, "")
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [["list"], ["get", "a"], ["versions", "a"], ["disable", "a"], ["enable", "a"], ["rollback", "a", "--to", "1"]],
)
def test_nobody_answers(arguments: list[str]) -> None:
    with nobody() as url:
        ran = call("workflows", *arguments, "--url", url)
    assert (ran.code, ran.stdout) == (4, "")
    assert ran.stderr.startswith(f"Error: cannot connect to {url}")


# get, versions -------------------------------------------------------------------------------------------------------


def test_get(emulator: Emulator) -> None:
    body = workflow(description="Restarts a pod.\nSlowly.\n", **FULL)
    store(emulator, body)
    ran = run(emulator, "get", "restart-pod")
    assert (ran.code, ran.stderr) == (0, "")
    fields = dict(line.split(":", 1) for line in ran.stdout.splitlines() if not line.startswith(" "))
    assert {name: value.strip() for name, value in fields.items()} | {"id": "", "created": "", "updated": ""} == {
        "workflow": "restart-pod",
        "version": "1.0.0 (the latest; search finds it)",
        "id": "",
        "name": "Restart (restart-pod)",
        "description": "Restarts a pod.",
        "status": "active",
        "labels": "signal_type: OOMKilled",
        "custom labels": "team: platform",
        "detected": "gitOpsTool: flux",
        "engine": "tekton",
        "image": "registry.example/restart:1",
        "digest": f"sha256:{'0' * 64}",
        "parameters": '{"seconds": 1}',
        "owner": "platform",
        "maintainer": "ops@example.com",
        "content": f"{len(body['content'])} bytes (--content prints it)",
        "hash": body["content_hash"],
        "previous version": "0.9.0",
        "version notes": "better",
        "change summary": "waits",
        "approved by": "jane",
        "approved": "2025-12-01 00:00Z",
        "expected": "95.0% successful, 60 s",
        "created": "",
        "updated": "",
    }
    assert fields["created"].endswith("Z by joe")
    assert "\n" + " " * 18 + "Slowly.\n" in ran.stdout


def test_get_what_was_disabled(emulator: Emulator) -> None:
    store(emulator, workflow(content_hash="0" * 64))
    run(emulator, "disable", "restart-pod", "--reason", "broken", "--by", "jane")
    seen = run(emulator, "get", "restart-pod").stdout
    assert "version:     1.0.0 (the latest)\n" in seen
    assert "\ndisabled:    20" in seen
    assert "Z by jane\n             broken\n" in seen
    assert "isn't the SHA-256 of the content\n" in seen
    run(emulator, "enable", "restart-pod")
    assert "\nwas disabled: 20" in run(emulator, "get", "restart-pod").stdout


def test_get_has_every_field_in_json(emulator: Emulator) -> None:
    fields = {each.name for each in attrs.fields(StoredWorkflow)} - {"additional_properties"}
    assert sorted(MEMBERS) == sorted(fields)
    body = workflow(**FULL)
    store(emulator, body)
    document = call("workflows", "get", "restart-pod", "--url", emulator.url, "-ojson").document["workflow"]
    assert {name: document[name] for name in body} == body


@pytest.mark.parametrize("content", ["a: 1\n", "no end", "\n\n", "é\r\n\x1b[31m\u202e\n", "tab\there\n"])
def test_content_alone(content: str, emulator: Emulator) -> None:
    store(emulator, workflow(content=content))
    arguments = ("workflows", "get", "restart-pod", "--content", "--url", emulator.url)
    done = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        check=True,
        env=environment({"PYTHONIOENCODING": "ascii"}),
        timeout=PATIENCE,
    )
    assert (done.stdout, done.stderr) == (content.encode(), b"")
    seen = in_terminal(*arguments, columns=80)
    assert seen.code == 0
    assert seen.stdout.replace("\n", "").isprintable()
    assert seen.stdout.count("\n") == content.removesuffix("\n").count("\n") + 1


def test_versions(emulator: Emulator) -> None:
    store(emulator, workflow(version="1.0.0"), workflow(version="1.1.0"), workflow("other"))
    rows = words(run(emulator, "versions", "restart-pod"))
    assert rows[0] == ["VERSION", "STATUS", "LATEST", "SEARCH", "CREATED", "HASH"]
    assert [row[:4] for row in rows[1:3]] == [["1.1.0", "active", "yes", "yes"], ["1.0.0", "active", "-", "-"]]
    assert rows[2][-1] == workflow(version="1.0.0")["content_hash"][:12]
    assert rows[3:] == [["Search", "finds", "1.1.0."]]


def test_versions_that_search_does_not_find(emulator: Emulator) -> None:
    store(emulator, workflow(version="1.0.0"), workflow(version="1.1.0", status="deprecated"))
    assert run(emulator, "versions", "restart-pod").stdout.splitlines()[-1] == (
        "Search finds no version: the latest one, 1.1.0, is deprecated, and search looks at no other."
    )
    document = call("workflows", "versions", "restart-pod", "--url", emulator.url, "-ojson").document
    assert [row["found_by_search"] for row in document["versions"]] == [False, False]
    assert document["search"]["versions"] == []


def test_versions_of_nothing(emulator: Emulator) -> None:
    store(emulator, workflow("a"))
    assert run(emulator, "versions", "b").stderr == "Error: no workflow is named b\n"
    ran = run(emulator, "versions", "a@1.0.0")
    assert ran == Ran(1, "", "Error: no workflow is named a@1.0.0 (give its name without a version)\n")


@pytest.mark.parametrize("columns", [40, 59, 60, 80])
def test_tables_fit_a_terminal(columns: int, emulator: Emulator) -> None:
    store(emulator, workflow("oomkill-increase-memory-limits"), workflow("n" * 255, "1" * 50), workflow("日本語" * 9))
    for arguments in (["list"], ["versions", "oomkill-increase-memory-limits"]):
        lines = terminal(emulator, columns, *arguments)
        assert max(map(width_of, lines)) <= columns
        assert ("CREATED" in lines[0]) == (columns >= 60)


# Changing the status -------------------------------------------------------------------------------------------------


def test_disable_the_latest(emulator: Emulator) -> None:
    store(emulator, workflow(version="1.0.0"), workflow(version="1.1.0"))
    ran = run(emulator, "disable", "restart-pod", "--reason", "broken", "--by", "jane")
    assert ran == Ran(
        0,
        "restart-pod@1.1.0 (the latest version): active -> disabled\n"
        "Search finds no version: the latest one, 1.1.0, is disabled, and search looks at no other.\n"
        "Older versions don't come back by this. To bring back 1.0.0:\n"
        "  kubernaut-client workflows rollback restart-pod --to 1.0.0\n",
        "Warning: search finds no version of restart-pod any more\n",
    )
    row = emulator.rows(CATALOG)[1]
    assert (row["status"], row["disabled_by"], row["disabled_reason"]) == ("disabled", "jane", "broken")


def test_disable_the_only_one_and_an_older_one(emulator: Emulator) -> None:
    store(emulator, workflow("a"), workflow("b"), workflow("b", "2.0.0"))
    ran = run(emulator, "disable", "a")
    assert ran.stderr == "Warning: search finds no version of a any more\n"
    assert "rollback" not in ran.stdout
    ran = run(emulator, "disable", "b@1.0.0")
    assert ran == Ran(0, "b@1.0.0: active -> disabled\nSearch finds 2.0.0.\n", "")
    assert column(emulator, "status") == {"a@1.0.0": "disabled", "b@1.0.0": "disabled", "b@2.0.0": "active"}


def test_disable_again(emulator: Emulator) -> None:
    store(emulator, workflow())
    run(emulator, "disable", "restart-pod", "--reason", "broken", "--by", "jane")
    emulator.clear_requests()
    for options in ([], ["--reason", "broken"], ["--by", "jane"], ["--reason", "broken", "--by", "jane"]):
        ran = run(emulator, "disable", "restart-pod", *options)
        assert ran.stdout.startswith("restart-pod@1.0.0 (the latest version): disabled already, nothing was sent\n")
        assert (ran.code, ran.stderr) == (0, "")
    assert emulator.writes == ()
    ran = run(emulator, "disable", "restart-pod", "--reason", "still broken")
    assert ran.stdout.startswith("restart-pod@1.0.0 (the latest version): disabled, with another reason or name now\n")
    row = emulator.rows(CATALOG)[0]
    assert (row["disabled_by"], row["disabled_reason"]) == ("jane", "still broken"), "what isn't given stays"


def test_disable_after_it_was_enabled_forgets_the_old_reason(emulator: Emulator) -> None:
    store(emulator, workflow())
    run(emulator, "disable", "restart-pod", "--reason", "old", "--by", "jane")
    run(emulator, "enable", "restart-pod")
    run(emulator, "disable", "restart-pod", "--by", "joe")
    row = emulator.rows(CATALOG)[0]
    assert (row["disabled_by"], row["disabled_reason"]) == ("joe", "")


def test_enable(emulator: Emulator) -> None:
    store(emulator, workflow(version="1.0.0", status="disabled"), workflow(version="1.1.0", status="deprecated"))
    ran = run(emulator, "enable", "restart-pod")
    assert ran.stdout == "restart-pod@1.1.0 (the latest version): deprecated -> active\nSearch finds 1.1.0.\n"
    emulator.clear_requests()
    ran = run(emulator, "enable", "restart-pod@1.1.0")
    assert ran == Ran(0, "restart-pod@1.1.0: active already, nothing was sent\nSearch finds 1.1.0.\n", "")
    assert emulator.writes == ()
    ran = run(emulator, "enable", "restart-pod@1.0.0")
    assert ran == Ran(
        0,
        "restart-pod@1.0.0: disabled -> active\n"
        "Search doesn't find it: it looks at the latest version only, and that is 1.1.0.\n"
        "To store it again as the latest:\n"
        "  kubernaut-client workflows rollback restart-pod --to 1.0.0\n",
        "",
    )
    assert set(column(emulator, "status").values()) == {"active"}


def test_deprecate_by_id(emulator: Emulator) -> None:
    store(emulator, workflow())
    identity = str(column(emulator, "workflow_id")["restart-pod@1.0.0"])
    ran = run(emulator, "deprecate", identity)
    assert ran.stdout.startswith("restart-pod@1.0.0: active -> deprecated\n")
    assert ran.stderr == "Warning: search finds no version of restart-pod any more\n"
    assert column(emulator, "status") == {"restart-pod@1.0.0": "deprecated"}


@pytest.mark.parametrize("command", ["enable", "deprecate"])
@pytest.mark.parametrize("option", ["--reason", "--by"])
def test_a_reason_goes_with_disable_only(command: str, option: str, emulator: Emulator) -> None:
    ran = run(emulator, command, "restart-pod", option, "x")
    assert (ran.code, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"Error: {option} goes with 'workflows disable' only: ")
    assert emulator.requests == ()


def test_a_name_of_256_characters_is_refused(emulator: Emulator) -> None:
    store(emulator, workflow())
    assert run(emulator, "disable", "restart-pod", "--by", "x" * 256).code == 2
    assert emulator.writes[1:] == ()


def test_a_change_that_fails(emulator: Emulator) -> None:
    store(emulator, workflow())
    emulator.fault("disableWorkflow", status=500, body={"title": "Internal Server Error"}, count=None)
    ran = call("workflows", "disable", "restart-pod", "--url", emulator.url, "--attempts", "1", "-ojson")
    assert (ran.code, ran.document["error"]["outcome"]) == (1, "unknown")
    assert "status" not in ran.document


# Strangers' words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_do_nothing_to_a_terminal(name: str, emulator: Emulator) -> None:
    evil = "\x1b]0;x\x07\u202e\n"
    members = FULL | {"owner": evil, "description": evil, "custom_labels": {evil: [evil]}, "content": evil}
    store(emulator, workflow(name, "1\x1b[2J", **members) | {"name": evil}, workflow(name, "2\n"))
    commands = [
        ["list"],
        ["versions", "--", name],
        ["get", "--", f"{name}@1\x1b[2J"],
        ["get", "--", f"{name}@3\x1b"],
        ["disable", "--reason", evil, "--by", evil, "--", name],
        ["get", "--", name],
        ["rollback", "--to", "1\x1b[2J", "--as", "3.0.0", "--", name],
        ["rollback", "--to", "1\x1b[2J", "--", name],
    ]
    for arguments in commands:
        ran = call("workflows", "--url", emulator.url, *arguments)
        assert ran.code == (1 if "3\x1b" in arguments[-1] else 0), arguments
        assert (ran.stdout + ran.stderr).replace("\n", "").isprintable(), arguments
    seen = in_terminal("workflows", "--url", emulator.url, "versions", "--", name, columns=40, env={"NO_COLOR": "1"})
    assert seen.code == 0
    assert seen.stdout.replace("\n", "").isprintable()


def test_a_pipe_and_this_process_print_the_same(emulator: Emulator) -> None:
    store(emulator, workflow("größe"), workflow("b"))
    for arguments in (["list"], ["get", "größe"], ["versions", "b"], ["list", "-ojson"]):
        words = ("workflows", *arguments, "--url", emulator.url)
        assert piped(*words, env={"PYTHONUTF8": "1"}) == call(*words)


@pytest.mark.parametrize(
    ("arguments", "operation"),
    [(("disable", "a", "--reason", "x"), "disableWorkflow"), (("deprecate", "a"), "updateWorkflow")],
)
def test_interrupted_while_it_is_sent(arguments: tuple[str, ...], operation: str, emulator: Emulator) -> None:
    store(emulator, workflow("a"))
    emulator.fault(operation, count=None, stall="after")
    with Running("workflows", *arguments, "--url", emulator.url, "-ojson") as running:
        eventually(lambda: emulator.faults[0].used == 1)
        ran = running.stopped(signal.SIGINT)
    error = ran.document["error"]
    assert (ran.code, error["type"], error["outcome"]) == (1, "Interrupted", "unknown")
    emulator.clear_faults()
    assert "d already, nothing was sent\n" in run(emulator, *arguments).stdout


def test_a_refusal_names_the_option(emulator: Emulator) -> None:
    store(emulator, workflow("a"))
    ran = run(emulator, "disable", "a", "--by", "x" * 256)
    assert (ran.code, ran.stderr.partition(" has ")[0]) == (2, "Error: --by: must have at most 255 characters,")
    assert column(emulator, "status") == {"a@1.0.0": "active"}


def test_a_name_that_is_a_uuid(emulator: Emulator) -> None:
    name = str(uuid4())
    store(emulator, workflow(name))
    document = call("workflows", "get", name, "--url", emulator.url, "-ojson").document
    assert document["workflow"]["workflow_name"] == name
    assert run(emulator, "disable", name).stdout.startswith(f"{name}@1.0.0 (the latest version): active -> disabled\n")
    assert run(emulator, "get", str(uuid4())).code == 1


@pytest.mark.parametrize("name", ["esc\x1b", "two\nlines"])
def test_no_sentence_waits_for_a_command_that_can_not_be_shown(name: str, emulator: Emulator) -> None:
    store(emulator, workflow(name), workflow(name, "1.1.0"))
    assert run(emulator, "disable", name).stdout.endswith("\nOlder versions don't come back by this.\n")
    ran = run(emulator, "enable", f"{name}@1.0.0")
    assert ran.stdout.endswith("it looks at the latest version only, and that is 1.1.0.\n")
