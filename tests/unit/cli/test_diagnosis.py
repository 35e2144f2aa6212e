"""What `doctor` concludes, by all combinations of what can be seen, and by each case that has words of its own."""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, get_args

import pytest

from kubernaut_client.batches import NEWEST
from kubernaut_client.cli import diagnosis
from kubernaut_client.cli.diagnosis import Check, Effect, Probe, Seen, Written, diagnose, duration
from kubernaut_client.cli.observation import Answer, Failure, Kind
from tests.unit.cli.keys import PAGE

IDS = [
    "connection",
    "proxy",
    "service",
    "token",
    "clock",
    "health",
    "catalog",
    "audit",
    "writes",
    "queue",
    "redis",
    "limits",
    "build",
]
NOON = 1764590400.0  # 2025-12-01T12:00:00Z
DATE = formatdate(NOON, usegmt=True)
URL = "http://data-storage.example:8080"


def answer(status: int | None = 200, document: Any = None, **members: Any) -> Answer:
    """A JSON answer at noon, a documented success if it is a 2xx."""
    accepted = status is not None and 200 <= status < 300
    headers = {"content-type": "application/json", "date": DATE, **members.pop("headers", {})}
    known = {"accepted": accepted, "headers": headers, "body": json.dumps(document).encode(), "at": NOON}
    return Answer(status=status, **{**known, **members})


def foreign(status: int, media_type: str = "text/html", **members: Any) -> Answer:
    """What something else than Data Storage answers."""
    headers = {"content-type": media_type, **members.pop("headers", {})}
    return answer(status, accepted=False, headers=headers, **members)


def silent(failure: Failure = "refused") -> Answer:
    return Answer(failure=failure, reason=f"the {failure} reason")


def metrics(text: str = "datastorage_cache_hits_total 0\n") -> Answer:
    return answer(body=text.encode(), headers={"content-type": "text/plain"})


FAILS = answer(500, problem="Internal Server Error: x")
DENIED = answer(401, problem="Unauthorized")
EVENT = {"event_timestamp": "2025-12-01T11:59:00.123456Z"}
WELL = Seen(
    url=URL,
    proxy=None,
    token=False,
    timeout=10.0,
    write=False,
    live=answer(document={"status": "alive"}),
    rows=answer(document={"workflows": [{"workflow_id": "x"}], "total": 5}),
    health=Probe(answer=Answer(status=200, accepted=True), status="healthy"),
    ready=Probe(answer=Answer(status=200, accepted=True), status="ready"),
    row=silent("dropped"),
    versions=answer(document={"versions": None}),
    events=answer(document={"data": [EVENT], "pagination": {"limit": 50}}),
    metrics=metrics(),
)
DAY = datetime(2025, 12, 1, 12, tzinfo=UTC)
DOWN = replace(
    WELL,
    health=Probe(answer=Answer(status=503), status="unhealthy", reason="database_unreachable", error="no route"),
    ready=Probe(answer=Answer(status=503), status="not_ready", reason="database_unreachable"),
    rows=FAILS,
    row=FAILS,
    versions=FAILS,
    events=FAILS,
)


# What each of these is concluded from.
SENT: dict[Effect, Answer] = {
    "stored": answer(201),
    "queued": answer(202),
    "rejected": answer(400, problem="Validation Error"),
    "mistimed": answer(400, problem="invalid timestamp: timestamp is in the future"),
    "failed": FAILS,
    "denied": answer(403, problem="Forbidden"),
    "limited": foreign(429),
    "foreign": foreign(404, "text/plain"),
    "unsent": Answer(failure="refused", reason="Connection refused"),
    "unknown": foreign(502),
}


def written(effect: Effect, sent: Answer | None = None, **members: Any) -> Written:
    came = SENT[effect] if sent is None else sent
    words = "" if came.accepted else came.words
    return Written(effect=effect, correlation_id="c-1", day=DAY, answer=came, words=words, **members)


def by_id(seen: Seen) -> dict[str, Check]:
    return {check.id: check for check in diagnose(seen)}


def problems(seen: Seen) -> list[str]:
    return [check.id for check in diagnose(seen) if check.verdict == "problem"]


