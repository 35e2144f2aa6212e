"""What goes in and out of a route: a request with its path as the service sees it, and a reply.

No I/O here, and no knowledge of any route.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

from kubernaut_client.emulator import gojson

JSON_TYPE: Final = "application/json"
TEXT_TYPE: Final = "text/plain; charset=utf-8"

# What Go's default encoding of a path leaves as it is.
_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~$&+,/:;=@")
_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")


class BadTarget(ValueError):
    """The request target can't be parsed."""


class Dropped(Exception):
    """The connection is to be closed without an answer, as when a handler of the service panics."""


@dataclass(frozen=True)
class Request:
    """A request, complete with its body.

    headers: names in lower case; values of repeated ones joined by a comma.
    path: decoded; bytes that are no UTF-8 as lone surrogates.
    routed: the form that routes are matched against: `path`, or what was sent where its encoding is not the default.
    """

    method: str
    target: str
    path: str
    routed: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Reply:
    """An answer. `headers` come on top of those that every answer has; repeated names are fine."""

    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


def json_reply(value: object, status: int = 200) -> Reply:
    """An answer in JSON, ended by a newline as the service does."""
    return Reply(status, gojson.encode(value).encode("utf-8") + b"\n", JSON_TYPE)


def split_target(target: str) -> tuple[str, str, Mapping[str, Sequence[str]]]:
    """Return path, routed path and query of a request target.

    Raises:
        BadTarget: It holds a broken percent escape.
    """
    if not target.startswith("/") and "://" in target:
        # The absolute form, as sent to proxies.
        _, _, rest = target.partition("://")
        _, slash, path = rest.partition("/")
        target = slash + path or "/"
    raw, _, query = target.partition("?")
    if _ESCAPE.search(raw):
        raise BadTarget(raw)
    decoded = unquote_to_bytes(raw)
    default = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in decoded)
    path = decoded.decode("utf-8", "surrogateescape")
    return path, path if raw == default else raw, parse_query(query)


def parse_query(query: str) -> dict[str, list[str]]:
    """Return the values of a query. Pairs with a semicolon or a broken escape are left out, as Go does."""
    values: dict[str, list[str]] = {}
    for pair in query.split("&"):
        if not pair or ";" in pair or _ESCAPE.search(pair):
            continue
        name, _, value = pair.partition("=")
        values.setdefault(_decode(name), []).append(_decode(value))
    return values


def _decode(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "surrogateescape")
