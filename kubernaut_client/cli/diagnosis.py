"""What `doctor` concludes: from all that was seen, one verdict for each check. Pure; asking is up to `doctor`.

One cause gives one problem. A check that another problem keeps from being made is `not_checked` and names that one, and
so is one that can't be made from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from .failures import AUTHENTICATE
from .observation import Answer, Kind, is_data_storage, moment, samples, shown

Verdict = Literal["ok", "problem", "not_checked"]
Effect = Literal[
    "stored", "queued", "rejected", "mistimed", "failed", "denied", "limited", "foreign", "unsent", "unknown"
]
"""What became of an event. `mistimed`: refused for its time. `failed`: the service says that it couldn't write it.
`foreign`: an answer that the service itself doesn't give, by which it isn't stored."""

_CLOCK_LIMIT = 60.0  # seconds that two clocks may differ before it is worth a word
_FUTURE_LIMIT = 300.0  # seconds after the service's clock that an event may have
_SLOW = 0.5  # of what an attempt may take
_QUEUE_LIMIT = 0.8  # of what each stream in Redis can hold
_OLD_PAGE = 100  # events on a page of the build of 2025-12-12; 50 since
_IN_CLUSTER = (".svc", ".cluster.local")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: what was seen; if it isn't well also what that means and what to do."""

    id: str
    verdict: Verdict
    seen: str
    meaning: str | None = None
    advice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a health route said in its own words; None where it said nothing that can be used."""

    answer: Answer
    status: str | None
    reason: str | None = None
    error: str | None = None

    @property
    def kind(self) -> Kind:
        return self.answer.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of the event that was sent; `day` is that of its timestamp.

    `answer` is what came, without a status if nothing did. `single`: by the route for single events, which queues in
    Redis what the database doesn't take.
    """

    effect: Effect
    correlation_id: str
    day: datetime
    words: str = ""
    event_id: str | None = None
    answer: Answer = field(default_factory=Answer)
    single: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All that was seen; None is what wasn't asked for.

    `rows` is the first page of the catalog, `row` the answer for an id that isn't stored, `versions` that for a name,
    `events` the newest page of the audit trail. `elsewhere`: a URL at which Data Storage does answer.
    """

    url: str
    proxy: str | None
    token: bool
    timeout: float
    write: bool
    live: Answer
    rows: Answer | None = None
    elsewhere: str | None = None
    health: Probe | None = None
    ready: Probe | None = None
    row: Answer | None = None
    versions: Answer | None = None
    events: Answer | None = None
    metrics: Answer | None = None
    written: Written | None = None

    @property
    def answers(self) -> list[Answer]:
        """Those that came to an answer, that to the event last."""
        probes = [each.answer for each in (self.health, self.ready) if each is not None]
        sent = None if self.written is None else self.written.answer
        asked = (self.live, self.rows, *probes, self.row, self.versions, self.events, self.metrics, sent)
        return [each for each in asked if each is not None and each.status is not None]

    @property
    def first(self) -> Answer | None:
        """The first answer that came; None if nobody answers."""
        return next((each for each in (self.live, self.rows) if each is not None and each.status is not None), None)

    @property
    def is_data_storage(self) -> bool:
        """Whether it is Data Storage that answers, well or not."""
        return _alive(self.live) or (self.rows is not None and _has(self.rows, "workflows"))

    @property
    def stranger(self) -> Literal["proxy", "token", "service"]:
        """Which check tells why it isn't Data Storage that answers."""
        asked = [each for each in (self.live, self.rows) if each is not None]
        if any(each.status == 407 for each in asked):
            return "proxy"
        return "token" if any(each.kind == "denied" for each in asked) else "service"

    @property
    def database_is_down(self) -> bool:
        return self.health is not None and self.health.status == "unhealthy"

    @property
    def route(self) -> Literal["batch", "single"] | None:
        """By which route an event would show something that isn't known already.

        The batch route tells whether the database takes it. While that is known to be down, the one for single events
        tells whether Redis is up, into which it is queued then.
        """
        if not self.is_data_storage or self.events is None:
            return None
        if self.database_is_down:
            return "single" if self.events.kind == "fails" else None
        return "batch" if _has(self.events, "data") else None

    @property
    def ahead(self) -> float | None:
        """Seconds by which the service's clock is ahead of the one here."""
        return None if self.first is None else self.first.ahead


