"""The plugin and the sample catalog as the built wheel has them."""

import os
from configparser import ConfigParser
from pathlib import Path

import pytest

import kubernaut_client
from tests.packaging.conftest import ROOT
from tests.plugin import guide
from tests.plugin.conftest import Suite

CATALOG = "kubernaut_client/testing/catalog/"


@pytest.fixture
def unpacked(wheel: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what is in the wheel, as an installation has it."""
    directory = tmp_path_factory.mktemp("site packages")
    for name, content in wheel.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


def test_pytest_finds_the_plugin(wheel: dict[str, bytes]) -> None:
    entry_points = ConfigParser()
    name = f"kubernaut_client-{kubernaut_client.__version__}.dist-info/entry_points.txt"
    entry_points.read_string(wheel[name].decode())
    assert dict(entry_points["pytest11"]) == {"kubernaut_client": "kubernaut_client.testing.plugin"}


def test_the_sample_catalog_is_that_of_the_examples(wheel: dict[str, bytes]) -> None:
    packed = {name.removeprefix(CATALOG): content for name, content in wheel.items() if name.startswith(CATALOG)}
    assert packed == {path.name: path.read_bytes() for path in (ROOT / "examples" / "catalog").iterdir()}
    assert len(packed) == 5


@pytest.mark.emulator
def test_the_file_of_the_guide_runs_from_the_wheel(suite: Suite, unpacked: Path) -> None:
    suite.write("test_workflows.py", guide.program("test_workflows.py"))
    suite.write(
        "test_place.py",
        f"""
        from pathlib import Path

        import kubernaut_client, kubernaut_datastorage
        from kubernaut_client.testing import plugin

        def test_the_wheel_is_what_runs(pytestconfig):
            for module in (kubernaut_client, kubernaut_datastorage, plugin):
                assert Path(module.__file__).is_relative_to({str(unpacked)!r})
            assert pytestconfig.pluginmanager.get_plugin("kubernaut_client") is plugin
        """,
    )
    # Before anything that this environment has installed, and without the source tree.
    outcome = suite.run("-n", "4", PYTHONPATH=str(unpacked), PYTHONSAFEPATH="1")
    assert outcome.passed(4)
    assert str(ROOT) + os.sep not in outcome.output
