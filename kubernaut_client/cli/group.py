"""The command group: a table of all commands, each imported when it is run and not before.

A new command is a line in `COMMANDS`, a module, and a section in docs/cli-json.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem

from kubernaut_client import __version__

from .command import Group


class Entry(NamedTuple):
    """A command: its section of the help page, where it is (`module:attribute` in this package), its line of help."""

    section: str
    home: str
    short_help: str


COMMANDS: dict[str, Entry] = {
    "validate": Entry("Catalog", "validate:validate", "Check catalog files, without any service."),
    "plan": Entry("Catalog", "plan:plan", "Show what an apply would create, and what differs."),
    "apply": Entry("Catalog", "apply:apply", "Create what the files have and the service hasn't."),
    "export": Entry("Catalog", "export:export", "Write every stored version to files."),
    "workflows": Entry("Catalog", "workflows:workflows", "Look at stored workflows, search, change status, go back."),
    "audit": Entry("Audit trail", "audit:audit", "Look at the audit trail."),
    "health": Entry("Service", "health:health", "Show whether the service and its database are well."),
    "wait": Entry("Service", "wait:wait", "Wait until the service takes requests."),
    "doctor": Entry("Service", "doctor:doctor", "Find out what is wrong with the service, and what to do."),
    "config": Entry("Service", "config:config", "Show the configuration in use, and where it comes from."),
    "emulator": Entry("Service", "emulator:emulator", "Run Data Storage for tests, on an embedded PostgreSQL."),
}


class LazyGroup(Group):
    """A group that knows its commands by the table alone, and imports the one that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.home.partition(":")
        command = getattr(import_module(f"{__package__}.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section in dict.fromkeys(entry.section for entry in COMMANDS.values()):
            with formatter.section(section):
                formatter.write_dl(
                    [(name, each.short_help) for name, each in COMMANDS.items() if each.section == section]
                )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = [
            CompletionItem(name, help=entry.short_help)
            for name, entry in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        # Not the group's own, which would import every command for its help.
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""
    \b
    Example:
      export KUBERNAUT_DATASTORAGE_URL=http://localhost:8080
      kubernaut-client health

    Exit codes: 0 done, 1 failed, 2 usage or invalid files, 3 drift or demotes, 4 service unreachable,
    5 applied in part.

    \b
    Shell completion, for bash (also zsh, fish):
      eval "$(_KUBERNAUT_CLIENT_COMPLETE=bash_source kubernaut-client)"
    """,
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def kubernaut_client() -> None:
    """Work with Data Storage, the service that holds Kubernaut's workflow catalog and audit trail.

    The common options may stand before or behind the command.
    """
