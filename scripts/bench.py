"""The budgets of the client, measured: each figure is a ratio of two things done side by side in one run.

A budget is a `Case`: what is measured, over what, and the limit. The two are run alternately, many times; the figure is
the median of the one over the median of the other, which a machine that is busy for a while, or slow, changes little.
Absolute times are printed for the reader; only those of the import, of the emulator and of `emit` have a limit.

    scripts/bench                 all cases
    scripts/bench NAME...         some of them
    scripts/bench --json FILE     the figures also as JSON, for comparison with another run

A new case is a function with `@case(...)` that yields its `Pair`; `main` finds it there.
"""

import argparse
import hashlib
import http.client
import json
import multiprocessing
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

Action = Callable[[], object]


@dataclass(frozen=True)
class Pair:
    """Two actions that do the same work: `ours` with this package, `theirs` without it."""

    ours: Action
    theirs: Action
    rounds: int = 200
    repeats: int = 5
    """How many calls make one timing; more of them where one call is short against the clock and the scheduler."""
    before: Action = int
    """What is done before each timing, and isn't timed."""


@dataclass(frozen=True)
class Figure:
    """What came out of a case, and the limit for it."""

    case: str
    what: str
    value: float
    unit: str
    limit: float

    @property
    def kept(self) -> bool:
        return self.value <= self.limit

    def __str__(self) -> str:
        verdict = "ok  " if self.kept else "OVER"
        return f"{verdict} {self.case:<14} {self.what:<58} {self.value:8.3f} {self.unit:<7} limit {self.limit:g}"


_IMPORTS = 101
_STARTS = 7
_RESETS = 9

CASES: dict[str, Callable[[], list[Figure]]] = {}


def case(name: str, what: str, *, limit: float) -> Callable[[Callable[[], AbstractContextManager[Pair]]], None]:
    """Registers a budget for a ratio. The decorated function sets both sides up, yields them, and clears up."""

    def register(setup: Callable[[], AbstractContextManager[Pair]]) -> None:
        def measure() -> list[Figure]:
            with setup() as pair:
                ours, theirs = timed(pair)
            print(f"     {name}: {ours * 1e6:.1f} µs over {theirs * 1e6:.1f} µs, medians of {pair.rounds} rounds")
            return [Figure(name, what, ours / theirs, "times", limit)]

        CASES[name] = measure

    return register


def timed(pair: Pair) -> tuple[float, float]:
    """The median seconds of one call on each side; who comes first changes with every round."""
    samples: dict[Action, list[float]] = {pair.ours: [], pair.theirs: []}
    for action in samples:
        pair.before()
        for _ in range(pair.repeats):
            action()
    for number in range(pair.rounds):
        for action in (pair.ours, pair.theirs) if number % 2 else (pair.theirs, pair.ours):
            pair.before()
            started = time.perf_counter()
            for _ in range(pair.repeats):
                action()
            samples[action].append((time.perf_counter() - started) / pair.repeats)
    return statistics.median(samples[pair.ours]), statistics.median(samples[pair.theirs])


def import_cost() -> list[Figure]:
    """`import kubernaut_client` over a bare interpreter: time, and the modules that it loads."""
    statements = {"import": "import kubernaut_client", "bare": "pass"}
    seconds: dict[str, list[float]] = {name: [] for name in statements}
    modules: dict[str, int] = {}
    for number in range(_IMPORTS):
        for name, statement in statements.items() if number % 2 else reversed(statements.items()):
            command = [sys.executable, "-I", "-c", f"{statement}\nimport sys; print(len(sys.modules))"]
            started = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds[name].append(time.perf_counter() - started)
            modules[name] = int(done.stdout)
    difference = statistics.median(a - b for a, b in zip(seconds["import"], seconds["bare"], strict=True))
    return [
        Figure("import", "import kubernaut_client over a bare interpreter", difference * 1e3, "ms", 5),
        Figure("import", "modules that it loads", modules["import"] - modules["bare"], "modules", 15),
    ]


CASES["import"] = import_cost

_READY = """
import time
started = time.perf_counter()
from kubernaut_client.emulator import Emulator
with Emulator():
    print(time.perf_counter() - started)
"""


def emulator_ready() -> list[Figure]:
    """A first emulator in a new interpreter: imports, initdb, PostgreSQL, tables."""
    seconds = [
        float(subprocess.run([sys.executable, "-c", _READY], capture_output=True, text=True, check=True).stdout)
        for _ in range(_STARTS)
    ]
    return [
        Figure(
            "emulator-ready", "from the import of the emulator until it answers", statistics.median(seconds), "s", 1.5
        )
    ]


