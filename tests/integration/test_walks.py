"""Walks that a service, or something before it, could feed for ever: each ends, says why, and keeps its deadline."""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest

from kubernaut_client import KubernautError, ResponseDecodeError
from kubernaut_client.emulator import Emulator
from tests.colours import QUICK, Colour, opened
from tests.events import event
from tests.workflows import workflow


def stored(name: str = "a") -> dict[str, Any]:
    return {**workflow(name), "workflow_id": str(uuid4()), "is_latest_version": True}


def listed() -> dict[str, Any]:
    return {**event(), "event_id": str(uuid4()), "resource_type": "r", "resource_id": "r", "actor_id": "a"}


class Service:
    """Answers every GET with what `page` gives."""

    def __init__(self) -> None:
        self.page: Callable[[], object] = dict
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked += 1
                body = json.dumps(outer.page()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    thread = Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield service
    service.server.shutdown()
    thread.join()
    service.server.server_close()


def read(client: Any, what: str, **options: Any) -> list[Any]:
    return list(client.workflows.list(**options) if what == "workflows" else client.audit.query(**options))


def page(what: str, rows: list[Any], total: int | None) -> dict[str, Any]:
    if what == "workflows":
        return {"workflows": rows, "total": total} if total else {"workflows": rows}
    return {"data": rows, "pagination": {"has_more": True}}


TOTALS = [("workflows", 10**12), ("workflows", None), ("audit", None)]


@pytest.mark.parametrize(("what", "total"), TOTALS)
def test_a_page_that_repeats_itself(service: Service, colour: Colour, what: str, total: int | None) -> None:
    rows = [stored(), stored("b")] if what == "workflows" else [listed(), listed()]
    service.page = lambda: page(what, rows, total)
    with opened(colour, service.url, retry=QUICK) as client, pytest.raises(ResponseDecodeError, match="nothing new"):
        read(client, what, page_size=2)
    assert service.asked < 20


@pytest.mark.parametrize(("what", "total"), TOTALS)
@pytest.mark.parametrize("row", [{}, None, "id"], ids=str)
def test_rows_that_never_decode(service: Service, colour: Colour, what: str, total: int | None, row: Any) -> None:
    """With an id of its own each, too: ever new ones that can't be read are as good as none."""

    def rows() -> list[Any]:
        name = "workflow_id" if what == "workflows" else "event_id"
        return [{name: str(uuid4())} if row == "id" else row for _ in range(1000)]

    service.page = lambda: page(what, rows(), total)
    with opened(colour, service.url, retry=QUICK) as client, pytest.raises(ResponseDecodeError) as caught:
        read(client, what)
    assert service.asked < 20
    assert caught.value.items


@pytest.mark.parametrize(("what", "total"), TOTALS)
def test_the_deadline_is_that_of_the_whole_walk(service: Service, colour: Colour, what: str, total: int | None) -> None:
    """Ever new rows, which nothing but the deadline ends."""
    service.page = lambda: page(what, [stored() if what == "workflows" else listed()], total)
    started = time.monotonic()
    # Time may be up between two pages, or in the middle of one.
    with opened(colour, service.url, retry=QUICK) as client, pytest.raises(KubernautError) as caught:
        read(client, what, page_size=1, deadline=0.4)
    assert "nothing new" not in str(caught.value)
    assert time.monotonic() - started < 20


def test_other_walks_end_too(service: Service, colour: Colour) -> None:
    page_of = stored()
    calls: list[Callable[[Any], object]] = [
        lambda client: client.workflows.plan([workflow("a"), workflow("b")]),
        lambda client: client.workflows.versions("a/b"),
        lambda client: client.workflows.ensure(workflow("a/b")),
    ]
    with opened(colour, service.url, retry=QUICK) as client:
        for row in (page_of, {}):
            service.page = partial(page, "workflows", [row], 10**12)
            for call in calls:
                service.asked = 0
                with pytest.raises(KubernautError):
                    call(client)
                assert service.asked < 20
        service.page = lambda: page("workflows", [stored()], 10**12)
        limited: list[Callable[[], object]] = [
            lambda: client.workflows.plan([workflow("a/b"), workflow("b")], deadline=0.3),
            lambda: client.workflows.versions("a/b", deadline=0.3),
        ]
        for deadline in limited:
            with pytest.raises(KubernautError) as caught:
                deadline()
            assert "nothing new" not in str(caught.value)
        service.page = lambda: page("audit", [{}], None)
        service.asked = 0
        with pytest.raises(ResponseDecodeError):
            client.audit.wait_for(timeout=5)
        assert service.asked < 20


def test_a_walk_gets_on_while_others_store(emulator: Emulator) -> None:
    """Page by page of one row, each pushed onwards by a new one: nothing that was there is missed."""
    with opened("sync", emulator.url, retry=QUICK) as client:
        for number in range(5):
            client.workflows.create(workflow(f"w{number}"))
        names: list[str] = []
        for number, row in enumerate(client.workflows.list(page_size=1)):
            names.append(row.workflow_name)
            if number < 5:
                client.workflows.create(workflow(f"new{number}"))
    assert names == [f"w{number}" for number in (4, 3, 2, 1, 0)]