def diagnose(seen: Seen) -> list[Check]:
    """Every check, in the order in which they are read."""
    return [check(seen) for check in _CHECKS]


def _connection(seen: Seen) -> Check:
    first, live, written = seen.first, seen.live, seen.written
    if first is not None and written is not None and written.effect == "unsent":
        return Check(
            id="connection",
            verdict="problem",
            seen=f"{seen.url} answered, and then an event couldn't be sent: {shown(written.words)}.",
            meaning="The service, or the way to it, went away meanwhile. The event isn't stored.",
            advice="Ask again. If it stays so, see whether the service restarts, and what stands before it.",
        )
    if first is not None:
        took = max(first.seconds, 0.001)
        return Check(id="connection", verdict="ok", seen=f"{seen.url} answers, the first time within {took:.3f} s.")
    host = urlsplit(seen.url).hostname or ""
    through = f" through the proxy {seen.proxy}" if seen.proxy else ""
    meaning, advice = _FAILURES[live.failure or "unreachable"]
    if live.failure == "plain":
        advice = f"Use http: --url http{seen.url.removeprefix('https')}."
    if seen.proxy and live.failure != "certificate":
        meaning = f"The proxy, or the service behind it: {meaning[0].lower()}{meaning[1:]}"
        advice += f" If {host} is to be reached without the proxy, add it to NO_PROXY."
    return Check(
        id="connection",
        verdict="problem",
        seen=f"No answer from {seen.url}{through}: {live.words}.",
        meaning=meaning,
        advice=advice,
    )


_FAILURES: dict[str, tuple[str, str]] = {
    "name": (
        "The host's name isn't known here.",
        (
            "Check --url. The name of a Kubernetes service is known inside its cluster only; from outside, forward its"
            " port: kubectl port-forward service/NAME 8080."
        ),
    ),
    "refused": (
        "The host is there, and nothing listens on that port: the service isn't running, or has another port.",
        (
            "Check the port in --url (Data Storage's is 8080 by default), and whether the service runs. It ends at once"
            " if it can't reach PostgreSQL or Redis at its start: its log says so."
        ),
    ),
    "certificate": (
        "The certificate isn't one that this machine trusts, or is for another host.",
        "Name its authority with --ca-file, and use the host name that the certificate has.",
    ),
    "plain": ("Something answers, but it doesn't speak TLS. Data Storage itself speaks plain HTTP.", ""),
    "tls": (
        "The TLS handshake failed.",
        "Check whether the service asks for a certificate of the client (--client-cert, --client-key).",
    ),
    "proxy": ("The proxy doesn't let the request through.", "Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY."),
    "late": (
        "Packets get lost on the way (a firewall, a wrong address), or whatever takes the connection is stuck.",
        "Check the host and port in --url; give it more time with --timeout.",
    ),
    "dropped": (
        "Something takes the connection and closes it, or doesn't speak HTTP there.",
        "Check the port in --url, and http against https. If a proxy or a mesh stands before the service, look there.",
    ),
    "unreachable": (
        "No connection could be made.",
        "Check the host and port in --url, and the network between here and there.",
    ),
}


def _proxy(seen: Seen) -> Check:
    if any(answer.status == 407 for answer in seen.answers):
        return Check(
            id="proxy",
            verdict="problem",
            seen=f"The proxy {seen.proxy or 'on the way'} answers 407.",
            meaning="It asks for a name and a password.",
            advice="Put them into the proxy's URL in the environment, or add the host to NO_PROXY.",
        )
    if seen.proxy is None:
        return Check(id="proxy", verdict="ok", seen="None: the environment names no proxy for this URL.")
    words = f"Requests go through {seen.proxy}, which the environment names."
    if seen.first is not None and (urlsplit(seen.url).hostname or "").endswith(_IN_CLUSTER):
        words += " The name is one of inside a cluster, which a proxy seldom has to do with: mind NO_PROXY."
    return Check(id="proxy", verdict="ok", seen=words)


