"""The exceptions: which one an answer becomes, how sure it is, and that all of them can be kept, sent and shown."""

import copy
import json
import pickle
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kubernaut_client
from kubernaut_client import (
    APIError,
    AuthenticationError,
    BadRequestError,
    BootstrapError,
    BootstrapReport,
    CatalogError,
    ConfigurationError,
    ConflictError,
    ConnectionDroppedError,
    DatabaseError,
    ImmutableFieldError,
    InternalServerError,
    InvalidField,
    InvalidRequestError,
    KubernautError,
    NotFoundError,
    Outcome,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    ReportRow,
    RequestTimeoutError,
    ResponseDecodeError,
    ServerError,
    ServiceUnavailableError,
    ValidationError,
    errors,
)
from kubernaut_client.errors import Attempt, class_for, error_for, explain, retry_after
from kubernaut_client.operations import stored_workflow
from kubernaut_client.problems import MESSAGE_LIMIT, parse
from tests.workflows import workflow


def answered(status: int, body: bytes = b"", *, write: bool = False, **headers: str) -> APIError:
    return error_for(parse(status, body), write=write, headers=headers, body=body)


def typed(status: int, type: str, **members: object) -> bytes:  # noqa: A002 - the member's name
    return json.dumps({"type": type, "title": "T", "status": status, **members}).encode()


def classes() -> list[type[KubernautError]]:
    """Every exception class of the package, base first."""
    found: list[type[KubernautError]] = []
    waiting: list[type[KubernautError]] = [KubernautError]
    while waiting:
        cls = waiting.pop(0)
        found.append(cls)
        waiting += [sub for sub in cls.__subclasses__() if sub.__module__.startswith("kubernaut_client")]
    return found


# The tree ------------------------------------------------------------------------------------------------------------


def drawn() -> Iterator[tuple[str, str, str]]:
    """(class, its base, what stands beside it) for every line of the tree in the module's docstring."""
    above: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        found = re.fullmatch(r"([│├└─ ]*)(\w+Error)\b(.*)", line)
        if found and (found[1] or found[2] == "KubernautError"):
            depth = len(found[1]) // 4
            above[depth] = found[2]
            yield found[2], above[depth - 1] if depth else "Exception", found[3].strip()


def test_the_tree_in_the_docstring_is_the_real_one() -> None:
    real = {(cls.__name__, cls.__bases__[0].__name__) for cls in classes()}
    assert {(name, base) for name, base, _ in drawn()} == real


def test_the_notes_in_the_tree_are_true() -> None:
    for name, _, note in drawn():
        cls = getattr(errors, name)
        assert ("also ValueError" in note) == issubclass(cls, ValueError)
        assert ("also TimeoutError" in note) == issubclass(cls, TimeoutError)
        for attribute in re.findall(r"(?<![\w.])\.(\w+)", note):
            assert hasattr(full(cls), attribute), f"{name}.{attribute}"
        if (status := re.match(r"(\d{3})\b", note)) and cls is not ValidationError:
            assert class_for(parse(int(status[1]), typed(int(status[1]), "x/unheard-of"))) is cls


def test_every_class_is_public_and_says_what_it_is() -> None:
    for cls in classes():
        assert cls.__name__ in kubernaut_client.__all__
        assert getattr(kubernaut_client, cls.__name__) is cls
        assert cls.__module__ == "kubernaut_client"
        assert cls.__doc__


# From an answer to a class -------------------------------------------------------------------------------------------