def unchecked(seen: Seen) -> list[str]:
    return [check.id for check in diagnose(seen) if check.verdict == "not_checked"]


# all combinations ----------------------------------------------------------------------------------------------------

ANSWERS: dict[Kind, Answer] = {
    "well": answer(document={"workflows": [], "versions": [], "data": [], "pagination": {"limit": 50}}),
    "fails": FAILS,
    "denied": DENIED,
    "limited": answer(429),
    "refused": answer(400, problem="Bad Request"),
    "gateway": foreign(503),
    "foreign": foreign(404, "text/plain"),
    "silent": silent("late"),
}
LIVES = [
    WELL.live,
    *(ANSWERS[kind] for kind in ANSWERS if kind != "well"),
    answer(document={"status": "up"}),
    foreign(200),
    foreign(302),
    foreign(407),
]
PROBES = [
    Probe(answer=Answer(status=200, accepted=True), status="healthy"),
    Probe(answer=Answer(status=503), status="unhealthy", reason="database_unreachable"),
    Probe(answer=Answer(status=404), status=None, reason="unexpected answer", error="x"),
    Probe(answer=DENIED, status=None, reason="unexpected answer"),
    Probe(answer=Answer(status=429), status=None),
    Probe(answer=silent("dropped"), status=None),
    Probe(answer=answer(document={"status": "up"}), status="up"),
]
READY = [
    Probe(answer=Answer(status=200, accepted=True), status="ready"),
    Probe(answer=Answer(status=503), status="not_ready", reason="shutting_down"),
    Probe(answer=Answer(status=503), status="not_ready", reason="database_unreachable"),
    Probe(answer=Answer(status=503), status="not_ready", reason="busy"),
    *PROBES[2:],
]

# As nobody asks on where it isn't Data Storage that answers.
NOT_ASKED: dict[str, Any] = dict.fromkeys(("health", "ready", "row", "versions", "events", "metrics"))


def everything() -> Iterator[Seen]:
    yield replace(WELL, rows=None, **NOT_ASKED)
    kinds = [*ANSWERS.values()]
    for live, rows, events in itertools.product(LIVES, kinds, kinds):
        seen = replace(WELL, live=live, rows=rows, events=events, row=rows, versions=rows)
        yield seen if seen.is_data_storage else replace(seen, **NOT_ASKED)
    for probe, row, versions, events in itertools.product(PROBES, kinds, kinds, kinds):
        yield replace(WELL, health=probe, row=row, versions=versions, events=events)
    for live, probe, ready, page in itertools.product(LIVES, PROBES, READY, (WELL.rows, *kinds)):
        seen = replace(WELL, live=live, health=probe, ready=ready, rows=page)
        if seen.is_data_storage:
            yield seen
    for probe, effect, events in itertools.product(PROBES, (None, *get_args(Effect)), kinds):
        seen = replace(WELL, health=probe, write=True, events=events, metrics=events)
        event = None if effect is None else written(effect, single=seen.route == "single")
        # An event is sent just when that can show something, and only a single one is ever queued.
        if (seen.route is None) == (event is None) and (effect != "queued" or seen.route == "single"):
            yield replace(seen, written=event)


def test_the_kinds_of_answers_are_what_they_are_called() -> None:
    assert {kind: each.kind for kind, each in ANSWERS.items()} == {kind: kind for kind in get_args(Kind)}


def test_every_combination() -> None:
    """Each check once and in order; a problem says what it means and what to do; a cause that is named is there."""
    count = 0
    for seen in everything():
        count += 1
        checks = diagnose(seen)
        assert [check.id for check in checks] == IDS
        named = {check.id: check for check in checks}
        for check in checks:
            assert check.seen.endswith(".")
            for text in filter(None, (check.seen, check.meaning, check.advice)):
                assert text.isprintable()
                assert "  " not in text
                assert ".." not in text
                assert text[0].isupper() or text.startswith(("/", "doctor", "http", "0", "4", "5"))
            if check.verdict == "problem":
                assert check.meaning
                assert check.advice
            if check.verdict == "ok":
                assert (check.meaning, check.advice) == (None, None)
            cause = check.seen.rpartition(": see ")[2].rstrip(".") if ": see " in check.seen else None
            if cause is not None:
                assert check.verdict == "not_checked"
                assert named[cause].verdict == "problem" or ": see " in named[cause].seen, (check, named[cause])
        if seen.first is None:
            assert problems(seen) == ["connection"]
        elif not seen.is_data_storage:
            assert len(problems(seen)) == 1
            assert problems(seen)[0] in ("service", "token", "proxy")
        if seen.database_is_down and seen.is_data_storage:
            assert named["health"].verdict == "problem"
        if not seen.write:
            assert named["writes"].verdict == "not_checked"
        event = seen.written
        shows = event is not None and event.single and event.effect in ("queued", "failed")
        assert (named["redis"].verdict != "not_checked") is shows
    assert count > 2000