def _service(seen: Seen) -> Check:
    live, first = seen.live, seen.first
    if first is None:
        return _because("service", "Nobody answers", "connection")
    if seen.is_data_storage:
        words = "It is Data Storage that answers."
        if _has_no_health(live):
            words += f" Its health routes aren't at this address: {live.words}."
        return Check(id="service", verdict="ok", seen=words)
    if seen.stranger == "proxy":
        return _because("service", "A proxy answers in its place", "proxy")
    if seen.stranger == "token":
        return _because("service", "Who is behind can't be told", "token")
    return _not_ours(seen, first)


def _not_ours(seen: Seen, live: Answer) -> Check:
    path = urlsplit(seen.url).path
    asked = "/health/live" if live is seen.live else "/api/v1/workflows"
    seen_words = f"{path}{asked} answers {live.words}."
    if live.kind == "gateway":
        meaning = "A proxy, an ingress or a mesh answers, and finds no service behind it."
        advice = "Check whether the service runs and is ready, and that the route leads to it."
    elif live.kind == "limited":
        meaning, advice = "Something before the service takes no more requests now.", "Wait, and ask again."
    elif live.status is not None and 300 <= live.status < 400:
        meaning = "A redirect, as to a login page or to another address: nothing of Data Storage's. None is followed."
        advice = "Use the address that leads to the service itself, or one that takes a token instead of a login."
    elif live.media_type == "text/html":
        meaning = "A web page, as a login page or an ingress has: it isn't Data Storage that answers."
        advice = "Use the address that leads to the service itself, or one that takes a token instead of a login."
    elif live.status == 400 and b"HTTPS" in live.body:
        meaning = "The port speaks TLS, and was asked without."
        advice = f"Use https: --url https{seen.url.removeprefix('http')}."
    elif live.status in (404, 405) and path:
        meaning = f"The path {path} in --url leads nowhere there."
        advice = "Give --url without /api/v1: just the host, and a path only if an ingress has one for the service."
    elif live.status in (404, 405):
        meaning, advice = "It is another server that answers.", "Check the host and the port in --url."
    else:
        meaning = "Something answers, but not as Data Storage does."
        advice = "Check the host and the port in --url."
    if seen.elsewhere:
        meaning = f"Data Storage answers at {seen.elsewhere}: the path {path} is too much."
        advice = f"Use --url {seen.elsewhere}."
    return Check(id="service", verdict="problem", seen=seen_words, meaning=meaning, advice=advice)


def _token(seen: Seen) -> Check:
    if seen.first is None:
        return _because("token", "Nobody answers", "connection")
    denied = next((each for each in seen.answers if each.kind == "denied"), None)
    if not seen.is_data_storage and (denied is None or seen.stranger == "proxy"):
        return _foreign("token", seen)
    if denied is not None and seen.written is not None and denied is seen.written.answer:
        return Check(
            id="token",
            verdict="problem",
            seen=f"Reading is allowed, writing isn't: {denied.words}.",
            meaning="The token may read only.",
            advice="Give its account the right to write (POST), or use another one.",
        )
    if denied is None:
        words = "One is sent." if seen.token else "None is set."
        return Check(id="token", verdict="ok", seen=f"{words} Nothing was answered with 401 or 403.")
    if denied.status == 403:
        meaning = (
            "Whoever this is may not do that." if seen.token else "It isn't open to everyone, and no token is set."
        )
        advice = "Give the token's account the right, or use another one." if seen.token else _sentence(AUTHENTICATE)
    elif seen.token:
        meaning = "The token isn't accepted: it has expired, or is meant for somebody else."
        advice = f"Get a new one, and {AUTHENTICATE}."
    else:
        meaning, advice = "It wants a token, and none is set.", _sentence(AUTHENTICATE)
    return Check(id="token", verdict="problem", seen=f"{denied.words} was answered.", meaning=meaning, advice=advice)


