"""The operation table against the contract: operations, methods, paths, statuses and media types on both sides."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml

from kubernaut_client import InvalidRequestError
from kubernaut_client.http import Request
from kubernaut_client.operations import OPERATIONS, Body, Operation, Settlement, Unread, operation_for

CONTRACT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).resolve().parents[2] / "openapi" / "data-storage-v1.yaml").read_text("utf-8")
)
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
ID = UUID("3f2504e0-4f89-41d3-9a0c-0305e82c3301")


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """A node of the contract, or what its `$ref` points to."""
    while "$ref" in node:
        target: Any = CONTRACT
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def described() -> dict[str, tuple[str, str, dict[int, tuple[str, ...]]]]:
    """operationId → method, path, and the media types of each success status."""
    found: dict[str, tuple[str, str, dict[int, tuple[str, ...]]]] = {}
    for path, item in CONTRACT["paths"].items():
        for method in METHODS:
            if method in item:
                row = item[method]
                successes = {
                    int(status): tuple(resolved(answer).get("content", ()))
                    for status, answer in row["responses"].items()
                    if str(status).startswith("2")
                }
                assert row["operationId"] not in found
                found[row["operationId"]] = (method.upper(), path, successes)
    return found


DESCRIBED = described()
TABLE: dict[str, Operation[Any]] = {row.name: row for row in OPERATIONS}


def test_every_operation_has_one_row_and_every_row_an_operation() -> None:
    assert set(TABLE) == set(DESCRIBED)
    assert len(TABLE) == len(OPERATIONS) == 15


@pytest.mark.parametrize("name", DESCRIBED)
def test_method_path_and_successes(name: str) -> None:
    method, path, successes = DESCRIBED[name]
    row = TABLE[name]
    assert (row.method, row.path, row.route) == (method, path, f"{method} {path}")
    assert set(row.decoders) == set(successes)
    for media_types in successes.values():
        # The client may take more than is described, but what is described it must take.
        assert set(media_types) <= set(row.media_types)
        assert row.media_types[0] in media_types


@pytest.mark.parametrize("name", TABLE)
def test_no_media_type_is_taken_that_is_not_json(name: str) -> None:
    extra = set(TABLE[name].media_types) - {kind for kinds in DESCRIBED[name][2].values() for kind in kinds}
    assert extra <= {"application/json"}


SETTLEMENTS = {
    "createWorkflow": Settlement.CREATE,
    "listWorkflows": Settlement.REPEAT,
    "searchWorkflows": Settlement.REPEAT,  # a POST that stores nothing
    "getWorkflowByID": Settlement.NOT_FOUND,
    "updateWorkflow": Settlement.UPDATE,
    "disableWorkflow": Settlement.UPDATE,
    "listWorkflowVersions": Settlement.REPEAT,
    "createAuditEvent": Settlement.LOOK,
    "queryAuditEvents": Settlement.REPEAT,
    "createAuditEventsBatch": Settlement.LOOK,
    "createNotificationAudit": Settlement.UNIQUE,
    "healthCheck": Settlement.REPEAT,
    "readinessCheck": Settlement.REPEAT,
    "livenessCheck": Settlement.REPEAT,
    "getMetrics": Settlement.REPEAT,
}


@pytest.mark.parametrize("name", TABLE)
def test_settlements(name: str) -> None:
    row = TABLE[name]
    assert row.settlement is SETTLEMENTS[name]
    writes = row.method != "GET" and name != "searchWorkflows"
    assert row.write is writes
    if writes:
        assert row.settlement not in (Settlement.REPEAT, Settlement.NOT_FOUND)


def arguments(name: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What the builder of an operation takes, at the least."""
    positional: tuple[Any, ...] = ()
    if "{workflow_id}" in DESCRIBED[name][1]:
        positional = (ID,)
    if "{workflow_name}" in DESCRIBED[name][1]:
        positional = ("a b+c/d?e#f%g:@&=$,;é",)
    members: dict[str, Any] = {}
    if name == "createAuditEventsBatch":
        members["body"] = [Body({"a": 1}), Body({"a": 2})]
    elif DESCRIBED[name][0] != "GET":
        members["body"] = Body({"a": 1})
    return positional, members


