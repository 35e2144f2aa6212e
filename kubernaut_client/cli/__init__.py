"""The `kubernaut-client` command.

Needs the extra `cli`; what a sub-command needs beyond that is imported when it runs. The commands use nothing but the
public API, and each lives in a module named for it. `group` lists them, `command` is what they are made of.
"""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code, one of `exits.ExitCode`; without arguments it shows its help.

    Args:
        arguments: Those of the process if None.
    """
    words = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    from .output import Output

    output = Output.for_arguments(words)
    try:
        import click

        from .group import kubernaut_client
    except ImportError as error:
        from .failures import tell

        return tell(output, error)
    from .failures import tell
    from .options import command_name

    try:
        status = kubernaut_client.main(words, prog_name="kubernaut-client", standalone_mode=False, obj=output)
    except click.UsageError as error:
        return tell(output, error, command_name(error.ctx) or None if error.ctx else None)
    # Told, whatever it is: a command line has no use for a traceback.
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - see above
        return tell(output, error)
    return status if isinstance(status, int) else 0
