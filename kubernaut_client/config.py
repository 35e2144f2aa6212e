"""What a client is configured with: base URL, token, TLS, headers, proxy; from arguments, then from the environment.

Everything is checked here, once, and refused with a `ConfigurationError` that names the argument or the variable. The
values of tokens and headers and the paths of files never appear in a message or repr. What is done with them is in
`http`.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import platform
import re
import ssl
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from . import __version__, proxies
from .errors import ConfigurationError, ConnectError, KubernautError
from .files import read_regular
from .problems import shown
from .proxies import is_loopback as is_loopback

Token = str | Callable[[], str]
AsyncToken = str | Callable[[], str | Awaitable[str]]

TOKEN_LIMIT = 64 * 1024
"""Bytes of a file that holds a token."""
CERTIFICATE_LIMIT = 4 * 1024 * 1024
"""Bytes of a file of certificates or keys; the largest bundles of public authorities have about 1 MiB."""
TLS_VARIABLES = ("KUBERNAUT_CA_FILE", "KUBERNAUT_CLIENT_CERT", "KUBERNAUT_CLIENT_KEY")
URL_VARIABLES = ("KUBERNAUT_DATASTORAGE_URL", "DATA_STORAGE_URL")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?|\[[0-9a-f:.]+\]", re.IGNORECASE)
# Headers that frame a message or that this package sets on every request.
_RESERVED = frozenset({"content-length", "content-type", "transfer-encoding", "connection", "host", "x-request-id"})


def base_url(given: object) -> str:
    """The base URL without a trailing slash: from the argument, else from the environment."""
    source = "base_url"
    if given is None:
        source = next((name for name in URL_VARIABLES if os.environ.get(name)), "")
        if not source:
            raise ConfigurationError(f"base_url is missing: pass it, or set {' or '.join(URL_VARIABLES)}")
        given = os.environ[source]
    if not isinstance(given, str):
        raise ConfigurationError(f"base_url must be a string, not {type(given).__name__}")
    # What may hold credentials is never repeated; urlsplit drops tabs and line breaks without a word.
    quoted = "" if any(mark in given for mark in "@?#") else f": {shown(given, 200)}"
    if re.search(r"[\x00-\x20\x7f]", given):
        raise ConfigurationError(f"{source} must not contain spaces or control characters{quoted}")
    try:
        parts = urlsplit(given)
    except ValueError:
        brackets = "[" in given or "]" in given
        what = "the [brackets] of its host must hold an IPv6 address" if brackets else "it names no possible host"
        raise ConfigurationError(f"{source} is not a URL: {what}") from None
    try:
        port = parts.port
    except ValueError:
        colons = parts.netloc.rpartition("@")[2].count(":") > 1 and "[" not in parts.netloc
        what = "an IPv6 address must be in [brackets]" if colons else "its port must be a number from 1 to 65535"
        raise ConfigurationError(f"{source} is not a URL: {what}") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{source} must not contain credentials: pass them as token= or in headers=")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"{source} must start with http:// or https:// and name a host{quoted}")
    if parts.query or parts.fragment or given.endswith(("?", "#")):
        raise ConfigurationError(f"{source} must not have a query or a fragment{quoted}")
    host = parts.netloc.rpartition(":")[0] if port is not None else parts.netloc.rstrip(":")
    try:
        ascii_host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_host = ""
    if not _HOST.fullmatch(ascii_host) or ".." in ascii_host:
        raise ConfigurationError(f"{source} has an invalid host{quoted}")
    if port == 0:
        raise ConfigurationError(f"{source} has port 0; it must be a number from 1 to 65535{quoted}")
    if not re.fullmatch(r"[!-~]*", parts.path) or "\\" in parts.path:
        raise ConfigurationError(f"{source} has characters in its path that must be escaped{quoted}")
    return f"{parts.scheme}://{ascii_host}{f':{port}' if port is not None else ''}{parts.path.rstrip('/')}"


def headers(given: Mapping[str, str] | None, token: TokenSource | None = None) -> dict[str, str]:
    """Headers for every request, names in lower case; those that this package or HTTP itself sets are refused."""
    if given is not None and not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"headers must be a mapping of names to values, not {type(given).__name__}")
    checked: dict[str, str] = {}
    for key, value in (given or {}).items():
        if not isinstance(key, str) or not _HEADER_NAME.fullmatch(key):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"headers: {shown(key)} is not a header name")
        if key.lower() in _RESERVED:
            raise ConfigurationError(f"headers: {key} is set by the client itself")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"headers: the value of {key} must be printable ASCII on one line")
        checked[key.lower()] = value
    if token and token.present and "authorization" in checked:
        raise ConfigurationError("headers: Authorization is set by token; give one of them")
    return checked


def user_agent(httpx_version: str) -> str:
    """Who is calling: this package, Python and httpx, with their versions."""
    return f"kubernaut-client/{__version__} python/{platform.python_version()} httpx/{httpx_version}"


def without_credentials(url: str) -> str:
    """A URL to show: without whoever is named in it, and without a query and a fragment."""
    before, at, rest = url.rpartition("@")
    scheme, mark, _ = before.partition("://")
    host = re.split("[?#]", rest)[0]
    return f"{scheme}{mark}***@{host}" if mark else f"***@{host}" if at else host


def proxy_for(url: str) -> str | None:
    """The URL of the proxy that the environment names for a URL, as in `proxies`."""
    proxy = proxies.proxy_for(url)
    return proxy.url if proxy else None


class TokenFile:
    """A source of tokens: a file that is read again when it was replaced. `name` is what named it, for messages."""

    def __init__(self, path: str, name: str) -> None:
        self.name = name
        self._file = WatchedFile(Path(path), TOKEN_LIMIT)

    def __call__(self) -> str:
        return self._file.read().decode("latin-1")  # what isn't ASCII is refused with the rest of what no token has


class TokenSource:
    """The bearer token, asked for before every attempt: a string, a callable, or a file.

    Without an argument it is KUBERNAUT_TOKEN, else the file that KUBERNAUT_TOKEN_FILE names, else none. White space
    around a token is left out, wherever it comes from.

    What is wrong with a string or a file at the start is a `ConfigurationError`. Later a source may fail for a moment
    (a file that is being rotated, a token service that restarts), so then it is a `ConnectError`: nothing was sent, and
    the attempt is repeated like one that found no connection.
    """

    def __init__(self, token: AsyncToken | None) -> None:
        self._read: Callable[[], object] | None = None
        self._source = "token"
        if token is None and (variable := os.environ.get("KUBERNAUT_TOKEN")):
            token, self._source = variable, "KUBERNAUT_TOKEN"
        elif token is None and (path := os.environ.get("KUBERNAUT_TOKEN_FILE")):
            token = TokenFile(path, "KUBERNAUT_TOKEN_FILE")
        if isinstance(token, str):
            value = _token(token, self._source)
            self._read = lambda: value
        elif callable(token):
            self._read = token
        elif token is not None:
            raise ConfigurationError(f"token must be a string or a callable, not {type(token).__name__}")
        if isinstance(token, TokenFile):
            self._source = token.name
            with _failing_as(ConfigurationError, self._source):
                _token(token(), self._source)

    @property
    def present(self) -> bool:
        """Whether there is a source of tokens."""
        return self._read is not None

    def get(self) -> str | None:
        """The token now; None without a source. Raises `ConnectError` for a source that fails or gives no token."""
        if self._read is None:
            return None
        with _failing_as(ConnectError, self._source):
            value = self._read()
            if not inspect.isawaitable(value):
                return _token(value, self._source)
        if inspect.iscoroutine(value):
            value.close()
        raise ConfigurationError("token is an async callable: use AsyncDataStorageClient")

    async def aget(self) -> str | None:
        """As `get`, where the callable may be async."""
        if self._read is None:
            return None
        task = asyncio.current_task()
        cancellations = task.cancelling() if task else 0
        with _failing_as(ConnectError, self._source):
            value = self._read()
            if inspect.isawaitable(value):
                try:
                    value = await value
                except Exception as error:
                    # A source that fails while it is cancelled must not turn the cancellation into its own failure.
                    if task and task.cancelling() > cancellations:
                        raise asyncio.CancelledError from error
                    raise
            return _token(value, self._source)


@contextmanager
def _failing_as(kind: type[ConfigurationError | ConnectError], source: str) -> Generator[None]:
    """Raise `kind` for whatever a token source raises; callers are promised nothing but a `KubernautError`."""
    try:
        yield
    except KubernautError as error:
        raise kind(str(error)) from error
    except OSError as error:
        # Neither the path: a token given in its place would be shown.
        raise kind(f"{source} can't be read: {_reason(error)}") from None
    except UnicodeError:
        # Its repr shows the text.
        raise kind(f"{source} must give printable ASCII") from None
    except Exception as error:
        raise kind(f"{source} failed: {type(error).__name__}") from error


def _token(value: object, source: str) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"{source} must give a string, not {type(value).__name__}")
    value = value.strip(" \t\r\n")
    if not re.fullmatch(r"[!-~]+", value):
        raise ConfigurationError(f"{source} must give one token of printable ASCII without spaces")
    return value


def _reason(error: Exception) -> str:
    """Why a file can't be used, without its path and content."""
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


