"""Rewriting metadata.version: the one scalar changes, every other byte stays."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_client import CatalogError, InvalidRequestError
from kubernaut_client.catalog.versions import json_text, with_version

DOCUMENT = """\
# Who wrote this wants to keep it.
apiVersion: kubernaut.io/v1alpha1
kind: WorkflowSchema   # a comment
metadata:
  workflow_id: restart-pod
  version: {}  # bump me
  description: "version: 1.0.0, \\u00fc and ü 🙂"
labels:
  version: 1.0.0
parameters:
- name: version
  type: string
"""


def changed(old: str, version: str) -> str:
    """How the version is written after the change of a document that wrote it as `old`; the rest must be the same."""
    before, after = DOCUMENT.format("\0").split("\0")
    text = with_version(DOCUMENT.format(old), version)
    assert text.startswith(before)
    assert text.endswith(after)
    assert yaml.safe_load(text)["metadata"]["version"] == version
    return text[len(before) : len(text) - len(after)]


@pytest.mark.parametrize(
    ("old", "version", "new"),
    [
        ('"1.0.0"', "1.1.0", '"1.1.0"'),
        ("'1.0.0'", "1.1.0", "'1.1.0'"),
        ("'1.0.0'", "it's", "'it''s'"),
        ("1.0.0", "1.1.0", "1.1.0"),
        ("1.0.0", "v1.1.0-rc.1+build", "v1.1.0-rc.1+build"),
        ("1.0.0", "1.10", '"1.10"'),
        ("1.0.0", "2", '"2"'),
        ("1.0.0", "1e3", '"1e3"'),
        ("1.0.0", "2026-01-31", '"2026-01-31"'),
        ("1.0.0", "yes", '"yes"'),
        ("1.0.0", "null", '"null"'),
        ("1.0.0", "a: b # c", '"a: b # c"'),
        ("1.0.0", " ", '" "'),
        ("1.0", "1.1", '"1.1"'),
        ("1", "1.1.0", "1.1.0"),
        ("true", "1.1.0", "1.1.0"),
        ("2026-01-31", "1.1.0", "1.1.0"),
        ("!!str 1.0", "1.1", '!!str "1.1"'),
        ("&anchor 1.0.0", "1.1.0", "&anchor 1.1.0"),
        ('&anchor !!str "1.0.0"', "1.1.0", '&anchor !!str "1.1.0"'),
        ('"1.0.0"', 'a"b\\c', r'"a\"b\\c"'),
        ('"1.0.0"', "a\n\x1b\x85\u2028\ufeff", r'"a\n\u001b\u0085\u2028\ufeff"'),
        ("'1.0.0'", "a\tb", r'"a\tb"'),
        ("'1.0.0'", "ü🙂", '"ü🙂"'),
        ('"1.\\\n    0.0"', "1.1.0", '"1.1.0"'),
        ("1.0\n    beta", "1.1.0", "1.1.0"),
    ],
    ids=ascii,
)  # fmt: skip
def test_the_version_is_written_as_before_where_it_can_be(old: str, version: str, new: str) -> None:
    assert changed(old, version) == new


@pytest.mark.parametrize("style", ["|", "|-", ">", ">-\n    # no comment but text"])
def test_a_block(style: str) -> None:
    before, after = "kind: WorkflowSchema\nmetadata:\n  version: ", "  other: x\n"
    assert with_version(f"{before}{style}\n    1.0.0\n{after}", "1.1.0") == f'{before}"1.1.0"\n{after}'


@pytest.mark.parametrize("start", ["", "---\n", "%YAML 1.1\n---\n", "\ufeff", "# x\n\n"], ids=ascii)
@pytest.mark.parametrize("end", ["", "\n", "\n...\n", "  # end", "\n\n\n"], ids=ascii)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=ascii)
def test_markers_and_line_ends_stay(start: str, end: str, newline: str) -> None:
    text = f"{start}kind: WorkflowSchema\nmetadata: {{version: 1.0.0}}{end}".replace("\n", newline)
    assert with_version(text, "2.0.0") == text.replace("1.0.0", "2.0.0")


@pytest.mark.parametrize("indent", [None, 2, "\t", "\t\t"])
@pytest.mark.parametrize("version", ["1.1.0", 'a"b', "\x7f\u2028", "ü🙂"], ids=ascii)
def test_json(indent: Any, version: str) -> None:
    document = {
        "kind": "WorkflowSchema",
        "description": '\x7f\x85 \u2028 🙂 \t \\ / " 1.0.0',
        "metadata": {"version": "1.0.0", "a\tb": ["1.0.0"]},
    }
    for ascii_only in (True, False):
        text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
        after = with_version(text, version)
        assert after == text.replace('"version": "1.0.0"', f'"version": {json_text(version)}')
        assert json.loads(after) == document | {"metadata": {"version": version, "a\tb": ["1.0.0"]}}


@pytest.mark.parametrize(
    "content",
    [
        "", "plain text", "- a\n- b\n", "kind: WorkflowSchema", "kind: Other\nmetadata:\n  version: 1.0.0\n",
        "kind: WorkflowSchema\nmetadata: text\n", "kind: WorkflowSchema\nmetadata:\n  other: 1.0.0\n",
        "kind: WorkflowSchema\nmetadata:\n  version:\n", "kind: WorkflowSchema\nmetadata:\n  version: ~\n",
        "kind: WorkflowSchema\nmetadata:\n\tversion: 1.0.0\n", "kind: WorkflowSchema\nmetadata: {version: 1.0.0\n",
        "kind: WorkflowSchema\nmetadata:\n  version: 1.0.0\n---\nkind: WorkflowSchema\n",
        "kind: [WorkflowSchema]\nmetadata:\n  version: 1.0.0\n", "a: \0", 'a: "\\UFFFFFFFF"', "*a",
        "{" * 500, "[" * 500 + "]" * 500,
        '{"kind": "WorkflowSchema", "metadata": {"version": null}}', "\ud800",
    ],
    ids=lambda content: ascii(content[:200]),
)  # fmt: skip
def test_what_has_no_version_comes_back_as_it_is(content: str) -> None:
    assert with_version(content, "1.1.0") == content


def test_the_same_version_changes_nothing() -> None:
    for old in ("1.1.0", "'1.1.0'", '"1.1.0"', '"1.1\\u002e0"'):
        assert changed(old, "1.1.0") == old


def test_of_keys_given_twice_the_last_one_counts() -> None:
    text = "kind: WorkflowSchema\nmetadata:\n  version: 1.0.0\nmetadata:\n  version: a\n  version: {}\n"
    assert with_version(text.format("1.0.0"), "1.1.0") == text.format("1.1.0")


@pytest.mark.parametrize(
    "rest",
    [
        "x: &v 1.0.0\nmetadata:\n  version: *v\n",
        "metadata:\n  version: &v 1.0.0\nx: *v\n",
        "x: &m {version: 1.0.0}\nmetadata: *m\n",
        "x: &m {version: 1.0.0}\nmetadata:\n  <<: *m\n  other: 1\n",
        "x: &m {version: 1.0.0}\nmetadata:\n  <<: [*m]\n",
        "x: &m {metadata: {version: 1.0.0}}\n<<: *m\n",
        "metadata: &m {version: 1.0.0, x: *m}\n",
        "metadata: {version: [1.0.0]}\n",
        "metadata: {version: {a: b}}\n",
        "metadata: {version: !other 1.0.0}\n",
    ],
)
def test_what_cannot_be_changed_alone_is_refused(rest: str) -> None:
    with pytest.raises(CatalogError, match=r"^metadata\.version: [^\n]+$"):
        with_version(f"kind: WorkflowSchema\n{rest}", "1.1.0")


@pytest.mark.timeout(10)
@pytest.mark.parametrize("metadata", ["&a {<<: *a}", "&a {<<: [*a, *a]}", "&a {<<: &b {<<: [*b, *a]}}"])
def test_a_mapping_that_is_merged_into_itself_comes_to_an_end(metadata: str) -> None:
    content = f"kind: WorkflowSchema\nmetadata: {metadata}\n"
    assert with_version(content, "1.1.0") == content


def test_an_anchor_elsewhere_does_no_harm() -> None:
    text = "kind: WorkflowSchema\nx: &x [a]\ny: [*x, *x]\nmetadata: {<<: {version: 0.1.0}, version: 1.0.0, x: *x}\n"
    assert with_version(text, "1.1.0") == text.replace("version: 1.0.0", "version: 1.1.0")


def test_aliases_are_not_expanded() -> None:
    layers = "\n".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 40))
    text = f"l0: &l0 [x]\n{layers}\nkind: WorkflowSchema\nmetadata:\n  <<: [{{a: 1}}]\n  version: 1.0.0\n"
    assert with_version(text, "1.1.0") == text.replace("1.0.0", "1.1.0")


@pytest.mark.parametrize("version", ["", "x" * 51, "a\0b", "\ud800", 1.0, None])
def test_a_bad_version(version: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^version: "):
        with_version(DOCUMENT.format("1.0.0"), version)


@given(
    st.sampled_from(["1.0.0", "'1.0.0'", '"1.0.0"', "1.0"]),
    st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=50),
)
def test_any_version(old: str, version: str) -> None:
    changed(old, version)
    text = json.dumps({"kind": "WorkflowSchema", "metadata": {"version": old}, "x": old}, ensure_ascii=False)
    assert json.loads(with_version(text, version))["metadata"] == {"version": version}


@given(st.text(max_size=200))
def test_any_content(content: str) -> None:
    for text in (content, f"kind: WorkflowSchema\nmetadata:\n  version: {content}"):
        try:
            after = with_version(text, "1.1.0")
        except CatalogError:
            continue
        if after != text:
            assert yaml.safe_load(after)["metadata"]["version"] == "1.1.0"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_text_is_the_same_in_json_and_yaml(value: Any) -> None:
    text = json_text(value)
    assert json.loads(text) == value
    assert text.isprintable() or not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text)
    if "{" not in text:  # YAML limits the keys of a mapping
        assert yaml.safe_load(json_text(value)) == value
