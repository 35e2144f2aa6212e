"""What `import kubernaut_client` costs and gives.

Modules are counted, never timed: a count is the same on every machine.
"""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import kubernaut_client

HEAVY = {
    "httpx",
    "httpcore",
    "attr",
    "attrs",
    "tenacity",
    "logging",
    "importlib.metadata",
    "typing",
    "kubernaut_datastorage",
}
EXPORTS = Path(__file__).with_name("exports.txt")


def modules_after(statement: str) -> set[str]:
    """The modules that a new interpreter holds after that statement, in isolated mode."""
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    return modules_after("import kubernaut_client") - modules_after("pass")


def test_import_loads_at_most_fifteen_modules(loaded: set[str]) -> None:
    assert "kubernaut_client" in loaded
    assert len(loaded) <= 15, sorted(loaded)


def test_import_loads_nothing_heavy(loaded: set[str]) -> None:
    assert not loaded & HEAVY


def test_the_client_is_what_loads_them() -> None:
    """The count above would mean nothing if the names it looks for were never loaded at all."""
    assert {"httpx", "attr", "tenacity", "logging", "typing", "kubernaut_datastorage"} <= modules_after(
        "from kubernaut_client import DataStorageClient"
    )


@pytest.mark.parametrize("name", kubernaut_client.__all__)
def test_every_public_name_resolves(name: str) -> None:
    value = getattr(kubernaut_client, name)
    assert value is not None
    assert name in dir(kubernaut_client)


def test_a_star_import_gives_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from kubernaut_client import *", names)  # noqa: S102 - a star import isn't allowed inside a function
    assert names.keys() - {"__builtins__"} == set(kubernaut_client.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'DataStorageCleint'"):
        getattr(kubernaut_client, "DataStorageCleint")  # noqa: B009 - the checkers know that the attribute is missing


def test_the_public_names_are_frozen() -> None:
    """A name that comes or goes changes `exports.txt` in the same commit, where a reviewer sees it."""
    assert kubernaut_client.__all__ == EXPORTS.read_text("utf-8").split()


def public_classes() -> list[type]:
    """The exported classes and those of the resources that the two clients hand out."""
    exported = [getattr(kubernaut_client, name) for name in kubernaut_client.__all__]
    clients = (
        kubernaut_client.DataStorageClient("http://localhost:1"),
        kubernaut_client.AsyncDataStorageClient("http://localhost:1"),
    )
    resources = [type(value) for client in clients for value in (client.workflows, client.health)]
    return [*(value for value in exported if isinstance(value, type)), *resources]


@pytest.mark.parametrize("cls", public_classes(), ids=lambda cls: f"{cls.__module__}.{cls.__qualname__}")
def test_public_classes_and_methods_say_what_they_do(cls: type) -> None:
    members = [(cls.__name__, cls), *((name, value) for name, value in vars(cls).items() if not name.startswith("_"))]
    silent = [name for name, value in members if callable(value) and not inspect.getdoc(value)]
    assert silent == []
