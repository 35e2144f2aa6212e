"""Cross-origin headers as the service sends them: any origin, but GET and POST only."""

from __future__ import annotations

from typing import Final

from kubernaut_client.emulator.messages import Request

_METHODS: Final = ("GET", "POST", "OPTIONS")
_HEADERS: Final = ("Accept", "Authorization", "Content-Type", "X-Request-Id", "Origin")
_MAX_AGE: Final = "300"


def is_preflight(request: Request) -> bool:
    """Whether a browser asks if it may send another request."""
    return request.method == "OPTIONS" and bool(request.headers.get("access-control-request-method"))


def headers(request: Request) -> tuple[tuple[str, str], ...]:
    """The headers to add to the reply."""
    origin = request.headers.get("origin")
    if not is_preflight(request):
        added = [("Vary", "Origin")]
        if origin and request.method in _METHODS:
            added += [("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", "Link, X-Request-Id")]
        return tuple(added)
    added = [
        ("Vary", "Origin"),
        ("Vary", "Access-Control-Request-Method"),
        ("Vary", "Access-Control-Request-Headers"),
    ]
    method = request.headers["access-control-request-method"].upper()
    wanted = [name.strip().title() for name in request.headers.get("access-control-request-headers", "").split(",")]
    wanted = [name for name in wanted if name]
    # A PATCH is refused by saying nothing.
    if origin and method in _METHODS and all(name in _HEADERS for name in wanted):
        added += [("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Methods", method)]
        if wanted:
            added.append(("Access-Control-Allow-Headers", ", ".join(wanted)))
        added.append(("Access-Control-Max-Age", _MAX_AGE))
    return tuple(added)