@dataclass(slots=True)
class WatchedFile:
    """A small file that is read again when it was replaced, as Kubernetes does with projected volumes."""

    path: Path
    limit: int
    """The most bytes that it may have."""
    _stamp: tuple[int, int, int] | None = None
    _data: bytes = field(default=b"", repr=False)

    def changed(self) -> bool:
        """Whether the file isn't the one that was seen last; remembers the one seen now."""
        status = self.path.stat()
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        same, self._stamp = stamp == self._stamp, stamp
        return not same

    def forget(self) -> None:
        """Take the file for a new one the next time."""
        self._stamp = None

    def read(self) -> bytes:
        """Its content; raises as `read_regular` does."""
        if self.changed():
            try:
                self._data = read_regular(self.path, self.limit)
            except BaseException:
                self._stamp = None
                raise
        return self._data


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """A file of certificates or keys; `name` is the variable or option that names it, for messages."""

    name: str
    path: str

    def check(self) -> None:
        """Raise `ConfigurationError` if OpenSSL, which gets the path, would wait for it or read without end."""
        try:
            read_regular(self.path, CERTIFICATE_LIMIT)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{self.name} can't be read: {_reason(error)}") from None


def tls_context(
    ca: CertificateFile | None,
    cert: CertificateFile | None,
    key: CertificateFile | None,
    into: ssl.SSLContext | None = None,
) -> ssl.SSLContext:
    """A TLS context from PEM files of at most 4 MiB each; without `ca` it trusts the system's authorities.

    Args:
        ca: Certificate authorities.
        cert: The client's certificate and those above it.
        key: Its key, where that isn't in `cert`.
        into: A context that gets the same; it stays as it was if the files don't fit together.

    Raises:
        ConfigurationError: A file can't be used; the message names the one that is at fault.
    """
    if key and not cert:
        raise ConfigurationError(f"{key.name} is set without KUBERNAUT_CLIENT_CERT")
    for file in (ca, cert, key):
        if file:
            file.check()
    fault, needed = ca, "certificates in PEM"
    try:
        context = ssl.create_default_context(cafile=ca.path if ca else None)
        for each in (context, into):
            if each and ca:
                each.load_verify_locations(ca.path)
            if each and cert:
                fault = cert
                # This takes any certificate, so that what fails after it is the key.
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cert.path)
                fault, needed = key or cert, "the certificate's key in PEM, without a pass phrase"
                # Without a callback OpenSSL would ask the terminal for the pass phrase of an encrypted key, and wait.
                each.load_cert_chain(cert.path, key.path if key else None, password=lambda: "")
    except (OSError, ValueError) as error:
        name = fault.name if fault else "the system's certificate authorities"
        raise ConfigurationError(f"{name} can't be loaded: {_reason(error)}; it must hold {needed}") from error
    return context