def test_the_pages_list_every_check() -> None:
    page = (PAGE.parent / "doctor.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == IDS
    assert ", ".join(f"`{name}`" for name in IDS) in PAGE.read_text("utf-8")


# one by one ----------------------------------------------------------------------------------------------------------


def test_all_well() -> None:
    checks = by_id(WELL)
    assert problems(WELL) == []
    assert unchecked(WELL) == ["writes", "redis"]
    assert checks["catalog"].seen == "List, get and versions answer. 5 versions are stored."
    assert checks["audit"].seen == "The audit trail can be read. The newest event is of 2025-12-01 11:59:00Z."
    assert checks["build"].seen.startswith("One of 2025-12-27 to 2026-01-30")
    assert "can't be told without writing" in checks["build"].seen
    assert checks["token"].seen.startswith("None is set.")
    assert by_id(replace(WELL, token=True))["token"].seen.startswith("One is sent.")


@pytest.mark.parametrize("failure", get_args(Failure))
def test_nobody_answers(failure: Failure) -> None:
    seen = replace(WELL, url="https://a.example", live=silent(failure), rows=None, health=None)
    checks = by_id(seen)
    assert problems(seen) == ["connection"]
    assert checks["connection"].seen == f"No answer from https://a.example: the {failure} reason."
    assert set(unchecked(seen)) == set(IDS) - {"connection", "proxy"}
    assert (checks["connection"].advice or "").startswith("Use http: --url http://a.example.") == (failure == "plain")
    through = by_id(replace(seen, proxy="http://proxy:3128"))["connection"]
    assert through.seen.startswith("No answer from https://a.example through the proxy http://proxy:3128: ")
    assert ("a.example is to be reached without the proxy" in (through.advice or "")) == (failure != "certificate")


@pytest.mark.parametrize(
    ("live", "meaning", "advice"),
    [
        (foreign(200), "A web page", "takes a token instead of a login"),
        (foreign(302, headers={"location": "https://login.example/?s=1"}), "A redirect", "instead of a login"),
        (foreign(503), "finds no service behind it", "whether the service runs"),
        (foreign(502, "text/plain"), "finds no service behind it", "whether the service runs"),
        (foreign(404, "text/plain"), "another server", "the host and the port"),
        (foreign(400, "text/plain", body=b"Client sent an HTTP request to an HTTPS server."), "speaks TLS", "https://"),
        (foreign(429), "no more requests", "Wait"),
        (answer(document={"status": "up"}), "not as Data Storage does", "the host and the port"),
        (answer(418, problem="teapot"), "not as Data Storage does", "the host and the port"),
    ],
)
def test_it_is_not_data_storage(live: Answer, meaning: str, advice: str) -> None:
    seen = replace(WELL, live=live, rows=foreign(404, "text/plain"))
    check = by_id(seen)["service"]
    assert problems(seen) == ["service"]
    assert meaning in (check.meaning or "")
    assert advice in (check.advice or "")
    assert "s=1" not in check.seen


def test_a_path_too_much() -> None:
    seen = replace(WELL, url=f"{URL}/api/v1", live=foreign(404, "text/plain"), rows=foreign(404, "text/plain"))
    assert by_id(seen)["service"].meaning == "The path /api/v1 in --url leads nowhere there."
    assert "without /api/v1" in (by_id(seen)["service"].advice or "")
    check = by_id(replace(seen, elsewhere=URL))["service"]
    assert check.seen == "/api/v1/health/live answers 404 (text/plain)."
    assert check.meaning == f"Data Storage answers at {URL}: the path /api/v1 is too much."
    assert check.advice == f"Use --url {URL}."


def test_another_service_that_answers_with_problem_documents() -> None:
    missing = answer(404, problem="Not Found")
    for rows in (missing, FAILS, answer(document={"items": []})):
        seen = replace(WELL, live=missing, rows=rows, **NOT_ASKED)
        assert problems(seen) == ["service"]
        assert by_id(seen)["service"].meaning == "It is another server that answers."


def test_health_routes_elsewhere() -> None:
    seen = replace(WELL, live=foreign(404, "text/plain"))
    assert problems(seen) == []
    assert unchecked(seen) == ["health", "writes", "redis"]
    assert "Its health routes aren't at this address: 404 (text/plain)." in by_id(seen)["service"].seen


@pytest.mark.parametrize(
    ("status", "token", "meaning"),
    [
        (401, False, "It wants a token, and none is set."),
        (401, True, "The token isn't accepted: it has expired, or is meant for somebody else."),
        (403, True, "Whoever this is may not do that."),
        (403, False, "It isn't open to everyone, and no token is set."),
    ],
)
def test_denied(status: int, token: bool, meaning: str) -> None:
    denied = answer(status, problem="No")
    open_health = replace(WELL, token=token, rows=denied, row=denied, versions=denied, events=denied)
    everywhere = replace(WELL, token=token, live=denied, rows=denied, health=None, ready=None)
    for seen in (open_health, everywhere):
        assert problems(seen) == ["token"]
        assert by_id(seen)["token"].meaning == meaning
    assert by_id(open_health)["health"].verdict == "ok"
    assert by_id(open_health)["queue"].verdict == "ok"
    assert by_id(replace(open_health, write=True))["writes"].seen == "No event was sent: see token."


def test_reading_is_allowed_and_writing_is_not() -> None:
    seen = replace(WELL, write=True, written=written("denied"))
    assert problems(seen) == ["token"]
    assert by_id(seen)["token"].seen == "Reading is allowed, writing isn't: 403 (Forbidden)."
    assert by_id(seen)["writes"].seen == "The event was refused: see token."


def test_a_proxy_that_wants_a_password() -> None:
    seen = replace(WELL, proxy="http://proxy:3128", live=foreign(407), rows=foreign(407))
    assert problems(seen) == ["proxy"]
    assert "add the host to NO_PROXY" in (by_id(seen)["proxy"].advice or "")


def test_a_proxy_for_a_name_of_the_cluster() -> None:
    seen = replace(WELL, url="http://data-storage.kubernaut.svc:8080", proxy="http://proxy:3128")
    assert problems(seen) == []
    assert "mind NO_PROXY" in by_id(seen)["proxy"].seen
    assert "NO_PROXY" not in by_id(replace(seen, url=URL))["proxy"].seen


@pytest.mark.parametrize(
    ("ahead", "words", "meaning"),
    [
        (600, "10 minutes ahead of", "look older"),
        (62, "62 seconds ahead of", "look older"),
        (-600, "10 minutes behind", "is refused, as more than 5 minutes in the future"),
        (-90, "90 seconds behind", "Once it is 5 minutes behind"),
        (90, "90 seconds ahead of", "look older"),
        (7200, "2 hours ahead of", "look older"),
        (-864000, "10 days behind", "is refused"),
    ],
)
def test_the_clock_is_off(ahead: int, words: str, meaning: str) -> None:
    live = replace(WELL.live, headers={"date": formatdate(NOON + ahead, usegmt=True)})
    check = by_id(replace(WELL, live=live))["clock"]
    assert problems(replace(WELL, live=live)) == ["clock"]
    assert check.seen == f"The service's clock is {words} the one here."
    assert meaning in (check.meaning or "")


@pytest.mark.parametrize("off", [-60, -1, 0, 1, 59])
def test_the_clock_is_near_enough(off: int) -> None:
    live = replace(WELL.live, headers={"date": formatdate(NOON + off, usegmt=True)})
    assert by_id(replace(WELL, live=live))["clock"].verdict == "ok"


@pytest.mark.parametrize("headers", [{}, {"date": "soon"}, {"date": ""}, {"date": DATE, "age": "3600"}])
def test_the_clock_is_not_told(headers: dict[str, str]) -> None:
    seen = replace(WELL, live=replace(WELL.live, headers=headers))
    assert by_id(seen)["clock"].verdict == "not_checked"
    assert seen.ahead is None


def test_database_down() -> None:
    assert problems(DOWN) == ["health"]
    assert by_id(DOWN)["health"].seen == "The service says unhealthy, database_unreachable: no route."
    for name in ("catalog", "audit"):
        assert by_id(DOWN)[name].seen == "It can't be read while the database is down: see health."
    assert by_id(DOWN)["writes"].seen == "The database takes no events while it is down: see health."
    assert "single events are queued in Redis if that is up." in (by_id(DOWN)["health"].meaning or "")
    assert by_id(replace(DOWN, write=True))["writes"].seen == "No event was sent: see health."
    assert DOWN.route == "single"
    assert replace(DOWN, events=silent("late")).route is None
    assert replace(DOWN, events=DENIED).route is None
    assert WELL.route == "batch"


def test_shutting_down() -> None:
    seen = replace(WELL, ready=Probe(answer=Answer(status=503), status="not_ready", reason="shutting_down"))
    assert problems(seen) == ["health"]
    assert by_id(seen)["health"].seen == "The service is shutting down."


def test_health_that_says_nothing() -> None:
    seen = replace(WELL, health=Probe(answer=foreign(200), status=None, reason="unexpected answer", error="200 <html>"))
    assert problems(seen) == ["health"]
    assert by_id(seen)["health"].seen == "/health gives no answer that can be used: 200 (text/html)."


@pytest.mark.parametrize(
    ("ready", "words"),
    [
        (Probe(answer=foreign(503), status=None), "/health/ready gives no answer that can be used: 503 (text/html)."),
        (
            Probe(answer=silent("dropped"), status=None),
            "/health/ready gives no answer that can be used: the dropped reason.",
        ),
        (
            Probe(answer=answer(document={"status": "up"}), status="up"),
            "/health/ready gives no answer that can be used: another one than Data Storage's.",
        ),
        (
            Probe(answer=Answer(status=503), status="not_ready", reason="busy"),
            "The service says not_ready, busy.",
        ),
    ],
)
def test_alive_and_not_known_to_be_ready(ready: Probe, words: str) -> None:
    seen = replace(WELL, ready=ready)
    assert problems(seen) == ["health"]
    assert by_id(seen)["health"].seen == words
    assert "database" not in (by_id(seen)["health"].meaning or "")


@pytest.mark.parametrize(("status", "cause"), [(401, "token"), (403, "token"), (429, "limits")])
@pytest.mark.parametrize("route", ["live", "health", "ready"])
def test_health_that_is_told_in_part(route: str, status: int, cause: str) -> None:
    refused = Answer(status=status)
    members: dict[str, Any] = {route: refused if route == "live" else Probe(answer=refused, status=None)}
    seen = replace(WELL, **members)
    assert problems(seen) == [cause]
    assert by_id(seen)["health"].seen == f"Not all of it is told to us: see {cause}."


def test_one_lost_answer_is_not_nobody() -> None:
    seen = replace(WELL, live=silent("dropped"))
    checks = by_id(seen)
    assert problems(seen) == ["health"]
    assert checks["connection"].seen.startswith(f"{URL} answers, the first time within ")
    assert checks["service"].seen == "It is Data Storage that answers."
    assert checks["health"].seen == "/health/live gives no answer that can be used: the dropped reason."
    assert checks["clock"].verdict == "ok"
    page = replace(seen, rows=foreign(200))
    assert problems(page) == ["service"]
    assert by_id(page)["service"].seen == "/api/v1/workflows answers 200 (text/html)."


def test_a_missing_migration() -> None:
    seen = replace(WELL, rows=FAILS, row=FAILS, versions=FAILS)
    check = by_id(seen)["catalog"]
    assert problems(seen) == ["catalog"]
    assert "while health and the audit query are well" in check.seen
    assert "a migration is missing" in (check.meaning or "")


def test_no_table_can_be_read() -> None:
    seen = replace(WELL, rows=FAILS, row=FAILS, versions=FAILS, events=FAILS)
    assert problems(seen) == ["catalog", "audit"]
    for name in ("catalog", "audit"):
        assert "migrations are missing, or the service's role may not read" in (by_id(seen)[name].meaning or "")


@pytest.mark.parametrize(
    "bad",
    [
        {"rows": FAILS},
        {"versions": FAILS},
        {"row": FAILS, "versions": silent("late")},
        {"versions": ANSWERS["foreign"]},
    ],
)
def test_a_part_of_the_catalog_fails(bad: dict[str, Any]) -> None:
    seen = replace(WELL, **bad)
    assert problems(seen) == ["catalog"]
    assert "a migration is missing" not in (by_id(seen)["catalog"].meaning or "")
    assert "Ask again" in (by_id(seen)["catalog"].advice or "")


def test_the_audit_trail_alone_fails() -> None:
    seen = replace(WELL, events=answer(500, problem="Database Error"))
    assert problems(seen) == ["audit"]
    assert by_id(seen)["audit"].seen == "The audit query answers 500 (Database Error)."
    seen = replace(WELL, events=silent("late"), write=True)
    assert problems(seen) == ["audit"]
    assert by_id(seen)["writes"].seen == "No event was sent: see audit."


def test_a_write() -> None:
    def check(effect: Effect, came: Answer | None = None, **members: Any) -> Check:
        seen = replace(WELL, write=True, written=written(effect, came), **members)
        assert problems(seen) == ([] if effect == "stored" else ["writes"])
        return by_id(seen)["writes"]

    assert check("stored").seen == "An event was stored: correlation id c-1."
    assert check("rejected").seen == "The event was refused: 400 (Validation Error)."
    assert check("foreign").seen == "An event was answered with 404 (text/plain), and isn't stored."
    assert "something before it lets reads through" in (check("foreign").meaning or "")
    assert "POST /api/v1/audit/events/batch." in (check("foreign").advice or "")
    lost = check("unknown", silent("late"))
    assert lost.seen == "An event was sent, and no answer came: the late reason."
    assert lost.meaning == "It may or may not be stored."
    assert "--correlation-id c-1" in (lost.advice or "")
    gateway = check("unknown")
    assert gateway.seen == "An event was sent, and answered with 502 (text/html)."
    assert gateway.meaning == "It may or may not be stored: it was something before the service that answered."
    assert check("unknown", answer(201, accepted=False)).meaning == (
        "It may or may not be stored: the answer can't be read."
    )
    failed = check("failed", answer(500, problem="x"), events=answer(document={"data": []}))
    assert failed.seen.endswith("answered with 500 (x), while the audit trail reads well and has no event of 2025-12.")
    assert "has no partition for 2025-12" in (failed.meaning or "")
    assert "FROM ('2025-12-01') TO ('2026-01-01');" in (failed.advice or "")
    older = answer(document={"data": [{"event_timestamp": "2025-11-30T23:59:59Z"}]})
    assert "has no partition for 2025-12" in (check("failed", events=older).meaning or "")
    assert "There is a partition for 2025-12" in (check("failed").meaning or "")


@pytest.mark.parametrize(
    ("event", "cause", "words"),
    [
        (written("limited"), "limits", "429 (text/html) was answered: too many requests."),
        (written("denied"), "token", "Reading is allowed, writing isn't: 403 (Forbidden)."),
        (written("foreign", foreign(407)), "proxy", "The proxy on the way answers 407."),
        (
            written("mistimed"),
            "clock",
            f"An event with the time of the Date header was refused: {SENT['mistimed'].words}.",
        ),
        (
            written("unsent"),
            "connection",
            f"{URL} answered, and then an event couldn't be sent: Connection refused.",
        ),
    ],
)
@pytest.mark.parametrize("single", [False, True])
def test_a_write_that_fails_for_what_another_check_tells(event: Written, cause: str, words: str, single: bool) -> None:
    well = DOWN if single else WELL
    seen = replace(well, write=True, written=replace(event, single=single))
    assert sorted(problems(seen)) == sorted([*problems(well), cause])
    assert by_id(seen)[cause].seen == words
    sent = "couldn't be sent" if cause == "connection" else "was refused"
    assert by_id(seen)["writes"].seen == f"The event {sent}: see {cause}."


def test_an_event_is_refused_for_its_time_where_no_clock_is_told() -> None:
    live = replace(WELL.live, headers={})
    seen = replace(WELL, live=live, write=True, written=written("mistimed"))
    assert problems(seen) == ["clock"]
    assert by_id(seen)["clock"].seen.startswith("An event with the time of here, as no answer had a Date header")


def test_a_single_event_while_the_database_is_down() -> None:
    def check(effect: Effect) -> dict[str, Check]:
        return by_id(replace(DOWN, write=True, written=written(effect, single=True)))

    queued = check("queued")
    assert queued["redis"].verdict == "ok"
    assert queued["redis"].seen.startswith("As the database is down, an event was queued in Redis")
    assert queued["writes"].seen == "The database takes no events while it is down: see health."
    assert queued["queue"].seen.endswith("isn't counted. The event of this run waits there now.")
    assert (queued["health"].meaning or "").endswith("single events are queued in Redis.")
    failed = check("failed")
    assert failed["redis"].verdict == "problem"
    assert "was answered with 500 (Internal Server Error: x)." in failed["redis"].seen
    assert failed["writes"].verdict == "not_checked"
    assert "single events can't be queued in Redis" in (failed["health"].meaning or "")
    assert check("stored")["writes"].verdict == "ok"
    assert check("stored")["redis"].seen.startswith("Whether Redis is up can't be seen from outside")
    for effect in ("rejected", "foreign", "unknown", "limited", "denied", "mistimed", "unsent"):
        assert check(effect)["redis"].seen.endswith("wasn't queued for another reason: see writes.")
    doubt = check("unknown")["writes"]
    assert (doubt.meaning or "").startswith("It may or may not be queued in Redis: ")
    assert (doubt.advice or "").startswith("Once the database is back, look for it: ")
    assert by_id(DOWN)["redis"].seen.startswith("While the database is down, a single event shows whether Redis is up")
    unsent = replace(DOWN, write=True, events=silent("late"))
    assert by_id(unsent)["redis"].seen == "No event was sent that would show it: see writes."


def test_the_limit_for_times_in_the_future_is_that_of_the_client() -> None:
    # Importing it would bring along all that --help and shell completion don't need.
    assert NEWEST.total_seconds() == diagnosis._FUTURE_LIMIT


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('datastorage_dlq_depth{stream="events"} 3\n', "3 events wait in Redis."),
        ('datastorage_dlq_depth{stream="notifications"} 1\n', "1 notification waits in Redis."),
        (
            'datastorage_dlq_depth{stream="events"} 1\ndatastorage_dlq_depth{stream="notifications"} 2e+03\n',
            "1 event and 2000 notifications wait in Redis.",
        ),
        ("datastorage_dlq_depth 2\n", "2 records wait in Redis."),
        ('datastorage_dlq_depth{stream="a\x1bb"} 2\n', "2 record of a\\x1bb wait in Redis."),
    ],
)
def test_events_in_redis(text: str, words: str) -> None:
    seen = replace(WELL, metrics=metrics(f"# HELP x\n{text}other 1\n"))
    check = by_id(seen)["queue"]
    assert problems(seen) == ["queue"]
    assert check.seen == words
    assert "never kill it" in (check.advice or "")
    assert "nearly full" not in (check.meaning or "")
    full = replace(seen, metrics=metrics(text + 'datastorage_dlq_capacity_ratio{stream="events"} 0.8\n'))
    assert "nearly full" in (by_id(full)["queue"].meaning or "")
    one = replace(
        full,
        metrics=metrics(
            f'{text}datastorage_dlq_capacity_ratio{{stream="x"}} 0.1\n'
            'datastorage_dlq_capacity_ratio{stream="events"} 0.8\n'
        ),
    )
    assert "nearly full" in (by_id(one)["queue"].meaning or ""), "one full queue is enough"
    assert by_id(replace(DOWN, metrics=seen.metrics))["queue"].verdict == "problem"


