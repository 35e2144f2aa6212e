"""Problem documents as the service writes them: a type under one address, four members, sometimes an instance.

Two writers exist in the service, which differ in the order of members only; `detail` comes first in one of them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from kubernaut_client.emulator import gojson
from kubernaut_client.emulator.messages import Reply

MEDIA_TYPE: Final = "application/problem+json"
TYPES: Final = "https://kubernaut.ai/problems/"


def problem(status: int, slug: str, title: str, detail: str) -> Reply:
    """A problem document of a handler."""
    document = {"type": TYPES + slug, "title": title, "status": status, "detail": detail}
    return Reply(status, gojson.encode(document).encode() + b"\n", MEDIA_TYPE)


def extended(status: int, slug: str, title: str, detail: str, **more: object) -> Reply:
    """A problem document of the other writer: with members of its own, all of them in alphabetical order."""
    document = {"type": TYPES + slug, "title": title, "status": status, "detail": detail, **more}
    body = gojson.encode(dict(sorted(document.items()))).encode() + b"\n"
    return Reply(status, body, MEDIA_TYPE)


def invalid_fields(resource: str, failures: Mapping[str, str]) -> Reply:
    """The 400 of a check that names fields. Of several, the detail names one at random, as in the service."""
    name, reason = random.choice(list(failures.items()))
    return extended(
        400,
        "validation-error",
        "Validation Error",
        f"Validation failed for {resource}: {name} - {reason}",
        instance=f"/audit/{resource}",
        resource=resource,
        field_errors=dict(sorted(failures.items())),
    )


def database_error(detail: str, path: str) -> Reply:
    """The 500 of the audit routes that read, or write several events."""
    return extended(500, "database-error", "Database Error", detail, instance=path)


def validation_error(detail: str, path: str, request_id: str | None) -> Reply:
    """The 400 of the schema validator. Only a caller that names its request gets the path and that name back."""
    document = {"detail": detail}
    if request_id:
        document["instance"] = path
    ending = {"status": 400, "title": "Validation Error", "type": TYPES + "validation-error"}
    headers = (("X-Request-Id", request_id),) if request_id else ()
    return Reply(400, gojson.encode({**document, **ending}).encode() + b"\n", MEDIA_TYPE, headers)


def bad_request(detail: str) -> Reply:
    """A 400 of a workflow handler."""
    return problem(400, "bad-request", "Bad Request", detail)


def internal_error(detail: str) -> Reply:
    """The 500 of the workflow handlers, for whatever went wrong in the database."""
    return problem(500, "internal-error", "Internal Server Error", detail)
