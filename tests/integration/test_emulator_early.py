"""The emulator as the build of 2025-12-12: what its observed answers look like."""

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from kubernaut_client.emulator import Emulator
from tests.events import event
from tests.workflows import workflow


def ask(emulator: Emulator, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(emulator.url + path, data, headers, method=method)  # noqa: S310 - our own URL
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_the_list_shows_the_latest_version_of_each_name(early_emulator: Emulator) -> None:
    for name, version in (("a", "1.0.0"), ("b", "1.0.0"), ("a", "1.1.0")):
        assert ask(early_emulator, "POST", "/api/v1/workflows", workflow(name, version))[0] == 201
    status, page = ask(early_emulator, "GET", "/api/v1/workflows")
    assert status == 200
    assert [(row["workflow_name"], row["version"]) for row in page["workflows"]] == [("a", "1.1.0"), ("b", "1.0.0")]
    assert page["total"] == 2
    assert all("detected_labels" not in row for row in page["workflows"])
    _, by_name = ask(early_emulator, "GET", "/api/v1/workflows/by-name/a/versions")
    assert [row["version"] for row in by_name["versions"]] == ["1.1.0", "1.0.0"]


def test_types_are_glued_and_an_unknown_id_is_a_404(early_emulator: Emulator) -> None:
    glued = "https://api.kubernaut.io/problems/https://kubernaut.dev/problems/"
    ask(early_emulator, "POST", "/api/v1/workflows", workflow("a"))
    status, problem = ask(early_emulator, "POST", "/api/v1/workflows", workflow("a"))
    assert (status, problem["type"]) == (500, glued + "internal-error")
    assert list(problem) == ["detail", "status", "title", "type"]
    for method, body in (("GET", None), ("PATCH", {})):
        status, problem = ask(early_emulator, method, f"/api/v1/workflows/{uuid4()}", body)
        assert (status, problem["type"]) == (404, glued + "not-found")
    status, problem = ask(early_emulator, "POST", "/api/v1/audit/events/batch", [])
    assert (status, problem["type"]) == (400, "https://kubernaut.io/errors/validation-error")
    assert {"field_errors", "instance", "resource"} <= problem.keys()
    with early_emulator.database_down():
        status, problem = ask(early_emulator, "POST", "/api/v1/audit/events/batch", [event()])
    assert (status, problem["type"]) == (500, "https://kubernaut.io/problems/database-error")


def test_no_schema_validator_and_no_limit_of_age(early_emulator: Emulator) -> None:
    for changes in ({"actor_id": None}, {"correlation_id": ""}, {"event_timestamp": _ago(days=8)}):
        assert ask(early_emulator, "POST", "/api/v1/audit/events", {**event(), **changes})[0] in (201, 202)
    filters = dict.fromkeys(("signal_type", "severity", "environment", "priority"), "*")
    assert ask(early_emulator, "POST", "/api/v1/workflows/search", {"filters": filters})[0] == 200


def test_audit_rows_have_other_members(early_emulator: Emulator) -> None:
    sent = [event(namespace="n", cluster_name="c") for _ in range(101)]
    assert ask(early_emulator, "POST", "/api/v1/audit/events/batch", sent)[0] == 201
    _, page = ask(early_emulator, "GET", "/api/v1/audit/events")
    row = page["data"][0]
    assert page["pagination"]["limit"] == len(page["data"]) == 100
    assert not {"version", "namespace", "cluster_name"} & row.keys()
    assert (row["resource_namespace"], row["cluster_id"], row["event_action"]) == ("n", "c", "")
    assert row["event_date"] == row["event_timestamp"][:10] + "T00:00:00Z"


def _ago(**delta: int) -> str:
    return (datetime.now(UTC) - timedelta(**delta)).isoformat().replace("+00:00", "Z")
