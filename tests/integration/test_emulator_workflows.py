"""The emulator's workflow routes where the recordings say nothing: limits, ids, names, decoding, stored values."""

import json
from typing import Any

import pytest

from kubernaut_client.emulator import Emulator
from tests.integration.emulator_tools import CATALOG, WORKFLOWS, Answer, call, names, raw, read_all, request_bytes
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

UNKNOWN = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
FAILED = (500, "internal-error", "Failed to create workflow")
NO_INT = (
    "Invalid request body: json: cannot unmarshal number {} into Go struct field"
    " RemediationWorkflow.expected_duration_seconds of type int"
)


def create(emulator: Emulator, **members: Any) -> Answer:
    return call(emulator, "POST", WORKFLOWS, workflow(**members))


def text(**members: Any) -> str:
    return json.dumps(workflow(**members))


def problem(answer: Answer) -> tuple[int, str, str]:
    document = answer.json
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert document["status"] == answer.status and document["type"].startswith("https://kubernaut.ai/problems/")
    return answer.status, document["type"].rpartition("/")[2], document["detail"]


# ---- create ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"execution_engine": "x" * 51}, FAILED),
        ({"container_digest": "x" * 72}, FAILED),
        ({"description": "nul \0"}, FAILED),
        ({"parameters": {"nul": "\0"}}, FAILED),
        ({"custom_labels": {"nul": ["\0"]}}, FAILED),
        ({"expected_duration_seconds": 2**31}, FAILED),
        ({"workflow_name": ""}, (400, "bad-request", "workflow_name is required")),
        ({"content": ""}, (400, "bad-request", "content is required")),
        (
            {"expected_duration_seconds": 2**63},
            (
                400,
                "bad-request",
                NO_INT.format(2**63),
            ),
        ),
        (
            {"approved_at": "2025-02-30T10:00:00Z"},
            (400, "bad-request", 'Invalid request body: parsing time "2025-02-30T10:00:00Z": day out of range'),
        ),
        (
            {"approved_at": "2025-01-01T10:00:60Z"},
            (400, "bad-request", 'Invalid request body: parsing time "2025-01-01T10:00:60Z": second out of range'),
        ),
        (
            {"approved_at": "2025-01-01T10:00:00+25:00"},
            (
                400,
                "bad-request",
                'Invalid request body: parsing time "2025-01-01T10:00:00+25:00": time zone offset hour out of range',
            ),
        ),
    ],
)
def test_refused_behind_the_schema(emulator: Emulator, members: dict[str, Any], expected: tuple[int, str, str]) -> None:
    assert problem(create(emulator, **members)) == expected
    assert names(emulator) == []


def test_whole_floats_pass_the_schema_but_not_the_decoder(emulator: Emulator) -> None:
    body = text(expected_duration_seconds=10).replace(": 10", ": 10.0")
    answer = call(emulator, "POST", WORKFLOWS, body)
    assert problem(answer)[1:] == ("bad-request", NO_INT.format("10.0"))


@pytest.mark.parametrize(
    ("member", "value", "reason"),
    [
        ("approved_at", "2025-12-01T10:00Z", "string doesn't match the format"),
        ("approved_at", "2025-12-01t10:00:00Z", "string doesn't match the format"),
        ("approved_at", "2025-12-01T10:00:00z", "string doesn't match the format"),
        ("approved_at", "2025-12-01T10:00:00Z\n", "string doesn't match the format"),
        ("workflow_id", 5, "value must be a string"),
        ("is_latest_version", "yes", "value must be a boolean"),
        ("total_executions", -1, "number must be at least 0"),
        ("total_executions", 1.5, "value must be an integer"),
        ("owner", "é" * 256, "maximum string length is 255"),
        ("custom_labels", {"a": "b"}, "value must be an array"),
        ("custom_labels", [], "value must be an object"),
        ("parameters", None, "Value is not nullable"),
        ("detected_labels", {"gitOpsTool": ""}, "value is not one of the allowed values"),
        ("detected_labels", {"failed_detections": ["gitOpsTool"]}, "value is not one of the allowed values"),
    ],
)
def test_refused_by_the_schema(emulator: Emulator, member: str, value: Any, reason: str) -> None:
    status, slug, detail = problem(create(emulator, **{member: value}))
    assert (status, slug) == (400, "validation-error")
    assert detail.startswith(
        "request body has an error: doesn't match schema #/components/schemas/RemediationWorkflow: "
    )
    assert f'Error at "/{member}' in detail and reason in detail


