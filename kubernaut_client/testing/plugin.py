"""The pytest plugin: fixtures for tests against Data Storage, on an emulator of their own or on a live service.

pytest loads this module in every run, used or not, so it imports nothing but what pytest has loaded already; each
fixture imports what it needs. What goes wrong with the set-up is an error of the tests that need it, never a skip.
docs/testing.md shows how to use it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from kubernaut_client import AsyncDataStorageClient, BootstrapReport, DataStorageClient
    from kubernaut_client.emulator import Emulator
    from kubernaut_client.models import RemediationWorkflow

    from . import BootstrapCatalog, CatalogItem

OPTION = "--datastorage-url"
CATALOG = "datastorage_catalog"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option for a live service, and the setting for the catalog that tests start with."""
    parser.getgroup("datastorage", "Data Storage").addoption(
        OPTION,
        metavar="URL",
        help="Run the tests on this live service: nothing is reset there, and tests that need faults are skipped.",
    )
    # Not "paths", which are relative to the file with the setting, wherever that is.
    parser.addini(
        CATALOG,
        "Catalog that each test starts with: files and directories, relative to the rootdir. Empty by default.",
        type="args",
        default=[],
    )


def pytest_report_header(config: pytest.Config) -> str | None:
    """Which live service the tests run on, if any."""
    url = _live_url(config)
    return f"datastorage: {url}" if url is not None else None


@pytest.fixture(scope="session")
def datastorage_emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """The emulator of this session (under pytest-xdist, of this worker): rows, request log, faults.

    It starts with the baseline, and nothing that is done to it is undone. Skips with --datastorage-url.
    """
    if _live_url(request.config) is not None:
        pytest.skip(f"needs the emulator and its faults, which a live service ({OPTION}) doesn't have")
    catalog = _baseline(request.config)
    try:
        from kubernaut_client.emulator import Emulator

        emulator = Emulator().start()
    except ImportError as error:
        pytest.fail(f"{error}", pytrace=False)
    except OSError as error:
        pytest.fail(f"the emulator can't be started: {error}", pytrace=False)
    with emulator:
        own = request.config.stash[_OWN] = _OwnEmulator(emulator, catalog)
        try:
            own.store_baseline()
            yield emulator
        finally:
            del request.config.stash[_OWN]
            own.client.close()


@pytest.fixture(scope="session")
def datastorage_url(request: pytest.FixtureRequest) -> str:
    """The URL of the emulator of this session, or that of --datastorage-url; nothing there is ever reset."""
    url = _live_url(request.config)
    if url is None:
        emulator: Emulator = request.getfixturevalue("datastorage_emulator")
        return emulator.url
    return _reached(url, _baseline(request.config))


@pytest.fixture
def datastorage_client(request: pytest.FixtureRequest, datastorage_url: str) -> Iterator[DataStorageClient]:
    """A client; the test starts from the baseline."""
    from kubernaut_client import DataStorageClient

    _start_from_baseline(request)
    with DataStorageClient(datastorage_url) as client:
        yield client


@pytest.fixture
def datastorage_async_client(request: pytest.FixtureRequest, datastorage_url: str) -> Iterator[AsyncDataStorageClient]:
    """A client for asyncio; the test starts from the baseline.

    Under any plugin that runs coroutines, or with `asyncio.run` under none. It needs no closing.
    """
    import asyncio

    from kubernaut_client import AsyncDataStorageClient

    _start_from_baseline(request)
    loops: set[asyncio.AbstractEventLoop] = set()
    # No async fixture: each of the plugins that run coroutines takes others' fixtures only if it is set up so.
    client = AsyncDataStorageClient(datastorage_url, on_call=lambda _: loops.add(asyncio.get_running_loop()))
    yield client
    # With most event loops the connections have ended already; one that several tests share is still there.
    for loop in loops:
        if loop.is_running():
            asyncio.run_coroutine_threadsafe(client.close(), loop)
        elif not loop.is_closed():
            loop.run_until_complete(client.close())


@pytest.fixture
def datastorage_faults(request: pytest.FixtureRequest, datastorage_emulator: Emulator) -> Emulator:
    """The emulator, to script faults on; the test starts from the baseline. All is well again when it is over.

    Skips with --datastorage-url.
    """
    _start_from_baseline(request)
    return datastorage_emulator