def _clock(seen: Seen) -> Check:
    if (blocked := _blocked("clock", seen)) is not None:
        return blocked
    ahead = seen.ahead
    if seen.written is not None and seen.written.effect == "mistimed":
        source = "here, as no answer had a Date header that can be used" if ahead is None else "the Date header"
        return Check(
            id="clock",
            verdict="problem",
            seen=f"An event with the time of {source} was refused: {shown(seen.written.words)}.",
            meaning="The service has another clock than that. A Date header may be that of an ingress or a mesh before"
            " it. Events with the right time are refused, too, if the service's clock is the wrong one.",
            advice="Find out which clock is wrong (date -u, also where the service runs), and have it set by NTP.",
        )
    if ahead is None:
        return Check(id="clock", verdict="not_checked", seen="The answers have no Date header that can be used.")
    if abs(ahead) < _CLOCK_LIMIT:
        return Check(id="clock", verdict="ok", seen="The service's clock and the one here agree within a minute.")
    side, length = ("ahead of" if ahead > 0 else "behind"), duration(abs(ahead))
    if -ahead >= _FUTURE_LIMIT:
        meaning = "An event with the time of here is refused, as more than 5 minutes in the future."
    elif ahead < 0:
        meaning = "Once it is 5 minutes behind, events with the time of here are refused as in the future."
    else:
        meaning = "Times of the service's and of here can't be compared; events from here look older than they are."
    return Check(
        id="clock",
        verdict="problem",
        seen=f"The service's clock is {length} {side} the one here.",
        meaning=meaning,
        advice="Find out which of the two is wrong (date -u), and have it set by NTP.",
    )


def _health(seen: Seen) -> Check:
    if (blocked := _blocked("health", seen)) is not None:
        return blocked
    live, health, ready = seen.live, seen.health, seen.ready
    if health is not None and seen.database_is_down:
        return _database_is_down(seen, health)
    if health is None or ready is None or _has_no_health(live):
        return Check(id="health", verdict="not_checked", seen="The health routes aren't at this address.")
    routes = {"/health/live": live, "/health": health.answer, "/health/ready": ready.answer}
    for kind, cause in (("denied", "token"), ("limited", "limits")):
        if any(answer.kind == kind for answer in routes.values()):
            return _because("health", "Not all of it is told to us", cause)
    if ready.reason == "shutting_down":
        return Check(
            id="health",
            verdict="problem",
            seen="The service is shutting down.",
            meaning="It still answers, and ends within seconds.",
            advice="Wait for the next one: kubernaut-client wait.",
        )
    told = {
        "/health/live": _alive(live),
        "/health": health.status == "healthy",
        "/health/ready": ready.status in ("ready", "not_ready"),
    }
    for route, answer in routes.items():
        if not told[route]:
            said = answer.words if answer.kind != "well" else "another one than Data Storage's"
            return Check(
                id="health",
                verdict="problem",
                seen=f"{route} gives no answer that can be used: {said}.",
                meaning="How the service is can't be known: it, or something before it, answers so on this route.",
                advice="Ask again. If it stays so, look into the service's log, and at what stands before it.",
            )
    if ready.status == "ready":
        return Check(id="health", verdict="ok", seen="The service is alive, ready, and reaches its database.")
    return _database_is_down(seen, ready)


def _database_is_down(seen: Seen, probe: Probe) -> Check:
    why = f": {shown(probe.error)}" if probe.error else ""
    shown_by = seen.written.effect if seen.written is not None and seen.written.single else None
    queued = "can't be queued in Redis" if shown_by == "failed" else "are queued in Redis"
    queued += "" if shown_by in ("failed", "queued") else " if that is up"
    meaning = f"It doesn't reach its database. Reads fail, batches fail, and single events {queued}."
    known = probe.reason == "database_unreachable" or probe.status == "unhealthy"
    return Check(
        id="health",
        verdict="problem",
        seen=f"The service says {shown(probe.status or '')}, {shown(probe.reason or 'no reason')}{why}.",
        meaning=meaning if known else "It takes no requests now.",
        advice="See to PostgreSQL, and the network and the password between it and the service. Nothing has to be"
        " restarted: the service recovers with the next request."
        if known
        else "Look into the service's log.",
    )