def test_all_findings_are_told_in_order(emulator: Emulator) -> None:
    body = workflow(status="live", labels={"severity": "x", "priority": None})
    body["version"] = 1
    del body["name"], body["content"]
    _, _, detail = problem(call(emulator, "POST", WORKFLOWS, body))
    places = [part.split('"')[1] for part in detail.split("Error at ")[1:]]
    assert places == [
        "/labels/priority",
        "/labels/severity",
        "/labels/signal_type",
        "/labels/component",
        "/labels/environment",
        "/status",
        "/version",
        "/name",
        "/content",
    ]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ("application/json;x", 201),
        ("application/json ; x", 400),
        ("Application/JSON", 400),
        ("application/merge-patch+json", 400),
        ('text/"x"', 400),
    ],
)
def test_content_type(emulator: Emulator, content_type: str, status: int) -> None:
    answer = call(emulator, "POST", WORKFLOWS, workflow(), headers={"Content-Type": content_type})
    assert answer.status == status
    if status == 400:
        shown = content_type.replace('"', '\\"')
        assert answer.json["detail"] == f'request body has an error: header Content-Type has unexpected value "{shown}"'


def test_empty_body_is_noticed_before_its_type(emulator: Emulator) -> None:
    answer = call(emulator, "POST", WORKFLOWS, b"", headers={"Content-Type": "text/plain"})
    assert problem(answer) == (400, "validation-error", "request body has an error: value is required but missing")


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("{", "unexpected EOF"),
        ("  ", "EOF"),
        ('{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("tru3", "invalid character '3' in literal true (expecting 'e')"),
        ('{"a":1e}', "invalid character '}' in exponent of numeric literal"),
        ("[NaN]", "invalid character 'N' looking for beginning of value"),
        ('"\\x"', "invalid character 'x' in string escape code"),
        ('["a\nb"]', "invalid character '\\n' in string literal"),
        ("\ufeff{}", "invalid character 'ï' looking for beginning of value"),
        ("[" * 200_000, "unexpected EOF"),
        ("[" * 200_000 + "]" * 200_000, "exceeded max depth"),
    ],
    ids=range(12),
)
def test_no_json(emulator: Emulator, body: str, complaint: str) -> None:
    answer = call(emulator, "POST", WORKFLOWS, body.encode(), headers={"Content-Type": "application/json"})
    status, slug, detail = problem(answer)
    assert (status, slug) == (400, "validation-error")
    assert detail == f"request body has an error: failed to decode request body: {complaint}"


def test_what_json_allows(emulator: Emulator) -> None:
    body = text(workflow_name="first")
    odd = body[:-1] + ', "workflow_name": "last", "OWNER": "me", "mystery": 1e999}  {"trailing": garbage'
    answer = call(emulator, "POST", WORKFLOWS, odd)
    assert answer.status == 201
    (row,) = emulator.rows(CATALOG)
    assert (row["workflow_name"], row["owner"]) == ("last", "me")


def test_a_key_in_another_case_satisfies_no_requirement(emulator: Emulator) -> None:
    _, _, detail = problem(call(emulator, "POST", WORKFLOWS, text().replace('"version"', '"Version"')))
    assert 'property "version" is missing' in detail


def test_wrong_type_that_the_schema_does_not_see(emulator: Emulator) -> None:
    detail = problem(call(emulator, "POST", WORKFLOWS, text()[:-1] + ', "OWNER": 5}'))[2]
    place = "RemediationWorkflow.owner of type string"
    assert detail == f"Invalid request body: json: cannot unmarshal number into Go struct field {place}"


def test_bytes_that_are_no_utf8(emulator: Emulator) -> None:
    body = text(description="aXb").encode().replace(b"aXb", b"a\xc3\x28\xed\xa0\x80b")
    assert call(emulator, "POST", WORKFLOWS, body, headers={"Content-Type": "application/json"}).status == 201
    assert emulator.rows(CATALOG)[0]["description"] == "a\ufffd(\ufffd\ufffd\ufffdb"


def test_half_a_surrogate_pair(emulator: Emulator) -> None:
    answer = call(emulator, "POST", WORKFLOWS, text(description="\ud83d x", owner="\U0001f600"))
    assert answer.status == 201 and answer.json["description"] == "\ufffd x"
    assert emulator.rows(CATALOG)[0]["owner"] == "\U0001f600"
    assert problem(call(emulator, "POST", WORKFLOWS, text(version="2", parameters={"a": "\ud83d"}))) == FAILED


def test_go_escapes(emulator: Emulator) -> None:
    answer = create(emulator, description="<a> & 'b' \u2028 \x7f é")
    assert rb"\u003ca\u003e \u0026 'b' \u2028 " in answer.body and "é".encode() in answer.body
    assert answer.json["description"] == "<a> & 'b' \u2028 \x7f é"
    assert answer.body.endswith(b"}\n")


