"""`kubernaut-client emulator`: runs the emulator until it is told to stop."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Generator
from types import FrameType
from typing import TYPE_CHECKING, cast

import click

if TYPE_CHECKING:
    from kubernaut_client.emulator.service import Build


class _Signalled(BaseException):
    """The process is told to end. Derived like KeyboardInterrupt, so that no `except Exception` swallows it."""


@click.command(short_help="Run Data Storage for tests, on an embedded PostgreSQL.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind to.")
@click.option("--port", default=0, show_default="a free one", type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option(
    "--build",
    default="2025-12-30",
    show_default=True,
    help="Build of the service to play; 2025-12-27 answers a duplicate with 500.",
)
@click.option("--dsn", metavar="DSN", help="PostgreSQL server to use, instead of starting one.")
def emulator(host: str, port: int, build: str, dsn: str | None) -> None:
    """Run Data Storage for tests and demos, on a PostgreSQL of its own, and print its URL when it answers.

    It keeps running until Ctrl-C or SIGTERM, and leaves nothing behind. Faults, the request log, tables and a reset are
    under URL/_emulator. Needs the extra "emulator".

    \b
    Example:
      kubernaut-client emulator --port 18098
      curl http://127.0.0.1:18098/api/v1/workflows
    """
    from kubernaut_client.emulator import Emulator

    with _ended_by_signals():
        try:
            with Emulator(port=port, dsn=dsn, build=cast("Build", build), host=host) as running:
                click.echo(running.url)
                threading.Event().wait()
        except _Signalled:
            return
        except (ValueError, ImportError) as error:
            raise click.UsageError(str(error)) from None
        except OSError as error:
            raise click.ClickException(error.strerror or str(error)) from None


@contextlib.contextmanager
def _ended_by_signals() -> Generator[None]:
    """Have SIGINT and SIGTERM raise in the main thread; a second one is ignored, as the first is being obeyed."""

    def end(number: int, frame: FrameType | None) -> None:
        for other in (signal.SIGINT, signal.SIGTERM):
            signal.signal(other, signal.SIG_IGN)
        raise _Signalled

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