def _catalog(seen: Seen) -> Check:
    if (blocked := _blocked("catalog", seen)) is not None:
        return blocked
    routes = {"list": seen.rows, "get": seen.row, "versions": seen.versions}
    bad = {name: answer for name, answer in routes.items() if answer is not None and not _reads(name, answer)}
    if not bad:
        total = seen.rows.member("total") if seen.rows is not None else None
        stored = f" {total} versions are stored." if type(total) is int else ""
        return Check(id="catalog", verdict="ok", seen=f"List, get and versions answer.{stored}")
    if seen.database_is_down:
        return _because("catalog", "It can't be read while the database is down", "health")
    if any(answer.kind == "denied" for answer in bad.values()):
        return _because("catalog", "It isn't shown to us", "token")
    if any(answer.kind == "limited" for answer in bad.values()):
        return _because("catalog", "It was asked too often", "limits")
    words = "; ".join(f"{name} answers {answer.words}{_strange(name, answer)}" for name, answer in bad.items())
    fails = all(answer.kind == "fails" for answer in bad.values())
    audit_reads = seen.events is not None and _has(seen.events, "data")
    if len(bad) == len(routes) and fails and seen.health is not None and seen.health.status == "healthy":
        if audit_reads:
            return Check(
                id="catalog",
                verdict="problem",
                seen=f"List, get and versions all answer {next(iter(bad.values())).words}, while health and the audit"
                " query are well.",
                meaning="The database answers, but its table of workflows isn't the one that the service wants: a"
                " migration is missing, as number 018.",
                advice="Apply all migrations that belong to the service's version. After that the first read over each"
                " of its connections fails once more, then all is well: nothing has to be restarted.",
            )
        return _unreadable("catalog", words)
    return Check(
        id="catalog",
        verdict="problem",
        seen=_sentence(words),
        meaning="Not every route of the catalog works, though others do. Right after a migration was applied that is so"
        " for a moment: the first read over each of the service's connections fails once.",
        advice="Ask again. If it stays so, look into the service's log.",
    )


def _audit(seen: Seen) -> Check:
    if (blocked := _blocked("audit", seen)) is not None:
        return blocked
    events = seen.events
    if events is None:
        return Check(id="audit", verdict="not_checked", seen="It wasn't asked for.")
    if _has(events, "data"):
        newest = _newest(events)
        words = f" The newest event is of {newest:%Y-%m-%d %H:%M:%S}Z." if newest else ""
        return Check(id="audit", verdict="ok", seen=f"The audit trail can be read.{words}")
    if seen.database_is_down:
        return _because("audit", "It can't be read while the database is down", "health")
    if events.kind == "denied":
        return _because("audit", "It isn't shown to us", "token")
    if events.kind == "limited":
        return _because("audit", "It was asked too often", "limits")
    if events.kind == "fails":
        return _unreadable("audit", f"the audit query answers {events.words}")
    return Check(
        id="audit",
        verdict="problem",
        seen=f"The audit query answers {events.words}{_strange('audit', events)}.",
        meaning="The audit trail can't be read.",
        advice="Ask again. If it stays so, look into the service's log, and at what stands before the service.",
    )


def _writes(seen: Seen) -> Check:
    if (blocked := _blocked("writes", seen)) is not None:
        return blocked
    written = seen.written
    if seen.database_is_down and not seen.write:
        return _because("writes", _TAKES_NONE, "health")
    if not seen.write:
        return Check(
            id="writes",
            verdict="not_checked",
            seen="Whether events can be stored shows only when one is written.",
            advice="doctor --write sends one event, which stays in the audit trail.",
        )
    if written is None:
        denied = seen.events is not None and seen.events.kind == "denied"
        cause = "token" if denied else "health" if seen.database_is_down else "audit"
        return _because("writes", "No event was sent", cause)
    if written.effect == "stored":
        return Check(id="writes", verdict="ok", seen=f"An event was stored: correlation id {written.correlation_id}.")
    if written.single and written.effect in ("queued", "failed"):
        return _because("writes", _TAKES_NONE, "health")
    told = "proxy" if written.answer.status == 407 else _ELSEWHERE.get(written.effect)
    if told is not None:
        refused = "couldn't be sent" if written.effect == "unsent" else "was refused"
        return _because("writes", f"The event {refused}", told)
    return _problem_with(seen, written)


_TAKES_NONE = "The database takes no events while it is down"
_ELSEWHERE = {"denied": "token", "limited": "limits", "mistimed": "clock", "unsent": "connection"}
"""Which check tells it, if it isn't the writes that fail."""


