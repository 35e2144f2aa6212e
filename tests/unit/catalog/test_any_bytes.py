"""Whatever a file holds, loading it gives a catalog or a `CatalogError` with lines, and nothing else."""

import io
import json
import random
import time
import tracemalloc
from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kubernaut_client import CatalogError
from kubernaut_client.catalog import Catalog, load, yamltext
from kubernaut_client.catalog.jsontext import read_json
from kubernaut_client.catalog.text import Text, Timestamp, Unreadable, decode
from kubernaut_client.catalog.yamltext import read_yaml
from kubernaut_client.limits import REMEDIATION_WORKFLOW
from tests.unit.catalog.files import GOOD, PAYLOAD

SEEDS = [text.encode() for text in (GOOD, PAYLOAD, f"{GOOD}---\n{GOOD}", f"[{PAYLOAD},{PAYLOAD}]")]
# What means something to YAML or JSON, and what breaks it.
PIECES = [
    *(piece.encode() for piece in "- : , [ ] { } & * ! | > ' \" % @ # ? ~ << = --- ... .inf 1e9 0x 0b_ 1:2".split()),
    *(b"\n", b"\r", b"\t", b"\0", b"\x1b", b"\x85", b"\xc2\x85", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\xff", b"\\ud800"),
    *(b"!!int ", b"!!python/name:os ", b"&a ", b"*a", b"<<: *a", b"\n---\n", b"\n...\n", b"%YAML 1.1\n---\n", b"? "),
    *(b'"\\UFFFFFFFF"', b"2026-99-99", b"!<tag:x> ", b"!!null x", b"!!bool maybe", b"kind", b"content_file: a"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=8,
)
MEMBERS = [*json.loads(PAYLOAD), *REMEDIATION_WORKFLOW.optional, "content_file", "kind", "metadata", "status"]


def outcome(data: bytes) -> Catalog | CatalogError:
    """What comes of those bytes on standard input; anything but the two fails the test."""
    try:
        found = load("-", stdin=io.BytesIO(data))
    except CatalogError as refused:
        error = refused
    else:
        assert all(REMEDIATION_WORKFLOW.check(workflow) for workflow in found)
        return found
    assert error.errors
    assert str(error).isprintable()
    for problem in error.errors:
        assert str(problem).isprintable()
        assert problem.reason
        assert problem.line is None or problem.line >= 1
        assert problem.column is None or problem.column >= 1
    return error


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The data with a few bytes cut, doubled, or replaced by a piece."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice([0, 0, 1, 1, 5, 40]))
        new = chance.choice([b"", data[start:end] * 2, chance.choice(PIECES), chance.randbytes(chance.randint(1, 3))])
        data = data[:start] + new + data[end:]
    return data


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    outcome(data)


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5).map(str.encode), max_size=30))
def test_any_pieces(pieces: list[bytes]) -> None:
    outcome(b"".join(pieces))


@given(st.dictionaries(st.sampled_from(MEMBERS) | st.text(max_size=5), JSON, max_size=8))
def test_any_json(members: dict[str, object]) -> None:
    outcome(json.dumps({**json.loads(PAYLOAD), **members}).encode())
    outcome(json.dumps(members, ensure_ascii=False).encode("utf-8", "surrogatepass"))


@given(st.recursive(JSON, lambda values: st.dictionaries(st.sampled_from(MEMBERS), values), max_leaves=5))
def test_any_yaml(value: object) -> None:
    document = yaml.safe_load(GOOD) | (value if isinstance(value, dict) else {"parameters": value})
    outcome(yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("parser", ["SafeLoader", "the default"])
@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_truncated_files(seed: int, parser: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if parser == "SafeLoader":
        monkeypatch.setattr(yamltext, "PARSER", yaml.SafeLoader)
    data = SEEDS[seed]
    kinds = {type(outcome(data[:length])) for length in range(0, len(data), 1 if data[:1] in b"[{" else 5)}
    assert kinds >= {CatalogError}
    assert isinstance(outcome(data), Catalog)


@pytest.mark.parametrize("parser", ["SafeLoader", "the default"])
@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_mutated_files(seed: int, parser: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if parser == "SafeLoader":
        monkeypatch.setattr(yamltext, "PARSER", yaml.SafeLoader)
    chance = random.Random(f"{seed} {parser}")
    kinds = {type(outcome(mutated(SEEDS[seed], chance))) for _ in range(150)}
    assert kinds == {Catalog, CatalogError}


@given(JSON)
def test_json_is_read_as_the_standard_library_reads_it(value: object) -> None:
    text = json.dumps({"a": value})
    reading = read_json(Text("a", text))
    if "NaN" in text or "Infinity" in text:
        return
    assert reading.problems == []
    assert reading.documents[0].value == json.loads(text)


@settings(max_examples=200)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5).map(str.encode), max_size=12))
def test_yaml_is_read_as_pyyaml_reads_it(pieces: list[bytes]) -> None:
    """What is taken without a problem has the value that PyYAML's own constructor gives, if it can give one."""
    try:
        text = decode("a", b"a: " + b"".join(pieces))
    except Unreadable:
        return
    reading = read_yaml(text)
    if reading.problems:
        return
    try:
        expected = list(yaml.load_all(text.text, yamltext.PARSER))
    except (yaml.constructor.ConstructorError, ValueError, OverflowError):
        return
    found = [document.value for document in reading.documents]
    if not any(isinstance(value, list) for value in expected):
        assert [plain(value) for value in found if value is not None] == [
            plain(value) for value in expected if value is not None
        ]


