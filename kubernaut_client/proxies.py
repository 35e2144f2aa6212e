"""Which proxy the environment names for a URL, by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .errors import ConfigurationError

_FORMS = (
    "it must be http://host:port, https://host:port or socks5://host:port, with /, ? and # of a password escaped (%2F)"
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and the variable that names it."""

    url: str = field(repr=False)
    variable: str


def proxy_for(url: str) -> Proxy | None:
    """The proxy for a URL; never one for a loopback address.

    HTTP_PROXY or HTTPS_PROXY by the scheme of the URL, else ALL_PROXY. Of two spellings the one in lower case counts,
    also where it is empty, and means none. HTTP_PROXY isn't looked at where REQUEST_METHOD is set: in a CGI script it
    would be a header of the request.

    NO_PROXY lists what goes without, separated by commas or blanks: a name, which covers the names below it as
    `.name` and `*.name` do; an IPv4 or IPv6 address; a range of them (`10.96.0.0/12`); each of these with a port
    (`name:8080`, `[::1]:8080`); or `*` for everything. It knows no case and no dot at the end, and resolves no names.

    Raises:
        ConfigurationError: The variable holds what can't be used; its value, which may be secret, isn't shown.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    found = next(filter(None, map(_variable, (f"{parts.scheme}_proxy", "all_proxy"))), None)
    if found is None or is_loopback(host):
        return None
    if _goes_without(host, parts.port or {"http": 80, "https": 443}.get(parts.scheme)):
        return None
    variable, value = found
    return Proxy(_checked(value, variable), variable)


def is_loopback(host: str) -> bool:
    """Whether a host name or address, as a URL has it, can only be this machine."""
    address = _address(host)
    if address is not None:
        return address.is_loopback or address.is_unspecified
    host = host.rstrip(".").lower()
    return host == "localhost" or host.endswith(".localhost")


def _variable(name: str) -> tuple[str, str] | None:
    """A variable that isn't empty, and its value."""
    for spelling in (name, name.upper()):
        value = os.environ.get(spelling)
        if value is not None and not (spelling == "HTTP_PROXY" and "REQUEST_METHOD" in os.environ):
            return (spelling, value.strip()) if value.strip() else None
    return None


def _goes_without(host: str, port: int | None) -> bool:
    """Whether NO_PROXY lists a host."""
    address = _address(host)
    name = host.rstrip(".").lower()
    for pattern, of_port in _entries():
        if pattern == "*":
            return True
        if of_port not in (None, port):
            continue
        if address is None:
            suffix = pattern.removeprefix("*.").strip(".")
            if suffix and (name == suffix or name.endswith(f".{suffix}")):
                return True
        else:
            try:
                network = ipaddress.ip_network(pattern.replace("[", "").replace("]", ""), strict=False)
            except ValueError:
                continue
            if address in network:
                return True
    return False


def _entries() -> Iterator[tuple[str, int | None]]:
    """What NO_PROXY lists: patterns, and the port that each is for, None for all."""
    _, value = _variable("no_proxy") or ("", "")
    for entry in re.split(r"[,\s]+", value.lower()):
        if not entry.isascii():
            try:
                entry = entry.encode("idna").decode("ascii")
            except UnicodeError:
                continue
        host, _, port = entry.rpartition(":")
        with_port = port.isdecimal() and len(port) < 6 and (":" not in host or host.endswith("]"))
        yield (host, int(port)) if host and with_port else (entry, None)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """A host as an address, if it is one; an IPv4 address that is written as IPv6 is IPv4."""
    host = host.strip("[]").rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            # The resolver takes 127.1 and 0x7f000001 for addresses too.
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, ValueError):
            return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _checked(value: str, variable: str) -> str:
    """The URL of a proxy, with a scheme."""
    url = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(url)
        scheme, usable = parts.scheme, bool(parts.hostname) and parts.port != 0
    except ValueError:
        scheme, usable = "", False
    if not usable or re.search(r"[\x00-\x20\x7f]", url):
        raise ConfigurationError(f"{variable} can't be used as a proxy: {_FORMS}")
    if scheme in ("socks", "socks4", "socks4a"):
        raise ConfigurationError(f"{variable} names a proxy of SOCKS version 4, which isn't supported: {_FORMS}")
    if scheme not in ("http", "https", "socks5", "socks5h"):
        raise ConfigurationError(f"{variable} names a proxy of a kind that isn't supported: {_FORMS}")
    if not scheme.startswith("socks"):
        return url
    if importlib.util.find_spec("socksio") is None:
        raise ConfigurationError(f'{variable} names a SOCKS proxy, which needs: pip install "httpx[socks]"')
    return f"socks5{url[len(scheme) :]}"  # the proxy resolves the name with either