CASES["emulator-ready"] = emulator_ready


def emulator_reset() -> list[Figure]:
    """A reset of an emulator that has been used a lot since the last one."""
    from kubernaut_client.emulator import Emulator

    workflows = [json.dumps(workflow).encode() for workflow in catalog(1000)]
    seconds: list[float] = []
    with Emulator() as emulator:
        connection = http.client.HTTPConnection(emulator.host, emulator.port)

        def post(path: str, body: bytes) -> None:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            if answer.status != 201:
                raise RuntimeError(f"{path}: {answer.status} {answer.read().decode()}")
            answer.read()

        for _ in range(_RESETS):
            for workflow in workflows:
                post("/api/v1/workflows", workflow)
            for number in range(20):
                post("/api/v1/audit/events/batch", json.dumps(events(500, f"rr-{number}")).encode())
            started = time.perf_counter()
            emulator.reset()
            seconds.append(time.perf_counter() - started)
        connection.close()
    what = "a reset after 1,000 workflows and 10,000 events"
    return [Figure("emulator-reset", what, statistics.median(seconds) * 1e3, "ms", 5)]


CASES["emulator-reset"] = emulator_reset


def help_cost() -> list[Figure]:
    """`kubernaut-client --help` over a bare interpreter."""
    commands = {"help": ["-m", "kubernaut_client.cli", "--help"], "bare": ["-c", "pass"]}
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(_IMPORTS):
        for name, words in commands.items() if number % 2 else reversed(commands.items()):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-I", *words], stdout=subprocess.DEVNULL, check=True)
            seconds[name].append(time.perf_counter() - started)
    difference = statistics.median(a - b for a, b in zip(seconds["help"], seconds["bare"], strict=True))
    return [Figure("help", "kubernaut-client --help over a bare interpreter", difference * 1e3, "ms", 80)]


CASES["help"] = help_cost