class TLS:
    """The TLS context of a client, and the files that it is loaded from again when they change.

    With a context of the caller's own nothing is loaded. Else the system's certificate authorities, or those of
    KUBERNAUT_CA_FILE, are trusted, and KUBERNAUT_CLIENT_CERT with KUBERNAUT_CLIENT_KEY is the client's certificate.
    A new certificate is used from the next handshake on; while a rotation is half done the old one stays in use. New
    authorities are added to the old ones, which are trusted for as long as the client lives.
    """

    def __init__(self, given: ssl.SSLContext | None) -> None:
        if given is not None and not isinstance(given, ssl.SSLContext):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"tls must be an ssl.SSLContext, not {type(given).__name__}")
        paths = [(name, os.environ.get(name)) if given is None else (name, None) for name in TLS_VARIABLES]
        self._files = [CertificateFile(name, path) if path else None for name, path in paths]
        self._watched = [WatchedFile(Path(file.path), CERTIFICATE_LIMIT) for file in self._files if file]
        self.context: ssl.SSLContext = given or self._load()

    def refresh(self) -> None:
        """Load the files again if one of them changed."""
        try:
            if self._watched and any(file.changed() for file in self._watched):
                self._load(self.context)
        except (OSError, ValueError):
            for file in self._watched:
                file.forget()

    def _load(self, into: ssl.SSLContext | None = None) -> ssl.SSLContext:
        for file in self._watched:
            with suppress(OSError, ValueError):  # tls_context says which and why
                file.changed()
        ca, cert, key = self._files
        return tls_context(ca, cert, key, into)
