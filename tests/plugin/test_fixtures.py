"""What the fixtures give, which of them reset what, and in which order tests may run."""

import json
from pathlib import Path

import pytest

from tests.plugin.conftest import Suite
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

# Runs a suite backwards.
BACKWARDS = """
def pytest_collection_modifyitems(items):
    items.reverse()
"""


@pytest.fixture(params=["forwards", "backwards"])
def either_way(request: pytest.FixtureRequest, suite: Suite) -> Suite:
    """A suite that is run in the order of its file, or the other way round."""
    if request.param == "backwards":
        suite.write("conftest.py", BACKWARDS)
    return suite


def test_every_test_starts_from_an_empty_catalog_in_good_health(either_way: Suite) -> None:
    either_way.write(
        "test_it.py",
        """
        import pytest
        from kubernaut_client.testing import sample_catalog

        def check(client, emulator):
            assert emulator.requests == () and emulator.faults == ()
            assert client.health.check().ok
            assert list(client.workflows.list()) == []
            assert emulator.rows("remediation_workflow_catalog") == []

        def test_rows(datastorage_client, bootstrap_catalog, datastorage_emulator):
            check(datastorage_client, datastorage_emulator)
            assert len(bootstrap_catalog(sample_catalog()).created) == 5
            assert len(list(datastorage_client.workflows.list())) == 5

        def test_faults(datastorage_faults, datastorage_client):
            check(datastorage_client, datastorage_faults)
            datastorage_faults.fault("*", status=503, count=None)

        @pytest.mark.parametrize("way", ["database", "connections", "clock"])
        def test_conditions(datastorage_faults, datastorage_client, way):
            from datetime import timedelta
            check(datastorage_client, datastorage_faults)
            if way == "database":
                datastorage_faults.stop_database()
            elif way == "connections":
                datastorage_faults.refuse_connections().__enter__()
            else:
                datastorage_faults.clock(timedelta(days=1)).__enter__()

        def test_client(datastorage_client, datastorage_emulator):
            check(datastorage_client, datastorage_emulator)
            datastorage_client.workflows.create(sample_catalog()[0])

        def test_fails_half_way(datastorage_client, datastorage_emulator, request):
            check(datastorage_client, datastorage_emulator)
            datastorage_client.workflows.create(sample_catalog()[0])
            request.applymarker(pytest.mark.xfail(strict=True))
            assert False
        """,
    )
    outcome = either_way.run()
    assert outcome.code == 0, outcome.output
    # Expected failures are reported among the skipped.
    assert outcome.counts == {"passed": 6, "skipped": 1}


def test_what_a_session_stores_stays(suite: Suite) -> None:
    suite.write(
        "test_it.py",
        """
        import pytest
        from kubernaut_client import DataStorageClient
        from kubernaut_client.testing import sample_catalog

        @pytest.fixture(scope="module")
        def client(datastorage_url):
            with DataStorageClient(datastorage_url) as client:
                yield client

        def test_store(client, datastorage_emulator, datastorage_url):
            assert datastorage_url == datastorage_emulator.url
            client.workflows.create(sample_catalog()[0])
            datastorage_emulator.fault("readinessCheck", status=503)

        def test_all_is_still_there(client, datastorage_emulator):
            assert len(list(client.workflows.list())) == 1
            assert len(datastorage_emulator.writes) == 1
            assert len(datastorage_emulator.faults) == 1
        """,
    )
    assert suite.run().passed(2)


def test_a_test_leaves_nothing_for_those_that_use_the_session(either_way: Suite) -> None:
    either_way.write(
        "test_it.py",
        """
        from kubernaut_client import DataStorageClient
        from kubernaut_client.testing import sample_catalog

        def check(url):
            with DataStorageClient(url) as client:
                assert list(client.workflows.list()) == []

        def test_one(datastorage_url):
            check(datastorage_url)

        def test_two(bootstrap_catalog, datastorage_faults):
            bootstrap_catalog(sample_catalog())
            datastorage_faults.stop_database()

        def test_three(datastorage_url):
            check(datastorage_url)
        """,
    )
    assert either_way.run().passed(3)