def _problem_with(seen: Seen, written: Written) -> Check:
    if written.effect == "unknown":
        return _in_doubt(seen, written)
    if written.effect == "foreign":
        return Check(
            id="writes",
            verdict="problem",
            seen=f"An event was answered with {shown(written.words)}, and isn't stored.",
            meaning="That is no answer which the service's own route gives: something before it lets reads through, and"
            " not this.",
            advice="Look at what stands before the service (an ingress, a gateway, a mesh), and what it does with POST"
            f" {_ROUTES['single' if written.single else 'batch']}.",
        )
    if written.effect == "rejected":
        return Check(
            id="writes",
            verdict="problem",
            seen=f"The event was refused: {shown(written.words)}.",
            meaning="The service wants events of another form than this client writes, as a newer build does.",
            advice="See the check of the build; use the client that belongs to it.",
        )
    return _failed_write(seen, written)


_ROUTES = {"batch": "/api/v1/audit/events/batch", "single": "/api/v1/audit/events"}


def _in_doubt(seen: Seen, written: Written) -> Check:
    doubt = f"It may or may not be {'queued in Redis' if written.single else 'stored'}"
    look = f"kubernaut-client audit query --correlation-id {written.correlation_id}"
    if written.answer.status is None:
        words, meaning = f"and no answer came: {shown(written.words)}", f"{doubt}."
    else:
        words = f"and answered with {shown(written.words)}"
        unreadable = written.answer.status < 300 and written.answer.media_type != "text/html"
        meaning = f"{doubt}: " + (
            "the answer can't be read." if unreadable else "it was something before the service that answered."
        )
    return Check(
        id="writes",
        verdict="problem",
        seen=f"An event was sent, {words}.",
        meaning=meaning,
        advice=f"{'Once the database is back, look' if seen.database_is_down else 'Look'} for it: {look}",
    )


def _failed_write(seen: Seen, written: Written) -> Check:
    month = written.day.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (month + timedelta(days=32)).replace(day=1)
    newest = _newest(seen.events) if seen.events is not None else None
    said = f"An event of {written.day:%Y-%m-%d} was answered with {shown(written.words)}, while the audit trail reads"
    if newest is not None and month <= newest < following:
        return Check(
            id="writes",
            verdict="problem",
            seen=f"{said} well.",
            meaning=f"There is a partition for {month:%Y-%m}, as events lie in it: so the database takes no writes. It"
            " is read-only, full, or the service's role may not insert.",
            advice="Look into the service's log for what PostgreSQL says. Single events are queued in Redis meanwhile.",
        )
    return Check(
        id="writes",
        verdict="problem",
        seen=f"{said} well and has no event of {month:%Y-%m}.",
        meaning=f"Most likely the table audit_events has no partition for {month:%Y-%m}: the migrations make those of"
        " a few months, and nothing makes more. Until then batches fail and single events are queued in Redis. It"
        " may also be that the database takes no writes at all.",
        advice=f"Look with psql: \\d+ audit_events. To add it: CREATE TABLE audit_events_{month:%Y_%m} PARTITION OF"
        f" audit_events FOR VALUES FROM ('{month:%Y-%m-%d}') TO ('{following:%Y-%m-%d}');",
    )