@pytest.fixture
def bootstrap_catalog(request: pytest.FixtureRequest, datastorage_url: str) -> Iterator[BootstrapCatalog]:
    """A function that makes the catalog hold some workflows, by their paths or as they are; returns the report.

    The test starts from the baseline.
    """
    from kubernaut_client import DataStorageClient

    _start_from_baseline(request)
    with DataStorageClient(datastorage_url) as client:

        def bootstrap(paths_or_workflows: CatalogItem | Iterable[CatalogItem]) -> BootstrapReport:
            return client.workflows.bootstrap(_workflows(paths_or_workflows)).raise_for_errors()

        yield bootstrap


class _OwnEmulator:
    """The emulator of a session and the baseline of its tests."""

    def __init__(self, emulator: Emulator, catalog: Sequence[RemediationWorkflow]) -> None:
        from kubernaut_client import DataStorageClient

        self.client = DataStorageClient(emulator.url)
        self._emulator = emulator
        self._catalog = catalog

    def restore(self) -> None:
        """Back to the baseline: its workflows and no other row, no faults, an empty log."""
        self._emulator.reset()
        self.store_baseline()

    def store_baseline(self) -> None:
        """Store the workflows of the baseline and forget the requests for it."""
        if self._catalog:
            self.client.workflows.bootstrap(self._catalog).raise_for_errors()
            self._emulator.clear_requests()


_OWN = pytest.StashKey[_OwnEmulator]()
_STARTED = pytest.StashKey[bool]()


def _start_from_baseline(request: pytest.FixtureRequest) -> None:
    """Restore the baseline, once for a test however many fixtures it has, and again when the test is over.

    The latter for tests that use the session's fixtures alone: what they find must not depend on what ran before.
    """
    own = request.config.stash.get(_OWN, None)
    stash = request.node.stash
    if own is None or _STARTED in stash:
        return
    own.restore()
    stash[_STARTED] = True

    def finish() -> None:
        del stash[_STARTED]
        own.restore()

    request.addfinalizer(finish)


def _live_url(config: pytest.Config) -> str | None:
    url: str | None = config.getoption(OPTION)
    return url


def _reached(url: str, catalog: Sequence[RemediationWorkflow]) -> str:
    """The URL of a live service that answers, whatever it answers, and that holds the baseline."""
    from kubernaut_client import CallRecord, ConfigurationError, DataStorageClient, KubernautError

    calls: list[CallRecord] = []
    try:
        with DataStorageClient(url, on_call=calls.append) as client:
            client.health.live()
            if calls[-1].status is None:
                pytest.fail(f"{OPTION}: {url} can't be reached: {calls[-1].error}", pytrace=False)
            if catalog:
                client.workflows.bootstrap(catalog).raise_for_errors()
            return client.base_url
    except ConfigurationError as error:
        pytest.fail(f"{OPTION}: {str(error).replace('base_url', 'the URL', 1)}", pytrace=False)
    except KubernautError as error:
        pytest.fail(f"{CATALOG}: can't be stored at {url}: {error}", pytrace=False)


def _baseline(config: pytest.Config) -> Sequence[RemediationWorkflow]:
    """The workflows that the tests start with."""
    paths: list[str] = config.getini(CATALOG)
    if not paths:
        return ()
    from kubernaut_client import CatalogError

    try:
        from kubernaut_client.catalog import load

        return tuple(load(*(config.rootpath / path for path in paths)))
    except ImportError as error:
        pytest.fail(f"{error}", pytrace=False)
    except CatalogError as error:
        pytest.fail("\n".join([f"{CATALOG}: {error}", *map(str, error.errors)]), pytrace=False)


def _workflows(
    paths_or_workflows: CatalogItem | Iterable[CatalogItem],
) -> Iterable[RemediationWorkflow | Mapping[str, object]]:
    """The workflows behind paths and workflows, one or many. Without a path among them PyYAML isn't needed."""
    from kubernaut_client.models import RemediationWorkflow

    items: list[CatalogItem]
    if isinstance(paths_or_workflows, str | os.PathLike | Mapping | RemediationWorkflow):
        items = [cast("CatalogItem", paths_or_workflows)]
    else:
        items = list(paths_or_workflows)
    if any(isinstance(item, str | os.PathLike) for item in items):
        from kubernaut_client.catalog import load

        return load(*items)
    return cast("list[RemediationWorkflow | Mapping[str, object]]", items)