def test_parameters_keep_the_caller_s_order_in_the_echo_only(emulator: Emulator) -> None:
    body = text(parameters={"zz": 1, "a": {"long key": [1]}, "b": True}).replace('"zz": 1', '"zz": 1.50')
    created = call(emulator, "POST", WORKFLOWS, body)
    assert b'"parameters":{"zz":1.50,"a":{"long key":[1]},"b":true}' in created.body
    read = call(emulator, "GET", f"{WORKFLOWS}/{created.json['workflow_id']}")
    assert b'"parameters":{"a":{"long key":[1]},"b":true,"zz":1.50}' in read.body


def test_order_of_members(emulator: Emulator) -> None:
    created = create(
        emulator,
        owner="",
        custom_labels={"b": ["2"], "a": []},
        labels={
            "priority": "P1",
            "environment": "",
            "component": "*",
            "severity": "low",
            "signal_type": "s",
            "risk_tolerance": "low",
        },
        detected_labels={"serviceMesh": "istio", "gitOpsManaged": True, "stateful": False, "git_ops_managed": True},
        approved_at="2025-12-01T10:00:00.120000000+02:00",
        expected_success_rate=1.0,
    )
    assert list(created.json) == [
        "workflow_id",
        "workflow_name",
        "version",
        "name",
        "description",
        "owner",
        "content",
        "content_hash",
        "execution_engine",
        "labels",
        "custom_labels",
        "detected_labels",
        "status",
        "is_latest_version",
        "approved_at",
        "expected_success_rate",
        "total_executions",
        "successful_executions",
        "created_at",
        "updated_at",
    ]
    assert list(created.json["labels"]) == ["signal_type", "severity", "component", "environment", "priority"]
    assert created.json["custom_labels"] == {"a": [], "b": ["2"]}
    assert created.json["detected_labels"] == {"gitOpsManaged": True, "serviceMesh": "istio"}
    assert created.json["approved_at"] == "2025-12-01T10:00:00.12+02:00"
    assert b'"expected_success_rate":1,' in created.body
    read = call(emulator, "GET", f"{WORKFLOWS}/{created.json['workflow_id']}").json
    assert read["approved_at"] == "2025-12-01T08:00:00.12Z" and read["owner"] == ""
    assert read["labels"] == created.json["labels"] and read["detected_labels"] == created.json["detected_labels"]


def test_request_id_comes_back_from_the_schema_check_only(emulator: Emulator) -> None:
    refused = call(emulator, "POST", WORKFLOWS, {}, headers={"X-Request-ID": "r-7"})
    assert refused.headers["X-Request-Id"] == "r-7"
    assert list(refused.json) == ["detail", "instance", "status", "title", "type"]
    assert refused.json["instance"] == WORKFLOWS
    other = call(emulator, "POST", WORKFLOWS, workflow(name=""), headers={"X-Request-ID": "r-7"})
    assert other.status == 400 and "X-Request-Id" not in other.headers
    assert list(other.json) == ["type", "title", "status", "detail"]


# ---- list ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "limit", "offset"),
    [
        ("", 100, 0),
        ("limit=", 50, 0),
        ("limit=-5&offset=-5", 50, 0),
        ("limit=7&offset=3", 7, 3),
        ("limit=101", 100, 0),
        ("limit=0x10", 50, 0),
        ("limit=010", 10, 0),
        ("limit=1_0", 50, 0),
        ("limit=%2B5", 5, 0),
        ("limit=3&limit=4", 3, 0),
        ("limit=5;offset=1", 100, 0),
        ("limit=%zz", 100, 0),
        ("offset=", 100, 0),
    ],
)
def test_page(emulator: Emulator, query: str, limit: int, offset: int) -> None:
    answer = call(emulator, "GET", f"{WORKFLOWS}?{query}")
    assert answer.json == {"workflows": [], "limit": limit, "offset": offset, "total": 0}


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("limit=1001", 'parameter "limit" in query has an error: number must be at most 1000\nSchema:'),
        ("limit=1.5", 'parameter "limit" in query has an error: value 1.5: an invalid integer: invalid syntax'),
        ("limit=08", "value 08: an invalid integer: invalid syntax"),
        ("offset=99999999999999999999", "an invalid integer: value out of range"),
        ("status=active,disabled", 'parameter "status" in query has an error: value is not one of the allowed values'),
        ("component=", 'parameter "component" in query has an error: empty value is not allowed'),
        (
            "environment=&limit=x",
            'parameter "environment" in query has an error: empty value is not allowed | parameter "limit" in query',
        ),
    ],
)
def test_query_refused(emulator: Emulator, query: str, detail: str) -> None:
    answer = call(emulator, "GET", f"{WORKFLOWS}?{query}")
    assert answer.status == 400 and detail in answer.json["detail"]