def _queue(seen: Seen) -> Check:
    if (blocked := _blocked("queue", seen)) is not None:
        return blocked
    metrics = seen.metrics
    if metrics is not None and metrics.kind == "denied":
        return _because("queue", "The metrics, which count what waits in Redis, aren't shown to us", "token")
    if metrics is None or metrics.kind != "well":
        words = f": {metrics.words}" if metrics is not None else ""
        return Check(
            id="queue",
            verdict="not_checked",
            seen=f"The metrics, which count what waits in Redis, aren't at this address{words}.",
            advice="Look where Prometheus gets them: datastorage_dlq_depth.",
        )
    text = metrics.body.decode("utf-8", "replace")
    if not is_data_storage(text):
        return Check(
            id="queue",
            verdict="not_checked",
            seen="The metrics at this address aren't those of Data Storage, which count what waits in Redis.",
            advice="Look where Prometheus gets them: datastorage_dlq_depth.",
        )
    # The metrics were asked for before the event was sent.
    queued = seen.written is not None and seen.written.effect == "queued"
    own = " The event of this run waits there now." if queued else ""
    depths = samples(text, "datastorage_dlq_depth")
    waiting = {name: int(depth) for name, depth in sorted(depths.items()) if depth >= 1}
    if not waiting:
        return Check(
            id="queue",
            verdict="ok",
            seen=f"Nothing was queued in Redis since this process started; what one before it left isn't counted.{own}",
        )
    full = max(samples(text, "datastorage_dlq_capacity_ratio").values(), default=0.0) >= _QUEUE_LIMIT
    nearly = " The queue is nearly full, and then loses the oldest first." if full else ""
    counted = " and ".join(f"{depth} {_record(name, depth)}" for name, depth in waiting.items())
    return Check(
        id="queue",
        verdict="problem",
        seen=f"{counted} {'waits' if sum(waiting.values()) == 1 else 'wait'} in Redis.{own}",
        meaning="What waits was answered with 202 and isn't in the database. The service tries it once more when it"
        f" next stops in good order, and then deletes it, whether or not that worked.{nearly}",
        advice="First see to what keeps the database from taking it (health, writes). Then restart the service in"
        " good order (SIGTERM, kubectl rollout restart): never kill it. Don't send anything of it again.",
    )


def _redis(seen: Seen) -> Check:
    if (blocked := _blocked("redis", seen)) is not None:
        return blocked
    lost = "With both down, single events and notifications are lost to the service."
    written = seen.written
    if written is not None and written.single and written.effect != "stored":
        return _redis_by(written, lost)
    if seen.database_is_down and not seen.write:
        return Check(
            id="redis",
            verdict="not_checked",
            seen="While the database is down, a single event shows whether Redis is up: it is queued there.",
            meaning=lost,
            advice="doctor --write sends one, which waits in Redis then. Or ask it where it runs: redis-cli ping.",
        )
    if seen.database_is_down and written is None:
        return _because("redis", "No event was sent that would show it", "writes")
    return Check(
        id="redis",
        verdict="not_checked",
        seen="Whether Redis is up can't be seen from outside: neither health nor a write tells while the database is"
        " well.",
        meaning=lost,
        advice="Ask it where it runs: redis-cli ping.",
    )


def _redis_by(written: Written, lost: str) -> Check:
    """What a single event told that was sent while the database is down."""
    if written.effect == "queued":
        return Check(
            id="redis",
            verdict="ok",
            seen="As the database is down, an event was queued in Redis, where it waits until the service next stops in"
            f" good order: correlation id {written.correlation_id}.",
        )
    if written.effect == "failed":
        return Check(
            id="redis",
            verdict="problem",
            seen=f"As the database is down, an event should have been queued in Redis, and was answered with"
            f" {shown(written.words)}.",
            meaning=f"The service doesn't reach Redis, either. {lost}",
            advice="See to Redis, and the network and the password between it and the service. Where it runs:"
            " redis-cli ping.",
        )
    return _because("redis", "The event that would show it wasn't queued for another reason", "writes")


def _limits(seen: Seen) -> Check:
    if (blocked := _blocked("limits", seen)) is not None:
        return blocked
    limited = next((each for each in seen.answers if each.kind == "limited"), None)
    if limited is not None:
        return Check(
            id="limits",
            verdict="problem",
            seen=f"{limited.words} was answered: too many requests.",
            meaning="The service, or something before it, limits how often it is asked.",
            advice="Wait, and ask less: a lower --concurrency of apply, larger batches of events.",
        )
    slowest = max((each.seconds for each in seen.answers), default=0.0)
    words = f"The slowest of {len(seen.answers)} answers took {slowest:.3f} s, of {seen.timeout:g} s that one may take."
    if slowest < _SLOW * seen.timeout:
        return Check(id="limits", verdict="ok", seen=words)
    return Check(
        id="limits",
        verdict="problem",
        seen=words,
        meaning="Requests that take longer than that fail, and a write's outcome is unknown then.",
        advice="Give more time (--timeout; timeout= of the client), and see why the service is slow.",
    )


