"""What makes a function a command: the common options, `Settings`, and a `Result` that is printed the same way for all.

A command neither prints nor exits by itself. What it raises is told by `failures`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, ClassVar

import click

from .exits import Facts, exit_code
from .failures import describe, handed_over, tell
from .options import CommonOption, Settings, common_options, settings_for
from .output import Output

_LONGEST_WORD = 50


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a command came to.

    `keys` are its own keys of the JSON document (docs/cli-json.md lists them), `show` prints the same for a person and
    isn't called with `--output json`. `error` is told after that; its facts count for the exit code, too.
    `keys` None: the command has printed its document itself.
    """

    facts: Facts = field(default_factory=Facts)
    keys: Mapping[str, object] | None
    show: Callable[[Output], object] = lambda output: None
    error: BaseException | None = None


class _WithCommonOptions(click.Command):
    """A command whose help shows the common options below its own."""

    params: list[click.Parameter]

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.params += common_options()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own: list[tuple[str, str]] = []
        common: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            # Newer versions of click give arguments an empty record, too.
            if record is not None and isinstance(parameter, click.Option):
                (common if isinstance(parameter, CommonOption) else own).append(record)
        for title, records in (("Options", own), ("Common options", common)):
            with formatter.section(title):
                formatter.write_dl(records)
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)


class Command(_WithCommonOptions):
    """A command: its function gets `Settings` first, then its own parameters by name, and returns a `Result`."""

    def invoke(self, ctx: click.Context) -> Any:
        settings = settings_for(ctx)
        if not settings.verbose:
            ctx.exit(self._run(ctx, settings))
        from .log import logged

        with logged(settings.output, debug=settings.verbose > 1):
            ctx.exit(self._run(ctx, settings))

    def _run(self, ctx: click.Context, settings: Settings) -> int:
        assert self.callback is not None
        written = False
        try:
            result = ctx.invoke(self.callback, settings, **ctx.params)
            assert isinstance(result, Result)
            written = result.facts.written
            return finished(settings, result)
        except click.exceptions.Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - told, never shown as a traceback
            return tell(settings.output, error, settings.command, verbose=settings.verbose, written=written)


class Group(_WithCommonOptions, click.Group):
    """A group of commands: `@group.command("list")` makes a `Command`. Without one it is an error, no help page."""

    command_class: ClassVar[type[click.Command] | None] = Command  # type: ignore[misc]

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **{"no_args_is_help": False, **attributes})

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        if word.startswith("-") or self.get_command(ctx, word) is not None:
            return super().resolve_command(ctx, args)
        # click's own message has a suggestion only in newer versions, and only for commands that it has imported.
        close = get_close_matches(word, self.list_commands(ctx), 1) if len(word) < _LONGEST_WORD else []
        raise click.UsageError(f"No such command '{word}'.{f' Did you mean {close[0]!r}?' if close else ''}", ctx)


def command(name: str, **attributes: Any) -> Callable[[Callable[..., Result]], Command]:
    """Makes a function a command: `@command("health")` below click's own decorators for its arguments."""
    return click.command(name, cls=Command, **attributes)


def finished(settings: Settings, result: Result) -> int:
    """Print a result; the exit code of the run."""
    output = settings.output
    failure = None if result.error is None else describe(result.error, output.base_url)
    code = exit_code(result.facts | failure.facts if failure else result.facts)
    if result.keys is not None and output.json:
        error = {"error": failure.document()} if failure else {}
        output.document({**result.keys, **error}, command=settings.command, code=code)
    elif result.keys is not None:
        result.show(output)
    if failure:
        failure.show(output)
    return handed_over(output, code, written=result.facts.written)
