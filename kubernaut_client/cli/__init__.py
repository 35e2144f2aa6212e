"""The `kubernaut-client` command.

Needs the extra `cli`; what a sub-command needs beyond that is imported when it runs. The commands use nothing but the
public API, and each lives in a module named for it. `group` lists them, `command` is what they are made of.
"""

from __future__ import annotations

import errno
import io
import os
import sys


class _Closed(io.TextIOBase):
    """Stands for a stdout that was closed before the process was started, which Python makes None."""

    def write(self, text: str) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code, one of `exits.ExitCode`; without arguments it shows its help.

    Args:
        arguments: Those of the process if None.
    """
    import signal

    words = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stdout = _Closed()
    interrupted = False

    def remember(number: int, frame: object) -> None:
        nonlocal interrupted
        interrupted = True

    # Ctrl-C while the modules that would tell it are being imported; left alone if it is ignored or somebody else's.
    handled = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if handled:
        try:
            signal.signal(signal.SIGINT, remember)
        # Not the main thread, which is the only one that signals interrupt.
        except ValueError:
            handled = False
    from .failures import tell
    from .output import Output

    output = Output.for_arguments(words)
    try:
        try:
            import click

            from .group import kubernaut_client
            from .options import command_name
        finally:
            if handled:
                signal.signal(signal.SIGINT, signal.default_int_handler)
        if interrupted:
            raise KeyboardInterrupt
    except (ImportError, KeyboardInterrupt) as error:
        return tell(output, error)
    try:
        status = kubernaut_client.main(words, prog_name="kubernaut-client", standalone_mode=False, obj=output)
    except click.UsageError as error:
        return tell(output, error, command_name(error.ctx) or None if error.ctx else None)
    # Click's own for a help page that nobody reads any more, and the end of a completion.
    except SystemExit:
        if not output.reader_is_gone():
            raise
        return 0
    # Told, whatever it is: a command line has no use for a traceback.
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - see above
        return tell(output, error)
    return status if isinstance(status, int) else 0
