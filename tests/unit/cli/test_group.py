"""The table of commands against the commands themselves, and what showing help costs."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from kubernaut_client.cli.command import Command, Group
from kubernaut_client.cli.group import COMMANDS, kubernaut_client
from tests.unit.cli.tools import call, environment

HEAVY = ("httpx", "httpcore", "attr", "yaml", "asyncio", "logging", "ssl", "json", "kubernaut_datastorage")


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command that does something."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name)


def all_commands() -> list[str]:
    return [" ".join(words) for words in leaves(kubernaut_client)]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_names_commands_of_the_frame(name: str) -> None:
    command = kubernaut_client.get_command(click.Context(kubernaut_client), name)
    assert isinstance(command, Command | Group)
    assert command.name == name


def test_an_unknown_command() -> None:
    ran = call("aplly")
    assert (ran.code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("Error: No such command 'aplly'. Did you mean 'apply'? (see")
    assert "Did you mean" not in call("something-else").stderr
    assert "Did you mean 'list'?" in call("workflows", "lst").stderr
    assert "Did you mean" not in call("a" * 100_000).stderr
    assert ran.stderr.endswith("(see 'kubernaut-client --help')\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_help_fits_a_line(name: str) -> None:
    text = COMMANDS[name].short_help
    assert text.endswith(".")
    assert len(text) <= 64
    assert text in call("--help").stdout


@pytest.mark.parametrize("command", all_commands())
def test_every_help_page_has_an_example_and_the_common_options(command: str) -> None:
    ran = call(*command.split(), "--help")
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"Usage: kubernaut-client {command} ")
    assert "  Example:\n" in ran.stdout
    assert f"    kubernaut-client {command}" in ran.stdout
    assert "Common options:" in ran.stdout
    assert "--token-file FILE" in ran.stdout


def test_without_a_word_it_shows_its_help() -> None:
    ran = call()
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout == call("--help").stdout == call("-h").stdout
    assert all(f"  {name} " in ran.stdout for name in COMMANDS)


def test_options_without_a_command() -> None:
    ran = call("-v")
    assert (ran.code, ran.stdout) == (2, "")
    assert ran.stderr == "Error: Missing command (see 'kubernaut-client --help')\n"


def loaded_by(*arguments: str) -> set[str]:
    script = f"import sys\nfrom kubernaut_client.cli import main\nmain({list(arguments)!r})\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_loads_no_command_and_nothing_heavy() -> None:
    loaded = loaded_by("--help")
    homes = {f"kubernaut_client.cli.{entry.home.partition(':')[0]}" for entry in COMMANDS.values()}
    assert "kubernaut_client.cli.group" in loaded
    assert not loaded & homes
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("command", all_commands())
def test_the_help_of_a_command_loads_nothing_heavy(command: str) -> None:
    assert not loaded_by(*command.split(), "--help") & {"httpx", "yaml", "attr", "asyncio", "kubernaut_datastorage"}


def completions(words: str, position: int) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "kubernaut_client.cli"],
        capture_output=True,
        text=True,
        check=True,
        env=environment(
            {"_KUBERNAUT_CLIENT_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(position)}
        ),
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_completion() -> None:
    assert completions("kubernaut-client ", 1) == list(COMMANDS)
    assert completions("kubernaut-client he", 1) == ["health"]
    assert completions("kubernaut-client health --output ", 3) == ["table", "json"]
    assert "--token-file" in completions("kubernaut-client health --to", 2)
