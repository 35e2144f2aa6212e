"""Problem documents: what is read out of a body, and how it is shown. Which exception it becomes is in test_errors."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_client.problems import (
    MESSAGE_LIMIT,
    Problem,
    json_object,
    load_json,
    one_line,
    parse,
    reason_phrase,
    shown,
)
from tests.contract.recorded import replay

RECORDED = Path(__file__).resolve().parents[1] / "contract" / "recorded"
DUMP = '\nSchema:\n  {\n    "type": "string"\n  }\n\nValue:\n  '


def document(**members: Any) -> bytes:
    return json.dumps(members).encode()


# Members -------------------------------------------------------------------------------------------------------------


def test_all_members_of_a_document() -> None:
    body = document(
        type="https://kubernaut.ai/problems/conflict",
        title="Resource Conflict",
        status=409,
        detail="it exists",
        instance="/audit/query parameters",
        resource="notification_audit",
        retry=True,
    )
    problem = parse(409, body)
    assert problem.type == "https://kubernaut.ai/problems/conflict"
    assert (problem.status, problem.title, problem.detail) == (409, "Resource Conflict", "it exists")
    assert problem.instance == "/audit/query parameters"
    assert problem.extensions == {"resource": "notification_audit", "retry": True}
    assert problem.is_document


def test_a_document_without_a_type_is_about_blank() -> None:
    problem = parse(404, document(title="Not Found"))
    assert (problem.type, problem.slug, problem.title, problem.is_document) == ("about:blank", "", "Not Found", True)


def test_a_document_without_a_title_gets_the_phrase_of_its_status() -> None:
    problem = parse(409, document(type="https://x.example/conflict"))
    assert (problem.title, problem.is_document) == ("Conflict", True)


@pytest.mark.parametrize("status", [200, 404, 599, "409", None, True, 1.5, []])
def test_the_http_status_wins(status: object) -> None:
    assert parse(409, document(type="x/conflict", status=status)).status == 409


@pytest.mark.parametrize("wrong", [None, 1, 1.5, True, [], ["x"], {}, {"a": 1}])
@pytest.mark.parametrize("member", ["type", "title", "detail", "instance"])
def test_members_of_the_wrong_type_are_ignored(member: str, wrong: object) -> None:
    right = {"type": "https://x.example/not-found", "title": "Gone", "detail": "why", "instance": "/x"}
    problem = parse(404, document(**{**right, member: wrong}))
    standing_in = {"type": "about:blank", "title": "Not Found", "detail": None, "instance": None}
    for name, value in right.items():
        assert getattr(problem, name) == (standing_in[name] if name == member else value)
    assert member not in problem.extensions


NOT_DOCUMENTS = {
    "empty": b"",
    "blank": b" \n",
    "text": b"404 page not found\n",
    "html": b"<html><body><h1>502 Bad Gateway</h1></body></html>",
    "cut": b'{"type": "https://kubernaut.ai/problems/conflict", "tit',
    "null": b"null",
    "list": b'[{"type": "https://kubernaut.ai/problems/conflict"}]',
    "string": b'"conflict"',
    "number": b"409",
    "true": b"true",
    "not a number": b'{"type": "https://kubernaut.ai/problems/conflict", "value": NaN}',
    "infinity": b'{"type": "https://kubernaut.ai/problems/conflict", "value": -Infinity}',
    "not UTF-8": b'{"type": "\xff\xfe"}',
    "nested too deeply": b"[" * 200_000,
    "object nested too deeply": b'{"a":' * 200_000,
    "integer too long": b'{"type": "x/conflict", "n": ' + b"9" * 5000 + b"}",
    "two documents": b'{"type": "x/conflict"} {"type": "x/conflict"}',
}


@pytest.mark.parametrize("body", NOT_DOCUMENTS.values(), ids=NOT_DOCUMENTS.keys())
def test_what_is_no_document_gives_a_problem_made_from_the_status(body: bytes) -> None:
    assert parse(409, body) == Problem(409, title="Conflict")
    assert not parse(409, body).is_document


def test_an_object_without_members_of_a_problem_is_no_document() -> None:
    problem = parse(503, b'{"status":"unhealthy","database":"unreachable"}')
    assert not problem.is_document
    assert (problem.type, problem.title) == ("about:blank", "Service Unavailable")


@given(body=st.binary(max_size=200), status=st.integers())
def test_parsing_never_raises(body: bytes, status: int) -> None:
    problem = parse(status, body)
    assert problem.status == status
    assert problem.summary.isprintable()
    assert isinstance(problem.field_errors, dict)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@given(
    members=st.dictionaries(
        st.sampled_from(["type", "title", "status", "detail", "instance", "field_errors", "retry"]), JSON
    )
)
def test_any_document_is_read(members: dict[str, Any]) -> None:
    problem = parse(400, json.dumps(members).encode("utf-8", "surrogatepass"))
    assert problem.summary.isprintable()
    assert len(problem.summary) <= 2 * MESSAGE_LIMIT + 2
    assert all(isinstance(part, str) for pair in problem.field_errors.items() for part in pair)
    for name in ("type", "title", "detail", "instance"):
        if isinstance(members.get(name), str):
            assert getattr(problem, name) == members[name]


# The slug ------------------------------------------------------------------------------------------------------------

SLUGS = (
    "validation-error",
    "bad-request",
    "immutable-field-violation",
    "invalid-request",
    "invalid-event-data",
    "conversion-error",
    "database-error",
    "internal-error",
    "not-found",
    "conflict",
    "service-unavailable",
)
BEFORE = (
    "https://kubernaut.ai/problems/",
    "https://kubernaut.io/errors/",
    "https://kubernaut.io/problems/",
    "https://api.kubernaut.io/problems/https://kubernaut.dev/problems/",
    "http://127.0.0.1:8080/errors/",
    "/problems/",
    "urn:x/",
    "",
)


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("slug", SLUGS)
def test_the_slug_in_every_spelling(before: str, slug: str) -> None:
    for spelt in (slug, slug.replace("-", "_"), slug.upper(), slug + "/"):
        assert parse(400, document(type=before + spelt)).slug == slug


@pytest.mark.parametrize("after", ["?lang=en", "#top", "?a=b/c#d/e"])
def test_query_and_fragment_are_no_path_segment(after: str) -> None:
    assert parse(409, document(type="https://kubernaut.ai/problems/conflict" + after)).slug == "conflict"


# What is shown -------------------------------------------------------------------------------------------------------


@given(text=st.text(max_size=500), limit=st.integers(1, 100))
def test_one_line_is_one_bounded_printable_line(text: str, limit: int) -> None:
    shown = one_line(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit
    if text.isprintable() and len(text) <= limit:
        assert shown == text


@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\0", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\ud800"])
def test_one_line_escapes(character: str) -> None:
    assert one_line(f"a{character}b") == "a" + character.encode("unicode_escape").decode() + "b"


def test_one_line_marks_what_it_cut() -> None:
    assert one_line("x" * 11, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x" * 58, repr("x" * 58)),
        ("x" * 59, "'" + "x" * 58 + "…"),
        ("a\x1b[31m", r"'a\x1b[31m'"),
        (2**128 - 1, str(2**128 - 1)),
        (-(2**128), "an integer of 129 bits"),
        (1.5, "1.5"),
        (True, "True"),
        (None, "None"),
        ([1], "list"),
    ],
)
def test_a_value_that_a_message_refuses(value: object, text: str) -> None:
    assert shown(value) == text


def test_no_code_of_a_value_is_run_to_show_it() -> None:
    class Text(str):
        def __repr__(self) -> str:
            raise AssertionError

    assert shown(Text("x")) == "Text"


def test_reason_phrase() -> None:
    assert [reason_phrase(status) for status in (404, 299, 0, -1)] == ["Not Found", "HTTP 299", "HTTP 0", "HTTP -1"]


def test_reprs_hold_no_foreign_text_beyond_the_title() -> None:
    body = document(type="x/conflict", title="T", detail="SECRET", value="SECRET", instance="/i")
    assert "SECRET" not in repr(parse(409, body))


# The details of the service's validator ------------------------------------------------------------------------------


def recorded_refusals() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(RECORDED.glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            scenario = json.loads(line)
            for number, step in enumerate(scenario["steps"]):
                if step["answer"].get("status") == 400:
                    yield f"{file.stem}/{scenario['id']}/{number}", step["answer"]["json"]


REFUSALS = dict(recorded_refusals())


def pointers(detail: str) -> set[str]:
    """What a recorded detail points to, as the tool that came with the recordings reads it; "" for the body itself."""
    return {pointer or parameter for pointer, parameter in replay.pointers(detail)}


def test_there_are_recorded_refusals() -> None:
    assert len(REFUSALS) > 60


@pytest.mark.parametrize("members", REFUSALS.values(), ids=REFUSALS.keys())
def test_field_errors_of_every_recorded_refusal(members: dict[str, Any]) -> None:
    members = replay.concrete(members)
    problem = parse(400, json.dumps(members).encode())
    detail = members["detail"]
    if "field_errors" in members:
        assert problem.field_errors == members["field_errors"]
        return
    if not detail.startswith(("request body has an error", "parameter ")):
        # A text of a handler, which names no field in a form that could be read.
        assert problem.field_errors == {}
        assert problem.summary == f"{problem.title}: {one_line(detail)}"
        return
    assert problem.field_errors.keys() == (pointers(detail) or {""})
    for reason in problem.field_errors.values():
        assert reason
        assert reason in detail
        assert "\n" not in reason
    assert "Schema" not in problem.summary
    assert "Value:" not in problem.summary


FINDINGS = {
    "create-missing-name/0": {"/name": 'property "name" is missing'},
    "create-version-51/0": {"/version": "maximum string length is 50"},
    "create-two-problems/0": {
        "/content_hash": "minimum string length is 64",
        "/status": 'value is not one of the allowed values ["active","disabled","deprecated","archived"]',
    },
    "create-wrong-types/0": {"/labels": "value must be an object", "/version": "value must be a string"},
    "create-array-body/0": {"": "value must be an object"},
    "create-text-plain/0": {"": 'header Content-Type has unexpected value "text/plain"'},
    "create-malformed-json/0": {
        "": "failed to decode request body: invalid character 'n' looking for beginning of object key string"
    },
    "list-limit-word/0": {"limit": "value abc: an invalid integer: invalid syntax"},
    "list-status-bad/0": {
        "status": 'value is not one of the allowed values ["active","disabled","deprecated","archived"]'
    },
    "update-no-body/1": {"": "value is required but missing"},
    "batch-one-bad-enum/0": {
        "/1/event_outcome": 'value is not one of the allowed values ["success","failure","pending"]'
    },
}


@pytest.mark.parametrize("step", FINDINGS)
def test_findings_word_for_word(step: str) -> None:
    problem = parse(400, json.dumps(REFUSALS[f"exchanges/{step}"]).encode())
    assert problem.field_errors == FINDINGS[step]


def test_the_member_wins_over_the_detail() -> None:
    members = {"title": "T", "detail": 'parameter "a" in query has an error: x', "field_errors": {"b": "y", "c": 1}}
    assert parse(400, document(**members)).field_errors == {"b": "y"}


@pytest.mark.parametrize("wrong", [None, "x", [], 1])
def test_a_member_of_the_wrong_type_leaves_the_detail(wrong: object) -> None:
    members = {"title": "T", "detail": 'parameter "a" in query has an error: x', "field_errors": wrong}
    assert parse(400, document(**members)).field_errors == {"a": "x"}


def validator_detail(
    values: dict[str, Any], pointer: str = "/name", reason: str = "maximum string length is 255"
) -> str:
    """A refusal as the service's validator words it, with the whole value dumped as it does."""
    dumped = json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False).replace("\n", "\n  ")
    named = "request body has an error: doesn't match schema #/components/schemas/RemediationWorkflow: "
    return f'{named}Error at "{pointer}": {reason}{DUMP}{dumped}\n'