@contextmanager
def server_of(body: bytes) -> Generator[str, None, None]:
    """The URL of a server, in a process of its own, that answers every request with that JSON.

    It does as little as it can: time that it spends counts on both sides and draws every ratio towards 1.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        server = multiprocessing.get_context("fork").Process(
            target=_serve, args=(listener, head.encode() + body), daemon=True
        )
        server.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.terminate()
            server.join()


def _serve(listener: socket.socket, answer: bytes) -> None:
    with selectors.DefaultSelector() as ready:
        ready.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                if connection is listener:
                    accepted, _ = listener.accept()
                    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    ready.register(accepted, selectors.EVENT_READ)
                elif connection.recv(65536).endswith(b"\r\n\r\n"):
                    connection.sendall(answer)
                else:
                    ready.unregister(connection)
                    connection.close()


WORKFLOW_ID = UUID("6f1c2b3a-5d4e-4f60-8a7b-9c0d1e2f3a4b")


def stored_workflow() -> dict[str, object]:
    """A workflow as the service returns it, of a usual size: 2 KiB of content."""
    step = "  - name: step\n    action: restart-pod\n    description: Restart the pod and wait until it is ready.\n"
    content = "metadata:\n  workflow_id: oomkill-increase-memory\nsteps:\n" + step * 24
    return {
        "workflow_id": str(WORKFLOW_ID),
        "workflow_name": "oomkill-increase-memory",
        "version": "1.0.0",
        "name": "OOMKill: increase memory",
        "description": "Raises the memory limit of a deployment whose pods are killed for want of memory.",
        "content": content,
        "content_hash": hashlib.sha256(content.encode()).hexdigest(),
        "labels": {
            "signal_type": "OOMKilled",
            "severity": "critical",
            "component": "deployment",
            "environment": "production",
            "priority": "P0",
        },
        "custom_labels": {"team": ["payments"], "constraint": ["cost-constrained", "stateful-safe"]},
        "detected_labels": {"hpaEnabled": True, "gitOpsManaged": True, "gitOpsTool": "argocd"},
        "execution_engine": "tekton",
        "status": "active",
        "is_latest_version": True,
        "total_executions": 0,
        "successful_executions": 0,
        "created_at": "2025-12-30T10:00:00.123456Z",
        "updated_at": "2025-12-30T10:00:00.123456Z",
    }


@case("get", "workflows.get over httpx and the same model's from_dict", limit=1.05)
@contextmanager
def get_over_httpx() -> Generator[Pair, None, None]:
    import httpx
    from kubernaut_datastorage.models import StoredWorkflow

    from kubernaut_client import DataStorageClient

    with (
        server_of(json.dumps(stored_workflow()).encode()) as url,
        DataStorageClient(url) as client,
        httpx.Client(base_url=url, trust_env=False) as bare,
    ):
        path = f"/api/v1/workflows/{WORKFLOW_ID}"

        def theirs() -> StoredWorkflow:
            response = bare.get(path)
            response.raise_for_status()
            return StoredWorkflow.from_dict(response.json())

        def ours() -> StoredWorkflow:
            return client.workflows.get(WORKFLOW_ID)

        assert ours() == theirs()
        yield Pair(ours, theirs)


@contextmanager
def emulator() -> Generator[str, None, None]:
    """The URL of an emulator in a process of its own."""
    command = [sys.executable, "-m", "kubernaut_client.cli", "emulator"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def control(url: str, path: str, **members: object) -> None:
    """Tell the emulator something."""
    host = url.removeprefix("http://")
    connection = http.client.HTTPConnection(host)
    connection.request("POST", f"/_emulator/{path}", json.dumps(members), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    if answer.status >= 300:
        raise RuntimeError(f"{path}: {answer.status} {answer.read().decode()}")
    connection.close()


def catalog(size: int) -> list[dict[str, object]]:
    """Request bodies of a usual size, one version a name."""
    stored = stored_workflow()
    left_out = ("workflow_id", "is_latest_version", "total_executions", "successful_executions")
    row = {name: value for name, value in stored.items() if name not in left_out and not name.endswith("_at")}
    return [{**row, "workflow_name": f"oomkill-increase-memory-{number}"} for number in range(size)]


def events(size: int, correlation_id: str) -> list[dict[str, object]]:
    """Audit events of now, ready to be sent in a batch."""
    moment = datetime.now(UTC).isoformat()
    return [
        {
            "version": "1.0",
            "event_type": "workflow.execution.started",
            "event_timestamp": moment,
            "event_category": "workflow",
            "event_action": "execution_started",
            "event_outcome": "success",
            "correlation_id": correlation_id,
            "event_data": {"step": number, "pod": f"payments-{number}", "text": "x" * 200},
        }
        for number in range(size)
    ]


@case("unchanged", "bootstrap of 1,000 unchanged over http.client and json", limit=2.5)
@contextmanager
def unchanged_over_reading() -> Generator[Pair, None, None]:
    from kubernaut_client import DataStorageClient

    workflows = catalog(1000)
    with emulator() as url, DataStorageClient(url) as client:
        client.workflows.bootstrap(workflows).raise_for_errors()
        connection = http.client.HTTPConnection(url.removeprefix("http://"))

        def theirs() -> int:
            rows = 0
            for offset in range(0, len(workflows), 100):
                connection.request("GET", f"/api/v1/workflows?limit=100&offset={offset}")
                rows += len(json.loads(connection.getresponse().read())["workflows"])
            return rows

        def ours() -> int:
            return len(client.workflows.bootstrap(workflows).unchanged)

        assert ours() == theirs() == len(workflows)
        yield Pair(ours, theirs, rounds=20, repeats=1)
        connection.close()


@case("created", "bootstrap of 1,000 new ones over one POST after another, 5 ms", limit=1 / 3)
@contextmanager
def created_over_posting() -> Generator[Pair, None, None]:
    from kubernaut_client import DataStorageClient

    workflows = catalog(1000)
    bodies = [json.dumps(workflow).encode() for workflow in workflows]
    with emulator() as url, DataStorageClient(url) as client:
        connection = http.client.HTTPConnection(url.removeprefix("http://"))

        def empty() -> None:
            control(url, "reset")
            control(url, "faults", operation="createWorkflow", delay=0.005, count=None)

        def theirs() -> int:
            created = 0
            for body in bodies:
                connection.request("POST", "/api/v1/workflows", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                created += answer.status == 201
            return created

        def ours() -> int:
            return len(client.workflows.bootstrap(workflows).created)

        yield Pair(ours, theirs, rounds=3, repeats=1, before=empty)
        connection.close()


_EVENTS = 10_000
_BATCH = 500
_CONNECTIONS = 4
_DRAINS = 5
_AWAY = "http://127.0.0.1:9"  # where nobody listens


def numbered(size: int) -> list[dict[str, object]]:
    """Audit events that leave their time to the writer."""
    return [{name: value for name, value in each.items() if name != "event_timestamp"} for each in events(size, "rr-1")]


def posted(url: str, bodies: list[bytes]) -> float:
    """The seconds that it takes to post ready-made batches over as many connections as the writer has."""

    def post(share: list[bytes]) -> None:
        connection = http.client.HTTPConnection(url.removeprefix("http://"))
        for body in share:
            connection.request("POST", "/api/v1/audit/events/batch", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 201:
                raise RuntimeError(f"{answer.status} for a batch")
        connection.close()

    started = time.perf_counter()
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        list(pool.map(post, (bodies[each::_CONNECTIONS] for each in range(_CONNECTIONS))))
    return time.perf_counter() - started


def audit_drain() -> list[Figure]:
    """Delivering through `AuditWriter`, a filled spool and while emitting; over posting ready-made batches."""
    from kubernaut_client import AuditWriter

    given = numbered(_EVENTS)
    ready = [
        {**each, "event_timestamp": (datetime.now(UTC) - timedelta(microseconds=number)).isoformat()}
        for number, each in enumerate(given)
    ]
    bodies = [
        json.dumps(ready[start : start + _BATCH], separators=(",", ":")).encode() for start in range(0, _EVENTS, _BATCH)
    ]

    def delivered(writer: AuditWriter, emitted: list[dict[str, object]]) -> float:
        started = time.perf_counter()
        for each in emitted:
            writer.emit(each)
        report = writer.flush(120)
        if report.stored != _EVENTS:
            raise RuntimeError(f"not all was stored: {report}")
        seconds = time.perf_counter() - started
        writer.close()
        return seconds

    drained: list[float] = []
    emitting: list[float] = []
    ready_made: list[float] = []
    with emulator() as url, tempfile.TemporaryDirectory() as directory:
        for number in range(_DRAINS):
            control(url, "reset")
            spool = Path(directory, str(number))
            with AuditWriter(_AWAY, spool=spool) as filling:
                for each in given:
                    filling.emit(each)
                filling.close(0)
            drained.append(delivered(AuditWriter(url, spool=spool), []))
            ready_made.append(posted(url, bodies))
            emitting.append(delivered(AuditWriter(url, spool=spool), given))
    theirs = statistics.median(ready_made)
    what = "over posting ready-made batches on 4 connections"
    return [
        Figure("audit-drain", f"draining a spool {what}", statistics.median(drained) / theirs, "times", 1 / 0.9),
        Figure(
            "audit-drain", f"with emit in the process {what}", statistics.median(emitting) / theirs, "times", 1 / 0.6
        ),
    ]


CASES["audit-drain"] = audit_drain


def audit_emit() -> list[Figure]:
    """`emit` on one thread and on four that do nothing else, while the service is away."""
    from kubernaut_client import AuditWriter

    figures: list[Figure] = []
    for threads, median, highest in ((1, 50, 500), (4, 100, 5000)):
        given = numbered(20_000 // threads)
        seconds: list[float] = []
        with tempfile.TemporaryDirectory() as directory, AuditWriter(_AWAY, spool=directory) as writer:

            def emit(writer: AuditWriter = writer, given: list[dict[str, object]] = given) -> list[float]:
                found: list[float] = []
                for each in given:
                    started = time.perf_counter()
                    writer.emit(each)
                    found.append(time.perf_counter() - started)
                return found

            with ThreadPoolExecutor(threads) as pool:
                for found in [pool.submit(emit) for _ in range(threads)]:
                    seconds += found.result()
            writer.close(0)
        name = f"emit() on {threads} thread{'s' if threads > 1 else ''}"
        ninety_nine = statistics.quantiles(seconds, n=100)[98]
        figures += [
            Figure("audit-emit", f"{name}, median", statistics.median(seconds) * 1e6, "µs", median),
            Figure("audit-emit", f"{name}, 99th percentile", ninety_nine * 1e6, "µs", highest),
        ]
    return figures


CASES["audit-emit"] = audit_emit


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures the budgets.")
    parser.add_argument("case", nargs="*", help=f"the cases to run, of {', '.join(CASES)}; all by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    if unknown := set(options.case) - CASES.keys():
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    figures: list[Figure] = []
    for name in options.case or CASES:
        for figure in CASES[name]():
            print(figure, flush=True)
            figures.append(figure)
    if options.json is not None:
        options.json.write_text(json.dumps([{**asdict(one), "kept": one.kept} for one in figures], indent=2), "utf-8")
    over = sum(not figure.kept for figure in figures)
    print(f"{len(figures) - over} of {len(figures)} budgets kept")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
