"""In what the build of 2025-12-12 differs from the later ones: its error documents, workflows and audit rows.

The routes ask `Service.early` where it does something else; here is only the form of what it answers.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Final

from kubernaut_client.emulator import gojson
from kubernaut_client.emulator.messages import Reply
from kubernaut_client.emulator.problems import MEDIA_TYPE

# Its workflow handlers put an address before one that was complete already.
_WORKFLOWS: Final = "https://api.kubernaut.io/problems/https://kubernaut.dev/problems/"
_AUDIT_REFUSED: Final = "https://kubernaut.io/errors/"
_AUDIT_FAILED: Final = "https://kubernaut.io/problems/"
_RENAMED: Final = {"namespace": "resource_namespace", "cluster_name": "cluster_id"}
_MIDNIGHT: Final = "T00:00:00Z"


def problem(path: str, reply: Reply) -> Reply:
    """A reply with its problem document, if it is one, as this build writes it."""
    if reply.content_type != MEDIA_TYPE:
        return reply
    document: dict[str, Any] = json.loads(reply.body)
    slug = document["type"].rpartition("/")[2]
    if "/audit/" not in path:
        document["type"] = _WORKFLOWS + slug
    elif reply.status < 500:
        document["type"] = _AUDIT_REFUSED + slug
        if reply.status == 400:
            resource = "notification_audit" if path.endswith("/notifications") else "audit_event"
            document = {"field_errors": {}, "instance": f"/audit/{resource}", "resource": resource, **document}
    else:
        document["type"] = _AUDIT_FAILED + slug
    body = gojson.encode(dict(sorted(document.items()))).encode() + b"\n"
    return dataclasses.replace(reply, body=body)


def workflow(shown: dict[str, object]) -> dict[str, object]:
    """A workflow of a reply: nothing detected is absent."""
    return {name: value for name, value in shown.items() if name != "detected_labels" or value}


def event(shown: dict[str, object]) -> dict[str, object]:
    """An audit event of a reply: no version, no action, a date with a time, two members under other names."""
    row = {_RENAMED.get(name, name): value for name, value in shown.items() if name != "version"}
    return {**row, "event_action": "", "event_date": f"{row['event_date']}{_MIDNIGHT}"}