def _build(seen: Seen) -> Check:
    if (blocked := _blocked("build", seen)) is not None:
        return blocked
    if seen.rows is not None and seen.rows.member("workflows", 0, "workflowId") is not None:
        return Check(
            id="build",
            verdict="problem",
            seen="Its workflows have members such as workflowId.",
            meaning="A build of 2026-02-17 or later, whose catalog this client can't read.",
            advice="Use the client that belongs to that build.",
        )
    page = seen.events.member("pagination", "limit") if seen.events is not None else None
    row = seen.row
    if row is None or page is None or not _reads("get", row):
        return Check(id="build", verdict="not_checked", seen="It shows by answers that didn't come.")
    if row.failure == "dropped" or row.kind == "gateway":
        words = "One of 2025-12-27 to 2026-01-30: it drops the connection for an unknown id."
        return Check(
            id="build",
            verdict="ok",
            seen=f"{words} Whether it answers a duplicate with 409 or, as before the fix of 2025-12-30, with 500 can't"
            " be told without writing one; the client takes either.",
        )
    if page == _OLD_PAGE:
        return Check(
            id="build",
            verdict="ok",
            seen="As of 2025-12-12: it answers 404 for an unknown id, with 100 events a page.",
        )
    return Check(
        id="build",
        verdict="ok",
        seen="One of 2026-01-31 or later: it answers 404 for an unknown id. This client is made for builds before that;"
        " which later one it is can't be told without writing.",
    )


_CHECKS: tuple[Callable[[Seen], Check], ...] = (
    _connection,
    _proxy,
    _service,
    _token,
    _clock,
    _health,
    _catalog,
    _audit,
    _writes,
    _queue,
    _redis,
    _limits,
    _build,
)


def _because(name: str, words: str, cause: str) -> Check:
    return Check(id=name, verdict="not_checked", seen=f"{words}: see {cause}.")


def _foreign(name: str, seen: Seen) -> Check:
    return _because(name, "It isn't known to be Data Storage that answers", seen.stranger)


def _blocked(name: str, seen: Seen) -> Check | None:
    """Why a check of the service itself can't be made at all."""
    if seen.first is None:
        return _because(name, "Nobody answers", "connection")
    return None if seen.is_data_storage else _foreign(name, seen)


def _unreadable(name: str, words: str) -> Check:
    return Check(
        id=name,
        verdict="problem",
        seen=_sentence(words),
        meaning="Its tables can't be read, whatever /health says of the database: migrations are missing, or the"
        " service's role may not read.",
        advice="Apply all migrations that belong to the service's version; look into its log for what PostgreSQL says.",
    )


def _alive(answer: Answer) -> bool:
    return answer.kind == "well" and answer.document.get("status") == "alive"


def _has_no_health(live: Answer) -> bool:
    """Whether the health routes aren't where the others are."""
    return live.kind in ("foreign", "refused") or (live.kind == "well" and not _alive(live))


def _has(answer: Answer, member: str) -> bool:
    """Whether it is a page of what is called so. The service writes null for an empty one."""
    document = answer.document
    return answer.kind == "well" and member in document and isinstance(document[member], list | None)


def _reads(route: str, answer: Answer) -> bool:
    """Whether an answer of the catalog's is one that a service in good order gives."""
    if route == "get":
        # There is no such id: some builds, and the meshes before them, answer by dropping the connection.
        return (
            answer.failure == "dropped"
            or answer.kind == "gateway"
            or (answer.problem is not None and answer.status == 404)
        )
    return _has(answer, "workflows" if route == "list" else "versions")


def _strange(route: str, answer: Answer) -> str:
    """What is wrong with an answer that is a success, and yet not what the service answers."""
    if answer.kind != "well":
        return ""
    return " for an id that nobody has" if route == "get" else " without a list"


def _newest(events: Answer) -> datetime | None:
    return moment(events.member("data", 0, "event_timestamp"))


def _record(stream: str, count: int) -> str:
    name = {"events": "event", "notifications": "notification", "": "record"}.get(stream, f"record of {shown(stream)}")
    return name if count == 1 or " " in name else f"{name}s"


def duration(seconds: float) -> str:
    """A length of time in words, in its largest units."""
    units: Iterable[tuple[str, float]] = (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0))
    for name, length in units:
        if seconds >= 2 * length:
            return f"{round(seconds / length)} {name}"
    return f"{round(seconds)} seconds"


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
