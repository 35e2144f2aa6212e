"""`workflows search` against the emulator: what is found and why, with which options, and wrong input."""

import json
from typing import Any

import pytest

from kubernaut_client.emulator import Emulator
from tests.integration.workflow_documents import store
from tests.unit.cli.tools import Ran, call, in_terminal
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

LABELS: dict[str, str] = workflow()["labels"]
MANDATORY = [word for name, value in LABELS.items() for word in (f"--{name.replace('_', '-')}", value)]
ASKED = ("--detected", "gitopsmanaged", "--detected", "gitOpsTool=argocd", "--label", "team=a", "--label", "team=b")


def search(emulator: Emulator, *arguments: str) -> Ran:
    return call("workflows", "search", "--url", emulator.url, *MANDATORY, *arguments)


@pytest.fixture
def stored(emulator: Emulator) -> Emulator:
    everything = {"gitOpsManaged": True, "gitOpsTool": "argocd"}
    wild = {**LABELS, "component": "*"}
    store(
        emulator,
        workflow("plain"),
        workflow("wild", labels=wild, custom_labels={"team": ["*"]}),
        workflow("both", detected_labels=everything, custom_labels={"team": ["a"]}),
        workflow("elsewhere", labels={**LABELS, "environment": "staging"}),
    )
    emulator.clear_requests()
    return emulator


def test_what_matched_and_what_not(stored: Emulator) -> None:
    ran = search(stored, *ASKED)
    assert (ran.code, ran.stderr) == (0, "")
    ids = {row["workflow_name"]: str(row["workflow_id"]) for row in stored.rows("remediation_workflow_catalog")}
    assert [line.split(maxsplit=4) for line in ran.stdout.splitlines()] == [
        ["RANK", "WORKFLOW", "SCORE", "ID", "MATCHED"],
        ["1", "both@1.0.0", "0.525", ids["both"], "gitOpsManaged, gitOpsTool=argocd, team=a, not team=b"],
        [
            "2",
            "wild@1.0.0",
            "0.486",
            ids["wild"],
            "component *, team=a (by *), team=b (by *), not gitOpsManaged, not gitOpsTool=argocd",
        ],
        ["3", "plain@1.0.0", "0.480", ids["plain"], "not gitOpsManaged, not gitOpsTool=argocd, not team=a, not team=b"],
    ]


def test_the_document(stored: Emulator) -> None:
    document = search(stored, *ASKED, "--top", "1", "-ojson").document
    (found,) = document["results"]
    assert found == {
        "rank": 1,
        "workflow_id": found["workflow_id"],
        "workflow_name": "both",
        "version": "1.0.0",
        "status": "active",
        "title": workflow("both")["name"],
        "final_score": 0.525,
        "label_boost": 0.25,
        "label_penalty": 0,
        "container_image": None,
        "container_digest": None,
        "matched": ["gitOpsManaged", "gitOpsTool=argocd", "team=a"],
        "missing": ["team=b"],
    }


def test_every_option_is_sent(stored: Emulator) -> None:
    options = ("--top", "3", "--min-score", "0.1", "--include-disabled", "--remediation-id", "rr-1")
    assert search(stored, *ASKED, *options).code == 0
    (sent,) = [each for each in stored.requests if each.method == "POST"]
    assert json.loads(sent.body) == {
        "filters": {
            **LABELS,
            "custom_labels": {"team": ["a", "b"]},
            "detected_labels": {"gitOpsManaged": True, "gitOpsTool": "argocd"},
        },
        "top_k": 3,
        "min_score": 0.1,
        "include_disabled": True,
        "remediation_id": "rr-1",
    }


def test_disabled_ones(stored: Emulator) -> None:
    call("workflows", "disable", "plain", "--url", stored.url)
    assert "plain@" not in search(stored).stdout
    rows = [line.split()[1:4:2] for line in search(stored, "--include-disabled").stdout.splitlines()]
    assert ["plain@1.0.0", "disabled"] in rows
    assert ["both@1.0.0", "active"] in rows


def test_nothing_is_found(stored: Emulator) -> None:
    ran = search(stored, "--min-score", "0.6")
    assert (ran.code, ran.stdout) == (0, "")
    assert ran.stderr == "nothing matches\nno score is above 0.539 without --label: see --min-score\n"
    assert search(stored, "--min-score", "0.6", "--label", "x=y").stderr == "nothing matches\n"
    assert search(stored, "--min-score", "0.6", "-ojson").document["results"] == []


def test_a_row_that_can_not_be_read(stored: Emulator) -> None:
    fault: dict[str, Any] = {"status": 500, "body": {"type": "x/internal-error", "title": "No"}}
    stored.fault("getWorkflowByID", **fault)
    ran = search(stored, *ASKED, "-ojson")
    document = ran.document
    assert (ran.code, document["error"]["type"]) == (1, "InternalServerError")
    assert [each["workflow_name"] for each in document["results"]] == [None, "wild", "plain"]
    assert document["results"][0]["title"] == workflow("both")["name"]
    assert document["results"][0]["matched"] == ["gitOpsManaged", "gitOpsTool=argocd", "team=a"]
    stored.fault("getWorkflowByID", **fault)
    ran = search(stored)
    assert ran.code == 1
    assert len(ran.stdout.splitlines()) == 4


