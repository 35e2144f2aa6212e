"""`kubernaut-client emulator`: runs the emulator until it is told to stop, or for as long as a command runs."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Generator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, cast

import click

from .command import Result, command
from .options import URL_VARIABLES, Settings

if TYPE_CHECKING:
    from kubernaut_client import DataStorageClient
    from kubernaut_client.catalog import Catalog
    from kubernaut_client.emulator import Emulator
    from kubernaut_client.emulator.service import Build


@command("emulator")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to bind to; any but loopback lets others in."
)
@click.option("--port", default=0, show_default="a free one", type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option(
    "--build",
    default="2025-12-30",
    show_default=True,
    help="Build to play; 2025-12-27 answers a duplicate with 500, 2025-12-12 lists the latest versions only.",
)
@click.option("--dsn", metavar="DSN", help="PostgreSQL server to use, in a schema of its own.")
@click.option(
    "--catalog",
    "paths",
    multiple=True,
    type=click.Path(),
    metavar="PATH",
    help="File or directory of workflows that are there from the start; may be repeated.",
)
@click.argument("words", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
def emulator(
    settings: Settings,
    host: str,
    port: int,
    build: str,
    dsn: str | None,
    paths: tuple[str, ...],
    words: tuple[str, ...],
) -> Result:
    """Run Data Storage for tests and demos, on a PostgreSQL of its own, and print its URL when it answers.

    It keeps running until Ctrl-C or SIGTERM, and leaves nothing behind. Faults, the request log, tables and a reset are
    under URL/_emulator. Needs the extra "emulator".

    With a COMMAND it runs for as long as that does, and prints nothing. The command finds the URL in
    KUBERNAUT_DATASTORAGE_URL and DATA_STORAGE_URL, and gets all signals; its exit code is returned (128 and the
    signal's number if a signal ended it, 127 if there is no such command, 126 if it can't be executed). What it leaves
    running in its process group is ended.

    \b
    Example:
      kubernaut-client emulator --port 18098
      curl http://127.0.0.1:18098/api/v1/workflows
      kubernaut-client emulator --catalog examples/catalog -- pytest tests/integration
    """
    from kubernaut_client.emulator import Emulator

    if words and settings.output.json:
        raise click.UsageError("--output json can't be had with a command, which stdout belongs to")
    try:
        wanted = Emulator(port=port, dsn=dsn, build=cast("Build", build), host=host)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    catalog = _load(paths)
    if words:
        raise click.exceptions.Exit(_run(settings, wanted, catalog, words))
    _serve(settings, wanted, catalog)
    return Result(keys=None)


def _serve(settings: Settings, wanted: Emulator, catalog: Catalog | None) -> None:
    """Run the emulator until told to end."""
    output = settings.output
    with _told_to_end() as end, _started(wanted, catalog) as running:
        output.base_url = running.url
        output.line(running.url)
        if output.json:
            output.document({"build": running.build}, command=settings.command, code=0)
        output.flush()
        end.wait()


def _run(settings: Settings, wanted: Emulator, catalog: Catalog | None, words: Sequence[str]) -> int:
    """Run the emulator for as long as a command runs; the command's exit code."""
    from . import childprocess

    with childprocess.Signals().caught() as signals, _started(wanted, catalog) as running:
        environment = {**os.environ, **dict.fromkeys(URL_VARIABLES, running.url)}
        try:
            return childprocess.run(words, environment, signals)
        except childprocess.CannotRun as error:
            settings.output.error(str(error))
            return error.code


@contextlib.contextmanager
def _started(wanted: Emulator, catalog: Catalog | None) -> Generator[Emulator]:
    """A running emulator that holds a catalog."""
    try:
        wanted.start()
    # Known to be wrong only when it is used.
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    with wanted as running:
        if catalog is not None:
            with _own_client(running) as client:
                client.workflows.bootstrap(catalog).raise_for_errors()
            running.clear_requests()
        yield running


def _own_client(running: Emulator) -> DataStorageClient:
    """A client of the emulator, without the tokens and certificates that the environment has for another service."""
    import ssl

    from kubernaut_client import DataStorageClient

    return DataStorageClient(running.url, token="unused", tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))  # noqa: S106


def _load(paths: Sequence[str]) -> Catalog | None:
    """The workflows to start with, read before anything is started."""
    if not paths:
        return None
    from kubernaut_client.catalog import load

    return load(*paths)


@contextlib.contextmanager
def _told_to_end() -> Generator[threading.Event]:
    """An event that SIGINT and SIGTERM set. A second one ends the process at once, and the database with it.

    Raising in the handler would be lost if it came in the middle of an import or a destructor.
    """
    event = threading.Event()

    def tell(number: int, frame: FrameType | None) -> None:
        event.set()
        for other in (signal.SIGINT, signal.SIGTERM):
            signal.signal(other, signal.SIG_DFL)

    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