def test_list_is_newest_first_and_has_every_version(emulator: Emulator) -> None:
    for number in range(5):
        create(emulator, name=f"n{number}", workflow_name="w", version=str(number), status="archived")
    answer = call(emulator, "GET", f"{WORKFLOWS}?limit=2&offset=1").json
    assert [row["version"] for row in answer["workflows"]] == ["3", "2"] and answer["total"] == 5
    for query, total in (("status=archived", 5), ("status=active", 0), ("priority=P0&environment=production", 5)):
        assert call(emulator, "GET", f"{WORKFLOWS}?{query}").json["total"] == total
    assert call(emulator, "GET", f"{WORKFLOWS}?component=p%00d").status == 500


# ---- ids and names ---------------------------------------------------------------------------------------------------


def test_ids_as_the_database_reads_them(emulator: Emulator) -> None:
    key: str = create(emulator).json["workflow_id"]
    for form in (key.upper(), key.replace("-", ""), f"{{{key}}}", f"%7B{key}%7D"):
        assert call(emulator, "GET", f"{WORKFLOWS}/{form}").json["workflow_id"] == key
    for form in (
        "x",
        key[:-1],
        key + "0",
        f"%{ord(key[0]):02x}{key[1:]}",
        f"{key}%00",
        f"{key}%ff",
        "search",
        "by-name",
    ):
        answer = call(emulator, "GET", f"{WORKFLOWS}/{form}")
        assert problem(answer) == (500, "internal-error", "Failed to get workflow")
    for suffix in ("", "/disable"):
        answer = call(emulator, "PATCH", f"{WORKFLOWS}/a%20b{suffix}", {})
        assert problem(answer) == (404, "not-found", "Workflow not found: a b")
        assert call(emulator, "PATCH", f"{WORKFLOWS}/{UNKNOWN}{suffix}", {}).lost
    assert call(emulator, "GET", f"{WORKFLOWS}/{UNKNOWN.upper()}").lost


FOUND_ONLY_PLAIN = "+:@&=$,;~-._"  # the last four nobody escapes, but the rule is the same for them
FOUND_EITHER_WAY = "!*'()"
FOUND_ESCAPED = ' %#?\\"<>|^`{}[]é'


@pytest.mark.parametrize("character", FOUND_ONLY_PLAIN + FOUND_EITHER_WAY + FOUND_ESCAPED + "/")
def test_by_name_character_by_character(emulator: Emulator, character: str) -> None:
    name = f"a{character}b"
    create(emulator, workflow_name=name)
    escaped = "a" + "".join(f"%{byte:02X}" for byte in character.encode()) + "b"
    found = call(emulator, "GET", f"{WORKFLOWS}/by-name/{escaped}/versions").json
    plain = raw_get(emulator, f"{WORKFLOWS}/by-name/{name}/versions")
    if character in FOUND_ONLY_PLAIN:
        assert found == {"workflow_name": escaped, "versions": None, "total": 0} and plain["total"] == 1
    elif character == "/":
        assert found["total"] == 0 and plain is None
    else:
        assert found["total"] == 1 and found["workflow_name"] == name
        if character in FOUND_EITHER_WAY or not character.isascii():
            assert plain["total"] == 1


def raw_get(emulator: Emulator, path: str) -> Any:
    """GET a path exactly as it stands; None if it isn't found or can't be sent."""
    if " " in path:
        return None
    with raw(emulator, request_bytes("GET", path, None, "Connection: close")) as connection:
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    return json.loads(body) if head.startswith(b"HTTP/1.1 200") and b"chunked" not in head else None


def test_lower_case_escapes_are_not_the_default_encoding(emulator: Emulator) -> None:
    create(emulator, workflow_name="é")
    assert call(emulator, "GET", f"{WORKFLOWS}/by-name/%C3%A9/versions").json["total"] == 1
    assert call(emulator, "GET", f"{WORKFLOWS}/by-name/%c3%a9/versions").json["workflow_name"] == "%c3%a9"


def test_by_name_with_bytes_that_the_database_refuses(emulator: Emulator) -> None:
    for name in ("a%00b", "a%FFb"):
        answer = call(emulator, "GET", f"{WORKFLOWS}/by-name/{name}/versions")
        assert problem(answer) == (500, "internal-error", "Failed to list workflow versions")


# ---- changes ---------------------------------------------------------------------------------------------------------


