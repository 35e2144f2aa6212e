"""What answers are read as: their kind, their words, their clock, and metrics out of any text."""

from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kubernaut_client.cli.observation import Answer, Kind, moment, samples, shown


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(failure="refused", reason="refused"), "silent", "refused"),
        (Answer(status=200, accepted=True, headers={"content-type": "text/plain; a=b"}), "well", "200 (text/plain)"),
        (Answer(status=401), "denied", "401"),
        (Answer(status=403, problem="No"), "denied", "403 (No)"),
        (Answer(status=429), "limited", "429"),
        (Answer(status=400, problem="Bad"), "refused", "400 (Bad)"),
        (Answer(status=404, problem="None"), "refused", "404 (None)"),
        (Answer(status=500, problem="Oops"), "fails", "500 (Oops)"),
        (Answer(status=503, problem="Oops"), "fails", "503 (Oops)"),
        (Answer(status=500), "fails", "500"),
        (Answer(status=502), "gateway", "502"),
        (Answer(status=404), "foreign", "404"),
        (Answer(status=200), "foreign", "200"),
        (Answer(status=301), "foreign", "301"),
    ],
)
def test_kinds_and_words(answer: Answer, kind: Kind, words: str) -> None:
    assert (answer.kind, answer.words) == (kind, words)


@pytest.mark.parametrize("off", [-600.0, 0.0, 600.0])
def test_the_clock_is_read_to_a_second(off: float) -> None:
    now = 1764590400.25
    ahead = Answer(status=200, headers={"date": formatdate(now + off, usegmt=True)}, at=now).ahead
    assert ahead is not None
    assert abs(ahead - off) <= 1


@pytest.mark.parametrize(
    "date",
    [
        "",
        "now",
        "Mon, 99 Foo 2025 12:00:00 GMT",
        "Mon, 01 Dec 99999 12:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
        "\x00",
    ],
)
def test_a_date_that_is_none(date: str) -> None:
    assert Answer(status=200, headers={"date": date}).ahead is None


def test_members() -> None:
    answer = Answer(status=200, body=b'{"a": [{"b": 1}], "c": "x"}')
    assert answer.member("a", 0, "b") == 1
    for path in (("a", 1), ("a", "b"), ("c", 0), ("d",), ("a", 0, "b", "c")):
        assert answer.member(*path) is None
    assert [Answer(body=body).document for body in (b"", b"[]", b"\xff", b"[" * 100_000)] == [{}] * 4


def test_a_redirect_without_its_query() -> None:
    headers = {"location": "https://login.example/auth?state=secret#x"}
    assert Answer(status=302, headers=headers).location == "https://login.example/auth"


def test_samples() -> None:
    text = """\
# HELP depth Entries.
# TYPE depth gauge
depth{stream="events"} 3
depth{other="a,\\"}b",stream="events"} 2 1764590400000
depth{stream="notifications"} 1e+01
depth{stream="broken"} x
depth{stream="infinite"} +Inf
depth{stream="large"} 1e308
depth{stream="large"} 1e308
depth 4
depth_total 7
 depth 9
"""
    assert samples(text, "depth") == {"events": 5.0, "notifications": 10.0, "large": 1e308, "": 4.0}
    assert samples(text, "other") == {}


@given(st.text())
@example("0" * 194 + "\u0300\u034f")
@example("\u0300" * 1000)
def test_any_text_is_read(text: str) -> None:
    assert all(isinstance(value, float) for value in samples(text, "depth").values())
    assert shown(text).isprintable() or not shown(text)
    assert len(shown(text)) <= 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-12-01T13:00:00.5+01:00", "2025-12-01 12:00:00.500000+00:00"),
        ("2025-12-01T12:00:00Z", "2025-12-01 12:00:00+00:00"),
        ("0001-01-01T00:00:00+05:00", "None"),
        ("9999-12-31T23:59:59-05:00", "None"),
        ("2025-12-01T12:00:00", "None"),
        ("soon", "None"),
        (None, "None"),
        (5, "None"),
    ],
)
def test_moments(text: object, expected: str) -> None:
    assert str(moment(text)) == expected