@pytest.mark.parametrize("text", ["datastorage_dlq_depth 0\n", "datastorage_dlq_depth NaN\n", "a 1\ndatastorage_b 2\n"])
def test_nothing_in_redis(text: str) -> None:
    assert by_id(replace(WELL, metrics=metrics(text)))["queue"].verdict == "ok"


@pytest.mark.parametrize(
    "text", ["", "envoy_x 3\n", "<html>", "\xff{", "# HELP datastorage_dlq_depth x\n", "datastorage_"]
)
def test_metrics_of_something_else(text: str) -> None:
    seen = replace(WELL, metrics=metrics(text))
    assert problems(seen) == []
    assert by_id(seen)["queue"].verdict == "not_checked"
    assert by_id(seen)["queue"].seen.startswith("The metrics at this address aren't those of Data Storage")


@pytest.mark.parametrize("page", ["x", {}, 1, True])
def test_a_page_that_is_no_list(page: object) -> None:
    for member, place, check in (("workflows", "rows", "catalog"), ("versions", "versions", "catalog")):
        given: dict[str, Any] = {place: answer(document={member: page})}
        seen = replace(WELL, **given)
        assert problems(seen) == [check]
        assert " answers 200 (application/json) without a list." in by_id(seen)[check].seen
    seen = replace(WELL, events=answer(document={"data": page}))
    assert problems(seen) == ["audit"]
    assert seen.route is None
    assert by_id(seen)["audit"].seen == "The audit query answers 200 (application/json) without a list."
    for place, member in (("rows", "workflows"), ("versions", "versions"), ("events", "data")):
        empty: dict[str, Any] = {place: answer(document={member: None})}
        assert problems(replace(WELL, **empty)) == []


