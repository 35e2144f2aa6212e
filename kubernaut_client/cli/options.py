"""The options that every command takes, before or behind its name, and the `Settings` that they come to.

What isn't given here is left to the client, which reads its own environment variables.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from .output import Output

if TYPE_CHECKING:
    import ssl

    from kubernaut_client import CallRecord, DataStorageClient

    _Choice = click.Choice[str]
else:
    # Not generic before click 8.2.
    _Choice = click.Choice

URL_VARIABLES = ("KUBERNAUT_DATASTORAGE_URL", "DATA_STORAGE_URL")
# Option, and the variable that the client reads where the option isn't given.
TLS_FILES = {
    "ca_file": ("--ca-file", "KUBERNAUT_CA_FILE"),
    "client_cert": ("--client-cert", "KUBERNAUT_CLIENT_CERT"),
    "client_key": ("--client-key", "KUBERNAUT_CLIENT_KEY"),
}
# The client's own, for help pages and `config`.
DEFAULT_TIMEOUT = 10.0
DEFAULT_DEADLINE = 30.0
DEFAULT_ATTEMPTS = 3
_GIVEN = "kubernaut_client.cli.options"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the common options of a run come to; handed to every command. `command` is its name ("workflows list")."""

    command: str
    output: Output = field(repr=False)
    url: str | None = None
    token_file: str | None = None
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    timeout: float | None = None
    deadline: float | None = None
    attempts: int | None = None
    verbose: int = 0

    def client(self, *, on_call: Callable[[CallRecord], object] | None = None) -> DataStorageClient:
        """A new client with these settings; a context manager. Raises `ConfigurationError`."""
        from kubernaut_client import ConfigurationError, DataStorageClient, RetryPolicy
        from kubernaut_client.config import TokenFile

        if self.url is None and not any(os.environ.get(name) for name in URL_VARIABLES):
            raise ConfigurationError(f"no service is named: set --url or {' or '.join(URL_VARIABLES)}")
        retry: dict[str, Any] = {"deadline": self.deadline, "attempts": self.attempts}
        options: dict[str, Any] = {"on_call": on_call}
        if self.timeout is not None:
            options["timeout"] = self.timeout
        if self.token_file is not None:
            options["token"] = TokenFile(self.token_file, "--token-file")
        try:
            options["retry"] = RetryPolicy(**{name: value for name, value in retry.items() if value is not None})
            client = DataStorageClient(self.url, tls=self._tls(), **options)
        except ConfigurationError as error:
            raise ConfigurationError(_by_option(str(error), self.url is not None)) from error
        self.output.base_url = client.base_url
        return client

    def base_url(self) -> str | None:
        """The service's URL, whatever is wrong with the other settings; None without a valid one."""
        from kubernaut_client import ConfigurationError
        from kubernaut_client.config import base_url

        try:
            return base_url(self.url)
        except ConfigurationError:
            return None

    def _tls(self) -> ssl.SSLContext | None:
        """A context if one of the options names a file; else the client's own, which reads changed files again."""
        from kubernaut_client import ConfigurationError
        from kubernaut_client.config import CertificateFile, tls_context

        given: dict[str, str | None] = {name: getattr(self, name) for name in TLS_FILES}
        if not any(given.values()):
            return None
        paths = {name: given[name] or os.environ.get(variable) for name, (_, variable) in TLS_FILES.items()}
        if paths["client_key"] and not paths["client_cert"]:
            raise ConfigurationError("--client-key is given without --client-cert")
        named = {
            name: CertificateFile(TLS_FILES[name][0 if given[name] else 1], path) if path else None
            for name, path in paths.items()
        }
        return tls_context(named["ca_file"], named["client_cert"], named["client_key"])


class UpperChoice(_Choice):
    """One of some words in upper case, given in any case; messages show the words as they are documented."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(str(value).upper(), param, ctx)


class FiniteFloat(click.FloatRange):
    """A number within bounds. NaN is in every range for click, as it compares as false, and is refused here."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number} is not a finite number.", param, ctx)
        return number


class CommonOption(click.Option):
    """An option that goes into `Settings` instead of the command's own arguments; the last one given counts."""

    def __init__(self, *names: str, **attributes: Any) -> None:
        super().__init__(names, expose_value=False, callback=_keep, **attributes)


def common_options() -> list[click.Parameter]:
    """The options of every command."""
    return list(_COMMON)


def settings_for(context: click.Context) -> Settings:
    """The settings of the command that a context is of."""
    output = context.find_object(Output) or Output()
    given = dict(context.meta.get(_GIVEN, {}))
    output.json = given.pop("output", "table") == "json"
    if given.pop("no_color", False):
        output.color = False
    return Settings(command=command_name(context), output=output, **given)


def command_name(context: click.Context) -> str:
    """A command's name without the program's: "workflows list"."""
    return context.command_path.partition(" ")[2]


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    given = context.meta.setdefault(_GIVEN, {})
    if parameter.name == "verbose":
        given["verbose"] = given.get("verbose", 0) + value
    elif value is not None and value is not False:
        given[parameter.name] = value


def _by_option(message: str, url_given: bool) -> str:
    """A message of the client's in the words of whoever used an option instead of its argument."""
    for argument, option in {"timeout": "--timeout", "RetryPolicy.deadline": "--deadline"}.items():
        if message.startswith(f"{argument} "):
            return option + message.removeprefix(argument)
    message = message.replace("pass them as token= or in headers=", "name a file that holds a token with --token-file")
    return "--url" + message.removeprefix("base_url") if url_given and message.startswith("base_url ") else message


_COMMON: list[click.Parameter] = [
    CommonOption(
        "--url", metavar="URL", help=f"The service: http://host:port. Else {URL_VARIABLES[0]}, then {URL_VARIABLES[1]}."
    ),
    CommonOption(
        "--token-file",
        type=click.Path(),
        metavar="FILE",
        help="Bearer token, read again when it changes. Else KUBERNAUT_TOKEN, then KUBERNAUT_TOKEN_FILE.",
    ),
    CommonOption(
        "--ca-file", type=click.Path(), metavar="FILE", help="Certificate authorities. Else KUBERNAUT_CA_FILE."
    ),
    CommonOption(
        "--client-cert", type=click.Path(), metavar="FILE", help="Client certificate. Else KUBERNAUT_CLIENT_CERT."
    ),
    CommonOption("--client-key", type=click.Path(), metavar="FILE", help="Its key. Else KUBERNAUT_CLIENT_KEY."),
    CommonOption(
        "--timeout",
        type=FiniteFloat(),
        metavar="SECONDS",
        help=f"Limit of one attempt.  [default: {DEFAULT_TIMEOUT:g}]",
    ),
    CommonOption(
        "--deadline",
        type=FiniteFloat(),
        metavar="SECONDS",
        help=f"Limit of one call, repeats included.  [default: {DEFAULT_DEADLINE:g}]",
    ),
    CommonOption(
        "--attempts",
        type=click.IntRange(1, 100),
        metavar="N",
        help=f"Attempts of one call.  [default: {DEFAULT_ATTEMPTS}]",
    ),
    CommonOption(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        help="For people, or one JSON document alone on stdout.  [default: table]",
    ),
    CommonOption("-v", "--verbose", count=True, help="Log retries to stderr; -vv each attempt too."),
    CommonOption("--no-color", is_flag=True, help="No colors, as with NO_COLOR; FORCE_COLOR wants them always."),
]
