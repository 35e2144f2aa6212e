"""The HTTP/1.1 server: reads requests, finds what is to go wrong with them, and writes replies byte by byte itself.

A connection that closes without an answer, before or after the handler ran, is part of the service's behaviour, and no
ASGI server can do that. Parsing is h11's; what is written looks like Go's net/http. The server runs in one event loop
and keeps no state of the service: that is in `service.py`, and the handlers are in `routes/`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, TypeAlias

import h11

from kubernaut_client.emulator import cors, early, messages, problems, router
from kubernaut_client.emulator.clock import Clock
from kubernaut_client.emulator.faults import Fault, Faults
from kubernaut_client.emulator.listener import Listener
from kubernaut_client.emulator.log import logger
from kubernaut_client.emulator.messages import TEXT_TYPE, Dropped, Reply, Request
from kubernaut_client.emulator.requestlog import RequestLog
from kubernaut_client.emulator.service import Call, Service
from kubernaut_client.emulator.validation import ValidationFailure

CONTROL_PREFIX: Final = "/_emulator"


# The service's own limits: a connection that says nothing, a request as a whole, a reply that nobody takes.
_IDLE_SECONDS: Final = 30.0
_READ_SECONDS: Final = 30.0
_WRITE_SECONDS: Final = 30.0
_LINGER_SECONDS: Final = 0.5
_PAUSE_SECONDS: Final = 0.1
_BACKLOG: Final = 1024
_LARGEST_HEAD: Final = 1 << 20
_BUFFERED_REPLY: Final = 2048  # net/http counts replies up to this size, and sends longer ones in chunks
_SINGLE_HEADERS: Final = ("content-type", "x-request-id")  # of several the service reads the first
Control: TypeAlias = Callable[[Request], Awaitable[Reply]]


class Abandoned(Exception):
    """A request that was waiting is ended without an answer, by a reset or because the emulator stops."""


class Exchange:
    """A request that is being worked on."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.abandoned: asyncio.Event = asyncio.Event()
        self.stalled: bool = False

    async def wait(self, seconds: float | None) -> None:
        """Wait so long, or for ever; a reset ends it.

        Raises:
            Abandoned: It was ended.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.abandoned.wait()
        if self.abandoned.is_set():
            raise Abandoned

    async def stall(self) -> None:
        """Wait until somebody ends it."""
        self.stalled = True
        await self.wait(None)


class Server:
    """One listening socket and its connections. Belongs to one event loop."""

    def __init__(self, service: Service, faults: Faults, log: RequestLog, control: Control) -> None:
        self.clock: Clock = service.clock
        self._service = service
        self._faults = faults
        self._log = log
        self._control = control
        self._listener: Listener | None = None
        self._listening: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: set[Connection] = set()
        self._exchanges: set[Exchange] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()

    def start(self, listener: Listener) -> None:
        """Accept connections."""
        self._listener = listener
        self.accept()

    # asyncio's own server is no use here: a connection that arrives in the moment of closing would hang in it.

    def accept(self) -> None:
        """Listen; nothing if it does."""
        assert self._listener is not None
        if self._listening is None:
            self._listener.get_ready()
            self._listening = self._listener.socket
            self._listening.listen(_BACKLOG)
            asyncio.get_running_loop().add_reader(self._listening, self._accept, self._listening)

    def refuse(self) -> None:
        """Stop listening, so that connections are refused, and close those that are there.

        A request that is being worked on is still answered.
        """
        if self._listening is not None and self._listener is not None:
            self._hang_up()
            self._listener.renew()
            for connection in list(self._connections):
                connection.retire()

    async def drain(self, seconds: float) -> None:
        """After `refuse`: wait for the requests that are being worked on; those that take longer are ended."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        self._abort()

    async def stop(self) -> None:
        """Close the listener, end every request that waits, let the others finish, close all connections."""
        self._hang_up()
        await self.settle()
        self._abort()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    def _hang_up(self) -> None:
        if self._listening is not None and self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listener.hang_up()
            self._listening = None

    def _accept(self, listening: socket.socket) -> None:
        """Take what has arrived."""
        while True:
            try:
                accepted, _ = listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                # No file descriptors are left, most likely. To be told again at once would help nobody.
                logger.warning("no connection can be accepted: %s", error)
                loop = asyncio.get_running_loop()
                loop.remove_reader(listening)
                loop.call_later(_PAUSE_SECONDS, self._accept_again, listening)
                return
            accepted.setblocking(False)
            task = asyncio.get_running_loop().create_task(self._serve(accepted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _accept_again(self, listening: socket.socket) -> None:
        if listening is self._listening:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _abort(self) -> None:
        for exchange in self._exchanges:
            exchange.abandoned.set()
        for connection in list(self._connections):
            connection.abort()

    async def settle(self) -> None:
        """End every request that waits, drop those that have only half arrived, and let the running ones finish.

        Afterwards no earlier request touches the database any more.
        """
        for exchange in self._exchanges:
            exchange.abandoned.set()
        for connection in list(self._connections):
            if connection.half_request:
                connection.abort()
        await self._quiet.wait()

    def release_stalled(self) -> None:
        """End the requests that stall, without an answer."""
        for exchange in self._exchanges:
            if exchange.stalled:
                exchange.abandoned.set()

    async def _serve(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=1 << 18)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, accepted)
        except OSError:
            accepted.close()
            return
        connection = Connection(self, reader, asyncio.StreamWriter(transport, protocol, reader, loop))
        self._connections.add(connection)
        try:
            if self._listening is None:
                connection.abort()
            else:
                await connection.run()
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            pass  # the caller went away, was too slow, or the emulator stops
        except Exception:  # noqa: BLE001  # a mistake in one connection is logged at once, and must end no other
            logger.exception("a connection failed")
        finally:
            self._connections.discard(connection)
            connection.close()

    async def answer(self, request: Request, connection: Connection) -> None:
        """Handle one request and write its reply.

        Raises:
            Dropped, Abandoned: There is none; the connection is to be closed.
        """
        if request.path == CONTROL_PREFIX or request.path.startswith(CONTROL_PREFIX + "/"):
            try:
                reply = await self._control(request)
            except Exception as error:  # noqa: BLE001  # a mistake in one answer must not end the server
                reply = _own_failure(request.path, error)
            await connection.write(reply)
            return
        match = router.match(request.method, request.routed)
        operation = match.route.operation if match.route else None
        entry = self._log.add(request.method, request.target, operation, request.headers, request.body)
        fault: Fault | None = None
        exchange = Exchange(request)
        self._exchanges.add(exchange)
        self._quiet.clear()
        try:
            try:
                try:
                    fault = self._faults.take(operation, entry.record)
                except Exception as error:  # noqa: BLE001  # the condition of a fault is a function of the caller's
                    reply = _own_failure("the condition of a fault", error)
                else:
                    if fault is not None:
                        entry.meets(fault.describe())
                    reply = await self._reply(exchange, match, fault)
                reply = dataclasses.replace(reply, headers=(*cors.headers(request), *reply.headers))
            except (Dropped, Abandoned):
                entry.finish(None)
                raise
            entry.finish(reply.status)
            if fault is not None and fault.trickle is not None:
                await connection.trickle(reply, fault.trickle, exchange, fault)
                return
        finally:
            self._exchanges.discard(exchange)
            if not self._exchanges:
                self._quiet.set()
        await connection.write(reply, fault)

    async def _reply(self, exchange: Exchange, match: router.Match, fault: Fault | None) -> Reply:
        """The reply of the handler, or of the fault in its place."""
        if fault is None:
            return await self._handle(exchange.request, match)
        if fault.hold is not None:
            await exchange.wait(fault.hold)
        if fault.drop == "before":
            raise Dropped
        if fault.stall == "before":
            await exchange.stall()
        if fault.status is not None:
            if fault.commit:
                with contextlib.suppress(Dropped):  # whatever the service would have said
                    await self._handle(exchange.request, match)
            reply = Reply(fault.status, fault.body or b"", fault.content_type)
        else:
            reply = await self._handle(exchange.request, match)
        if fault.delay is not None:
            await exchange.wait(fault.delay)
        if fault.drop == "after":
            raise Dropped
        if fault.stall == "after":
            await exchange.stall()
        return reply

    async def _handle(self, request: Request, match: router.Match) -> Reply:
        if cors.is_preflight(request):
            return Reply(200)
        if match.route is None:
            return match.fallback
        route = match.route
        query = {name: values[0] for name, values in request.query.items() if values}
        body = request.body
        operation = self._service.contract.operations.get(route.operation)
        try:
            if not self._service.early and operation is not None and operation.validated and match.validated:
                try:
                    query = self._service.validator.check_query(operation, request.query)
                    content_type = request.headers.get("content-type", "")
                    body = self._service.validator.check_body(operation, content_type, request.body)
                except ValidationFailure as failure:
                    return problems.validation_error(str(failure), request.path, request.headers.get("x-request-id"))
            reply = await route.handler(Call(self._service, request, match.arguments, query, body))
            return early.problem(request.path, reply) if self._service.early else reply
        except Dropped:
            raise
        except Exception as error:  # noqa: BLE001  # as above
            return _own_failure(route.operation, error)


class Connection:
    """One connection of a caller: a loop of requests and replies."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.half_request: bool = False
        self._server = server
        self._retired = False
        self._answering = False
        self._reader = reader
        self._writer = writer
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST_HEAD)
        self._version = b"1.1"
        self._head_only = False

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self._writer.transport.abort()

    def retire(self) -> None:
        """Close as soon as no request is being worked on."""
        self._retired = True
        if not self.half_request and not self._answering:
            self.abort()

    def close(self) -> None:
        """Close once everything is written. The caller sees it even if a forked child holds a copy of the socket."""
        with contextlib.suppress(OSError):
            self._writer.write_eof()
        self._writer.close()

    async def run(self) -> None:
        """Answer requests until one side closes."""
        while True:
            try:
                request = await self._read()
            except h11.RemoteProtocolError as error:
                await self._refuse(error.error_status_hint, str(error))
                return
            except messages.BadTarget:
                await self._refuse(400, "")
                return
            if request is None:
                return
            self._answering = True
            try:
                await self._server.answer(request, self)
            except (Dropped, Abandoned):
                return
            self._answering = False
            if self._retired or self._parser.our_state is not h11.DONE or self._parser.their_state is not h11.DONE:
                return
            self._parser.start_next_cycle()

    async def _read(self) -> Request | None:
        """The next request with its body; None if the caller has closed, or said nothing for too long."""
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                head = await self._event()
        except TimeoutError:
            return None
        if not isinstance(head, h11.Request):
            return None
        self._version = head.http_version
        self._head_only = head.method == b"HEAD"
        if self._version not in (b"1.0", b"1.1"):
            raise h11.RemoteProtocolError("unsupported protocol version", error_status_hint=505)
        parts: list[bytes] = []
        async with asyncio.timeout(_READ_SECONDS):
            while isinstance(event := await self._event(), h11.Data):
                parts.append(bytes(event.data))
        if not isinstance(event, h11.EndOfMessage):
            return None
        self.half_request = False
        headers: dict[str, str] = {}
        for raw_name, raw_value in head.headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            if name not in headers:
                headers[name] = value
            elif name not in _SINGLE_HEADERS:
                headers[name] += f", {value}"
        target = head.target.decode("latin-1")
        path, routed, query = messages.split_target(target)
        return Request(head.method.decode("latin-1"), target, path, routed, query, headers, b"".join(parts))

    async def _event(self) -> h11.Event | type[h11.PAUSED]:
        """The next thing that the parser finds."""
        while True:
            event = self._parser.next_event()
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]  # h11 types its markers as classes; only PAUSED is left
            if self._parser.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
                self._writer.write(self._parser.send(go_on) or b"")
            self.half_request = self.half_request or bool(self._parser.trailing_data[0])
            data = await self._reader.read(1 << 17)
            if not self.half_request:
                data = _escape_target(data)
            self.half_request = self.half_request or bool(data)
            self._parser.receive_data(data)

    async def write(self, reply: Reply, fault: Fault | None = None) -> None:
        """Write a reply, in one piece as far as the caller takes it."""
        self._writer.write(self._render(reply, fault))
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                await self._writer.drain()
        except TimeoutError:
            self.abort()
            raise

    async def trickle(self, reply: Reply, seconds: float, exchange: Exchange, fault: Fault) -> None:
        """Write a reply byte by byte, the status line included, with a pause before each."""
        for byte in self._render(reply, fault):
            await exchange.wait(seconds)
            self._writer.write(bytes((byte,)))
            # Ends it as soon as the caller has gone away; asyncio logs what is written to a lost connection.
            await self._writer.drain()

    def _render(self, reply: Reply, fault: Fault | None) -> bytes:
        """A reply as bytes, framed as net/http frames it. Notes for the parser whether the connection stays open."""
        # The parser keeps track of the connection; what it would write is not what is written.
        self._parser.send(h11.Response(status_code=404, headers=[("Content-Length", "0")]))
        self._parser.send(h11.EndOfMessage())
        body = reply.body
        overrides = fault.headers if fault is not None else ()
        headers = sorted(reply.headers, key=lambda pair: pair[0].lower())
        if reply.content_type is not None:
            headers.insert(0, ("Content-Type", reply.content_type))
        headers.append(("Date", formatdate(self._server.clock.timestamp(), usegmt=True)))
        framing: tuple[str, str] | None = ("Content-Length", str(len(body)))
        if reply.status in (204, 304):
            framing, body = None, b""
        elif len(body) > _BUFFERED_REPLY and self._version == b"1.1" and not self._head_only:
            framing = ("Transfer-Encoding", "chunked")
        replaced = {name.lower() for name, _ in overrides}
        if replaced & {"content-length", "transfer-encoding"}:
            # The fault wants it framed in its own way, maybe a wrong one: what follows could not be told apart.
            framing = None
            self._parser.send_failed()
        elif fault is not None and fault.truncate is not None:
            # More is announced than comes, whatever the size of the body.
            framing, body = ("Content-Length", str(max(len(body), fault.truncate + 1))), body[: fault.truncate]
            self._parser.send_failed()
        elif framing is not None and framing[0] == "Transfer-Encoding":
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        if framing is not None:
            headers.append(framing)
        if self._retired or self._parser.our_state is not h11.DONE:
            headers.append(("Connection", "close"))
        headers = [pair for pair in headers if pair[0].lower() not in replaced]
        headers += [(name, value) for name, value in overrides if value is not None]
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = f"HTTP/1.1 {reply.status} {_reason(reply.status)}\r\n{lines}\r\n".encode("latin-1", "replace")
        # A body that follows the answer to HEAD would be taken for the beginning of the next answer.
        return head if self._head_only else head + body

    async def _refuse(self, status: int, reason: str) -> None:
        """Answer what is no HTTP, as net/http does, and close."""
        status = status if status in (431, 501, 505) else 400
        text = f"{status} {_reason(status)}"
        if "Host: header" in reason:
            text += ": missing required Host header" if "Missing" in reason else ": too many Host headers"
        head = f"HTTP/1.1 {text}\r\nContent-Type: {TEXT_TYPE}\r\nConnection: close\r\n\r\n{text}"
        self._writer.write(head.encode())
        self._writer.write_eof()
        # Closing while the caller still sends would make the kernel throw the answer away.
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while await self._reader.read(1 << 16):
                    pass


def _escape_target(data: bytes) -> bytes:
    """Percent-escape what is beyond ASCII in a request line: curl sends it so, and the parser does not take it."""
    line, newline, rest = data.partition(b"\n")
    if line.isascii():
        return data
    return b"".join(b"%%%02X" % byte if byte >= 0x80 else b"%c" % byte for byte in line) + newline + rest


def _own_failure(what: str, error: Exception) -> Reply:
    """The answer where the emulator made a mistake of its own, which must not pass for one of the service."""
    logger.error("%s failed", what, exc_info=error)
    return Reply(500, f"emulator failure: {type(error).__name__}\n".encode(), TEXT_TYPE)


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
