"""docs/testing.md is true: what it shows runs as it stands, in a directory that holds nothing else."""

import json
import sys

import pytest

from kubernaut_client.emulator import Emulator
from tests.plugin import guide
from tests.plugin.conftest import Suite
from tests.workflows import workflow

pytestmark = pytest.mark.emulator


@pytest.fixture
def bare(suite: Suite) -> Suite:
    """A directory without any setting."""
    (suite.directory / "pytest.ini").unlink()
    return suite


@pytest.mark.parametrize("options", [[], ["-n", "4"]], ids=["alone", "in four processes"])
def test_the_file_of_the_first_five_minutes(bare: Suite, options: list[str]) -> None:
    bare.write("test_workflows.py", guide.program("test_workflows.py"))
    assert bare.run(*options).passed(3)


def test_the_file_has_twenty_lines() -> None:
    # Its name in the first one isn't counted.
    assert len(guide.program("test_workflows.py").splitlines()) - 1 <= 20


def test_the_suite_that_bootstraps_once(bare: Suite) -> None:
    bare.write("conftest.py", guide.program("conftest.py"))
    bare.write(
        "test_it.py",
        """
        import json, os, urllib.request

        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_it(number):
            with urllib.request.urlopen(os.environ["DATA_STORAGE_URL"] + "/api/v1/workflows") as answer:
                assert len(json.load(answer)["workflows"]) == 5
        """,
    )
    assert bare.run("-n", "2").passed(4)


def test_the_setting_of_the_baseline(bare: Suite) -> None:
    (block,) = [block for block in guide.text().split("```") if "[tool.pytest.ini_options]" in block]
    bare.write("pyproject.toml", block)
    bare.write("deploy/workflows/one.json", json.dumps(workflow("one")))
    bare.write("tests/extra.yaml", json.dumps(workflow("two")))
    bare.write(
        "test_it.py", "def test_it(datastorage_client): assert len(list(datastorage_client.workflows.list())) == 2"
    )
    assert bare.run().passed(1)


def test_the_command_line_with_a_catalog(bare: Suite) -> None:
    (line,) = [line for line in guide.text().splitlines() if line.startswith("kubernaut-client emulator --catalog")]
    words = line.replace(
        "pytest tests/integration", f"{sys.executable} -m pytest -p no:cacheprovider tests/integration"
    )
    bare.write("deploy/workflows/one.json", json.dumps(workflow("one")))
    bare.write(
        "tests/integration/test_it.py",
        """
        import json, os, urllib.request

        with urllib.request.urlopen(os.environ["DATA_STORAGE_URL"] + "/api/v1/workflows") as answer:
            ROWS = json.load(answer)["workflows"]

        def test_it():
            assert [row["workflow_name"] for row in ROWS] == ["one"]
        """,
    )
    done = bare.execute([sys.executable, "-m", "kubernaut_client.cli", *words.split()[1:]])
    assert done.returncode == 0 and "1 passed" in done.stdout


def test_every_fault_of_the_table_can_be_scripted() -> None:
    expressions = guide.faults()
    assert len(expressions) >= 12
    with Emulator() as emulator:
        names = {"datastorage_faults": emulator, "fault": emulator.fault}
        for expression in expressions:
            program = f"{expression} pass" if expression.startswith("with ") else expression
            exec(program, dict(names))  # noqa: S102 - our own text, which has to be run as it stands
            emulator.reset()
