"""`plan` against the emulator: the words, the JSON, the exit codes, and that nothing is ever written."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from kubernaut_client import DataStorageClient
from kubernaut_client.emulator import Emulator
from tests.integration.cli_catalog import ACTIONS, ESCAPES, EXAMPLES, HOSTILE, every_action, schema, write
from tests.unit.cli.tools import COMMAND, PATIENCE, call, environment, in_terminal, nobody, piped
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

TO_CREATE = """\
5 to create:
  crashloop-fix-configuration@1.0.0
  image-pull-backoff-fix-credentials@1.0.0
  node-not-ready-drain-and-reboot@1.0.0
  oomkill-increase-memory-limits@1.0.0
  oomkill-scale-down-replicas@1.0.0

Plan: 5 to create, 0 drifted, 0 unchanged.
"""
EVERY_ACTION = """\
1 to create:
  create@1.0.0

1 drifted: the service holds it with other values, and never overwrites a version. Publish the change under a higher \
version, or undo it in the file:
  drifted@1.0.0  FILES/0003.json:1
    description
      stored: Stored
      wanted: Wanted
    content, and with it content_hash
      --- stored
      +++ wanted
      @@ -1,3 +1,3 @@
       one
      -two
      +2
       three

1 superseded: search shows a version that no file has, as after a git revert:
  superseded@1.0.0  FILES/0002.json:1
    search shows version '1.1.0', which the input doesn't have
    to have search show this one again:
      kubernaut-client workflows rollback superseded --to 1.0.0

1 would demote, so not created: search shows whichever version was stored last, which would hide a higher one:
  demotes@1.0.0  FILES/0004.json:1
    search would show it instead of '2.0.0', which is higher
    give it a version above 2.0.0, or demote that one with --allow-demote

1 with a note:
  disabled@1.0.0  FILES/0005.json:1
    its status is 'disabled', not 'active'
    to make it active:
      kubernaut-client workflows enable disabled@1.0.0

