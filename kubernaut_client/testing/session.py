"""What the fixtures of `plugin` do: the emulator of a session and its baseline, a live service, clients for a test.

What goes wrong with the set-up is an error of the tests that need it, never a skip.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, cast

import pytest

from kubernaut_client import (
    AsyncDataStorageClient,
    BootstrapReport,
    CallRecord,
    CatalogError,
    ConfigurationError,
    DataStorageClient,
    KubernautError,
)
from kubernaut_client.config import without_credentials
from kubernaut_client.models import RemediationWorkflow
from kubernaut_client.problems import one_line

if TYPE_CHECKING:
    from kubernaut_client.emulator import Emulator

    from . import BootstrapCatalog, CatalogItem


class _OwnEmulator:
    """The emulator of a session and the baseline of its tests."""

    def __init__(self, emulator: Emulator, catalog: Sequence[RemediationWorkflow]) -> None:
        # Not with the tokens and certificates that the environment has for a live service.
        self.client = DataStorageClient(
            emulator.url,
            token="unused",  # noqa: S106
            tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )
        self._emulator = emulator
        self._url = emulator.url
        self._catalog = catalog

    def restore(self) -> None:
        """Back to the baseline: its workflows and no other row, no faults, an empty log.

        An emulator that a test has stopped is started again, so that no other test pays for it.
        """
        try:
            self._emulator.start()
        except OSError as error:
            _fail(f"the emulator was stopped and can't be started again: {error}")
        if self._emulator.url != self._url:
            _fail(f"the emulator was stopped, and its port is taken since: {self._url} is no more")
        self._emulator.reset()
        self.store_baseline()

    def store_baseline(self) -> None:
        """Store the workflows of the baseline and forget the requests for it."""
        if self._catalog:
            self.client.workflows.bootstrap(self._catalog).raise_for_errors()
            self._emulator.clear_requests()


_OWN = pytest.StashKey[_OwnEmulator]()
_STARTED = pytest.StashKey[bool]()


@contextmanager
def own_emulator(config: pytest.Config) -> Generator[Emulator]:
    """An emulator that holds the baseline, and is known to `start_from_baseline` for as long as it runs."""
    if config.getoption("--datastorage-url") is not None:
        pytest.skip("needs the emulator and its faults, which a live service (--datastorage-url) doesn't have")
    catalog = _baseline(config)
    try:
        from kubernaut_client.emulator import Emulator

        emulator = Emulator().start()
    except ImportError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"the emulator can't be started: {error}")
    with emulator:
        own = config.stash[_OWN] = _OwnEmulator(emulator, catalog)
        try:
            own.store_baseline()
            yield emulator
        finally:
            del config.stash[_OWN]
            own.client.close()


def live_service(config: pytest.Config) -> str | None:
    """The URL of the live service that was asked for, if any: one that answers, and that holds the baseline."""
    url: str | None = config.getoption("--datastorage-url")
    if url is None:
        return None
    catalog = _baseline(config)
    calls: list[CallRecord] = []
    try:
        with DataStorageClient(url, on_call=calls.append) as client:
            # Whatever it answers: what a test needs of it is up to the test.
            client.health.live()
            if calls[-1].status is None:
                _fail(f"--datastorage-url: {url} can't be reached: {calls[-1].error}")
            if catalog:
                client.workflows.bootstrap(catalog).raise_for_errors()
            return client.base_url
    except ConfigurationError as error:
        _fail(f"--datastorage-url: {str(error).replace('base_url', 'the URL', 1)}")
    except KubernautError as error:
        _fail(f"datastorage_catalog: it can't be stored at {url}: {error}")


def start_from_baseline(request: pytest.FixtureRequest) -> None:
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


@contextmanager
def async_client(url: str) -> Generator[AsyncDataStorageClient]:
    """A client for asyncio, closed in every event loop that it was used in."""
    loops: set[asyncio.AbstractEventLoop] = set()
    client = AsyncDataStorageClient(url, on_call=lambda _: loops.add(asyncio.get_running_loop()))
    yield client
    # With most event loops the connections have ended already; one that several tests share is still there.
    for loop in loops:
        if loop.is_running():
            asyncio.run_coroutine_threadsafe(client.close(), loop)
        elif not loop.is_closed():
            loop.run_until_complete(client.close())


@contextmanager
def bootstrapping(url: str) -> Generator[BootstrapCatalog]:
    """The function `bootstrap_catalog` for a service."""
    with DataStorageClient(url) as client:

        def bootstrap(paths_or_workflows: CatalogItem | Iterable[CatalogItem]) -> BootstrapReport:
            return client.workflows.bootstrap(_workflows(paths_or_workflows)).raise_for_errors()

        yield bootstrap


def shown_url(url: str) -> str:
    """The URL of a live service as a report shows it, without credentials."""
    return _printable(without_credentials(url))


def _fail(text: str) -> NoReturn:
    """Fail with a text that may quote files, answers or the command line."""
    pytest.fail("\n".join(map(_printable, text.split("\n"))), pytrace=False)


def _printable(text: str) -> str:
    return one_line(text, sys.maxsize)


def _baseline(config: pytest.Config) -> Sequence[RemediationWorkflow]:
    """The workflows that the tests start with."""
    paths: list[str] = config.getini("datastorage_catalog")
    if not paths:
        return ()
    try:
        from kubernaut_client.catalog import load

        return tuple(load(*(config.rootpath / path for path in paths)))
    except ImportError as error:
        _fail(str(error))
    except CatalogError as error:
        _fail("\n".join([f"datastorage_catalog: {error}", *map(str, error.errors)]))


def _workflows(
    paths_or_workflows: CatalogItem | Iterable[CatalogItem],
) -> Iterable[RemediationWorkflow | Mapping[str, object]]:
    """The workflows behind paths and workflows, one or many. Without a path among them PyYAML isn't needed."""
    items: list[CatalogItem]
    if isinstance(paths_or_workflows, str | os.PathLike | Mapping | RemediationWorkflow):
        items = [cast("CatalogItem", paths_or_workflows)]
    else:
        items = list(paths_or_workflows)
    if any(isinstance(item, str | os.PathLike) for item in items):
        from kubernaut_client.catalog import load

        return load(*items)
    return cast("list[RemediationWorkflow | Mapping[str, object]]", items)
