"""The credentials that a call sends, and masking them in what is kept of the answers.

Services and proxies quote what they were sent. Outcomes and values are decided by answers as they came
(`errors.received`); what an exception keeps, and so a log or `on_call`, is masked here and nowhere else.
"""

from __future__ import annotations

import html
import re
from base64 import b64decode, b64encode
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from operator import itemgetter
from typing import Any, ParamSpec, TypeVar, cast
from urllib.parse import unquote, urlsplit

from .errors import KubernautError, received
from .problems import Problem

P = ParamSpec("P")
T = TypeVar("T")

MASK = "***"

# Any part of a name; and parts that are too short for that, which must stand between hyphens.
_WORDS = """
    auth cookie key token secret pass pwd session cred signature jwt bearer assertion ticket saml hmac private nonce
"""
_TELLING = re.compile("|".join(_WORDS.split()))
_SHORT = frozenset({"sid", "sig", "pin", "otp", "pw", "pat", "csrf", "xsrf", "sso"})
# Other headers may carry a credential under a name of their own; a long value is only in an answer if it is quoted.
_LONG = 16
_PUBLIC = (
    *("accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "connection"),
    *("content-encoding", "content-length", "content-type", "forwarded", "from", "host", "origin", "pragma", "referer"),
    *("traceparent", "tracestate", "transfer-encoding", "user-agent", "via", "x-forwarded-for", "x-forwarded-host"),
    *("x-forwarded-proto", "x-request-id"),
)
# What JSON, header fields (quoted pairs), URLs and HTML write for a character, also escaped several times, and what a
# message that was cut has left of that. Every alternative begins with a character of its own, which is fast.
_ESCAPE = re.compile(
    rb"\\\\{0,7}(?:u?[0-9a-f]{0,3}(?=\xe2\x80\xa6)|(?:u([0-9a-f]{4}))?)"
    rb"|%(?:25){0,4}(?:[0-9a-f]?(?=\xe2\x80\xa6)|([0-9a-f]{2}))"
    rb"|&(?:[#0-9a-z]{0,5}(?=\xe2\x80\xa6)|((?:#[0-9]{1,4}|#x[0-9a-f]{1,4}|amp|quot|apos|lt|gt);))"
)
# What may stand between two characters of a credential: escapes that _ESCAPE drops, and the zeros of UTF-16 and UTF-32.
_BETWEEN = rb"(?:[\\\0]|\\u005c|%(?:25)*5c|&[#0-9a-z]{2,6};)*"
# Between the characters of a text in UTF-8, UTF-16 and UTF-32.
_WIDTHS = (b"", b"\0", b"\0\0\0")
_ELLIPSIS = re.compile("…".encode())
_CUT_LEAST = 4
"""Characters of a credential that may stand before an ellipsis."""
_SHORT_TEXT = 4096
"""Bytes of the longest text that may be a message of ours, so that its ellipsis may stand for the rest of one."""


class Credentials:
    """The headers of a call, and the credentials among all that it has sent.

    It isn't a mapping and its repr shows nothing, so that no traceback that shows locals holds a token.
    """

    __slots__ = ("_found", "_headers", "_sent", "_texts")

    def __init__(self, headers: Mapping[str, str], proxy: str | None = None) -> None:
        self._headers = dict(headers)
        self._sent: list[Mapping[str, str]] = []
        self._texts = _of_proxy(proxy) if proxy else []
        self._found: list[bytes] | None = None

    def bearer(self, token: str | None) -> None:
        """Authenticate the next request with a token."""
        if token:
            self._headers["authorization"] = f"Bearer {token}"

    def headers(self) -> dict[str, str]:
        """The headers of the next request; don't keep them in a variable."""
        return self._headers

    def sent(self, headers: Mapping[str, str]) -> None:
        """Note the headers of a request, those included that a caller's own HTTP client adds to them later."""
        self._sent.append(headers)
        self._found = None

    def mask(self, text: str) -> str:
        """A text without the credentials, however they are escaped in it."""
        data = text.encode("utf-8", "surrogatepass")
        masked = self._masked(data, self._plain_credentials())
        return text if masked is data else masked.decode("utf-8", "replace")

    def hide(self, error: KubernautError) -> None:
        """Mask what an exception keeps. What its answer decides is still decided by what came."""
        if error._received is not None:  # pyright: ignore[reportPrivateUsage]
            return
        answer = replace(received(error), mask=self.mask)
        error.args = self._value(error.args)
        vars(error).update({name: self._value(value) for name, value in vars(error).items()})
        error._received = answer  # pyright: ignore[reportPrivateUsage]
        if error.__suppress_context__:
            # `from None` keeps what it doesn't show.
            error.__context__ = None

    def _value(self, value: Any) -> Any:
        """A value with all texts in it masked; of what isn't plain data, itself."""
        kind = cast("object", type(value))
        if kind is str:
            return self.mask(value)
        if kind is bytes:
            plain = self._plain_credentials()
            return self._masked(value, [zeros.join(bytes([b]) for b in each) for each in plain for zeros in _WIDTHS])
        if kind is dict:
            return {self._value(name): self._value(item) for name, item in value.items()}
        if kind is list:
            return [self._value(item) for item in value]
        if kind is tuple:
            return tuple(self._value(item) for item in value)
        if kind is Problem:
            names = ("type", "title", "detail", "instance", "extensions")
            return replace(value, **{name: self._value(getattr(value, name)) for name in names})
        return value

    def _plain_credentials(self) -> list[bytes]:
        if self._found is None:
            texts = {*self._texts}
            for headers in self._sent:
                for name, value in headers.items():
                    if _is_credential(name.lower(), value):
                        texts.update(_parts(value))
            plain = {_plain(text.encode("utf-8", "replace"))[0] for text in texts}
            self._found = sorted(filter(None, plain), key=len, reverse=True)
        return self._found

    @staticmethod
    def _masked(data: bytes, credentials: Sequence[bytes]) -> bytes:
        if len(data) > _SHORT_TEXT and not _may_hold(data, credentials):
            return data
        plain, places = _plain(data)
        spans = sorted(span for each in credentials for span in _spans(plain, each))
        if not spans:
            return data
        pieces: list[bytes] = []
        end = 0
        for first, last in spans:
            start = _place(places, first)
            if start > end or not pieces:
                pieces += (data[end:start], MASK.encode())
            end = max(end, _place(places, last))
        return b"".join(pieces) + data[end:]


def without_frames(function: Callable[P, T]) -> Callable[P, T]:
    """Leave out of the traceback of an error the frames whose variables are the arguments: they may be credentials."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except KubernautError as error:
            error.__traceback__ = None
            raise

    return call


def _is_credential(name: str, value: str) -> bool:
    if name in _PUBLIC:
        return False
    parts = re.split("[^a-z0-9]+", name)
    return len(value) >= _LONG or bool(_TELLING.search("".join(parts))) or not _SHORT.isdisjoint(parts)


def _parts(value: str) -> Iterator[str]:
    """A header's value and what of it may be quoted alone: without its scheme, each cookie, user and password."""
    scheme, _, rest = value.partition(" ")
    found = [value, rest.strip()]
    pieces = [piece for mark in ";," for piece in value.split(mark)]
    found += [(piece.partition("=")[2] or piece).strip(' "') for piece in pieces]
    if scheme.lower() == "basic":
        with suppress(ValueError):
            found += _pair(b64decode(rest.strip() + "==").decode())
    # Padding may be left out.
    yield from (each.rstrip("=") for each in found)


def _of_proxy(url: str) -> list[str]:
    """What authenticates with a proxy, as its URL has it and as it is sent."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return []
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return [*_pair(pair), b64encode(pair.encode()).decode().rstrip("=")] if pair != ":" else []


def _pair(text: str) -> list[str]:
    """A user and a password, and the password alone; a user without one is a token. A user's name is no secret."""
    user, _, password = text.partition(":")
    return [text, password or user]


def _plain(data: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    """Data in lower case and without escapes; with places in it and where they are in `data`, after each escape."""
    low = data.lower()
    pieces: list[bytes] = []
    places = [(0, 0)]
    end = 0
    size = 0
    for found in _ESCAPE.finditer(low):
        start = found.start()
        character = _character(found) if found.lastindex else b""
        pieces += (low[end:start], character)
        size += start - end
        end = found.end()
        places.append((size, start))
        size += len(character)
        places.append((size, end))
    # A URL may have + for a space.
    return b"".join((*pieces, low[end:])).replace(b"+", b" "), places


def _character(escape: re.Match[bytes]) -> bytes:
    """What an escape stands for; nothing for a backslash, which may itself escape what comes after it."""
    if escape[2]:
        character = bytes([int(escape[2], 16)])
    else:
        text = chr(int(escape[1], 16)) if escape[1] else html.unescape(f"&{escape[3].decode()}" if escape[3] else "")
        character = text.encode("utf-8", "surrogatepass")
    return character.lower().strip(b"\\")


def _may_hold(data: bytes, credentials: Sequence[bytes]) -> bool:
    """Whether the first characters of a credential are in a long text: a quick look, which is wrong only to say yes."""
    beginnings = {each.replace(b"\0", b"")[:4] for each in credentials}
    spelled = [_BETWEEN.join(map(_spellings, each)) for each in beginnings]
    # The set is what the search looks for first, and much faster than the rest.
    first = re.escape(b"".join(each[:1] for each in beginnings))
    pattern = rb"[+%%&\\%b](?<=(?=(?:%b)).)" % (first, b"|".join(spelled))
    return bool(spelled) and re.search(pattern, data.lower(), re.DOTALL) is not None


def _spellings(character: int) -> bytes:
    """A pattern of what `_ESCAPE` reads as a character, and of some more."""
    itself = bytes([character])
    same = b" +" if itself == b" " else itself + itself.upper()
    codes = b"|".join(b"%02x" % each for each in same)
    wide = rb"[0-9a-f]{4}" if character > 127 else b"00(?:%b)" % codes
    plain = b"[ +]" if itself == b" " else re.escape(itself)
    return rb"(?:%b|\\{0,7}u%b|%%(?:25)*(?:%b)|&[#0-9a-z]{2,6};)" % (plain, wide, codes)


def _place(places: list[tuple[int, int]], at: int) -> int:
    index = bisect_left(places, at, key=itemgetter(0))
    plain, origin = places[index if index < len(places) and places[index][0] == at else index - 1]
    return origin + at - plain


def _spans(plain: bytes, credential: bytes) -> Iterator[tuple[int, int]]:
    """Where a credential is, also the beginning of one that a message was cut in."""
    at = plain.find(credential)
    while at >= 0:
        yield at, at + len(credential)
        at = plain.find(credential, at + 1)
    if len(plain) <= _SHORT_TEXT:
        for found in _ELLIPSIS.finditer(plain):
            for size in range(min(len(credential), found.start()), _CUT_LEAST - 1, -1):
                if plain.endswith(credential[:size], 0, found.start()):
                    yield found.start() - size, found.start()
                    break
