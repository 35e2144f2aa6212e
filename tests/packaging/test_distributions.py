"""What the wheel and the sdist contain and say of themselves."""

import tomllib
from configparser import ConfigParser
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

import kubernaut_client
from tests.packaging.conftest import ROOT, build, wheel_files

CONTRACT = "kubernaut_client/emulator/data-storage-v1.yaml"
CATALOG = "kubernaut_client/testing/catalog/"


@pytest.fixture(scope="module")
def dist_info(wheel: dict[str, bytes]) -> dict[str, str]:
    """The files of the metadata directory, by name."""
    prefix = f"kubernaut_client-{kubernaut_client.__version__}.dist-info/"
    return {name.removeprefix(prefix): text.decode() for name, text in wheel.items() if name.startswith(prefix)}


@pytest.fixture(scope="module")
def metadata(dist_info: dict[str, str]) -> Message:
    return Parser().parsestr(dist_info["METADATA"])


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return settings


def test_the_wheel_holds_the_two_packages_and_nothing_else(wheel: dict[str, bytes]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert tops == {
        "kubernaut_client",
        "kubernaut_datastorage",
        f"kubernaut_client-{kubernaut_client.__version__}.dist-info",
    }


@pytest.mark.parametrize(
    ("package", "source"),
    [("kubernaut_client", "kubernaut_client"), ("kubernaut_datastorage", "generated/kubernaut_datastorage")],
)
def test_every_module_of_the_tree_is_in_the_wheel(wheel: dict[str, bytes], package: str, source: str) -> None:
    tree = {
        f"{package}/{path.relative_to(ROOT / source).as_posix()}": path.read_bytes()
        for path in (ROOT / source).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name: content for name, content in wheel.items() if name.startswith(f"{package}/")}
    # These two come from elsewhere in the tree.
    for files in (packed, tree):
        for name in [name for name in files if name == CONTRACT or name.startswith(CATALOG)]:
            del files[name]
    assert packed.keys() == tree.keys()
    assert packed == tree


@pytest.mark.parametrize("package", ["kubernaut_client", "kubernaut_datastorage"])
def test_both_packages_are_marked_as_typed(wheel: dict[str, bytes], package: str) -> None:
    assert wheel[f"{package}/py.typed"].strip() in (b"", b"# Marker file for PEP 561")


def test_the_emulator_carries_the_contract(wheel: dict[str, bytes]) -> None:
    assert wheel[CONTRACT] == (ROOT / "openapi/data-storage-v1.yaml").read_bytes()


def test_the_command_is_an_entry_point(dist_info: dict[str, str]) -> None:
    entry_points = ConfigParser()
    entry_points.read_string(dist_info["entry_points.txt"])
    assert dict(entry_points["console_scripts"]) == {"kubernaut-client": "kubernaut_client.cli:main"}


def test_the_licence_is_named_and_enclosed(dist_info: dict[str, str], metadata: Message) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    assert dist_info["licenses/LICENSE"] == (ROOT / "LICENSE").read_text("utf-8")


def test_metadata_name_version_and_interpreters(metadata: Message) -> None:
    assert metadata["Name"] == "kubernaut-client"
    assert metadata["Version"] == kubernaut_client.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (ROOT / "README.md").read_text("utf-8")


def test_the_core_depends_on_three_packages(metadata: Message) -> None:
    requirements: list[str] = metadata.get_all("Requires-Dist", [])
    assert sorted(line for line in requirements if "extra ==" not in line) == [
        "attrs>=22.2",
        "httpx<1,>=0.24",
        "tenacity>=8.3",
    ]


def test_extras(metadata: Message, project: dict[str, Any]) -> None:
    assert sorted(metadata.get_all("Provides-Extra", [])) == ["catalog", "cli", "emulator"]
    requirements: list[str] = metadata.get_all("Requires-Dist", [])
    for extra, wanted in project["optional-dependencies"].items():
        said = {line.partition(";")[0].strip() for line in requirements if f"extra == '{extra}'" in line}
        assert {name.lower() for name in said} == {name.lower() for name in wanted}


def test_the_wheel_built_from_the_sdist_is_the_same(sdist: Path, wheel: dict[str, bytes], tmp_path: Path) -> None:
    build(sdist, tmp_path, "wheel")
    assert wheel_files(tmp_path) == wheel


@pytest.mark.parametrize("part", ["tests", "scripts", "openapi", "examples", "docs", ".ci"])
def test_the_sdist_holds_all_that_its_tests_need(sdist: Path, part: str) -> None:
    assert _files(sdist / part) == _files(ROOT / part)


def test_commands_in_the_sdist_can_be_run(sdist: Path) -> None:
    for name in ("scripts/test", "scripts/demo", "scripts/bench", ".ci/run"):
        assert (sdist / name).stat().st_mode & 0o111 == 0o111, name


def _files(top: Path) -> set[str]:
    return {
        path.relative_to(top).as_posix()
        for path in top.rglob("*")
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in path.relative_to(top).parts)
    }