Plan: 1 to create, 1 drifted, 1 superseded, 1 would demote, 2 unchanged.
"""


def test_to_create(emulator: Emulator) -> None:
    ran = piped("plan", str(EXAMPLES), "--url", emulator.url)
    assert (ran.code, ran.stdout, ran.stderr) == (0, TO_CREATE, "")
    assert call("plan", str(EXAMPLES), "--url", emulator.url) == ran, "twice says the same"
    assert call("plan", str(EXAMPLES), "--url", emulator.url, "--check").code == 3
    assert emulator.writes == ()


def test_every_action(emulator: Emulator, tmp_path: Path) -> None:
    files = every_action(emulator, tmp_path / "files")
    emulator.clear_requests()
    ran = piped("plan", str(files), "--url", emulator.url)
    assert (ran.code, ran.stderr) == (3, "")
    assert ran.stdout == EVERY_ACTION.replace("FILES", str(files))
    assert call("plan", str(files), "--url", emulator.url) == ran, "twice says the same"
    assert emulator.writes == ()


def test_verbose_lists_what_is_unchanged(emulator: Emulator, tmp_path: Path) -> None:
    files = every_action(emulator, tmp_path / "files")
    assert "1 unchanged:\n  unchanged@1.0.0\n\nPlan: " in call("plan", str(files), "--url", emulator.url, "-v").stdout


def test_every_action_in_json(emulator: Emulator, tmp_path: Path) -> None:
    files = every_action(emulator, tmp_path / "files")
    document = call("plan", str(files), "--url", emulator.url, "-ojson").document
    assert (document["exit_code"], document["base_url"]) == (3, emulator.url)
    assert document["summary"] == dict.fromkeys(ACTIONS, 1) | {"unchanged": 2, "invalid": 0}
    rows = {row["name"]: row for row in document["rows"]}
    assert {name: row["action"] for name, row in rows.items() if name != row["action"]} == {"disabled": "unchanged"}
    drifted = rows["drifted"]
    assert (drifted["file"], drifted["line"], drifted["latest"]) == (f"{files}/0003.json", 1, "1.0.0")
    differences = {each["field"]: (each["stored"], each["wanted"]) for each in drifted["differences"]}
    assert differences["description"] == ("Stored", "Wanted")
    assert differences["content"] == differences["content_hash"]
    assert "three" not in json.dumps(document)
    assert (rows["disabled"]["status"], rows["create"]["status"]) == ("disabled", None)
    assert rows["superseded"]["advice"] == [
        "to have search show this one again: kubernaut-client workflows rollback superseded --to 1.0.0"
    ]


def test_one_file_is_edited(emulator: Emulator, tmp_path: Path) -> None:
    files = shutil.copytree(EXAMPLES, tmp_path / "files")
    assert call("apply", str(files), "--url", emulator.url).code == 0
    path = files / "oomkill-increase-memory-limits.yaml"
    path.write_text(path.read_text("utf-8").replace("maximum: 200", "maximum: 300"), "utf-8")
    emulator.clear_requests()
    ran = call("plan", str(files), "--url", emulator.url)
    assert ran.code == 3
    assert "\n      -    maximum: 200\n      +    maximum: 300\n" in ran.stdout
    assert ran.stdout.endswith("\nPlan: 0 to create, 1 drifted, 4 unchanged.\n")
    failed = call("apply", str(files), "--url", emulator.url, "--on-drift", "fail")
    assert failed.code == 3
    assert "+    maximum: 300\n" in failed.stdout
    assert failed.stderr == "Error: nothing was written: 1 drifted (--on-drift fail)\n"
    assert emulator.writes == ()


def test_demoting_is_allowed(emulator: Emulator, tmp_path: Path) -> None:
    files = write(tmp_path / "files", workflow("demotes"))
    every_action(emulator, tmp_path / "others")
    assert call("plan", str(files), "--url", emulator.url).code == 3
    ran = call("plan", str(files), "--url", emulator.url, "--allow-demote")
    assert ran.code == 0
    assert "  demotes@1.0.0  " in ran.stdout and "instead of '2.0.0', which is higher\n" in ran.stdout


def test_what_hides_others(emulator: Emulator, tmp_path: Path) -> None:
    files = write(tmp_path / "files", workflow("a"), workflow("a", "1.1.0"))
    assert call("apply", str(files), "--url", emulator.url).code == 0
    with DataStorageClient(emulator.url) as client:
        client.workflows.disable(client.workflows.versions("a")[0].workflow_id)
    ran = call("plan", str(files), "--url", emulator.url)
    assert ran.code == 0
    assert "it is the latest and 'disabled': it hides 1 active version(s) from search\n" in ran.stdout
    assert ran.stdout.endswith("\nNothing to do: 2 unchanged.\n")


def test_the_files_go_back(emulator: Emulator, tmp_path: Path) -> None:
    """1.0.0, then 1.1.0, then git revert; the way back, and what is left to do in git."""
    files = write(tmp_path / "files", schema("pod-fix"))
    new = write(tmp_path / "new", schema("pod-fix", "1.1.0", "Does it another way."))
    for each in (files, new):
        assert call("apply", str(each), "--url", emulator.url).code == 0
    ran = call("plan", str(files), "--url", emulator.url)
    assert ran.code == 3
    assert "1 superseded: search shows a version that no file has, as after a git revert:\n" in ran.stdout
    way = next(line for line in ran.stdout.splitlines() if "rollback" in line).split()
    assert way == "kubernaut-client workflows rollback pod-fix --to 1.0.0".split()
    assert call(*way[1:], "--url", emulator.url).code == 0
    ran = call("plan", str(files), "--url", emulator.url)
    assert ran.code == 3
    assert "    1.1.1 has the same content: set the version in the file to 1.1.1\n" in ran.stdout
    write(files, schema("pod-fix", "1.1.1"))
    ran = call("plan", str(files), "--url", emulator.url)
    assert (ran.code, ran.stdout) == (0, "Nothing to do: 1 unchanged.\n")


def test_other_labels_are_no_rollback(emulator: Emulator, tmp_path: Path) -> None:
    """Search shows the same content under a higher version, but finds it by other labels."""
    content = "kind: Other\n"
    files = write(tmp_path / "files", workflow("a", content=content))
    labels = workflow()["labels"] | {"severity": "low"}
    with DataStorageClient(emulator.url) as client:
        client.workflows.create(workflow("a", content=content))
        client.workflows.create(workflow("a", "1.1.0", content=content, labels=labels))
    ran = call("plan", str(files), "--url", emulator.url)
    assert "rollback a --to 1.0.0" in ran.stdout and "has the same content" not in ran.stdout


def test_a_name_that_is_gone_before_it_is_looked_up(emulator: Emulator, tmp_path: Path) -> None:
    files = every_action(emulator, tmp_path / "files")
    gone = {"workflow_name": "superseded", "versions": None, "total": 0}
    emulator.fault("listWorkflowVersions", status=200, body=gone, content_type="application/json", count=None)
    ran = call("plan", str(files), "--url", emulator.url)
    assert (ran.code, ran.stderr) == (3, "")
    assert "rollback superseded --to 1.0.0" in ran.stdout


def test_of_many_superseded_names_some_are_looked_up(emulator: Emulator, tmp_path: Path) -> None:
    names = [f"w{number:02}" for number in range(22)]
    files = write(tmp_path / "files", *map(workflow, names))
    with DataStorageClient(emulator.url) as client:
        for version in ("1.0.0", "1.1.0"):
            client.workflows.bootstrap([workflow(name, version) for name in names]).raise_for_errors()
    emulator.clear_requests()
    assert "22 superseded" in call("plan", str(files), "--url", emulator.url).stdout
    assert [request.operation for request in emulator.requests].count("listWorkflowVersions") == 20


def test_the_last_line_stands_out(emulator: Emulator, tmp_path: Path) -> None:
    files = every_action(emulator, tmp_path / "files")
    ran = piped("plan", str(files), "--url", emulator.url, env={"FORCE_COLOR": "1"})
    assert ran.stdout.endswith(
        "\x1b[1mPlan: 1 to create, 1 drifted, 1 superseded, 1 would demote, 2 unchanged.\x1b[0m\n"
    )


def test_terminals(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = every_action(emulator, tmp_path / "f")
    wide = in_terminal("plan", str(files), "--url", emulator.url, columns=200, env={"NO_COLOR": "1"})
    assert (wide.code, wide.stdout) == (3, EVERY_ACTION.replace("FILES", str(files)))
    narrow = in_terminal("plan", "f", "--url", emulator.url, columns=40, env={"NO_COLOR": "1"})
    commands = [line for line in narrow.stdout.splitlines() if "kubernaut-client" in line]
    assert len(commands) == 2
    assert all(len(line) <= 40 for line in narrow.stdout.splitlines() if line not in commands)
    colored = in_terminal("plan", str(files), "--url", emulator.url, columns=80)
    assert "    \x1b[31m  -two\x1b[0m\n" in colored.stdout


def test_a_reader_that_goes_away(emulator: Emulator, tmp_path: Path) -> None:
    files = write(tmp_path / "files", *(workflow(f"workflow-{i}", content=f"{i}\n") for i in range(500)))
    with subprocess.Popen(
        [*COMMAND, "plan", str(files), "--url", emulator.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment({"PYTHONUNBUFFERED": "1"}),
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"500 to create:\n"
        process.stdout.close()
        assert (process.stderr.read(), process.wait(PATIENCE)) == (b"", 0)


def test_failures_are_documents(tmp_path: Path) -> None:
    files = write(tmp_path / "files", workflow())
    bad = write(tmp_path / "bad", "a: [")
    with nobody() as url:
        unreachable = piped("plan", str(files), "--url", url, "--attempts", "1", "-ojson")
    assert (unreachable.code, unreachable.document["error"]["type"]) == (4, "ConnectError")
    invalid = piped("plan", str(bad), "-ojson")
    assert (invalid.code, len(invalid.document["error"]["problems"])) == (2, 1)
    nameless = piped("plan", str(files), "-ojson")
    assert (nameless.code, nameless.document["error"]["type"]) == (2, "ConfigurationError")


def test_hostile_words(emulator: Emulator, tmp_path: Path) -> None:
    """Names and texts that do harm if they are trusted are planned, applied, drift and are exported."""
    rows = [
        workflow(name, content=f"{ESCAPES}{name}\nx\n", description=ESCAPES) | {"name": ESCAPES} for name in HOSTILE
    ]
    files = write(tmp_path / "files", *rows)
    changed = [row | {"content": f"y{row['content']}", "description": f"{ESCAPES}!", "owner": ESCAPES} for row in rows]
    write(tmp_path / "changed", *(row | {"content_hash": "0" * 64} for row in changed))
    out = tmp_path / "out"
    out.mkdir()
    seen = ""
    for words in (
        ("plan", str(files), "-v"),
        ("apply", str(files), "-vv"),
        ("plan", str(tmp_path / "changed"), "-v"),
        ("apply", str(tmp_path / "changed")),
        ("plan", str(tmp_path / "changed"), "-ojson"),
        ("apply", str(tmp_path / "changed"), "-ojson"),
        ("export", str(out / "export")),
        ("plan", str(out / "export"), "--check"),
    ):
        ran = piped(*words, "--url", emulator.url)
        assert ran.code == (3 if "changed" in words[1] else 0), ran
        seen += ran.stdout + ran.stderr
    assert not {c for c in seen if not c.isprintable()} - {"\n"}
    assert len(emulator.rows("remediation_workflow_catalog")) == len(HOSTILE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changed", "files", "out"]
    assert [path.name for path in out.iterdir()] == ["export"]
    shown = in_terminal("plan", str(tmp_path / "changed"), "--url", emulator.url, columns=40, env={"NO_COLOR": "1"})
    assert not {c for c in shown.stdout if not c.isprintable()} - {"\n"}