def test_an_emulator_that_a_test_has_stopped_is_back_for_the_next(either_way: Suite) -> None:
    either_way.write("pytest.ini", "[pytest]\nfilterwarnings = error\ndatastorage_catalog = one.json\n")
    either_way.write("one.json", json.dumps(workflow("restart-pod")))
    either_way.write(
        "test_it.py",
        """
        from kubernaut_client import DataStorageClient

        URLS = set()

        def check(client, emulator, url):
            URLS.add(url)
            assert emulator.url == url and len(URLS) == 1
            assert emulator.requests == ()
            assert [row.workflow_name for row in client.workflows.list()] == ["restart-pod"]

        def test_one(datastorage_client, datastorage_emulator, datastorage_url):
            check(datastorage_client, datastorage_emulator, datastorage_url)

        def test_two(datastorage_client, datastorage_faults, datastorage_url):
            check(datastorage_client, datastorage_faults, datastorage_url)
            datastorage_faults.stop()

        def test_three(datastorage_faults, datastorage_client, datastorage_url):
            check(datastorage_client, datastorage_faults, datastorage_url)
            datastorage_faults.stop()
            datastorage_faults.start()
            assert datastorage_faults.url == datastorage_url

        def test_four(datastorage_url):
            with DataStorageClient(datastorage_url) as client:
                assert client.health.check().ok
        """,
    )
    assert either_way.run().passed(4)


SUITE_WITH_BASELINE = """
import pytest
from kubernaut_client import DataStorageClient

NAMES = ["drain-node", "restart-pod"]

def names(client):
    return sorted(row.workflow_name for row in client.workflows.list())

def test_session(datastorage_url, datastorage_emulator):
    with DataStorageClient(datastorage_url) as client:
        assert names(client) == NAMES

def test_client(datastorage_client, datastorage_emulator):
    assert datastorage_emulator.requests == ()
    assert names(datastorage_client) == NAMES
    (row,) = datastorage_client.workflows.versions("restart-pod")
    datastorage_client.workflows.disable(row.workflow_id)

def test_faults(datastorage_client, datastorage_faults):
    datastorage_faults.stop_database()

def test_another_client(datastorage_client, bootstrap_catalog):
    assert names(datastorage_client) == NAMES
    assert [row.status for row in datastorage_client.workflows.list()] == ["active", "active"]
    bootstrap_catalog([])

def test_session_again(datastorage_url):
    with DataStorageClient(datastorage_url) as client:
        assert names(client) == NAMES
"""


def test_a_baseline_of_files(either_way: Suite) -> None:
    either_way.write("pytest.ini", "[pytest]\nfilterwarnings = error\ndatastorage_catalog = 'my catalog' one.json\n")
    either_way.write("my catalog/deep/one.json", json.dumps(workflow("restart-pod")))
    either_way.write("one.json", json.dumps([workflow("drain-node")]))
    either_way.write("tests/test_it.py", SUITE_WITH_BASELINE)
    # Paths are relative to the rootdir, not to where pytest is run.
    assert either_way.run("test_it.py", cwd=either_way.directory / "tests").passed(5)


@pytest.mark.parametrize("table", ["tool.pytest", "tool.pytest.ini_options"])
def test_a_baseline_in_pyproject(suite: Suite, table: str) -> None:
    (suite.directory / "pytest.ini").unlink()
    suite.write("pyproject.toml", f'[{table}]\ndatastorage_catalog = ["catalog"]\n')
    suite.write("catalog/one.json", json.dumps(workflow("restart-pod")))
    suite.write(
        "test_it.py",
        """
        def test_it(datastorage_client):
            assert [row.workflow_name for row in datastorage_client.workflows.list()] == ["restart-pod"]
        """,
    )
    assert suite.run().passed(1)


def test_bootstrap_catalog_takes_paths_and_workflows(suite: Suite) -> None:
    suite.write("catalog/one.json", json.dumps(workflow("from-file")))
    suite.write(
        "test_it.py",
        """
        from pathlib import Path

        import pytest
        from kubernaut_client import BootstrapError, BootstrapReport, CatalogError
        from kubernaut_client.catalog import load
        from kubernaut_client.testing import sample_catalog

        FILE = Path(__file__).parent / "catalog" / "one.json"
        MODEL = sample_catalog()[0]

        @pytest.mark.parametrize("given", [
            "catalog", FILE, FILE.parent, [FILE], (str(FILE),), load(FILE), MODEL, [MODEL], MODEL.to_dict(),
            iter([MODEL.to_dict()]),
        ], ids=str)
        def test_one(bootstrap_catalog, given):
            report = bootstrap_catalog(given)
            assert isinstance(report, BootstrapReport) and len(report.created) == 1

        def test_several(bootstrap_catalog):
            assert len(bootstrap_catalog([FILE, *sample_catalog()]).created) == 6
            assert len(bootstrap_catalog(paths_or_workflows=[]).rows) == 0
            assert len(bootstrap_catalog(["catalog", MODEL]).unchanged) == 2

        def test_what_fails_raises(bootstrap_catalog, datastorage_faults):
            with pytest.raises(CatalogError, match="nowhere"):
                bootstrap_catalog("nowhere")
            datastorage_faults.fault("createWorkflow", status=400, count=None)
            with pytest.raises(BootstrapError):
                bootstrap_catalog(MODEL)
        """,
    )
    assert suite.run().passed(12)


