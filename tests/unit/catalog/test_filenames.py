"""File names for any names: portable, distinct, and dependent on other names only where they collide."""

import re
import unicodedata
from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kubernaut_client.catalog.filenames import STEM_LIMIT, safe_names

PORTABLE = re.compile(r"[a-z0-9][a-z0-9._~-]*")
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(10))}
# Names that are troublesome somewhere, mixed with any others.
HOSTILE = [
    "", ".", "..", "../../etc/passwd", "/etc/passwd", "a/b", "a\\b", "C:\\x", "c:x", "a\0b", "\x1b[31mred", "a\nb",
    "a\x7f", "\x85", "\u2028", "\u202egnp.exe", ".hidden", "-rf", "~", "~root", "a.", "a ", " a", "a..b", "...", "con",
    "CON", "nul.txt", "Nul.tar.gz", "com1", "COM¹", "lpt9.json", "aux .x", "a.json", "a.yaml", "a.JSON", "a", "A",
    "\uff41", "é", "e\u0301", "É", "ß", "ss", "\u017f", "s", "\ufb01", "fi", "\u212a", "k", "İ", "i", "重启", "🙂",
    "\ud800", "a~b", "a*b?", "x" * 120, "x" * 121, "x" * 255, "🙂" * 255, "%2e%2e", "desktop.ini", "$HOME", "`id`",
    "a'b\"c", "a;b|c",
]  # fmt: skip
NAMES = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=255), st.text(alphabet="aAäÄ.-_/~ \u0308", max_size=4))


def digest(name: str, digits: int = 10) -> str:
    return sha256(name.encode()).hexdigest()[:digits]


def is_portable(name: str) -> bool:
    return bool(PORTABLE.fullmatch(name)) and not name.endswith(".") and name.split(".")[0] not in DEVICES


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "0",
        "restart-pod",
        "restart_pod.v2",
        "1.0.0",
        "1.0.0-rc.1",
        "a..b",
        "a-",
        "x" * STEM_LIMIT,
        "com",
        "console",
    ],
)
def test_a_plain_name_is_its_own_file_name(name: str) -> None:
    assert safe_names([name]) == {name: name}


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("../../etc/passwd", "etc_passwd"),
        ("/", "x"),
        ("..", "x"),
        ("", "x"),
        ("a\\b", "a_b"),
        ("a\0b", "a_b"),
        ("\x1b[31mred", "31mred"),
        ("two\nlines", "two_lines"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("dot.", "dot"),
        ("space ", "space"),
        ("CON", "con_"),
        ("con", "con_"),
        ("nul.tar.gz", "nul_tar.gz"),
        ("COM¹", "com1_"),
        ("Restart-Pod", "restart-pod"),
        ("Überlauf", "uberlauf"),
        ("重启 pod", "pod"),
        ("a.json", "a.json"),
        ("A~b", "a_b"),
        ("1.0.0+Build", "1.0.0_build"),
        ("x" * 255, "x" * STEM_LIMIT),
        ("🙂" * 255, "x"),
        ("é" * 255, "e" * STEM_LIMIT),
    ],
)
def test_any_other_name_keeps_what_is_readable_and_gets_a_hash(name: str, stem: str) -> None:
    assert safe_names([name]) == {name: f"{stem}~{digest(name)}"}


@pytest.mark.parametrize(
    "names",
    [["pod", "Pod"], ["pod", "POD", "pOd"], ["k", "\u212a"], ["fi", "\ufb01"], ["a", "\uff41"], ["ss", "ß"]],
    ids=ascii,
)
def test_names_that_a_file_system_may_take_for_one_all_get_the_hash(names: list[str]) -> None:
    plain = names[0]
    assert safe_names([plain])[plain] == plain
    assert safe_names(names) == {name: f"{plain}~{digest(name)}" for name in names}


def test_both_forms_of_an_accent() -> None:
    names = [unicodedata.normalize(form, "é") for form in ("NFC", "NFD")]
    assert safe_names(names) == {name: f"e~{digest(name)}" for name in names}


def test_names_that_share_even_the_short_hash_get_the_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two texts that share ten digits take long to find; among these some share the first one, and some don't.
    monkeypatch.setattr("kubernaut_client.catalog.filenames._DIGITS", 1)
    names = list("!$%&()*+,;=@[]{}")
    first = Counter(digest(name, 1) for name in names)
    assert {count > 1 for count in first.values()} == {True, False}
    for name, file in safe_names(names).items():
        assert file == f"x~{digest(name, 64 if first[digest(name, 1)] > 1 else 1)}"
        assert safe_names([name]) == {name: f"x~{digest(name, 1)}"}


def test_nobody_can_choose_another_ones_file_name() -> None:
    taken = safe_names(["Pod"])["Pod"]
    files = safe_names(["Pod", taken, taken.replace("~", "-")])
    assert files["Pod"] == taken
    assert len(set(files.values())) == 3


def test_a_directory_never_has_the_name_of_a_file() -> None:
    """Of `a`, the export writes the file `a.json`; the directory of a workflow `a.json` must be another."""
    names = ["a", "a.json", "a.yaml", "a.json.json"]
    files = safe_names(names)
    assert not {f"{file}{suffix}" for file in files.values() for suffix in (".json", ".yaml")} & set(files.values())


def test_order_and_repetition() -> None:
    assert list(safe_names(["b", "a", "b"])) == ["b", "a"]
    assert safe_names([]) == {}


@given(st.lists(NAMES, max_size=30))
@example(HOSTILE)
def test_file_names_are_portable_and_distinct(names: list[str]) -> None:
    files = safe_names(names)
    assert list(files) == list(dict.fromkeys(names))
    for file in files.values():
        assert is_portable(file)
        assert len(f"{file}.json".encode()) <= 255
    as_file_systems_see_them = {unicodedata.normalize("NFC", file).casefold() for file in files.values()}
    assert len(as_file_systems_see_them) == len(files)
    assert not {f"{file}.json" for file in files.values()} & set(files.values())


@given(st.lists(NAMES, max_size=20), st.lists(NAMES, max_size=20))
@example(HOSTILE, HOSTILE[::-1])
def test_a_file_name_depends_on_other_names_only_if_they_collide(names: list[str], others: list[str]) -> None:
    alone, together = safe_names(names), safe_names([*others, *names])
    for name in names:
        if together[name] != alone[name]:
            assert alone[name] == name
            same = unicodedata.normalize("NFKC", name).casefold()
            assert any(
                other != name and unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", other).casefold()) == same
                for other in others
            )
