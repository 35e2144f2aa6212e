"""`kubernaut-client config`: what a command would work with, and where each part comes from. Asks nobody."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import TypedDict

from kubernaut_client import __version__

from .command import Result, command
from .options import DEFAULT_ATTEMPTS, DEFAULT_DEADLINE, DEFAULT_TIMEOUT, TLS_FILES, URL_VARIABLES, Settings
from .output import Output


class _Value(TypedDict):
    value: str | None
    source: str | None


class _Token(TypedDict):
    set: bool
    source: str | None
    file: str | None


class _Keys(TypedDict):
    url: _Value
    token: _Token
    tls: dict[str, _Value]
    proxy: str | None
    timeout_seconds: float
    deadline_seconds: float
    attempts: int
    versions: dict[str, str]


@command("config")
def config(settings: Settings) -> Result:
    """Show the configuration that the options and the environment come to, without asking the service.

    Tokens are never shown, nor are passwords of proxies. Exit code 2 if commands couldn't work with it.

    \b
    Example:
      kubernaut-client config
      kubernaut-client config --url https://data-storage.example --ca-file ca.pem --output json
    """
    from kubernaut_client import ConfigurationError
    from kubernaut_client.config import proxy_for, without_credentials

    error: ConfigurationError | None = None
    url: str | None
    try:
        with settings.client() as client:
            url = client.base_url
    except ConfigurationError as raised:
        url, error = settings.base_url(), raised
    proxy: str | None = None
    try:
        proxy = None if url is None else proxy_for(url)
    except ConfigurationError as raised:
        error = error or raised
    keys: _Keys = {
        "url": {"value": url, "source": _first("--url" if settings.url is not None else None, *URL_VARIABLES)},
        "token": token_source(settings),
        "tls": {name: _file(settings, name) for name in TLS_FILES},
        "proxy": proxy and without_credentials(proxy),
        "timeout_seconds": DEFAULT_TIMEOUT if settings.timeout is None else settings.timeout,
        "deadline_seconds": DEFAULT_DEADLINE if settings.deadline is None else settings.deadline,
        "attempts": DEFAULT_ATTEMPTS if settings.attempts is None else settings.attempts,
        "versions": {
            "kubernaut_client": __version__,
            "python": platform.python_version(),
            "httpx": version("httpx"),
            "click": version("click"),
        },
    }
    return Result(keys=keys, show=lambda output: _show(output, keys), error=error)


def _first(option: str | None, *variables: str) -> str | None:
    """The option, if it was given, else the first variable that is set."""
    return option or next((name for name in variables if os.environ.get(name)), None)


def token_source(settings: Settings) -> _Token:
    option = "--token-file" if settings.token_file is not None else None
    source = _first(option, "KUBERNAUT_TOKEN", "KUBERNAUT_TOKEN_FILE")
    file = settings.token_file if option else None
    if source == "KUBERNAUT_TOKEN_FILE":
        file = os.environ[source]
    return {"set": source is not None, "source": source, "file": file}


def _file(settings: Settings, name: str) -> _Value:
    option, variable = TLS_FILES[name]
    given: str | None = getattr(settings, name)
    source = _first(option if given is not None else None, variable)
    return {"value": given if given is not None else os.environ.get(variable) or None, "source": source}


def _show(output: Output, keys: _Keys) -> None:
    token, proxy = keys["token"], keys["proxy"]
    output.fields(
        [
            ("url", _from(keys["url"]["value"], keys["url"]["source"])),
            ("token", _from("set" if token["set"] else "none", token["source"], token["file"])),
            *((name, _from(each["value"], each["source"])) for name, each in keys["tls"].items()),
            ("proxy", proxy or "none"),
            ("timeout", f"{keys['timeout_seconds']:g} s an attempt"),
            ("deadline", f"{keys['deadline_seconds']:g} s a call"),
            ("attempts", str(keys["attempts"])),
            *keys["versions"].items(),
        ]
    )


def _from(value: str | None, *sources: str | None) -> str:
    """A value, and in brackets where it comes from."""
    source = " ".join(filter(None, sources))
    return f"{value or 'none'} ({source})" if source else value or "none"