def test_metrics_elsewhere() -> None:
    check = by_id(replace(WELL, metrics=foreign(404, "text/plain")))["queue"]
    assert check.verdict == "not_checked"
    assert check.seen.endswith("aren't at this address: 404 (text/plain).")


def test_too_slow_and_too_often() -> None:
    slow = replace(WELL, versions=replace(WELL.live, body=b'{"versions": null}', seconds=5.0))
    assert problems(slow) == ["limits"]
    assert "The slowest of 7 answers took 5.000 s, of 10 s" in by_id(slow)["limits"].seen
    assert problems(replace(slow, timeout=10.1)) == []
    assert problems(replace(WELL, events=answer(429, problem="Too Many Requests"))) == ["limits"]


@pytest.mark.parametrize(
    ("members", "verdict", "words"),
    [
        ({"row": silent("dropped")}, "ok", "One of 2025-12-27 to 2026-01-30"),
        ({"row": foreign(503)}, "ok", "One of 2025-12-27 to 2026-01-30"),
        ({"row": answer(404, problem="Not Found")}, "ok", "One of 2026-01-31 or later"),
        (
            {"row": answer(404, problem="x"), "events": answer(document={"data": [], "pagination": {"limit": 100}})},
            "ok",
            "As of 2025-12-12",
        ),
        ({"rows": answer(document={"workflows": [{"workflowId": "x"}]})}, "problem", "such as workflowId"),
        ({"row": answer(document={})}, "not_checked", "didn't come"),
        ({"row": foreign(404, "text/plain")}, "not_checked", "didn't come"),
        ({"row": FAILS, "rows": FAILS, "versions": FAILS}, "not_checked", "didn't come"),
        ({"events": FAILS}, "not_checked", "didn't come"),
        ({"events": answer(document={"data": None, "pagination": [1]})}, "not_checked", "didn't come"),
    ],
)
def test_builds(members: dict[str, Any], verdict: str, words: str) -> None:
    check = by_id(replace(WELL, **members))["build"]
    assert check.verdict == verdict
    assert words in check.seen


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (61, "61 seconds"),
        (120, "2 minutes"),
        (7199, "120 minutes"),
        (86400, "24 hours"),
        (2e5, "2 days"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_words_of_strangers_are_harmless() -> None:
    evil = "\x1b[31m\n" + "x" * 10_000
    seen = replace(
        WELL,
        health=Probe(answer=Answer(status=503), status=evil, reason=evil, error=evil),
        rows=answer(500, problem=evil),
        metrics=foreign(404, evil),
        live=replace(WELL.live, headers={"date": evil}),
    )
    for each in (seen, replace(WELL, live=foreign(302, headers={"location": evil}), rows=foreign(404, evil))):
        for check in diagnose(each):
            assert check.seen.isprintable()
            assert len(check.seen) < 1000
