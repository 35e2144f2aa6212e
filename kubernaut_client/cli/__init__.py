"""The `kubernaut-client` command.

Needs the extra `cli`; what a sub-command needs beyond that is imported when it runs. The commands use nothing but the
public API, and each lives in a module named for it.
"""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status: 0 done, 1 failed, 2 wrong usage or a missing package.

    Args:
        arguments: Those of the process if None.
    """
    try:
        import click
    except ImportError:
        sys.stderr.write('kubernaut-client: click is not installed: pip install "kubernaut-client[cli]"\n')
        return 2
    from kubernaut_client.cli.group import kubernaut_client

    try:
        status = kubernaut_client.main(arguments, prog_name="kubernaut-client", standalone_mode=False)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        sys.stderr.write("Aborted.\n")
        return 1
    return status if isinstance(status, int) else 0