def test_disable_and_what_is_stored(emulator: Emulator) -> None:
    key = create(emulator).json["workflow_id"]
    before = call(emulator, "GET", f"{WORKFLOWS}/{key}").json
    answer = call(emulator, "PATCH", f"{WORKFLOWS}/{key}/disable", {"reason": "r", "updated_by": "u"}).json
    assert answer["disabled_reason"] == "r" and answer["disabled_by"] == "u" and answer["status"] == "disabled"
    assert "status_reason" not in answer and answer["updated_at"] == before["updated_at"]
    after = call(emulator, "GET", f"{WORKFLOWS}/{key}").json
    assert (after["status_reason"], after["updated_by"], after["disabled_by"]) == ("r", "u", "u")
    assert after["disabled_at"] != answer["disabled_at"] and after["updated_at"] > before["updated_at"]
    again = call(emulator, "PATCH", f"{WORKFLOWS}/{key}", {"status": "disabled"}).json
    assert "disabled_by" not in again and "disabled_reason" not in again and again["status_reason"] == "r"
    stored = emulator.rows(CATALOG)[0]
    assert (stored["disabled_by"], stored["disabled_reason"], stored["updated_by"]) == ("", "", "")


def test_stale_texts_move_along(emulator: Emulator) -> None:
    key = create(emulator).json["workflow_id"]
    call(emulator, "PATCH", f"{WORKFLOWS}/{key}", {"status": "disabled", "disabled_by": "b", "disabled_reason": "r"})
    call(emulator, "PATCH", f"{WORKFLOWS}/{key}", {"status": "active", "disabled_by": "other", "disabled_reason": "x"})
    stored = emulator.rows(CATALOG)[0]
    assert (stored["status"], stored["status_reason"], stored["updated_by"]) == ("active", "r", "b")
    assert (stored["disabled_by"], stored["disabled_reason"]) == ("b", "r") and stored["disabled_at"] is not None


@pytest.mark.parametrize("suffix", ["", "/disable"])
def test_change_that_the_database_refuses(emulator: Emulator, suffix: str) -> None:
    key = create(emulator).json["workflow_id"]
    for bad in ("x" * 256, "\0"):
        body = {"updated_by": bad} if suffix else {"status": "disabled", "disabled_by": bad}
        answer = call(emulator, "PATCH", f"{WORKFLOWS}/{key}{suffix}", body)
        verb = "disable" if suffix else "update"
        assert problem(answer) == (500, "internal-error", f"Failed to {verb} workflow")
    assert emulator.rows(CATALOG)[0]["status"] == "active"


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        ({"description": "x"}, "immutable-field-violation"),
        ({"labels": 5, "status": "active"}, "immutable-field-violation"),
        ({"description": None, "content": None, "labels": None}, None),
        ({"name": 5, "parameters": []}, None),
        ({"content": 5}, "bad-request"),
        ({"status": "live"}, "validation-error"),
        ({"disabled_by": None}, "validation-error"),
        ([], "validation-error"),
    ],
)
def test_update_bodies(emulator: Emulator, body: Any, slug: str | None) -> None:
    key = create(emulator).json["workflow_id"]
    answer = call(emulator, "PATCH", f"{WORKFLOWS}/{key}", body)
    if slug is None:
        assert answer.status == 200
    else:
        assert problem(answer)[:2] == (400, slug)


def test_body_is_checked_before_the_id(emulator: Emulator) -> None:
    for path in (f"{WORKFLOWS}/{UNKNOWN}", f"{WORKFLOWS}/x"):
        assert problem(call(emulator, "PATCH", path, {"content": "x"}))[1] == "immutable-field-violation"
        assert problem(call(emulator, "PATCH", path, {"status": "live"}))[1] == "validation-error"


def test_disable_needs_a_body_but_no_type_for_none(emulator: Emulator) -> None:
    key = create(emulator).json["workflow_id"]
    for headers in ({}, {"Content-Type": "text/plain"}):
        answer = call(emulator, "PATCH", f"{WORKFLOWS}/{key}/disable", headers=headers)
        assert problem(answer) == (400, "bad-request", "Invalid request body: EOF")
    typed = call(emulator, "PATCH", f"{WORKFLOWS}/{key}/disable", "{}", headers={"Content-Type": "text/plain"})
    assert problem(typed)[1] == "validation-error"


def test_the_schema_check_steps_aside_for_the_search_path(emulator: Emulator) -> None:
    answer = call(emulator, "PATCH", f"{WORKFLOWS}/search", "{}", headers={"Content-Type": "text/plain"})
    assert problem(answer) == (404, "not-found", "Workflow not found: search")