ASYNC_SUITE = """
{mark}
async def test_one(datastorage_async_client):
    assert [row async for row in datastorage_async_client.workflows.list()] == []
    await datastorage_async_client.workflows.create(SAMPLE)

{mark}
async def test_two(datastorage_async_client, datastorage_faults):
    datastorage_faults.fault("createWorkflow", drop="after")
    assert (await datastorage_async_client.workflows.ensure(SAMPLE)).recovered

def test_three(datastorage_async_client):
    async def stored():
        return [row async for row in datastorage_async_client.workflows.list()]

    assert asyncio.run(stored()) == []
    # Another event loop, the same client.
    assert asyncio.run(stored()) == []
"""
ASYNC_HEAD = (
    "import asyncio, pytest\nfrom kubernaut_client.testing import sample_catalog\nSAMPLE = sample_catalog()[0]\n"
)


@pytest.mark.parametrize(
    ("options", "settings", "mark"),
    [
        (["-p", "no:asyncio"], "", "@pytest.mark.anyio"),
        (["-p", "asyncio", "-p", "no:anyio"], "asyncio_mode = strict", "@pytest.mark.asyncio"),
        (["-p", "asyncio"], "asyncio_mode = auto\nasyncio_default_test_loop_scope = session", ""),
    ],
    ids=["anyio", "asyncio", "both, one loop"],
)
def test_the_async_client_under_any_plugin(suite: Suite, options: list[str], settings: str, mark: str) -> None:
    scope = "asyncio_default_fixture_loop_scope = function" if "asyncio" in options else ""
    suite.write("pytest.ini", f"[pytest]\nfilterwarnings = error\n{scope}\n{settings}\n")
    suite.write("conftest.py", "import pytest\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n")
    suite.write("test_it.py", ASYNC_HEAD + ASYNC_SUITE.format(mark=mark))
    assert suite.run(*options).passed(3)


ON_TWO_LOOPS = """
    import pytest

    @pytest.fixture(params=[("asyncio", {}), "trio"] if "two" in __file__ else ["trio"], ids=str)
    def anyio_backend(request):
        return request.param

    @pytest.mark.anyio
    async def test_async(datastorage_async_client):
        assert (await datastorage_async_client.health.ready()).ok

    @pytest.mark.anyio
    @pytest.mark.parametrize("number", [1, 2])
    async def test_numbers(datastorage_async_client, number):
        assert (await datastorage_async_client.health.ready()).ok

    def test_sync(datastorage_client, anyio_backend):
        assert datastorage_client.health.ready().ok
"""


def test_the_async_client_where_trio_is_installed(suite: Suite) -> None:
    """anyio's plugin runs each coroutine test on trio, too; so does a fixture that names both."""
    suite.write("test_two.py", ON_TWO_LOOPS)
    outcome = suite.run()
    assert outcome.passed(5)
    assert "3 deselected" in outcome.output


def test_the_async_client_on_trio_alone(suite: Suite) -> None:
    """Nothing is deselected then: a suite isn't green for want of a test."""
    suite.write("test_one.py", ON_TWO_LOOPS)
    outcome = suite.run("-k", "test_async or test_numbers")
    assert len(outcome.results) == 3
    assert outcome.counts["passed"] == 0


def test_the_async_client_without_a_plugin(suite: Suite) -> None:
    suite.write("test_it.py", ASYNC_HEAD + "def test" + ASYNC_SUITE.partition("def test_three")[2])
    assert suite.run("-p", "no:anyio").passed(1)


def test_sample_catalog() -> None:
    from kubernaut_client.models import RemediationWorkflow
    from kubernaut_client.testing import sample_catalog

    first, second = sample_catalog(), sample_catalog()
    assert [each.workflow_name for each in first] == [
        "crashloop-fix-configuration",
        "image-pull-backoff-fix-credentials",
        "node-not-ready-drain-and-reboot",
        "oomkill-increase-memory-limits",
        "oomkill-scale-down-replicas",
    ]
    assert first == second and all(isinstance(each, RemediationWorkflow) for each in first)
    # Whoever changes one changes nobody else's.
    assert all(one is not other for one, other in zip(first, second, strict=True))


def test_these_fixtures_and_no_others(suite: Suite) -> None:
    suite.write("test_it.py", "def test_it(): pass")
    lines = suite.run("--fixtures", "-v").output.splitlines()
    ours = [line.split()[0] for line in lines if f"{Path('kubernaut_client/testing/plugin.py')}:" in line]
    assert sorted(ours) == [
        "bootstrap_catalog",
        "datastorage_async_client",
        "datastorage_client",
        "datastorage_emulator",
        "datastorage_faults",
        "datastorage_url",
    ]