def test_nobody_is_asked_again_and_again(stored: Emulator) -> None:
    stored.fault("getWorkflowByID", stall=True, count=None)
    ran = search(stored, "--timeout", "0.3", "--attempts", "1", "-ojson")
    assert (ran.code, ran.document["error"]["type"]) == (4, "RequestTimeoutError")
    assert [each["workflow_name"] for each in ran.document["results"]] == [None] * 3
    assert len([each for each in stored.requests if each.method == "GET" and "/workflows/" in each.path]) == 1


@pytest.mark.parametrize("columns", [40, 80, 160])
def test_on_a_terminal(stored: Emulator, columns: int) -> None:
    arguments = ("workflows", "search", "--url", stored.url, *MANDATORY, *ASKED)
    ran = in_terminal(*arguments, columns=columns, env={"NO_COLOR": "1"})
    assert ran.code == 0
    assert all(len(line) <= columns for line in ran.stdout.splitlines())
    assert ("MATCHED" in ran.stdout, " ID " in ran.stdout) == (columns >= 60, columns >= 120)
    assert "1     both@1.0.0" in ran.stdout


@pytest.mark.parametrize("columns", [120, 121, 160])
def test_an_id_is_never_cut(stored: Emulator, columns: int) -> None:
    asked = (*ASKED, "--detected", "stateful", "--detected", "pdbProtected", "--label", "owner=the-platform-team")
    arguments = ("workflows", "search", "--url", stored.url, *MANDATORY, *asked, "--include-disabled")
    ids = {each["workflow_id"] for each in call(*arguments, "-ojson").document["results"]}
    shown = in_terminal(*arguments, columns=columns, env={"NO_COLOR": "1"}).stdout
    assert len(ids) == 3
    assert all(each in shown for each in ids)
    assert all(len(line) <= columns for line in shown.splitlines())


def test_hostile_words_of_the_service(emulator: Emulator) -> None:
    evil = "\x1b]0;owned\x07\r\n\u202e"
    store(emulator, workflow(evil))
    shown = in_terminal("workflows", "search", "--url", emulator.url, *MANDATORY, columns=200, env={"NO_COLOR": "1"})
    assert shown.code == 0
    assert shown.stdout.replace("\n", "").isprintable()
    assert len(shown.stdout.splitlines()) == 2
    emulator.fault("getWorkflowByID", status=500, body={"type": "x/internal-error", "title": evil})
    shown = in_terminal("workflows", "search", "--url", emulator.url, *MANDATORY, columns=200, env={"NO_COLOR": "1"})
    assert shown.code == 1
    assert shown.stdout.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--detected", "foo"), "'foo' is none of gitOpsManaged"),
        (("--detected", "gitOpsTool"), "gitOpsTool must be one of argocd, flux, *"),
        (("--detected", "serviceMesh=envoy"), "serviceMesh must be one of istio, linkerd, *"),
        (("--detected", "stateful=false"), "can be asked for only as true"),
        (("--label", "team"), "'team' is not KEY=VALUE"),
        (("--label", "=x"), "'=x' is not KEY=VALUE"),
        (("--label", 'team=a"b'), "--label team: must not contain a double quote"),
        (("--label", 'a: b=x"'), "--label a: b: must not contain a double quote"),
        (("--top", "101"), "Invalid value for '--top'"),
        (("--top", "0"), "Invalid value for '--top'"),
        (("--min-score", "1.1"), "Invalid value for '--min-score'"),
        (("--min-score", "nan"), "Invalid value for '--min-score': nan is not a finite number"),
        (("--component", ""), "--component: must not be empty"),
        (("--priority", "*"), "Invalid value for '--priority'"),
        (("--priority", "P9"), "Invalid value for '--priority': 'P9' is not one of 'P0', 'P1', 'P2', 'P3'"),
        (("--severity", "urgent"), "Invalid value for '--severity'"),
        (("--remediation-id", "x" * 256), "--remediation-id: must"),
        (("--remediation-id", ""), "--remediation-id: must"),
        (("--no-such-option",), "No such option"),
    ],
)
def test_wrong_input(emulator: Emulator, arguments: tuple[str, ...], words: str) -> None:
    ran = search(emulator, *arguments)
    assert (ran.code, ran.stdout) == (2, "")
    assert words in ran.stderr
    assert "(see 'kubernaut-client workflows search --help')" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert emulator.requests == ()


def test_all_five_are_needed() -> None:
    for place in range(0, len(MANDATORY), 2):
        arguments = [*MANDATORY[:place], *MANDATORY[place + 2 :]]
        ran = call("workflows", "search", "--url", "http://localhost:1", *arguments)
        assert ran.code == 2
        assert f"Missing option '{MANDATORY[place]}'" in ran.stderr


def test_labels_with_an_equals_sign_and_in_any_case(stored: Emulator) -> None:
    assert search(stored, "--label", "a=b=c", "--detected", "GITOPSTOOL=*", "--priority", "p0").code == 0
    (sent,) = [each for each in stored.requests if each.method == "POST"]
    assert json.loads(sent.body)["filters"]["custom_labels"] == {"a": ["b=c"]}
    assert json.loads(sent.body)["filters"]["detected_labels"] == {"gitOpsTool": "*"}
    assert json.loads(sent.body)["filters"]["priority"] == "P0"