@pytest.mark.parametrize("name", TABLE)
def test_the_row_of_a_request_that_was_built_for_it(name: str) -> None:
    row = TABLE[name]
    positional, members = arguments(name)
    request = row.request(*positional, **members)
    assert operation_for(request) is row
    assert request.method == row.method
    assert (request.content is None) == ("body" not in members)
    assert len(request.path.split("/")) == len(row.path.split("/"))
    for built, template in zip(request.path.split("/"), row.path.split("/"), strict=True):
        assert built == template or template.startswith("{")


def test_content_is_compact_utf_8() -> None:
    request = TABLE["createWorkflow"].request(body=Body({"a": "é\u2028", "b": [1, None, True]}))
    assert request.content == '{"a":"é\u2028","b":[1,null,true]}'.encode()
    assert "content-type" not in {name.lower() for name in request.headers or {}}


def test_the_path_of_a_name_is_escaped_as_the_service_compares_it() -> None:
    """Nine characters are found only unescaped; what would end the path or start an escape must be escaped."""
    unescaped = "+:@&=$,;"
    request = TABLE["listWorkflowVersions"].request(unescaped)
    assert request.path == f"/api/v1/workflows/by-name/{unescaped}/versions"
    for character in ' /?#%\\"<>|^`{}[]é\u8a9e':
        path = TABLE["listWorkflowVersions"].request(f"a{character}b").path
        escaped = "".join(f"%{byte:02X}" for byte in character.encode())
        assert path == f"/api/v1/workflows/by-name/a{escaped}b/versions"
    for character in "!*'()~-._":
        path = TABLE["listWorkflowVersions"].request(f"a{character}b").path
        plain, escaped = f"a{character}b", f"a%{ord(character):02X}b"
        assert path.split("/")[-2] in (plain, escaped)
    assert TABLE["listWorkflowVersions"].request("%2B").path.split("/")[-2] == "%252B"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", f"/api/v1/workflows/{ID}"),
        ("PUT", "/api/v1/workflows"),
        ("GET", "/api/v1/workflows/"),
        ("GET", f"/api/v1/workflows/{ID}/"),
        ("GET", f"/api/v1/workflows/{ID}/disable"),
        ("GET", "/api/v1/workflows/by-name/a/b/versions"),
        ("GET", "/api/v1/incidents"),
        ("POST", "/health"),
        ("GET", ""),
        ("get", "/health"),
        ("GET", "http://elsewhere.example/health"),
        ("GET", "/health\n"),
        ("GET", "/api/v1/workflows/.."),
        ("GET", "/api/v1/workflows/."),
        ("GET", "/api/v1/workflows/%2e%2E"),
        ("PATCH", "/api/v1/workflows/../disable"),
        ("GET", "/api/v1/workflows/by-name/../versions"),
        ("GET", "/api/v1/workflows/by-name/.%2e/versions"),
        ("GET", f"/api/v1/workflows/{ID}?x=1"),
        ("GET", f"/api/v1/workflows/{ID}#x"),
    ],
)
def test_what_is_not_in_the_contract_has_no_row(method: str, path: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"isn't in the contract") as caught:
        operation_for(Request(method, path))
    assert str(caught.value).isprintable()


def test_the_fixed_path_wins_over_the_template() -> None:
    assert operation_for(Request("POST", "/api/v1/workflows/search")).name == "searchWorkflows"
    assert operation_for(Request("GET", f"/api/v1/workflows/{ID}")).name == "getWorkflowByID"
    for name in ("...", "a..", "..a", "%2Fa", "%3F"):
        assert (
            operation_for(Request("GET", f"/api/v1/workflows/by-name/{name}/versions")).name == "listWorkflowVersions"
        )


@pytest.mark.parametrize("name", TABLE)
def test_a_raw_row_is_the_same_row(name: str) -> None:
    row = TABLE[name]
    raw = Unread.of(row)
    assert (raw.name, raw.route, raw.settlement, raw.write) == (row.name, row.route, row.settlement, row.write)
    assert set(raw.decoders) == set(row.decoders)
    assert replace(raw, name="x").name == "x"