def plain(value: object) -> object:
    """A value in which dates are alike, 1 isn't true, and not-a-number is itself."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return "a date" if isinstance(value, date | Timestamp) else (type(value), repr(value))


LONG_KEY = "k" * 20_000


@pytest.mark.parametrize("parser", ["SafeLoader", "the default"])
@pytest.mark.parametrize(
    "data",
    [
        f'{{"workflow_name": "a", "parameters": {{"{LONG_KEY}": [{", ".join(["1"] * 3000)}]}}}}',
        f"workflow_name: a\nparameters:\n  ? {LONG_KEY}\n  : [{', '.join(['.nan'] * 3000)}]\n",
        f"workflow_name: a\ncustom_labels:\n  ? {LONG_KEY}\n  : [{', '.join(['1'] * 3000)}]\n",
        f"workflow_name: a\nparameters:\n  ? {LONG_KEY}\n  : [{', '.join(['2026-01-31'] * 3000)}]\n",
    ],
    ids=["json", "yaml", "labels", "dates"],
)
def test_a_long_key_is_not_kept_for_each_value_below_it(
    data: str, parser: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if parser == "SafeLoader":
        monkeypatch.setattr(yamltext, "PARSER", yaml.SafeLoader)
    tracemalloc.start()
    try:
        outcome(data.encode())
        assert tracemalloc.get_traced_memory()[1] < 30_000_000  # that many keys have 60 MB
    finally:
        tracemalloc.stop()


def test_a_key_of_dots_is_looked_up_quickly() -> None:
    """Each dot may be the end of a parent's path."""
    error = outcome(f'{{"workflow_name": "a", "{"." * 900_000}": 1}}'.encode())
    assert isinstance(error, CatalogError)
    assert any("is not a member" in problem.reason for problem in error.errors)


@pytest.mark.slow
def test_what_takes_long_elsewhere_is_quick(tmp_path: Path) -> None:
    """Each of these is as large as a file may be; CPU time is bounded generously, growth by squares wouldn't fit."""
    size = 2**20 - 100
    hard = [
        b"a: " + b"[" * size,
        b"a: " + b"{" * size,
        b"- " * (size // 2),
        b"? " * (size // 2),
        b"a: " + b"'" + b"x" * size,
        b"a: [" + b"x, " * (size // 3) + b"]",
        b"".join(b"k%d: v\n" % number for number in range(60_000)),
        b"a: &a x\nb: [" + b"*a, " * (size // 4) + b"]",
        b"a0: &a0 x\n" + b"\n".join(b"a%d: &a%d [*a%d]" % (n + 1, n + 1, n) for n in range(20_000)),
        b"a: |\n" + b" x\n" * (size // 3),
        b"&a " * (size // 3),
        b"--- a\n" * (size // 6),
        b"a: 1" + b":1" * (size // 2),
        b"a: 1" + b":1" * (size // 2 - 2) + b".0",
        GOOD.partition("parameters:")[0].encode() + b"parameters:\n" + b"- {}\n" * (size // 7),
        PAYLOAD[:-3].encode() + b"".join(b', "descripton%d": 1' % number for number in range(40_000)) + b"}",
    ]
    for number, data in enumerate(hard):
        path = tmp_path / f"{number}.yaml"
        path.write_bytes(data)
        started = time.process_time()
        with pytest.raises(CatalogError):
            load(path)
        assert time.process_time() - started < 60, data[:20]
