"""The README is true: its example runs, and does what the text beside it says."""

import re
import sys
from collections import Counter

import pytest

import kubernaut_client
from kubernaut_client.emulator import Emulator
from tests.packaging.conftest import ROOT

README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> str:
    """The Python of the README, runnable: it imports a module that stands in `examples/`."""
    monkeypatch.syspath_prepend(ROOT / "examples")
    monkeypatch.delitem(sys.modules, "hapi_workflows", raising=False)
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    return str(block)


def test_the_example_bootstraps_five_and_then_writes_nothing(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Emulator() as emulator:
        program = compile(example.replace("http://localhost:8080", emulator.url), "README.md", "exec")
        for action, writes in (("created", 5), ("unchanged", 0)):
            emulator.clear_requests()
            exec(program, {})  # noqa: S102 - our own text, which has to be run as it stands
            assert Counter(line.split()[0] for line in capsys.readouterr().out.splitlines()) == {action: 5}
            assert len(emulator.writes) == writes


def test_the_example_has_ten_lines(example: str) -> None:
    assert len([line for line in example.splitlines() if line]) <= 10


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(?:kubernaut_client\.)?([A-Z]\w+)`", README))))
def test_names_of_the_table_exist(name: str) -> None:
    assert name == "Emulator" or name in kubernaut_client.__all__


def test_methods_of_the_table_exist() -> None:
    with kubernaut_client.DataStorageClient("http://localhost:1") as client:
        for noun in ("workflows", "health"):
            (methods,) = re.findall(rf"^\| `client\.{noun}` \| `([\w ]+)`", README, re.MULTILINE)
            assert [name for name in methods.split() if not callable(getattr(getattr(client, noun), name))] == []


@pytest.mark.parametrize("path", re.findall(r"`((?:scripts|examples|openapi)/[\w./-]*)`|\]\(([\w./-]+)\)", README))
def test_files_that_are_named_exist(path: tuple[str, str]) -> None:
    assert (ROOT / "".join(path)).exists()