BY_SLUG: list[tuple[str, int, type[APIError]]] = [
    ("validation-error", 400, ValidationError),
    ("bad-request", 400, BadRequestError),
    ("immutable-field-violation", 400, ImmutableFieldError),
    ("invalid-request", 400, BadRequestError),
    ("invalid-event-data", 400, BadRequestError),
    ("conversion-error", 400, BadRequestError),
    ("conversion-error", 500, InternalServerError),
    ("database-error", 500, DatabaseError),
    ("internal-error", 500, InternalServerError),
    ("not-found", 404, NotFoundError),
    ("conflict", 409, ConflictError),
    ("service-unavailable", 503, ServiceUnavailableError),
    ("invalid-limit", 400, BadRequestError),
    ("invalid-offset", 400, BadRequestError),
    ("invalid-severity", 400, BadRequestError),
    ("invalid-id", 400, BadRequestError),
    ("invalid-path", 400, BadRequestError),
    ("missing-parameter", 400, BadRequestError),
    ("invalid-parameter", 400, BadRequestError),
    ("batch-size-exceeded", 400, BadRequestError),
]
PREFIXES = [
    "https://kubernaut.ai/problems/",
    "https://kubernaut.io/problems/",
    "https://kubernaut.io/errors/",
    "https://api.kubernaut.io/problems/https://kubernaut.dev/problems/",
    "http://ds.example:8080/a/b/",
    "",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(("slug", "status", "cls"), BY_SLUG, ids=[f"{slug}-{status}" for slug, status, _ in BY_SLUG])
def test_class_of_every_type_in_every_spelling(prefix: str, slug: str, status: int, cls: type[APIError]) -> None:
    for spelt in (slug, slug.replace("-", "_"), slug.replace("-", "_", 1), slug.title()):
        for write in (False, True):
            error = answered(status, typed(status, prefix + spelt, extra=1), write=write)
            assert type(error) is cls
            assert error.outcome is (Outcome.UNKNOWN if write and status >= 500 else Outcome.REFUSED)
            assert error.problem.type == prefix + spelt
            assert error.problem.extensions == {"extra": 1}
            assert error.status == status


NAMED = {
    slug: cls for slug, _, cls in BY_SLUG if slug not in ("conversion-error",) and not slug.startswith(("invalid-l",))
}


@pytest.mark.parametrize("status", [400, 404, 409, 418, 500, 503])
@pytest.mark.parametrize(
    "slug", ["validation-error", "immutable-field-violation", "not-found", "conflict", "database-error"]
)
def test_the_type_comes_before_the_status(slug: str, status: int) -> None:
    for write in (False, True):
        error = answered(status, typed(status, f"https://kubernaut.ai/problems/{slug}"), write=write)
        assert type(error) is NAMED[slug]
        assert error.outcome is (Outcome.UNKNOWN if write and status >= 500 else Outcome.REFUSED)


BY_STATUS: list[tuple[int, type[APIError]]] = [
    (300, APIError),
    (301, APIError),
    (302, APIError),
    (304, APIError),
    (307, APIError),
    (400, BadRequestError),
    (401, AuthenticationError),
    (402, APIError),
    (403, PermissionDeniedError),
    (405, APIError),
    (408, APIError),
    (409, ConflictError),
    (410, APIError),
    (413, PayloadTooLargeError),
    (415, APIError),
    (422, APIError),
    (429, RateLimitError),
    (499, APIError),
    (500, InternalServerError),
    (501, InternalServerError),
    (502, InternalServerError),
    (503, ServiceUnavailableError),
    (504, InternalServerError),
    (520, InternalServerError),
    (599, InternalServerError),
]
BODIES = {
    "empty": b"",
    "text": b"404 page not found\n",
    "html": b"<html>nginx</html>",
    "cut": b'{"type":"https://kubernaut.ai/problems/confl',
    "list": b"[]",
    "null": b"null",
    "other object": b'{"error":"x"}',
    "type of the wrong type": b'{"type":409,"title":["x"]}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize(("status", "cls"), BY_STATUS)
def test_class_without_a_problem_document(status: int, cls: type[APIError], body: bytes) -> None:
    for write in (False, True):
        error = answered(status, body, write=write)
        assert type(error) is cls
        assert error.outcome is (Outcome.UNKNOWN if write and status >= 500 else Outcome.REFUSED)
        assert error.body == body
        assert str(error).startswith(f"{status} ")


@pytest.mark.parametrize(("status", "cls"), [*BY_STATUS, (404, NotFoundError)])
def test_class_of_an_unknown_type(status: int, cls: type[APIError]) -> None:
    error = answered(status, typed(status, "https://kubernaut.ai/problems/unheard-of", more={"a": [1]}))
    assert type(error) is cls
    assert error.problem.extensions == {"more": {"a": [1]}}


@pytest.mark.parametrize("status", [301, 302, 307, 399])
@pytest.mark.parametrize("slug", ["conflict", "not-found", "validation-error", "internal-error"])
def test_a_redirect_names_no_class(status: int, slug: str) -> None:
    assert type(answered(status, typed(status, f"https://kubernaut.ai/problems/{slug}"))) is APIError


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_404_of_a_router_points_to_the_base_url(body: bytes) -> None:
    error = answered(404, body)
    assert type(error) is APIError
    assert "check base_url" in str(error)


def test_a_404_of_the_catalog_does_not() -> None:
    assert "base_url" not in str(answered(404, typed(404, "https://kubernaut.ai/problems/not-found")))


def test_extensions_of_a_conflict() -> None:
    members = {"resource": "notification_audit", "field": "notification_id", "value": "n-1"}
    error = answered(409, typed(409, "https://kubernaut.ai/problems/conflict", **members))
    assert isinstance(error, ConflictError)
    assert (error.resource, error.field, error.value) == ("notification_audit", "notification_id", "n-1")
    assert (error.existing, error.identical, error.maybe_ours) == (None, None, False)
    wrong = answered(409, typed(409, "x/conflict", resource=1, field=None, value=["n"]))
    assert isinstance(wrong, ConflictError)
    assert (wrong.resource, wrong.field, wrong.value) == (None, None, None)


# Messages ------------------------------------------------------------------------------------------------------------


def test_the_message_of_a_duplicate() -> None:
    body = typed(409, "https://kubernaut.ai/problems/conflict", detail="Workflow 'x' version '1.0.0' already exists")
    error = error_for(parse(409, body.replace(b'"T"', b'"Workflow Already Exists"')), write=True)
    error.operation, error.request_id = "createWorkflow", "6f1c"
    assert str(error) == (
        "409 Workflow Already Exists: Workflow 'x' version '1.0.0' already exists (createWorkflow, request 6f1c)"
    )


def test_where_a_message_was() -> None:
    assert str(KubernautError("m")) == "m"
    assert str(KubernautError("m", operation="op")) == "m (op)"
    assert str(KubernautError("m", request_id="id")) == "m (request id)"
    assert str(KubernautError()) == ""


HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "content-type", "location", "x"]),
    st.text(max_size=40) | st.integers().map(str) | st.floats().map(str),
)
SPELT = st.sampled_from([b"", b'{"type":"x/', b'{"detail":"', b'{"title":"\\u0007\\n', b'{"field_errors":{"a":"'])


