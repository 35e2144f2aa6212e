"""`export` against the emulator: the way to files and back, what it refuses, and how it tells so."""

from pathlib import Path

import pytest

from kubernaut_client.emulator import Emulator
from tests.integration.cli_catalog import EXAMPLES, every_action, write
from tests.integration.workflow_documents import store
from tests.unit.cli.tools import call, nobody, piped
from tests.workflows import workflow

pytestmark = pytest.mark.emulator


def test_to_files_and_back(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("apply", str(EXAMPLES), "--url", emulator.url).code == 0
    emulator.clear_requests()
    ran = piped("export", "backup", "--url", emulator.url, cwd=tmp_path)
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout == "Exported 5 workflow versions to 10 files in backup\n"
    assert call("plan", "backup", "--url", emulator.url, "--check").stdout == "Nothing to do: 5 unchanged.\n"
    assert call("validate", "backup", "--base", str(EXAMPLES)).code == 0
    assert emulator.writes == ()
    document = call("export", "again", "--url", emulator.url, "-ojson").document
    assert (document["directory"], document["workflows"], document["exit_code"]) == ("again", 5, 0)
    assert document["files"] == sorted(str(path.relative_to("again")) for path in Path("again").rglob("*.*"))


def test_what_files_do_not_keep_is_a_warning(emulator: Emulator, tmp_path: Path) -> None:
    every_action(emulator, tmp_path / "files")
    ran = call("export", str(tmp_path / "export"), "--url", emulator.url)
    assert ran.code == 0
    assert ran.stderr == "Warning: disabled@1.0.0: is disabled; why, since when and by whom isn't kept\n"
    assert call("plan", str(tmp_path / "export"), "--url", emulator.url, "--check").code == 0


def test_an_empty_service(emulator: Emulator, tmp_path: Path) -> None:
    ran = call("export", str(tmp_path / "export"), "--url", emulator.url)
    assert (ran.code, ran.stdout) == (0, f"Exported 0 workflow versions to 0 files in {tmp_path / 'export'}\n")


def test_refused(emulator: Emulator, tmp_path: Path) -> None:
    taken = write(tmp_path / "taken", workflow())
    before = (taken / "0000.json").read_bytes()
    ran = call("export", str(taken), "--url", emulator.url)
    assert (ran.code, ran.stdout) == (2, "")
    assert "is not empty: name a new directory" in ran.stderr
    assert (taken / "0000.json").read_bytes() == before
    assert call("export", str(taken), "--url", emulator.url, "-ojson").document["error"]["type"] == "CatalogError"
    assert list(tmp_path.iterdir()) == [taken]


@pytest.mark.parametrize("place", ["file", "/proc"])
def test_a_place_that_can_not_be_written(place: str, emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    ran = piped("export", str(tmp_path / place / "export"), "--url", emulator.url)
    assert (ran.code, ran.stdout) == (2, "")
    assert ran.stderr.splitlines()[-1].startswith(f"Error: {tmp_path / place / 'export'}: ")


def test_failures_leave_nothing(emulator: Emulator, tmp_path: Path) -> None:
    with nobody() as url:
        ran = call("export", str(tmp_path / "export"), "--url", url, "--attempts", "1", "-ojson")
    assert (ran.code, ran.document["error"]["type"]) == (4, "ConnectError")
    emulator.fault("listWorkflows", status=500, body={"title": "x"})
    assert call("export", str(tmp_path / "export"), "--url", emulator.url).code == 1
    assert list(tmp_path.iterdir()) == []


def test_no_path(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = call("export", "", "--url", emulator.url)
    assert (ran.code, ran.stdout) == (2, "")
    assert "'': is no path" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_no_create_takes_leaves_the_rest_to_be_planned(emulator: Emulator, tmp_path: Path) -> None:
    store(emulator, workflow("a"), workflow(".."))
    ran = call("export", str(tmp_path / "export"), "--url", emulator.url)
    assert ran.code == 0
    assert ".json.refused, which isn't loaded" in ran.stderr
    ran = call("plan", str(tmp_path / "export"), "--url", emulator.url)
    assert (ran.code, ran.stdout) == (0, "Nothing to do: 1 unchanged.\n")
