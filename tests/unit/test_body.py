"""Content codings as RFC 9110 has them, undone in steps, and the limits of a body; without any network."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from kubernaut_client.body import KEPT, MAX_CODINGS, Body, BodyRefusedError

TEXT = b'{"text": "' + bytes(random.Random(7).choices(range(32, 127), k=20_000)) + b'"}'
GZIP = gzip.compress(TEXT)


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def members(*parts: bytes) -> bytes:
    return b"".join(gzip.compress(part) for part in parts)


def no_check() -> None:
    pass


def received(
    data: bytes, codings: str = "", *, limit: int = 2**24, size: int = 65536, check: Callable[[], object] = no_check
) -> Body:
    """A body that came in pieces of some size."""
    body = Body(codings, limit, check)
    for start in range(0, len(data), size):
        if not body.add(data[start : start + size]):
            break
    body.end()
    return body


GOOD = {
    "no coding": (TEXT, ""),
    "identity": (TEXT, "identity"),
    "gzip": (GZIP, "gzip"),
    "x-gzip": (GZIP, "x-gzip"),
    "upper case": (GZIP, "GZip"),
    "deflate": (zlib.compress(TEXT), "deflate"),
    "deflate without its wrapping": (raw_deflate(TEXT), "deflate"),
    "several members": (members(TEXT[:10], TEXT[10:5000], TEXT[5000:]), "gzip"),
    "empty members among them": (members(b"", TEXT[:1], b"", TEXT[1:], b""), "gzip"),
    "twice": (gzip.compress(GZIP), "gzip, gzip"),
    "first deflate, then gzip": (gzip.compress(zlib.compress(TEXT)), "deflate, gzip"),
    "first gzip, then deflate": (raw_deflate(GZIP), "gzip,deflate"),
    "empty names among them": (GZIP, " , gzip,, identity ,"),
    "zeros at the end": (GZIP + bytes(10_000), "gzip"),
    "other bytes at the end": (GZIP + b"\x1fno member", "gzip"),
    "one byte at the end": (GZIP + b"\x1f", "gzip"),
    "bytes after deflate": (zlib.compress(TEXT) + zlib.compress(b"more"), "deflate"),
}


@pytest.mark.parametrize("size", [1, 1000, 10**6])
@pytest.mark.parametrize("name", GOOD)
def test_body_in_pieces_of_any_size(name: str, size: int) -> None:
    data, codings = GOOD[name]
    body = received(data, codings, size=size)
    assert body.error is None
    assert body.value() == TEXT


@pytest.mark.parametrize("codings", ["", "gzip", "deflate", "gzip, gzip", "br"])
def test_no_body_at_all(codings: str) -> None:
    """Whatever its coding: nothing is what nothing decodes to."""
    body = received(b"", codings)
    assert body.error is None
    assert body.value() == b""


@pytest.mark.parametrize("size", [1, 65536])
@pytest.mark.parametrize(
    ("data", "codings"),
    [
        (GZIP[:-1], "gzip"),
        (GZIP[:1], "gzip"),
        (GZIP[:2], "gzip"),
        (members(TEXT, TEXT)[:-1], "gzip"),
        (zlib.compress(TEXT)[:-1], "deflate"),
        (raw_deflate(TEXT)[:-1], "deflate"),
        (gzip.compress(GZIP[:-1]), "gzip, gzip"),
    ],
    ids=["gzip", "one byte", "two bytes", "second member", "deflate", "raw deflate", "inner coding"],
)
def test_coding_that_is_cut(data: bytes, codings: str, size: int) -> None:
    assert isinstance(received(data, codings, size=size).error, EOFError)


@pytest.mark.parametrize(
    ("data", "codings"),
    [
        (b'{"title": "not compressed"}', "gzip"),
        (b'{"title": "not compressed"}', "deflate"),
        (GZIP[:-8] + bytes(8), "gzip"),
        (GZIP, "gzip, gzip"),
        (GZIP + b"\x1f\x8bbut no member", "gzip"),
    ],
    ids=["not gzip", "not deflate", "other checksum", "only once", "second member"],
)
def test_body_that_is_not_in_its_coding_is_kept_as_it_came(data: bytes, codings: str) -> None:
    body = received(data, codings)
    assert isinstance(body.error, zlib.error)
    assert body.value() == data[:KEPT]


@pytest.mark.parametrize("codings", ["br", "zstd", "compress", "x-compress", "gzip, br", "br, gzip", "é"])
def test_unknown_coding_is_named(codings: str) -> None:
    body = received(b"data", codings)
    unknown = next(name for name in codings.split(", ") if name != "gzip")
    assert isinstance(body.error, BodyRefusedError)
    assert repr(unknown) in str(body.error)
    assert body.value() == b"data"


def test_number_of_codings_is_limited() -> None:
    data = TEXT
    for _ in range(MAX_CODINGS):
        data = gzip.compress(data)
    assert received(data, ", ".join(["gzip"] * MAX_CODINGS)).value() == TEXT
    body = received(gzip.compress(data), ", ".join(["gzip"] * (MAX_CODINGS + 1)))
    assert isinstance(body.error, BodyRefusedError)
    assert str(MAX_CODINGS) in str(body.error)


@pytest.mark.parametrize("codings", ["", "gzip"])
@pytest.mark.parametrize("size", [1, 1000])
def test_limit_is_the_size_of_the_decoded_body(codings: str, size: int) -> None:
    data = GZIP if codings else TEXT
    fits = received(data, codings, limit=len(TEXT), size=size)
    assert fits.error is None
    assert fits.value() == TEXT
    larger = received(data, codings, limit=len(TEXT) - 1, size=size)
    assert isinstance(larger.error, BodyRefusedError)
    assert f"{len(TEXT) - 1} bytes" in str(larger.error)
    assert "max_response_bytes" in str(larger.error)
    assert larger.value() == TEXT[:-1]
    assert received(data, codings, limit=10, size=size).value() == TEXT[:10]


@pytest.mark.parametrize("codings", ["gzip", "deflate", "gzip, gzip"])
def test_large_result_of_a_small_body_is_not_held(codings: str) -> None:
    data = bytes(2 * 10**7)
    for name in codings.split(", "):
        data = (gzip.compress if name == "gzip" else zlib.compress)(data, 1)
    tracemalloc.start()
    try:
        body = received(data, codings, limit=10**6, size=len(data))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(body.error, BodyRefusedError)
    assert peak < 3 * 10**6


def test_small_pieces_take_no_more_than_their_bytes() -> None:
    tracemalloc.start()
    try:
        body = received(bytes(300_000), size=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(body.value()) == 300_000
    assert peak < 2 * 10**6


def test_time_is_looked_at_between_steps() -> None:
    """Also where the outer coding decodes to much and the inner one to nothing."""
    steps = 0

    def check() -> None:
        nonlocal steps
        steps += 1
        if steps > 5:
            raise TimeoutError

    for data, codings in ((gzip.compress(bytes(10**7)), "gzip"), (gzip.compress(members(b"") * 10**5), "gzip, gzip")):
        steps = 0
        body = received(data, codings, size=len(data), check=check)
        assert isinstance(body.error, TimeoutError)
        assert len(body.value()) <= KEPT


def test_nothing_is_taken_after_an_error() -> None:
    body = Body("", 3, no_check)
    assert not body.add(b"four")
    assert not body.add(b"more")
    assert body.value() == b"fou"