@given(
    status=st.integers(-1, 700) | st.integers(),
    start=SPELT,
    rest=st.binary(max_size=120),
    headers=HEADERS,
    write=st.booleans(),
)
def test_any_answer_becomes_an_error_that_prints(
    status: int, start: bytes, rest: bytes, headers: dict[str, str], write: bool
) -> None:
    for body in (start + rest, start + rest + b'"}', start + rest + b'"}}'):
        error = error_for(parse(status, body), write=write, headers=headers, body=body)
        check_printable(error)
        assert error.status == status
        assert error.body == body
        assert error.outcome is (Outcome.UNKNOWN if write and status >= 500 else Outcome.REFUSED)
        if isinstance(error, RateLimitError):
            assert error.retry_after is None or error.retry_after >= 0
        if isinstance(error, ValidationError):
            assert all(isinstance(key, str) for key in error.field_errors)
        assert_same(error, pickle.loads(pickle.dumps(error)))


@given(members=st.dictionaries(st.sampled_from(["type", "title", "detail", "instance"]), st.text(max_size=3000)))
def test_any_document_becomes_one_bounded_line(members: dict[str, str]) -> None:
    check_printable(answered(400, json.dumps(members).encode()))


def check_printable(error: KubernautError) -> None:
    for shown in (str(error), repr(error)):
        assert shown.isprintable()
        assert len(shown) <= 2 * MESSAGE_LIMIT + 100


