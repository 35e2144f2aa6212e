"""The body of an answer, decoded as it arrives, within a limit of bytes and of time.

A small answer may decode to gigabytes, and httpx's decoders have no bound; these work in steps. Where the pieces come
from is left to `http`, what a body that can't be used means for a call to `operations`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO

from .problems import one_line

ACCEPTED = "gzip, deflate"
"""The content codings that are asked for."""
STEP = 65536
"""Bytes that are decoded at a time."""
KEPT = 65536
"""Bytes that are kept of a body that can't be used."""
MAX_CODINGS = 5
"""Content codings over one another."""

_KNOWN = frozenset({"gzip", "x-gzip", "deflate"})


class BodyError(Exception):
    """Why a body can't be used; its text continues a sentence that begins with the status."""


class BodyTimeoutError(BodyError):
    """The time of the attempt ran out before the end of the body."""


class BodyRefusedError(BodyError):
    """The body is larger than the limit, or in a content coding that isn't known: repeating the request won't help."""


class Body:
    """What has arrived of a body; `error` is why no more of it is of use."""

    def __init__(self, codings: str, limit: int, check_time: Callable[[], object]) -> None:
        self.error: Exception | None = None
        self._limit = limit
        self._check_time = check_time
        names = [name for name in (part.strip().lower() for part in codings.split(",")) if name not in ("", "identity")]
        self._unusable = _unusable(names)
        self._decoders = [] if self._unusable else [_Decoder(name) for name in reversed(names)]
        self._size = 0
        self._decoded = BytesIO()
        self._encoded = bytearray()

    def add(self, data: bytes) -> bool:
        """Take the next piece off the network; False once no more of the body is of use."""
        if self.error is None:
            try:
                self._check_time()
                if self._decoders or self._unusable:
                    self._decode(data)
                else:
                    self._keep(data)
            except Exception as error:  # noqa: BLE001 - zlib's, one of the limits, or the clock's
                self.error = error
        return self.error is None

    def end(self) -> None:
        """The body is over, as its framing has it."""
        if self.error is None and not all(decoder.complete for decoder in self._decoders):
            self.error = EOFError("the content coding is cut")

    def value(self) -> bytes:
        """The decoded body; of one that can't be used, what there is for an error to show."""
        if isinstance(self.error, zlib.error) or self._unusable:
            return bytes(self._encoded)
        return self._decoded.getvalue() if self.error is None else self._decoded.getbuffer()[:KEPT].tobytes()

    def _decode(self, data: bytes) -> None:
        self._encoded += data[: KEPT - len(self._encoded)]
        if data and self._unusable:
            raise BodyRefusedError(self._unusable)
        for start in range(0, len(data), STEP):
            for piece in self._through(self._decoders, data[start : start + STEP]):
                self._keep(piece)

    def _through(self, decoders: Sequence[_Decoder], data: bytes) -> Iterator[bytes]:
        if not decoders:
            yield data
            return
        for piece in decoders[0].decode(data):
            self._check_time()
            yield from self._through(decoders[1:], piece)

    def _keep(self, data: bytes) -> None:
        self._decoded.write(data[: self._limit - self._size])
        self._size += len(data)
        if self._size > self._limit:
            raise BodyRefusedError(
                f"whose decoded body is larger than {self._limit} bytes: raise max_response_bytes, or ask for less at a"
                " time"
            )


def _unusable(names: Sequence[str]) -> str:
    """What is wrong with content codings; "" if they can be undone."""
    for name in names:
        if name not in _KNOWN:
            shown = one_line(repr(name), 40)
            return f"in the content coding {shown}, which isn't one that the client asks for ({ACCEPTED})"
    return f"in more than {MAX_CODINGS} content codings" if len(names) > MAX_CODINGS else ""


class _Decoder:
    """Undoes one content coding (RFC 9110, 8.4.1), in pieces of at most `STEP` bytes."""

    def __init__(self, name: str) -> None:
        self._deflate = name == "deflate"
        self._stream: zlib._Decompress | None = None  # pyright: ignore[reportPrivateUsage]
        self._head = b""
        self._over = False

    @property
    def complete(self) -> bool:
        """Whether it ends here: nothing has come, or nothing is missing."""
        return self._stream.eof if self._stream else not self._head

    def decode(self, data: bytes) -> Iterator[bytes]:
        while data and not self._over:
            if self._stream is None or self._stream.eof:
                # Two bytes show which format begins.
                data = self._head + data
                self._head = data if len(data) < 2 else b""
                if self._head:
                    return
                self._begin(data)
                continue
            piece = self._stream.decompress(data, STEP)
            yield piece
            # There may be more to come out of the bytes that it has taken already.
            while not self._stream.eof and (len(piece) == STEP or self._stream.unconsumed_tail):
                piece = self._stream.decompress(self._stream.unconsumed_tail, STEP)
                yield piece
            data = self._stream.unused_data

    def _begin(self, data: bytes) -> None:
        if self._deflate:
            # Some servers send the compressed data without the wrapping of zlib that belongs to it.
            wrapped = data[0] & 15 == 8 and int.from_bytes(data[:2]) % 31 == 0
            self._over = self._stream is not None
            bits = zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS
        else:
            # Another member may follow. Anything else after a complete one is ignored, as by other clients.
            self._over = self._stream is not None and data[:2] != b"\x1f\x8b"
            bits = zlib.MAX_WBITS | 16
        if not self._over:
            self._stream = zlib.decompressobj(bits)