HOSTILE = (
    "a | SECRET",
    'a | Error at "/b": SECRET',
    ' | Error at "',
    ' | parameter "',
    " | Error at ",
    " | parameter ",
    "a | request body has SECRET",
    "a | request body has an error: SECRET",
    "a\nSchema:\nSECRET | b",
    "a\n | Error at SECRET",
    '\n | Error at "/x": SECRET',
    "\n | request body has an error: SECRET",
)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", ["value", "first", "key"])
def test_nothing_of_a_dump_is_shown(text: str, place: str) -> None:
    """A workflow's author decides what is in the dump; none of it may be taken for a finding."""
    places: dict[str, dict[str, Any]] = {
        "value": {"approved_by": "x", "content": text},
        "first": {"approved_by": text, "content": "SECRET"},
        "key": {"parameters": {text: "SECRET"}, "z": "SECRET"},
    }
    detail = validator_detail(places[place])
    for joined in (detail, f'{detail} | Error at "/version": maximum string length is 50{DUMP}"SECRET"\n'):
        problem = parse(400, document(type="x/validation-error", title="Validation Error", detail=joined))
        expected = {"/name": "maximum string length is 255"}
        if joined != detail:
            expected["/version"] = "maximum string length is 50"
        assert problem.field_errors == expected
        assert "SECRET" not in problem.summary
        assert "SECRET" not in repr(problem)