def test_a_message_has_no_dump_but_the_error_has_the_body() -> None:
    detail = (
        "request body has an error: doesn't match schema #/components/schemas/RemediationWorkflow: "
        'Error at "/name": maximum string length is 255\nSchema:\n  {}\n\nValue:\n  "SECRET"\n'
    )
    error = answered(400, typed(400, "https://kubernaut.ai/problems/validation-error", detail=detail))
    assert isinstance(error, ValidationError)
    assert error.field_errors == {"/name": "maximum string length is 255"}
    assert "SECRET" not in f"{error} {error!r} {error.problem!r} {error.args}"
    assert b"SECRET" in error.body
    assert "SECRET" in (error.problem.detail or "")


# Retry-After ---------------------------------------------------------------------------------------------------------

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("Sat, 31 Jan 2026 12:00:10 GMT", 10.0),
        ("Sat, 31 Jan 2026 12:00:10 -0000", 10.0),
        ("Saturday, 31-Jan-26 12:00:10 GMT", 10.0),
        ("Sat, 31 Jan 2026 11:00:00 GMT", 0.0),
        ("Sat, 31 Jan 2026 13:00:10 +0100", 10.0),
        ("", None),
        (" ", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("1e999", None),
        ("Sat, 99 Jan 2026 12:00:10 GMT", None),
        ("Sat, 31 Jan 99999 12:00:10 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, NOW) == seconds


def test_retry_after_absent() -> None:
    assert retry_after({}, NOW) is None


@given(moment=st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9999, 1, 1)))  # noqa: DTZ001 - made aware
def test_retry_after_of_any_date(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    seconds = retry_after({"retry-after": moment.strftime("%a, %d %b %Y %H:%M:%S GMT")}, NOW)
    assert seconds == max(0.0, (moment - NOW) / timedelta(seconds=1))


@given(value=st.text(max_size=60) | st.integers().map(str))
def test_retry_after_never_raises(value: str) -> None:
    seconds = retry_after({"retry-after": value})
    assert seconds is None or 0 <= seconds < float("inf")


def test_retry_after_of_a_rate_limit() -> None:
    error = error_for(parse(429, b""), write=True, headers={"retry-after": "3"})
    assert isinstance(error, RateLimitError)
    assert error.retry_after == 3.0


# Keeping -------------------------------------------------------------------------------------------------------------

STORED: dict[str, Any] = {
    **workflow(parameters={"a": [1, None, {"b": True}]}, custom_labels={"team": ["x"]}),
    "workflow_id": "00000000-0000-4000-8000-000000000001",
    "detected_labels": {"gitOpsManaged": True},
    "is_latest_version": True,
    "created_at": "2026-01-31T12:00:00.5Z",
}


def full(cls: type[KubernautError]) -> KubernautError:
    """An error of a class with every attribute set to something."""
    attempt = Attempt("createWorkflow", None, Outcome.UNKNOWN, "ConnectionDroppedError", 0.0, 0.25)
    context: dict[str, Any] = {
        "operation": "createWorkflow",
        "outcome": Outcome.UNKNOWN,
        "history": (attempt, Attempt("createWorkflow", 409, Outcome.REFUSED, "ConflictError", 0.1, 0.2)),
        "request_id": "6f1c",
        "inferred": True,
        "evidence": ("seen",),
    }
    problem = parse(409, typed(409, "https://kubernaut.ai/problems/conflict", value="v", field_errors={"a": "b"}))
    if issubclass(cls, APIError):
        context |= {"problem": problem, "headers": {"retry-after": "3"}, "body": b"{}"}
    if issubclass(cls, ConflictError):
        context |= {"existing": stored_workflow(STORED), "identical": False, "maybe_ours": True}
    if issubclass(cls, InvalidRequestError):
        context |= {"field": "labels.severity", "problems": (InvalidField("labels.severity", "is missing"),)}
    if issubclass(cls, CatalogError):
        context |= {"errors": ["a.yaml:3: name is missing", InvalidRequestError("x", field="y")]}
    if issubclass(cls, BootstrapError):
        row = ReportRow("n", "1.0.0", "failed", error=answered(500, b""))
        context |= {"report": BootstrapReport((row,))}
    if issubclass(cls, ConnectionDroppedError):
        context |= {"silent": True}
    if issubclass(cls, ResponseDecodeError):
        context |= {"status": 201, "headers": {"a": "b"}, "body": b"{", "items": ["workflows[0]: cut"]}
    return cls("what happened", **context)


def state(value: Any) -> Any:
    """Something that can be compared: errors have no equality of their own."""
    if isinstance(value, KubernautError):
        return type(value), value.args, {name: state(item) for name, item in vars(value).items()}
    if isinstance(value, BootstrapReport):
        return [(row.name, row.version, row.action, state(row.error)) for row in value.rows]
    if isinstance(value, tuple | list):
        return [state(item) for item in value]
    if isinstance(value, dict):
        return {name: state(item) for name, item in value.items()}
    return value


def pickled(protocol: int) -> Callable[[KubernautError], KubernautError]:
    def keep(error: KubernautError) -> KubernautError:
        kept = pickle.loads(pickle.dumps(error, protocol))
        assert isinstance(kept, KubernautError)
        return kept

    return keep


def assert_same(one: KubernautError, other: KubernautError) -> None:
    assert state(one) == state(other)
    assert (str(one), repr(one)) == (str(other), repr(other))


KEEPERS: dict[str, Callable[[KubernautError], KubernautError]] = {
    **{f"pickle {protocol}": pickled(protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)},
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("keep", KEEPERS.values(), ids=KEEPERS.keys())
@pytest.mark.parametrize("cls", classes(), ids=lambda cls: cls.__name__)
def test_every_class_can_be_kept(cls: type[KubernautError], keep: Callable[[KubernautError], KubernautError]) -> None:
    for error in (full(cls), cls("only a message"), cls()):
        error.add_note("a note")
        kept = keep(error)
        assert kept is not error
        assert_same(error, kept)
        assert str(kept)[:4] in ("what", "only", "")


@pytest.mark.parametrize("cls", classes(), ids=lambda cls: cls.__name__)
def test_every_class_prints(cls: type[KubernautError]) -> None:
    error = full(cls)
    assert str(error) == "what happened (createWorkflow, request 6f1c)"
    assert repr(error) == f"<{cls.__name__} unknown: what happened (createWorkflow, request 6f1c)>"
    check_printable(cls())


def test_a_kept_conflict_still_has_its_row() -> None:
    error = full(ConflictError)
    for keep in KEEPERS.values():
        kept = keep(error)
        assert isinstance(kept, ConflictError)
        assert type(kept.existing) is type(stored_workflow(STORED))
        assert kept.existing == stored_workflow(STORED)
        assert (kept.identical, kept.maybe_ours, kept.value) == (False, True, "v")


def test_a_kept_bootstrap_error_still_has_its_report() -> None:
    for keep in KEEPERS.values():
        kept = keep(full(BootstrapError))
        assert isinstance(kept, BootstrapError)
        assert kept.report is not None
        assert isinstance(kept.report.get("n").error, InternalServerError)


def test_a_copy_is_a_copy() -> None:
    error = full(ConflictError)
    assert isinstance(error, ConflictError)
    kept = copy.deepcopy(error)
    kept.headers["a"] = "changed"
    kept.outcome = Outcome.REFUSED
    assert "a" not in error.headers
    assert error.outcome is Outcome.UNKNOWN
    assert kept.existing is not error.existing


def test_defaults() -> None:
    error = KubernautError("m")
    assert (error.operation, error.outcome, error.history, error.request_id) == (None, Outcome.NOT_SENT, (), None)
    assert (error.inferred, error.evidence) == (False, ())


def test_families() -> None:
    assert issubclass(ConfigurationError, ValueError)
    assert issubclass(InvalidRequestError, ValueError)
    assert issubclass(RequestTimeoutError, TimeoutError)
    assert issubclass(ServiceUnavailableError, ServerError)
    assert not issubclass(ResponseDecodeError, APIError)


def test_outcomes_are_the_four_words() -> None:
    assert [str(outcome) for outcome in Outcome] == ["not_sent", "unknown", "refused", "applied"]


def test_explain_is_one_bounded_line() -> None:
    assert explain(OSError("no\nway")) == "OSError: no\\nway"
    assert explain(OSError()) == "OSError"
    assert len(explain(OSError("x" * 5000))) < 220
