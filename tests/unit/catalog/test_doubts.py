"""Warnings about a catalog: misspelt members, placeholders, names that can't be seen, copies, links out of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kubernaut_client import CatalogError
from kubernaut_client.catalog import load
from tests.unit.catalog.files import GOOD, good, payload, report, write

NAME = "kubernaut.io/display-name"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def warnings(*paths: str) -> list[str]:
    return [str(warning) for warning in load(*paths).warnings]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("execution:", "excution:", "a.yaml:14:1: excution: is not read: did you mean execution?"),
        ("  bundle:", "  bundel:", "a.yaml:16:3: execution.bundel: is not read: did you mean bundle?"),
        ("  engine:", "  Engine:", "a.yaml:15:3: execution.Engine: is not read: did you mean engine?"),
        ("  workflow_id:", "  workflowId:", "a.yaml:4:3: metadata.workflowId: is not read: did you mean workflow_id?"),
        ("    required:", "    requird:", "a.yaml:20:5: parameters[0].requird: is not read: did you mean required?"),
        ("parameters:", "paramters:", "a.yaml:17:1: paramters: is not read: did you mean parameters?"),
    ],
)
def test_a_misspelt_member_is_one_problem(here: Path, old: str, new: str, line: str) -> None:
    write(here, {"a.yaml": good((old, new))})
    assert report("a.yaml") == [line]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "labels:",
            "spec: {}\nlabels:",
            "a.yaml:7:1: spec: is not read: it is kept in the content and used by nothing",
        ),
        (
            "  component: pod",
            "  component: pod\n  team: payments",
            "a.yaml:14:3: labels.team: is not read: it is kept in the content and used by nothing",
        ),
        (
            "  component: pod",
            "  component: pod\n  busines_category: x",
            "a.yaml:14:3: labels.busines_category: is not read: did you mean business_category?",
        ),
        (
            "labels:",
            f"  annotations:\n    {NAME[:-2]}e: x\nlabels:",
            f"a.yaml:8:5: metadata.annotations.{NAME[:-2]}e: is not read: did you mean {NAME}?",
        ),
    ],
)
def test_a_member_that_nothing_reads_is_a_warning(here: Path, old: str, new: str, line: str) -> None:
    write(here, {"a.yaml": good((old, new))})
    assert warnings("a.yaml") == [line]


def test_annotations_of_other_programs_are_no_warning(here: Path) -> None:
    write(here, {"a.yaml": good(("labels:", "  annotations:\n    example.com/owner: team\nlabels:"))})
    assert warnings("a.yaml") == []


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('"1.0.0"', "CHANGEME", "metadata.version"),
        ("Restarts a pod.", '"TODO: say what it does"', "metadata.description"),
        ("registry.example.com/restart-pod:v1", "registry.example.com/<your-image>:v1", "execution.bundle"),
        ("registry.example.com/restart-pod:v1", "${REGISTRY}/restart-pod:v1", "execution.bundle"),
        ("component: pod", 'component: "{{ .Values.component }}"', "labels.component"),
    ],
)
def test_a_placeholder_is_a_warning(here: Path, old: str, new: str, field: str) -> None:
    write(here, {"a.yaml": good((old, new))})
    (line,) = [line for line in warnings("a.yaml") if "looks like a placeholder" in line]
    assert f": {field}: " in line


@pytest.mark.parametrize("member", ["workflow_name", "version", "name"])
@pytest.mark.parametrize("text", ["   ", " a", "a\u200b", "\u202ea", "a\x07", "a\u00a0b", "\ufeffa"])
def test_a_name_that_can_not_be_seen_is_a_warning(here: Path, member: str, text: str) -> None:
    document = json.loads(payload())
    write(here, {"a.json": json.dumps({**document, member: text})})
    found = [line for line in warnings("a.json") if "names that look alike" in line]
    assert [line.split(": ")[1] for line in found] == [member]
    assert all(line.isprintable() for line in found)


def test_names_in_any_script_are_no_warning(here: Path) -> None:
    document = json.loads(payload())
    write(here, {"a.json": json.dumps({**document, "workflow_name": "再起動-pod", "name": "Neustart für Ä"})})
    assert warnings("a.json") == []


def test_identical_files_are_named(here: Path) -> None:
    write(here, {"a.yaml": GOOD, "b.yaml": GOOD, "c.yaml": GOOD})
    assert len(load(".")) == 1
    assert warnings(".") == [
        f"./{name}.yaml:5:3: metadata.version: restart-pod 1.0.0 is the same as in ./a.yaml:1 and counts once: "
        "remove one of them"
        for name in "bc"
    ]


def test_a_file_that_is_given_twice_is_no_copy(here: Path) -> None:
    write(here, {"d/a.yaml": GOOD})
    assert warnings("d", "d/a.yaml", str(here / "d")) == []


def test_links_out_of_the_tree_are_named_and_not_followed(here: Path) -> None:
    write(here, {"c/a.yaml": GOOD, "other/b.yaml": good(("restart-pod", "other"))})
    (here / "c/root").symlink_to("/")
    (here / "c/other").symlink_to("../other")
    (here / "c/b.yaml").symlink_to("../other/b.yaml")
    (here / "c/notes").symlink_to("../other/b.yaml")
    (here / "c/inside.yaml").symlink_to("a.yaml")
    assert load("c").names == ("restart-pod",)
    assert [line.partition(": ")[0] for line in warnings("c")] == ["c/b.yaml", "c/other", "c/root"]
    assert all("is a symbolic link out of the directory and is not followed" in line for line in warnings("c"))


def test_a_tree_that_is_itself_a_link_is_read(here: Path) -> None:
    write(here, {"other/b.yaml": GOOD})
    (here / "c").symlink_to("other")
    assert load("c").names == ("restart-pod",)


def test_a_stream_may_be_larger_than_a_document(here: Path) -> None:
    filler = "# " + "x" * 400_000 + "\n"
    names = [f"w{number}" for number in range(4)]
    write(here, {"a.yaml": "---\n".join(filler + good(("restart-pod", name)) for name in names)})
    assert load("a.yaml").names == tuple(names)


def test_a_content_file_that_is_missing_is_one_problem(here: Path) -> None:
    write(here, {"a.json": '{"content_file": "gone.yaml"}'})
    assert report("a.json") == ["a.json:1:2: content_file: 'gone.yaml' does not exist"]


@pytest.mark.parametrize("variables", [{}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_a_content_file_may_have_any_name_in_any_locale(here: Path, variables: dict[str, str]) -> None:
    write(here, {"a.json": '{"content_file": "(…) ö.yaml"}', "(…) ö.yaml": GOOD})
    program = "from kubernaut_client.catalog import load; print(load('a.json', '.').names)"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("('restart-pod',)\n", "")


def test_a_content_file_whose_name_no_file_can_have(here: Path) -> None:
    write(here, {"a.json": '{"content_file": "\\ud800"}'})
    assert report("a.json") == [
        "a.json:1:2: content_file: must be a path relative to this file, not '\\ud800'",
    ]


@pytest.mark.parametrize("blank", ["\u00a0", "\u2003", "\u202f", "\u3000"])
@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("workflow_id: ", "workflow_id:{}", "4:15"),
        ("  version: ", "{} version: ", "5:1"),
        ("  - name: ", "  -{}name: ", "18:4"),
    ],
)
def test_a_blank_that_yaml_takes_for_a_letter_is_named(here: Path, blank: str, old: str, new: str, place: str) -> None:
    write(here, {"a.yaml": good((old, new.format(blank)))})
    first = report("a.yaml")[0]
    assert first == f"a.yaml:{place}: is not YAML: U+{ord(blank):04X} is no blank here: use a space"


def test_very_many_problems_are_counted_and_not_all_listed(here: Path) -> None:
    write(here, {"a.yaml": good() + "".join(f"  - {number}\n" for number in range(3000))})
    with pytest.raises(CatalogError) as caught:
        load("a.yaml")
    assert len(caught.value.errors) == 1000
    assert str(caught.value).startswith("3000 problems, the first 1000 listed: a.yaml:22:5: parameters[1]: ")