@given(content=st.text(alphabet='ab "|\\\n:/{}', max_size=40).map(lambda text: f"{text}SECRET"))
def test_no_content_is_ever_taken_for_a_finding(content: str) -> None:
    detail = validator_detail({"content": content, "content_hash": "x"}, "/content_hash", "minimum string length is 64")
    problem = parse(400, document(type="x/validation-error", title="Validation Error", detail=detail))
    assert problem.field_errors == {"/content_hash": "minimum string length is 64"}
    assert "SECRET" not in problem.summary


def test_findings_of_the_query_and_of_the_body_together() -> None:
    detail = (
        f'parameter "status" in query has an error: value is not one of the allowed values ["a"]{DUMP}"x"\n'
        " | request body has an error: doesn't match schema #/components/schemas/X: "
        f'Error at "/a": value must be a string{DUMP}1\n'
        ' | Error at "/b": string doesn\'t match the format "date-time": string doesn\'t match pattern "^[0-9]$"'
        f' | Error at "/c": number must be at most 1{DUMP}2\n'
    )
    assert parse(400, document(title="T", detail=detail)).field_errors == {
        "status": 'value is not one of the allowed values ["a"]',
        "/a": "value must be a string",
        "/b": 'string doesn\'t match the format "date-time": string doesn\'t match pattern "^[0-9]$"',
        "/c": "number must be at most 1",
    }


def test_a_text_with_the_joiner_is_shown_as_it_is() -> None:
    problem = parse(400, document(title="Bad Request", detail="a | b"))
    assert problem.summary == "Bad Request: a | b"
    assert problem.field_errors == {}


# JSON ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"NaN", b"[Infinity]", b"-Infinity", b"", b"{", b"[" * 200_000, b"\xff"])
def test_what_is_not_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        load_json(body)
    assert json_object(body) is None


@pytest.mark.parametrize("innermost", ["", "1", '{"a": 1, "b": [2]}'])
@pytest.mark.parametrize("limit", [1, 2, 110])
def test_levels_are_counted_by_arrays_and_objects(limit: int, innermost: str) -> None:
    levels = limit - 2 * innermost.count("{")
    if levels >= 0:
        body = f"{'[' * levels}{innermost or '0'}{']' * levels}".encode()
        assert load_json(body, limit) == json.loads(body)
        with pytest.raises(ValueError, match="nested too deeply"):
            load_json(b"[" + body + b"]", limit)
        assert load_json(b"[" + body + b"]", None) == [json.loads(body)]


def test_json_object_takes_objects_only() -> None:
    assert json_object(b'{"a": [1]}') == {"a": [1]}
    assert json_object(b"[1]") is None
