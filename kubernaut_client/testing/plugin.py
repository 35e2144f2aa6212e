"""The pytest plugin: fixtures for tests against Data Storage, on an emulator of their own or on a live service.

pytest loads this module in every run, used or not, so it is short and imports nothing that pytest hasn't loaded
already; what the fixtures do is in `session`. docs/testing.md shows how to use them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubernaut_client import AsyncDataStorageClient, DataStorageClient
    from kubernaut_client.emulator import Emulator

    from . import BootstrapCatalog


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option for a live service, and the setting for the catalog that tests start with."""
    parser.getgroup("datastorage", "Data Storage").addoption(
        "--datastorage-url",
        metavar="URL",
        help="Run the tests on this live service: nothing is reset there, and tests that need faults are skipped.",
    )
    # Not "paths", which are relative to the file with the setting, wherever that is.
    parser.addini(
        "datastorage_catalog",
        "Catalog that each test starts with: files and directories, relative to the rootdir. Empty by default.",
        type="args",
        default=[],
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the runs on trio that anyio's plugin makes, where trio is installed, of tests of the async client.

    That client is for asyncio. A test that runs on nothing else is left, and fails with an error that says so.
    """
    backends = {
        item: _backend(item) for item in items if "datastorage_async_client" in getattr(item, "fixturenames", ())
    }
    on_asyncio = {_function(item) for item, backend in backends.items() if backend == "asyncio"}
    others = [
        item for item, name in backends.items() if name not in ("asyncio", None) and _function(item) in on_asyncio
    ]
    if others:
        config.hook.pytest_deselected(items=list(others))
        items[:] = [item for item in items if item not in others]


def _backend(item: pytest.Item) -> str:
    """The event loop that anyio's plugin runs a test on; "" where it doesn't choose among several."""
    params: dict[str, str | tuple[str, object]] = getattr(getattr(item, "callspec", None), "params", {})
    backend = params.get("anyio_backend", "")
    # With options it is a pair.
    return backend if isinstance(backend, str) else backend[0]


def _function(item: pytest.Item) -> str:
    """The id of a test without its parameters."""
    return item.nodeid.partition("[")[0]


def pytest_report_header(config: pytest.Config) -> str | None:
    """Which live service the tests run on, if any."""
    url = config.getoption("--datastorage-url")
    if url is None:
        return None
    from .session import shown_url

    return f"datastorage: {shown_url(url)}"


@pytest.fixture(scope="session")
def datastorage_emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """The emulator of this session (under pytest-xdist, of this worker): rows, request log, faults.

    It starts with the baseline, and nothing that is done to it is undone. Skips with --datastorage-url.
    """
    from .session import own_emulator

    with own_emulator(request.config) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def datastorage_url(request: pytest.FixtureRequest) -> str:
    """The URL of the emulator of this session, or that of --datastorage-url; nothing there is ever reset."""
    from .session import live_service

    url = live_service(request.config)
    if url is not None:
        return url
    emulator: Emulator = request.getfixturevalue("datastorage_emulator")
    return emulator.url


@pytest.fixture
def datastorage_client(request: pytest.FixtureRequest, datastorage_url: str) -> Iterator[DataStorageClient]:
    """A client; the test starts from the baseline."""
    from kubernaut_client import DataStorageClient

    from .session import start_from_baseline

    start_from_baseline(request)
    with DataStorageClient(datastorage_url) as client:
        yield client


@pytest.fixture
def datastorage_async_client(request: pytest.FixtureRequest, datastorage_url: str) -> Iterator[AsyncDataStorageClient]:
    """A client for asyncio; the test starts from the baseline.

    Under any plugin that runs coroutines, or with `asyncio.run` under none. It needs no closing.
    """
    # No async fixture: each of the plugins that run coroutines takes others' fixtures only if it is set up so.
    from .session import async_client, start_from_baseline

    start_from_baseline(request)
    with async_client(datastorage_url) as client:
        yield client


@pytest.fixture
def datastorage_faults(request: pytest.FixtureRequest, datastorage_emulator: Emulator) -> Emulator:
    """The emulator, to script faults on; the test starts from the baseline. All is well again when it is over.

    Skips with --datastorage-url.
    """
    from .session import start_from_baseline

    start_from_baseline(request)
    return datastorage_emulator


@pytest.fixture
def bootstrap_catalog(request: pytest.FixtureRequest, datastorage_url: str) -> Iterator[BootstrapCatalog]:
    """A function that makes the catalog hold some workflows, by their paths or as they are; returns the report.

    The test starts from the baseline.
    """
    from .session import bootstrapping, start_from_baseline

    start_from_baseline(request)
    with bootstrapping(datastorage_url) as bootstrap:
        yield bootstrap
