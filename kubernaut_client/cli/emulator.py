"""`kubernaut-client emulator`: runs the emulator until it is told to stop."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Generator
from types import FrameType
from typing import TYPE_CHECKING, cast

import click

from .command import Result, command
from .options import Settings

if TYPE_CHECKING:
    from kubernaut_client.emulator.service import Build


@command("emulator")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind to.")
@click.option("--port", default=0, show_default="a free one", type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option(
    "--build",
    default="2025-12-30",
    show_default=True,
    help="Build of the service to play; 2025-12-27 answers a duplicate with 500.",
)
@click.option("--dsn", metavar="DSN", help="PostgreSQL server to use, instead of starting one.")
def emulator(settings: Settings, host: str, port: int, build: str, dsn: str | None) -> Result:
    """Run Data Storage for tests and demos, on a PostgreSQL of its own, and print its URL when it answers.

    It keeps running until Ctrl-C or SIGTERM, and leaves nothing behind. Faults, the request log, tables and a reset are
    under URL/_emulator. Needs the extra "emulator".

    \b
    Example:
      kubernaut-client emulator --port 18098
      curl http://127.0.0.1:18098/api/v1/workflows
    """
    from kubernaut_client.emulator import Emulator

    output = settings.output
    with _told_to_end() as end:
        try:
            with Emulator(port=port, dsn=dsn, build=cast("Build", build), host=host) as running:
                output.base_url = running.url
                output.line(running.url)
                if output.json:
                    output.document({"build": build}, command=settings.command, code=0)
                output.flush()
                end.wait()
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    return Result(keys=None)


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
